"""What the DB detector is to answer for a picture: shrunk texts, and thresholds around their outlines.

Offsetting a polygon inwards with a round brush leaves the points whose distance to its outline is at least the offset;
outwards it adds those nearer than the offset. So both maps come from one field of signed distances, computed per pixel
around each text: no polygon clipper is needed, and shapes that fall into pieces need no rule. A test compares with
pyclipper.

Reference:
    Liao et al. 2020 (DB), section 3.5; PP-OCR's constants (its public code).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_ocr.metrics import Label
from train.data.scene import polygon_area

SHRINK_RATIO = 0.4
"""r of the offset area * (1 - r^2) / perimeter."""
MIN_TEXT_PX = 8
"""A text whose upright box has a shorter side than this is neither text nor background."""
THRESHOLD_MIN, THRESHOLD_MAX = 0.3, 0.7
"""The threshold away from an outline, and on it."""

_EMPTY = (slice(0, 0), slice(0, 0))


@dataclass(frozen=True, slots=True, eq=False)
class DBTargets:
    """Four maps (H, W) float32 for one picture."""

    shrink: NDArray[np.float32]
    """1 inside of the shrunk texts, else 0."""
    shrink_mask: NDArray[np.float32]
    """0 on ignored texts, else 1: where the prob map and the binary map are judged."""
    threshold: NDArray[np.float32]
    """From 0.3 to 0.7, which it reaches on the texts' outlines."""
    threshold_mask: NDArray[np.float32]
    """1 around and in texts, else 0: where the threshold map is judged."""


def make_targets(labels: Sequence[Label], size_hw: tuple[int, int], *, shrink_ratio: float = SHRINK_RATIO) -> DBTargets:
    """Draw the maps of a picture.

    Args:
        labels: Its texts; those that do not count are taken out of `shrink_mask` and have no thresholds.
        size_hw: Height and width of the picture in pixels.
        shrink_ratio: In (0, 1); the larger, the less a text is shrunk.

    Returns:
        The maps; without labels, background everywhere.
    """
    shrink, nearness = np.zeros(size_hw, np.float32), np.zeros(size_hw, np.float32)
    shrink_mask, threshold_mask = np.ones(size_hw, np.float32), np.zeros(size_hw, np.float32)
    for label in labels:
        polygon = np.asarray(label.polygon, np.float64)
        offset = shrink_offset(polygon, shrink_ratio)
        window = _window(polygon, offset, size_hw)
        depth = signed_distances(polygon, window)
        core = depth >= offset
        is_small = min(np.ptp(polygon, axis=0)) < MIN_TEXT_PX
        if offset > 0 and label.counts:
            # Texts too small for the prob map are large enough to tell where an outline is, as in the published code.
            near = np.clip(1 - np.abs(depth) / offset, 0, 1)
            nearness[window] = np.maximum(nearness[window], near)
            threshold_mask[window][depth >= -offset] = 1
        if not label.counts or is_small or not core.any():
            shrink_mask[window][depth >= 0] = 0
        else:
            shrink[window][core] = 1
    threshold = THRESHOLD_MIN + (THRESHOLD_MAX - THRESHOLD_MIN) * nearness
    return DBTargets(shrink, shrink_mask, np.asarray(threshold, np.float32), threshold_mask)


def shrink_offset(polygon: NDArray[np.floating], shrink_ratio: float) -> float:
    """How far a text is shrunk and grown, in pixels: area * (1 - ratio^2) / perimeter (DB, equation 10); 0 if flat."""
    perimeter = float(np.linalg.norm(polygon - np.roll(polygon, -1, axis=0), axis=1).sum())
    return polygon_area(polygon) * (1 - shrink_ratio**2) / perimeter if perimeter > 0 else 0.0


def signed_distances(polygon: NDArray[np.floating], window: tuple[slice, slice]) -> NDArray[np.float64]:
    """Distances of pixels to the outline of a simple polygon, negative outside.

    Args:
        polygon: (K, 2) corners in pixels, in either direction.
        window: Rows and columns of the pixels.

    Returns:
        One distance a pixel, in pixels; a pixel's place is its column and row.
    """
    rows, columns = window
    y = np.arange(rows.start, rows.stop, dtype=np.float64)[:, None]
    x = np.arange(columns.start, columns.stop, dtype=np.float64)[None, :]
    nearest_sq = np.full((y.size, x.size), np.inf)
    is_inside = np.zeros((y.size, x.size), bool)
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        along_x, along_y = x1 - x0, y1 - y0
        length_sq = along_x**2 + along_y**2
        if length_sq == 0:
            continue
        share = np.clip(((x - x0) * along_x + (y - y0) * along_y) / length_sq, 0, 1)
        np.minimum(nearest_sq, (x - x0 - share * along_x) ** 2 + (y - y0 - share * along_y) ** 2, out=nearest_sq)
        if y0 != y1:
            # A ray to the left crosses this edge: inside is where that happens an odd number of times.
            is_inside ^= ((y0 > y) != (y1 > y)) & (x > x0 + (y - y0) * along_x / along_y)
    distance = np.sqrt(nearest_sq)
    return np.asarray(np.where(is_inside, distance, -distance), np.float64)


def _window(polygon: NDArray[np.float64], margin: float, size_hw: tuple[int, int]) -> tuple[slice, slice]:
    """The pixels of a picture on which a grown polygon can lie."""
    low = np.maximum(np.floor(polygon.min(axis=0) - margin), 0).astype(int)
    high = np.minimum(np.ceil(polygon.max(axis=0) + margin) + 1, size_hw[::-1]).astype(int)
    if (high <= low).any():
        return _EMPTY
    return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))
