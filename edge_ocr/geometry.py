"""Quads: ordering, unclipping, cutting out of an image, reading order. Pure functions on arrays."""

import math
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
UPRIGHT = 0.15
"""A quad whose sides rise by less than this part of its height, or by less than half a pixel, is cut as if it stood
upright: a slice takes a quarter of the time of a warp. With 0, .1, .15 of sroie, funsd and docs .37 .43 .18, .14 .27
.08, .07 .14 .02 of the lines are warped, and word F1 is .917 .840 .954, .918 .841 .955, .918 .840 .956."""
UNIT_SQUARE = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], dtype=np.float32)
"""Its corners, clockwise as seen, y down."""
MAX_WARPED_PX = 32_000
"""Longest side of what is warped; OpenCV 4 warps nothing longer than 32 767."""


def order_corners(points: NDArray[np.float32]) -> Quad:
    """Order the corners of quads clockwise (as seen, y down), beginning with the top-left.

    Args:
        points: (4, 2) corners of a convex quad in any order, or (N, 4, 2) of many.
    """
    centred = points - points.mean(axis=-2, keepdims=True, dtype=np.float64)
    by_angle = np.argsort(np.arctan2(centred[..., 1], centred[..., 0]), axis=-1, kind="stable")
    return from_top_left(np.take_along_axis(points, by_angle[..., None], axis=-2))


def from_top_left(clockwise: NDArray[np.float32]) -> Quad:
    """The same corners, (4, 2) or (N, 4, 2), beginning with the top-left: the upper one of the two leftmost."""
    left = np.argsort(clockwise[..., 0], axis=-1, kind="stable")[..., :2]
    upper = np.take_along_axis(clockwise[..., 1], left, axis=-1).argmin(axis=-1)[..., None]
    start = np.take_along_axis(left, upper, axis=-1)
    ordered = np.take_along_axis(clockwise, ((start + np.arange(4)) % 4)[..., None], axis=-2)
    return ordered.astype(np.float32)


def rect_corners(rects_N5: NDArray[np.float32], grow: NDArray[np.float32] | float = 0.0) -> NDArray[np.float32]:
    """Corners of rotated rectangles, every side moved outwards by `grow` pixels.

    A rectangle offset by a round brush has this as its minimum-area rectangle, so DB's unclip needs no polygon
    clipping for rectangles. All at once: NumPy and OpenCV spend more on a call than on four corners.

    Args:
        rects_N5: Centre x and y, width, height and angle in degrees, as of `cv2.minAreaRect`.
        grow: One for all, or (N,).

    Returns:
        (N, 4, 2) float32, clockwise.
    """
    halves, angles = rects_N5[:, 2:4] / 2 + np.reshape(grow, (-1, 1)), np.radians(rects_N5[:, 4])
    along, down = (np.cos(angles), np.sin(angles)), (-np.sin(angles), np.cos(angles))
    axes_N22 = np.array([along, down]).transpose(2, 0, 1)
    corners = rects_N5[:, None, :2] + (halves[:, None] * UNIT_SQUARE) @ axes_N22
    return np.asarray(corners, dtype=np.float32)


def clip_quad(quad: Quad, width: int, height: int) -> Quad:
    """Move corners that are outside of the image onto its edge; of one quad, or of (N, 4, 2)."""
    return np.clip(quad, 0, (width, height)).astype(np.float32)


def image_quad(image: NDArray[np.uint8]) -> Quad:
    """The corners of a whole image (H, W, 3)."""
    height, width = image.shape[:2]
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)


def quad_size(quad: Quad) -> tuple[float, float]:
    """(width, height) in pixels: the longer of each pair of opposite sides (PP-OCR's rule)."""
    a, b, c, d = quad.tolist()
    return max(math.dist(a, b), math.dist(c, d)), max(math.dist(b, c), math.dist(d, a))


def quad_sizes(quads: NDArray[np.float32]) -> NDArray[np.float32]:
    """`quad_size` of many at once: (..., 4, 2) to (..., 2)."""
    steps = quads[..., [1, 2, 3, 0], :] - quads
    sides = np.hypot(steps[..., 0], steps[..., 1])
    return np.asarray(np.maximum(sides[..., :2], sides[..., 2:]))


def lengthened(quad: Quad, margin: float) -> Quad:
    """A quad that goes further at both of its ends, by a part of its height; it may leave the image.

    Args:
        quad: (4, 2) float32.
        margin: In heights; 0 gives the same quad.
    """
    if not margin:
        return quad
    width, height = quad_size(quad)
    along = (quad[[1, 2]] - quad[[0, 3]]) * np.float32(margin * height / max(width, 1.0))
    return np.stack([quad[0] - along[0], quad[1] + along[0], quad[2] + along[1], quad[3] - along[1]])


def trimmed(quad: Quad, trim: float) -> Quad:
    """A quad without a strip along its top and one along its bottom.

    Args:
        quad: (4, 2) float32.
        trim: Both strips together, in heights, below 1; 0 gives the same quad.
    """
    if not trim:
        return quad
    # Plain numbers: NumPy takes five times as long over four corners.
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = quad.tolist()
    left_x, left_y, right_x, right_y = (
        (end - start) * trim / 2 for start, end in ((ax, dx), (ay, dy), (bx, cx), (by, cy))
    )
    corners = (
        (ax + left_x, ay + left_y),
        (bx + right_x, by + right_y),
        (cx - right_x, cy - right_y),
        (dx - left_x, dy - left_y),
    )
    return np.array(corners, dtype=np.float32)


def is_vertical(quads: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which quads are so much higher than wide that their line runs downwards: (..., 4, 2) to (...)."""
    sizes = quad_sizes(quads)
    return np.asarray(sizes[..., 1] >= VERTICAL_RATIO * sizes[..., 0])


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
    part = _upright_part(image, quad)
    if part is not None:
        shrinks = part.shape[0] > 2 * height
        return _uint8(cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR))
    image, quad = _surroundings(image, quad, height)
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    matrix = cv2.getPerspectiveTransform(quad, corners)
    warped = cv2.warpPerspective(
        image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return _uint8(warped)


def reading_order(quads: Sequence[Quad] | NDArray[np.float32]) -> list[int]:
    """Indices of quads row by row from the top, each row from the left, seen along the lines' common direction.

    Two quads share a row when their centres differ by less than `SAME_ROW` of the smaller height.
    """
    if not len(quads):
        return []
    stacked = np.asarray(quads)
    tall = quad_sizes(stacked)[:, 1]
    # Plain numbers: NumPy takes ten times as long over single ones.
    (xs, ys), heights = _levelled(stacked.mean(axis=1), stacked, tall).T.tolist(), tall.tolist()
    rows: list[list[int]] = []
    for i in sorted(range(len(quads)), key=ys.__getitem__):
        last = rows[-1] if rows else []
        # Compare with the nearest member, so that a bent row stays together.
        near = min(last, key=lambda j: abs(xs[j] - xs[i])) if last else None
        if near is not None and abs(ys[near] - ys[i]) < SAME_ROW * min(heights[near], heights[i]):
            last.append(i)
        else:
            rows.append([i])
    return [i for row in rows for i in sorted(row, key=xs.__getitem__)]


def _levelled(
    points: NDArray[np.float32], quads_N42: NDArray[np.float32], heights: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Points turned so that the quads' lines lie level: on a page at a slant a row may drop by more than a line.

    Left as they are where the slant may be chance: in a long strip a tenth of a degree would tear a row apart.
    """
    along = quads_N42[:, 1] + quads_N42[:, 2] - quads_N42[:, 0] - quads_N42[:, 3]
    tells = np.abs(along[:, 0]) > np.abs(along[:, 1])  # lines that run downwards say nothing about rows
    along = along[tells] * np.sign(along[tells, :1])  # nor does a line on its head turn them over
    dx, dy = along.sum(axis=0)
    # A single line's rise is uncertain by some sixth of its height, by its letters' ascenders and descenders.
    if abs(dy) <= np.linalg.norm(heights[tells]):
        return points
    angle = np.arctan2(dy, dx)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], dtype=np.float32)
    return points @ turn


def _upright_part(image: NDArray[np.uint8], quad: Quad) -> NDArray[np.uint8] | None:
    """The pixels inside the image of a box that stands upright, or nearly so, its text unturned; None for other quads.

    Plain numbers: NumPy takes ten times as long over four corners.
    """
    (left, top), (right, top_too), (right_too, bottom), (left_too, bottom_too) = quad.tolist()
    if right <= left or bottom_too <= top:
        return None
    slant = max(abs(top - top_too), abs(bottom_too - bottom), abs(left - left_too), abs(right - right_too))
    if slant >= max(UPRIGHT * (bottom_too - top), 0.5):
        return None
    left, right = round((left + left_too) / 2), round((right + right_too) / 2)
    top, bottom = round((top + top_too) / 2), round((bottom + bottom_too) / 2)
    if left < 0 or top < 0 or right > image.shape[1] or bottom > image.shape[0]:
        return None
    part = image[top : max(bottom, top + 1), left : max(right, left + 1)]
    return part if part.size else None


def _surroundings(image: NDArray[np.uint8], quad: Quad, height: int) -> tuple[NDArray[np.uint8], Quad]:
    """The part of an image that the warp of a quad to some height needs, and the quad in it.

    A warp samples points: what is much higher than the crop is shrunk first, or strokes fall between the samples. And
    OpenCV 4 warps no image with a side above `MAX_WARPED_PX`.
    """
    x, y, w, h = cv2.boundingRect(quad)
    left, right = _span(x - 1, x + w + 1, image.shape[1])
    top, bottom = _span(y - 1, y + h + 1, image.shape[0])
    part, moved = image[top:bottom, left:right], quad - np.array([left, top], dtype=np.float32)
    scale = min(2 * height / max(quad_size(quad)[1], 1.0), MAX_WARPED_PX / max(part.shape[:2]))
    if scale >= 1:
        return part, moved
    small = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    factors = np.array([small.shape[1] / part.shape[1], small.shape[0] / part.shape[0]], dtype=np.float32)
    return _uint8(small), moved * factors


def _span(start: int, stop: int, length: int) -> tuple[int, int]:
    """The part of `start` to `stop` that lies in 0 to `length`; what is outside keeps the nearest pixel."""
    start = min(max(start, 0), length - 1)
    return start, min(max(stop, start + 1), length)


def _uint8(array: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Tell the type checker what OpenCV returns for uint8 input."""
    assert array.dtype == np.uint8
    return array  # type: ignore[return-value]
