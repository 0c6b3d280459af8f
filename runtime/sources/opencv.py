"""What every source read through OpenCV shares: opening, decoding, closing."""

import os
import time
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_ocr.errors import SourceError
from runtime.frames import Frame

MAX_FPS = 480.0
"""Rates above this are nonsense that containers without a rate report."""


class OpenCvSource:
    """One `cv2.VideoCapture` and the number of its next frame. Not for several threads."""

    def __init__(self, spec: str) -> None:
        self._spec = spec
        self._capture: cv2.VideoCapture | None = None
        self._next_index = 0
        self._nominal_fps: float | None = None
        self.n_damaged = 0
        """Frames that could not be decoded since it was opened."""

    @property
    def nominal_fps(self) -> float | None:
        """Frames per second as the device, stream or file states it; None before it is open."""
        return self._nominal_fps

    def close(self) -> None:
        """Release the device, stream or file."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None

    def _open_capture(self, target: str | int, backend: int, parameters: Sequence[int] = ()) -> bool:
        """Open; False if OpenCV cannot."""
        self.close()
        try:
            capture = cv2.VideoCapture(target, backend, list(parameters))
        except cv2.error:
            return False
        if not capture.isOpened():
            capture.release()
            return False
        fps = float(capture.get(cv2.CAP_PROP_FPS))
        self._nominal_fps = fps if 0 < fps <= MAX_FPS else None
        self._capture = capture
        self._next_index = self.n_damaged = 0
        return True

    def _grab(self) -> bool:
        """Take the next frame in; False at the end, or when the source is gone."""
        if self._capture is None:
            raise SourceError(f"{self.description}: not open")
        try:
            return bool(self._capture.grab())
        except cv2.error:
            return False

    def _retrieve(self) -> NDArray[np.uint8] | None:
        """The picture of the frame that was grabbed, (H, W, 3) BGR; None if it cannot be decoded."""
        assert self._capture is not None
        try:
            is_good, image = self._capture.retrieve()
        except cv2.error:
            return None
        if not is_good or image is None or image.size == 0:
            return None
        if image.ndim == 2:
            image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
        return np.asarray(image, dtype=np.uint8)

    def _next_good_frame(self) -> Frame | None:
        """The next frame of a live source, damaged ones passed over; None when it gives no more."""
        while self._grab():
            ts, grabbed_s = time.time(), time.monotonic()
            index = self._next_index
            self._next_index += 1
            image = self._retrieve()
            if image is not None:
                return Frame(image, index, ts, arrival_s=time.monotonic(), decode_ms=ms_since(grabbed_s))
            self.n_damaged += 1
        return None

    @property
    def description(self) -> str:
        """What is read, for messages."""
        return self._spec


def silence() -> None:
    """Keep OpenCV and FFmpeg from writing to stderr: they print URLs with the password in them."""
    os.environ["OPENCV_FFMPEG_LOGLEVEL"] = "-8"  # AV_LOG_QUIET; read once, when FFmpeg is first used
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def talk() -> None:
    """Let FFmpeg tell on stderr why a stream does not open: in the process of a camera somebody listens to it."""
    os.environ["OPENCV_FFMPEG_LOGLEVEL"] = "24"  # AV_LOG_WARNING: an HTTP status is one
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)


def ms_since(started_s: float) -> float:
    """Milliseconds since a `time.monotonic()`."""
    return (time.monotonic() - started_s) * 1000
