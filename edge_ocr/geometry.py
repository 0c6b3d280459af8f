"""Quads: ordering, unclipping, cutting out of an image, reading order. Pure functions on arrays."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Quad = NDArray[np.float32]
"""(4, 2) corners in pixels, clockwise from the text's top-left."""

VERTICAL_RATIO = 1.5
"""A quad at least this many times as high as wide holds a line that runs downwards (PP-OCR's rule)."""
SAME_ROW = 0.5
"""Lines whose centres differ by less than this part of the smaller height stand in one row."""


def order_corners(points: NDArray[np.float32]) -> Quad:
    """Order four corners clockwise (as seen, y down), beginning with the top-left.

    Args:
        points: (4, 2) corners of a convex quad in any order.
    """
    centre = points.mean(axis=0)
    angles = np.arctan2(points[:, 1] - centre[1], points[:, 0] - centre[0])
    clockwise = points[np.argsort(angles, kind="stable")]
    # The two leftmost points are the left side; of those the upper is where the text begins.
    left = np.argsort(clockwise[:, 0], kind="stable")[:2]
    start = left[np.argmin(clockwise[left, 1])]
    return np.roll(clockwise, -int(start), axis=0).astype(np.float32)


def rect_to_quad(centre: Sequence[float], size: Sequence[float], angle_deg: float, grow: float = 0.0) -> Quad:
    """Corners of a rotated rectangle, every side moved outwards by `grow` pixels.

    A rectangle offset by a round brush has this as its minimum-area rectangle, so DB's unclip needs no polygon
    clipping for rectangles.
    """
    rotated = ((centre[0], centre[1]), (size[0] + 2 * grow, size[1] + 2 * grow), angle_deg)
    return order_corners(np.asarray(cv2.boxPoints(rotated), dtype=np.float32))


def clip_quad(quad: Quad, width: int, height: int) -> Quad:
    """Move corners that are outside of the image onto its edge."""
    return np.clip(quad, 0, (width, height)).astype(np.float32)


def image_quad(image: NDArray[np.uint8]) -> Quad:
    """The corners of a whole image (H, W, 3)."""
    height, width = image.shape[:2]
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)


def quad_size(quad: Quad) -> tuple[float, float]:
    """(width, height) in pixels: the longer of each pair of opposite sides (PP-OCR's rule)."""
    sides = np.linalg.norm(np.roll(quad, -1, axis=0) - quad, axis=1)
    return float(max(sides[0], sides[2])), float(max(sides[1], sides[3]))


def is_vertical(quad: Quad) -> bool:
    """Whether the quad is so much higher than wide that its line runs downwards."""
    width, height = quad_size(quad)
    return height >= VERTICAL_RATIO * width


def turn_quad(quad: Quad) -> Quad:
    """The same quad read with the image turned 90 degrees counter-clockwise: its top-right comes first."""
    return np.roll(quad, -1, axis=0)


def cut_crop(image: NDArray[np.uint8], quad: Quad, height: int, width: int) -> NDArray[np.uint8]:
    """Rectify one quad to a crop of a given size.

    Args:
        image: (H, W, 3) uint8.
        quad: The part to cut; what is outside of the image repeats its edge.
        height: Rows of the crop.
        width: Columns of the crop.

    Returns:
        (height, width, 3) uint8, a new array.
    """
    x, y, w, h = cv2.boundingRect(quad)
    if _is_upright(quad):
        left, top = max(x, 0), max(y, 0)
        part = image[top : max(y + h, top + 1), left : max(x + w, left + 1)]
        if part.size:
            shrinks = part.shape[0] > 2 * height
            return _uint8(
                cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
            )
    _, quad_height = quad_size(quad)
    if quad_height > 2 * height:
        # A perspective warp samples points; shrink the surroundings first, or strokes fall between the samples.
        image, quad = _shrink_around(image, quad, 2 * height / quad_height)
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    matrix = cv2.getPerspectiveTransform(quad, corners)
    warped = cv2.warpPerspective(
        image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return _uint8(warped)


def reading_order(quads: Sequence[Quad]) -> list[int]:
    """Indices of quads row by row from the top, each row from the left.

    Two quads share a row when their centres differ by less than `SAME_ROW` of the smaller height.
    """
    if not quads:
        return []
    centres = np.array([quad.mean(axis=0) for quad in quads])
    heights = np.array([quad_size(quad)[1] for quad in quads])
    order = sorted(range(len(quads)), key=lambda i: float(centres[i, 1]))
    rows: list[list[int]] = []
    for i in order:
        last = rows[-1] if rows else []
        # Compare with the row's rightmost member so far, so that a slanted row stays together.
        near = min(last, key=lambda j: abs(centres[j, 0] - centres[i, 0])) if last else None
        if near is not None and abs(centres[near, 1] - centres[i, 1]) < SAME_ROW * min(heights[near], heights[i]):
            last.append(i)
        else:
            rows.append([i])
    return [i for row in rows for i in sorted(row, key=lambda j: float(centres[j, 0]))]


def _is_upright(quad: Quad) -> bool:
    """Whether the quad is an axis-aligned box to within half a pixel, its text unturned."""
    top_left, top_right, bottom_right, bottom_left = quad
    return bool(
        abs(top_left[1] - top_right[1]) < 0.5
        and abs(bottom_left[1] - bottom_right[1]) < 0.5
        and abs(top_left[0] - bottom_left[0]) < 0.5
        and abs(top_right[0] - bottom_right[0]) < 0.5
        and top_right[0] > top_left[0]
        and bottom_left[1] > top_left[1]
    )


def _shrink_around(image: NDArray[np.uint8], quad: Quad, scale: float) -> tuple[NDArray[np.uint8], Quad]:
    x, y, w, h = cv2.boundingRect(quad)
    left, top = max(x, 0), max(y, 0)
    part = image[top : max(y + h, top + 1), left : max(x + w, left + 1)]
    if not part.size:
        return image, quad
    small = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    factors = np.array([small.shape[1] / part.shape[1], small.shape[0] / part.shape[0]], dtype=np.float32)
    return _uint8(small), ((quad - (left, top)) * factors).astype(np.float32)


def _uint8(array: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Tell the type checker what OpenCV returns for uint8 input."""
    assert array.dtype == np.uint8
    return array  # type: ignore[return-value]
