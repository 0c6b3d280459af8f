"""A network camera: RTSP, or HTTP (MJPEG and the like), through FFmpeg. Runs in a process of its own."""

import ipaddress
import os
import ssl
import time
from pathlib import Path
from urllib.parse import urlsplit

import cv2

from runtime.frames import Frame
from runtime.redact import redact
from runtime.sources.faults import CameraError
from runtime.sources.opencv import OpenCvSource, ms_since, talk

OPEN_TIMEOUT_MS = 25_000
"""For the first two pictures too: a camera may give one every ten seconds."""
READ_TIMEOUT_MS = 60_000
"""For those who only read; `runtime.capture.thread` knows the camera's rate, and is faster."""
FFMPEG_OPTIONS = "rtsp_transport;tcp|flags;low_delay|fpsprobesize;0"
"""Over UDP a lost packet smears the picture. The others: the decoder holds nothing back, and opening does not wait for
20 frames to guess the rate. Not `fflags;nobuffer`: it throws away what FFmpeg looks at to know the stream, and the
first key frame with it, so that opening takes until the next one; with some cameras that is ten seconds."""
MAX_KEPT = 30
"""Frames that FFmpeg may have kept: for H.264 it looks at seven."""
USUAL_FPS = 25.0


class StreamSource(OpenCvSource):
    """A camera by its URL. The URL may hold a user and password; they are never shown.

    OpenCV scales the frames of a stream that changes its resolution to the one it had when it was opened.
    """

    is_live = True

    def __init__(self, spec: str, ca_file: Path | None = None) -> None:
        super().__init__(spec)
        self._ca_file = ca_file
        self._is_behind = False
        """Whether frames come that FFmpeg has kept from opening the stream."""
        self._n_kept = 0
        self._last: tuple[float, float] | None = None
        """Of the frame before: when we got it, and its time in the stream; seconds."""

    @property
    def description(self) -> str:
        """The URL without credentials."""
        return redact(self._spec)

    def open(self) -> None:
        """Connect and wait for the stream.

        Raises:
            CameraError: no answer in time, or no video at that address; FFmpeg tells more on stderr.
        """
        # OpenCV takes FFmpeg's options from the environment only.
        os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", FFMPEG_OPTIONS + self._tls_options())
        parameters = [
            *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, OPEN_TIMEOUT_MS),
            *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, READ_TIMEOUT_MS),
            *(cv2.CAP_PROP_N_THREADS, 1),  # every decoder thread holds one frame back
        ]
        started_s = time.monotonic()
        self._is_behind, self._n_kept, self._last = True, 0, None
        talk()
        if not self._open_capture(self._spec, cv2.CAP_FFMPEG, parameters):
            if ms_since(started_s) >= OPEN_TIMEOUT_MS:
                raise CameraError("timeout", f"{self.description}: no video within {OPEN_TIMEOUT_MS // 1000} s")
            raise CameraError("codec", f"{self.description}: connected, but no video that can be read; check the path")

    def read(self) -> Frame:
        """The next frame; a damaged one is passed over. `decode_ms` is only its conversion, see below.

        Raises:
            CameraError: the stream ended, or gave no frame in time.
        """
        started_s = time.monotonic()
        # FFmpeg waits for packets and decodes in one call, so the time of decoding cannot be told from the wait.
        frame = self._next_good_frame()
        # First: after a time-out FFmpeg gives out what its decoder still held, pictures from before the silence.
        if ms_since(started_s) >= READ_TIMEOUT_MS:
            raise CameraError("timeout", f"{self.description}: no frame within {READ_TIMEOUT_MS // 1000} s")
        if frame is not None:
            return frame
        raise CameraError("ended", f"{self.description}: the stream ended")

    def _grab(self) -> bool:
        """Take the next frame in, passing over those from before the stream was open: they are old, and look new."""
        while super()._grab():
            if not (self._is_behind and self._was_kept()):
                return True
        return False

    def _was_kept(self) -> bool:
        """Whether the frame is one that FFmpeg had: those come faster than time passes in the stream."""
        assert self._capture is not None
        now_s, position_s = time.monotonic(), self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3
        before, self._last = self._last, (now_s, position_s)
        self._n_kept += 1
        if before is not None:
            # The first two frames of H.264 have the same time, and some streams have none.
            gap_s = position_s - before[1] or 1 / (self.nominal_fps or USUAL_FPS)
            self._is_behind = now_s - before[0] < gap_s / 2 and self._n_kept < MAX_KEPT
        return self._is_behind

    def _tls_options(self) -> str:
        """What makes FFmpeg verify the camera's certificate, which it does not by itself.

        Raises:
            CameraError: there is nothing to verify it with.
        """
        parts = urlsplit(self._spec)
        if parts.scheme.lower() not in {"rtsps", "https"}:
            return ""
        trusted = self._ca_file or ssl.get_default_verify_paths().cafile
        # FFmpeg does not compare addresses with a certificate: with the system's issuers any certificate would do.
        if trusted is None or (self._ca_file is None and _is_address(parts.hostname or "")):
            raise CameraError("tls", f"{self.description}: name the camera's certificate or its issuer as `ca_file`")
        if not Path(trusted).is_file():
            raise CameraError("tls", f"{self.description}: ca_file {trusted}: no such file")
        return f"|tls_verify;1|ca_file;{trusted}"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
