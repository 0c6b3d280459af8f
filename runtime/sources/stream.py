"""A network camera: RTSP, or HTTP (MJPEG and the like), through FFmpeg."""

import os
import socket
import time
from urllib.parse import urlsplit

import cv2

from edge_ocr.errors import SourceError
from runtime.frames import Frame
from runtime.redact import redact
from runtime.sources.opencv import OpenCvSource, ms_since

CONNECT_TIMEOUT_S = 5.0
OPEN_TIMEOUT_MS = 10_000
READ_TIMEOUT_MS = 10_000
DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
FFMPEG_OPTIONS = "rtsp_transport;tcp"
"""Over UDP a lost packet smears the picture. Not `fflags;nobuffer`: the options hold for the whole process, and files
then lose their first frame; what FFmpeg buffers at the start is drained anyway, as nobody waits between reads."""


class StreamSource(OpenCvSource):
    """A camera by its URL. The URL may hold a user and password; they are never shown."""

    is_live = True

    @property
    def description(self) -> str:
        """The URL without credentials."""
        return redact(self._spec)

    def open(self) -> None:
        """Connect and wait for the stream.

        Raises:
            SourceError: no connection, no answer in time, or no video at that address.
        """
        self._check_port()
        # OpenCV takes FFmpeg's options from the environment only.
        os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", FFMPEG_OPTIONS)
        parameters = [
            *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, OPEN_TIMEOUT_MS),
            *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, READ_TIMEOUT_MS),
            *(cv2.CAP_PROP_N_THREADS, 1),  # every decoder thread holds one frame back
        ]
        started_s = time.monotonic()
        if not self._open_capture(self._spec, cv2.CAP_FFMPEG, parameters):
            if ms_since(started_s) >= OPEN_TIMEOUT_MS:
                raise SourceError(f"{self.description}: connected, but no video within {OPEN_TIMEOUT_MS // 1000} s")
            raise SourceError(
                f"{self.description}: connected, but no video there; check the path, the user and the password"
            )

    def read(self) -> Frame:
        """The next frame; a damaged one is passed over. `decode_ms` is only its conversion, see below.

        Raises:
            SourceError: the stream ended, or gave no frame in time.
        """
        started_s = time.monotonic()
        # FFmpeg waits for packets and decodes in one call, so the time of decoding cannot be told from the wait.
        frame = self._next_good_frame()
        if frame is not None:
            return frame
        if ms_since(started_s) >= READ_TIMEOUT_MS:
            raise SourceError(f"{self.description}: no frame within {READ_TIMEOUT_MS // 1000} s")
        raise SourceError(f"{self.description}: the stream ended")

    def _check_port(self) -> None:
        """Say why there is no connection, which OpenCV cannot.

        OpenCV also lets only one source of a process open at a time: without this, a dead camera would hold up others.
        """
        parts = urlsplit(self._spec)  # `kind_of` has seen that it can be split
        host, port = parts.hostname, parts.port or DEFAULT_PORTS[parts.scheme.lower()]
        try:
            with socket.create_connection((host, port), timeout=CONNECT_TIMEOUT_S) as connection:
                if parts.scheme.lower() == "rtsp":
                    connection.sendall(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")
                    connection.recv(4096)  # any answer will do; a camera that froze gives none
        except TimeoutError as error:
            raise SourceError(f"{self.description}: no answer within {CONNECT_TIMEOUT_S:.0f} s") from error
        except socket.gaierror as error:
            raise SourceError(f"{self.description}: the name {host} is not known") from error
        except OSError as error:
            reason = (error.strerror or "failed").lower()
            raise SourceError(f"{self.description}: no connection to port {port} ({reason})") from error
