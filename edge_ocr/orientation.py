"""Whether a line stands on its head."""

import time
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_ocr.clock import Call
from edge_ocr.engines import CompiledNetwork
from edge_ocr.geometry import Quad
from edge_ocr.recognition import PAD, cut_line

UPSIDE_DOWN = 1
"""The classifier's class for 180 degrees."""


class Verdict(NamedTuple):
    """On one line."""

    upside_down: bool
    call: Call
    """Into the network."""


class OrientationJudge:
    """Tells upright lines from upside-down ones with a pack's classifier. Safe to share between threads."""

    def __init__(self, network: CompiledNetwork, *, height: int, width: int, threshold: float) -> None:
        self.network = network
        self._height = height
        self._width = width
        self._threshold = threshold

    def judge(self, image: NDArray[np.uint8], quad: Quad) -> Verdict:
        """Whether the text of a quad of an image (H, W, 3) uint8 is turned by 180 degrees."""
        return self.judge_crop(cut_line(image, quad, self._height))

    def judge_crop(self, crop: NDArray[np.uint8]) -> Verdict:
        """Whether the text of a crop is turned by 180 degrees.

        Args:
            crop: (H, w, 3) uint8, one line.
        """
        fitted = fit_crop(crop, self._height, self._width)
        start = time.perf_counter()
        (probs,) = self.network.infer(fitted)
        return Verdict(bool(probs[0, UPSIDE_DOWN] > self._threshold), (start, time.perf_counter()))


def fit_crop(crop: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Scale a crop into the classifier's input: its aspect kept where it is shorter, squeezed where it is longer.

    Args:
        crop: (H, w, 3) uint8.
        height: Rows of the input.
        width: Columns of the input.

    Returns:
        (1, height, width, 3) uint8, padded on the right.
    """
    fitted = min(width, max(1, round(crop.shape[1] * height / crop.shape[0])))
    padded = np.full((1, height, width, 3), PAD, dtype=np.uint8)
    padded[0, :, :fitted] = cv2.resize(crop, (fitted, height))
    return padded
