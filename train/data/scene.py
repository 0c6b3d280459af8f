"""A picture with the outlines of its lines, as it is moved, pasted into and cut for the detector."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge_ocr.metrics import Label


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A picture and what is written in it."""

    image: NDArray[np.uint8]
    """(H, W, 3) BGR."""
    labels: tuple[Label, ...] = ()
    """Polygons in pixels; those that do not count are neither text nor background to the detector."""


def boxes_of(labels: Sequence[Label]) -> NDArray[np.float32]:
    """Axis-aligned boxes (N, 4) of the outlines, as x_min, y_min, x_max, y_max."""
    boxes = [[*label.polygon.min(axis=0), *label.polygon.max(axis=0)] for label in labels]
    return np.array(boxes, np.float32).reshape(-1, 4)


def moved_label(label: Label, matrix: NDArray[np.float64]) -> Label:
    """A label after the (2, 3) affine map of its picture."""
    polygon = label.polygon @ matrix[:, :2].T + matrix[:, 2]
    return replace(label, polygon=np.asarray(polygon, np.float32))


def polygon_area(polygon: NDArray[np.floating]) -> float:
    """Area of a simple polygon (K, 2), by the shoelace formula."""
    x, y = np.asarray(polygon, np.float64).T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)
