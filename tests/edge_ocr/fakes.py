"""Networks that give known outputs, drawn text and a small profile."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_ocr.engines import Arrays
from edge_ocr.profile import DeviceProfile

Image = NDArray[np.uint8]


class FakeNetwork:
    """A network at the boundary to the engine: what it was shown, and what it answers."""

    def __init__(self, answer: Callable[[Image], Arrays], n_classes: int | None = None) -> None:
        self.shown: list[Image] = []
        self.biases: list[NDArray[np.float32] | None] = []
        self.prepared: list[tuple[int, int, int]] = []
        self._answer = answer
        self._n_classes = n_classes

    def infer(self, input_NHWC: Image, class_bias: NDArray[np.float32] | None = None) -> Arrays:
        self.shown.append(input_NHWC)
        self.biases.append(class_bias)
        return self._answer(input_NHWC)

    def prepare(self, shape: tuple[int, int, int]) -> None:
        self.prepared.append(shape)

    def head_classes(self) -> int | None:
        return self._n_classes

    def describe(self) -> dict[str, Any]:
        return {}


def tiny_profile(**changes: Any) -> DeviceProfile:
    """One detector size and two widths: little to compile."""
    facts: dict[str, Any] = {
        "name": "tiny",
        "description": "for tests",
        "verified": False,
        "detector": {"sizes": [[320, 640]]},
        "recognizer": {"widths": [160, 640]},
    }
    return DeviceProfile.model_validate(facts | changes)


def drawn(*texts: tuple[str, int, int], height: int, width: int, scale: float = 1.0) -> Image:
    """Dark texts on white, each at its baseline's left end (x, y)."""
    image = np.full((height, width, 3), 255, dtype=np.uint8)
    for text, x, y in texts:
        cv2.putText(image, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, (20, 20, 20), 2, cv2.LINE_AA)
    return image
