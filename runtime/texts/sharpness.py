"""How sharp a line is in a frame: a read of a blurred one is worth less."""

import cv2
import numpy as np
from numpy.typing import NDArray

FULL = 0.25
"""Steepest slope of a line's strokes, in parts of its contrast per pixel, from which it counts as sharp."""
MIN_CONTRAST = 8.0
"""Grey levels below which a line's contrast is noise: nothing is sharp there."""


def sharpness(image: NDArray[np.uint8], quad: NDArray[np.float32]) -> float:
    """Sharpness of what a quad holds, from 0 (a smear) to 1.

    The slope of its edges against its contrast, so that neither light nor ink matter.

    Args:
        image: (H, W, 3) uint8 BGR.
        quad: (4, 2) pixels; 0 for one outside of the image.
    """
    height, width = image.shape[:2]
    x0, y0 = np.clip(np.floor(quad.min(axis=0)).astype(int), 0, (width, height))
    x1, y1 = np.clip(np.ceil(quad.max(axis=0)).astype(int), 0, (width, height))
    green = image[y0:y1, x0:x1, 1]
    if min(green.shape) < 3:
        return 0.0
    low, high = np.percentile(green[::2, ::2], (5, 95))
    contrast = float(high - low)
    if contrast < MIN_CONTRAST:
        return 0.0
    # Along both axes, for motion smears one of them; two pixels apart: noise of a single pixel is no edge.
    down, along = (float(np.percentile(_slopes(green, axis), 98)) / (2 * contrast * FULL) for axis in (0, 1))
    return min(down, 1.0) * min(along, 1.0)


def _slopes(green: NDArray[np.uint8], axis: int) -> NDArray[np.uint8]:
    """Absolute differences of pixels that are two apart along an axis."""
    before, after = (green[:-2], green[2:]) if axis == 0 else (green[:, :-2], green[:, 2:])
    return np.asarray(cv2.absdiff(before, after), dtype=np.uint8)
