"""A video file: every frame, as fast as it is read."""

import math
import time
from pathlib import Path

import cv2

from edge_ocr.errors import SourceError
from runtime.frames import Frame
from runtime.sources.faults import CameraError
from runtime.sources.opencv import OpenCvSource, ms_since, silence

WHOLE = 0.9
"""A file that ends before this part of what it states was cut short."""


class VideoSource(OpenCvSource):
    """A file that FFmpeg can read. Capture times run from the moment of opening by the file's own clock."""

    is_live = False

    def __init__(self, spec: str) -> None:
        super().__init__(spec)
        self._opened_ts = 0.0
        self._media_s = 0.0
        self._n_missing = 0

    def open(self) -> None:
        """Open the file.

        Raises:
            SourceError: it is missing, unreadable, or not a video.
        """
        path = Path(self._spec)
        if not path.exists():
            raise SourceError(f"{path}: no such file; name a video, a folder of images, a camera or a URL")
        if not path.is_file():
            raise SourceError(f"{path}: not a file; a camera is named by its number or /dev/videoN")
        try:
            path.open("rb").close()
        except OSError as error:
            raise SourceError(f"{path}: cannot be read ({error.strerror})") from error
        silence()
        if not self._open_capture(str(path.absolute()), cv2.CAP_FFMPEG):
            raise SourceError(f"{path}: not a video that can be read; copy it again or convert it to H.264 in MP4")
        self._opened_ts = time.time()
        self._media_s = 0.0
        self._n_missing = 0

    def read(self) -> Frame | None:
        """The next frame; None at the end of the file.

        Raises:
            SourceError: the file holds no picture at all.
            CameraError: it ended, but not where it says that it ends.
        """
        started_s = time.monotonic()
        while self._grab():
            index = self._advance()
            image = self._retrieve()
            if image is not None:
                ts = self._opened_ts + self._media_s
                return Frame(image, index, ts, arrival_s=time.monotonic(), decode_ms=ms_since(started_s))
            self.n_damaged += 1
        if self._next_index == 0:
            raise SourceError(f"{self._spec}: holds no frame that can be decoded")
        self._check_whole()
        return None

    def skip(self) -> bool:
        """Pass over one frame without converting it; False at the end.

        Raises:
            CameraError: it ended, but not where it says that it ends.
        """
        if not self._grab():
            self._check_whole()
            return False
        self._advance()
        return True

    def losses(self) -> dict[str, int]:
        """Frames that could not be decoded, and those that a file which was cut short states but does not hold."""
        counts = {"damaged": self.n_damaged, "missing": self._n_missing}
        return {cause: n for cause, n in counts.items() if n}

    def _check_whole(self) -> None:
        assert self._capture is not None
        n_frames = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        # Containers estimate both the count and the rate; a file that is short by both is not whole.
        wanted_s = WHOLE * n_frames / (self._nominal_fps or math.inf)
        if self._next_index < WHOLE * n_frames and self._media_s < wanted_s:
            self._n_missing = n_frames - self._next_index
            where = f"ended after {self._next_index} of {n_frames} frames"
            raise CameraError("cut_short", f"{self._spec}: {where}; the file is not whole, copy it again")

    def _advance(self) -> int:
        assert self._capture is not None
        # Damaged files jump back; time does not.
        self._media_s = max(self._media_s, self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
        self._next_index += 1
        return self._next_index - 1
