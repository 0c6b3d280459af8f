"""Clips of plain frames, and a reader that knows how bright they are."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_ocr import Line, Page
from tests.runtime.test_appliance import FakeReader

CODECS = {".mp4": "mp4v", ".avi": "MJPG"}
SHOWN_FOR_A_WHILE = [0] * 3 + [255] * 12 + [0] * 15
"""Levels of a clip in which a `BrightReader` finds its text once."""
QUAD = np.array([[20, 20], [100, 20], [100, 50], [20, 50]], dtype=np.float32)


def write_clip(path: Path, levels: Sequence[int], *, fps: float, width: int = 160, height: int = 120) -> Path:
    """A clip with one frame per level of grey."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*CODECS[path.suffix]), fps, (width, height))
    for level in levels:
        writer.write(np.full((height, width, 3), level, dtype=np.uint8))
    writer.release()
    return path


class BrightReader(FakeReader):
    """Reads a text in bright frames."""

    def __init__(self, text: str = "HELLO", score: float = 0.9) -> None:
        super().__init__()
        self._line = Line(text, score, QUAD)

    def read(self, image: NDArray[np.uint8]) -> Page:
        lines = (self._line,) if image.mean() > 128 else ()
        return Page(image.shape[1], image.shape[0], lines, {"detect": 1.0, "recognize": 1.0, "total": 2.0})
