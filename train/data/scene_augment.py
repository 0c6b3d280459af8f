"""From a scene to a square crop for the detector: flipped, turned, scaled, cut and coloured in one warp.

The order is PP-OCRv2's (flip, rotate, scale, text-safe crop). Its crop is of any size and scaled to the network's
afterwards, which undoes the random scale before it; here the scale stays what was drawn.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from edge_ocr.metrics import Label
from train.data.scene import Scene, boxes_of, moved_label
from train.recipe import Settings

Box = tuple[float, float, float, float]
"""x_min, y_min, x_max, y_max."""

TRIES = 10
MIN_SIDE = 0.5
"""Least share of the crop's side that a window which spares all texts must have."""


class AugmentSettings(Settings):
    """How far a training crop may be from its scene."""

    size: int = Field(default=640, gt=0, multiple_of=32)
    """Side of the crop in pixels."""
    scale: tuple[float, float] = (0.5, 3.0)
    """Least and greatest pixels of the crop per pixel of the scene; even on a logarithmic scale."""
    flip: float = Field(default=0.5, ge=0, le=1)
    """Probability of a mirror image."""
    rotate_deg: float = Field(default=10.0, ge=0, le=180)
    """Greatest angle, either way."""
    colour: float = Field(default=0.5, ge=0, le=1)
    """Probability of other light: gain, gamma and saturation."""

    @model_validator(mode="after")
    def _scale_ascends(self) -> "AugmentSettings":
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError("`scale` is a least and a greatest factor above 0")
        return self


def augment(rng: np.random.Generator, scene: Scene, settings: AugmentSettings) -> Scene:
    """Make a training crop.

    Args:
        rng: The same state gives the same crop.
        scene: It is not changed.
        settings: How.

    Returns:
        A scene of (size, size), black where the window shows none of the source. It shows at least one text that
        counts if there is one. Outlines of texts that the window cuts reach out of it: where a line ends beyond the
        picture cannot be seen, and tiles of a large picture (edge_ocr.detection) must not leave a gap at their seam.
    """
    matrix, canvas_wh = _placing(rng, scene.image.shape[:2], settings)
    labels = [moved_label(label, matrix) for label in scene.labels]
    box = _window(rng, labels, canvas_wh, settings.size)
    matrix[:, 2] -= box[:2]
    image = _warped(scene.image, matrix, box, settings.size)
    if rng.random() < settings.colour:
        image = _relit(rng, image)
    shift = np.array([[1.0, 0.0, -box[0]], [0.0, 1.0, -box[1]]])
    extent = np.subtract(box[2:], box[:2])
    shifted = (moved_label(label, shift) for label in labels)
    return Scene(image, tuple(label for label in shifted if _touches(label, extent)))


def _placing(
    rng: np.random.Generator, size_hw: tuple[int, ...], settings: AugmentSettings
) -> tuple[NDArray[np.float64], tuple[int, int]]:
    """A (2, 3) map that mirrors, turns and scales, and the width and height of the canvas that then holds all."""
    height, width = size_hw[:2]
    mirror = -1.0 if rng.random() < settings.flip else 1.0
    angle = math.radians(rng.uniform(-settings.rotate_deg, settings.rotate_deg))
    scale = math.exp(rng.uniform(*np.log(settings.scale)))
    cos, sin = math.cos(angle) * scale, math.sin(angle) * scale
    turn = np.array([[cos * mirror, -sin], [sin * mirror, cos]])
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]]) @ turn.T
    matrix = np.column_stack([turn, -corners.min(axis=0)])
    canvas_w, canvas_h = np.ceil(np.ptp(corners, axis=0)).astype(int)
    return matrix, (int(canvas_w), int(canvas_h))


def _window(rng: np.random.Generator, labels: Sequence[Label], canvas_wh: tuple[int, int], size: int) -> Box:
    """The part of the canvas that is shown, at most `size` wide and high."""
    counted = boxes_of([label for label in labels if label.counts])
    if not len(counted):
        return _around(rng, rng.uniform(0, canvas_wh), canvas_wh, size)
    sides = [_Side.of(counted[:, [axis, axis + 2]], canvas_wh[axis], size) for axis in (0, 1)]
    for _ in range(TRIES):
        anchor = counted[rng.integers(len(counted))]
        spans = [side.span(rng, anchor[axis], anchor[axis + 2]) for axis, side in enumerate(sides)]
        if spans[0] and spans[1]:
            return spans[0][0], spans[1][0], spans[0][1], spans[1][1]
    # Dense pages cannot be cut between texts both ways; the published code then shows the whole page, with texts too
    # small to see. A text that is cut is still text.
    anchor = counted[rng.integers(len(counted))]
    return _around(rng, rng.uniform(anchor[:2], anchor[2:]), canvas_wh, size)


class _Side(NamedTuple):
    """One axis of the canvas: where a cut meets no text (EAST's crop, as PP-OCR and DB use it)."""

    is_free: NDArray[np.bool_]
    """Per position 0 ... length of the canvas."""
    size: int

    @classmethod
    def of(cls, intervals: NDArray[np.float32], length: int, size: int) -> "_Side":
        is_free = np.ones(length + 1, bool)
        for start, end in intervals:
            is_free[max(0, math.floor(start)) : math.ceil(end) + 1] = False
        # Texts that stick out of the picture cannot be spared; the picture's own edges are no cut.
        is_free[[0, -1]] = True
        return cls(is_free, size)

    def span(self, rng: np.random.Generator, start: float, end: float) -> tuple[float, float] | None:
        """A start and an end in free places around a text, of at most the crop's side and as long as can be."""
        length = len(self.is_free) - 1
        if length <= self.size:
            return 0.0, length
        first, last = max(0, math.ceil(end) - self.size), max(0, min(math.floor(start), length))
        starts = first + np.flatnonzero(self.is_free[first : last + 1])
        if not starts.size:
            return None
        low = int(starts[rng.integers(starts.size)])
        first_end, last_end = min(math.ceil(end), length), min(low + self.size, length)
        ends = np.flatnonzero(self.is_free[first_end : last_end + 1])
        if not ends.size:
            return None
        high = first_end + int(ends[-1])
        return (low, high) if high - low >= MIN_SIDE * min(self.size, length) else None


def _around(rng: np.random.Generator, point: NDArray[np.floating], canvas_wh: tuple[int, int], size: int) -> Box:
    """A window of the full size somewhere around a point, inside of the canvas where that is large enough."""
    starts = []
    for at, length in zip(point, canvas_wh, strict=True):
        low, high = max(0.0, float(at) - size), min(float(at), length - size)
        starts.append(math.floor(rng.uniform(low, high)) if low < high else max(0, math.floor(high)))
    x, y = starts
    return x, y, min(x + size, canvas_wh[0]), min(y + size, canvas_wh[1])


def _warped(image: NDArray[np.uint8], matrix: NDArray[np.float64], box: Box, size: int) -> NDArray[np.uint8]:
    crop = np.asarray(cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR), np.uint8)
    # What lies beyond the window may be half a text.
    crop[:, math.ceil(box[2] - box[0]) :] = 0
    crop[math.ceil(box[3] - box[1]) :] = 0
    return crop


def _touches(label: Label, extent: NDArray[np.floating]) -> bool:
    """Whether the box of a label meets the window from (0, 0) to `extent`."""
    return bool((label.polygon.max(axis=0) > 0).all() and (label.polygon.min(axis=0) < extent).all())


def _relit(rng: np.random.Generator, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same picture in other light and from another camera."""
    levels = (np.arange(256, dtype=np.float64) / 255) ** math.exp(rng.normal(0, 0.2))
    gains = math.exp(rng.normal(0, 0.15)) * np.exp(rng.normal(0, 0.05, 3))
    table = np.clip(np.rint(255 * levels[:, None] * gains), 0, 255).astype(np.uint8)
    lit = cv2.LUT(image, table[:, None, :].reshape(256, 1, 3))
    grey = np.asarray(cv2.cvtColor(lit, cv2.COLOR_BGR2GRAY), np.uint8)[..., None]
    saturation = rng.uniform(0.4, 1.3)
    mixed = cv2.addWeighted(lit, saturation, np.repeat(grey, 3, axis=2), 1 - saturation, 0)
    return np.asarray(mixed, np.uint8)
