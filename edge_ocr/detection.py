"""Where the text is: an image is tiled onto the detector's static sizes, its probability map becomes quads."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_ocr.engines import CompiledNetwork
from edge_ocr.geometry import (
    Quad,
    clip_quad,
    from_top_left,
    is_vertical,
    quad_sizes,
    reading_order,
    rect_corners,
    turn_quad,
)

OVERLAP_PX = 64
"""How far neighbouring tiles overlap, in detector pixels: more than the detector's view of a letter."""

SQUEEZE = 0.95
"""An image may be shown at this part of its scale to fit a smaller size: up to a quarter less work, smaller letters."""

Size = tuple[int, int]
"""(height, width) of a detector input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleRule:
    """How large an image is shown to the detector."""

    limit_side: Literal["min", "max"] = "max"
    """`min`: the shorter side is raised to `limit_px`; `max`: the longer side is lowered to it, but the shorter one not
    below a quarter of it, so that a long strip keeps its text."""
    limit_px: int = 960
    max_scale: float = 4.0
    """Small images are enlarged by at most this much."""
    max_megapixels: float = 4.0
    """Images are shrunk so that the detector sees at most this much."""

    def scale(self, height: int, width: int) -> float:
        """Detector pixels per image pixel for an image of this size."""
        if self.limit_side == "min":
            scale = min(max(1.0, self.limit_px / min(height, width)), self.max_scale)
        else:
            scale = min(1.0, max(self.limit_px / max(height, width), self.limit_px / 4 / min(height, width)))
        return min(scale, math.sqrt(self.max_megapixels * 1e6 / (height * width)))

    def reduced(self, factor: float) -> "ScaleRule":
        """The rule with its limits lowered to a part of them, in (0, 1]; smaller images stay as they were."""
        return replace(
            self, limit_px=round(self.limit_px * factor), max_megapixels=self.max_megapixels * factor * factor
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorThresholds:
    """How the probability map becomes quads (DB, Liao et al. 2020, section 3.3; PP-OCR's constants)."""

    bin: float = 0.3
    """Probability above which a pixel counts as text."""
    box: float = 0.5
    """Mean probability inside a rectangle below which it is no text."""
    unclip: float = 1.6
    """The rectangle grows by area * unclip / perimeter."""
    dilate: bool = True
    """Whether the binary map is dilated by 2 x 2 first."""
    min_side_px: float = 3.0
    """Shorter sides of a rectangle below this, in detector pixels, are noise."""
    max_candidates: int = 2000
    """Most regions looked at; the largest come first."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One window of the scaled image that the detector sees at once."""

    y: int
    x: int
    size: Size


@dataclass(frozen=True, slots=True)
class TilePlan:
    """How one image is shown to the detector."""

    scaled: Size
    tiles: tuple[Tile, ...]


@dataclass(frozen=True, slots=True)
class FoundQuads:
    """The quads of an image and the milliseconds that were spent inside the network for them."""

    quads: list[Quad]
    """In reading order; those of lines that run downwards begin at their top-right, so that they read left to right."""
    infer_ms: float


class LineFinder:
    """Finds lines of text with one detector. Safe to share between threads."""

    def __init__(
        self, network: CompiledNetwork, *, rule: ScaleRule, thresholds: DetectorThresholds, sizes: Sequence[Size]
    ) -> None:
        """Keep what finding needs.

        Args:
            network: Takes (1, H, W, 3) uint8, gives (1, H, W) uint8 probability * 255.
            rule: How large an image is shown.
            thresholds: How the map becomes quads.
            sizes: Static (height, width), at least one.
        """
        self._network = network
        self._rule = rule
        self._thresholds = thresholds
        self._sizes = tuple(sizes)

    def find(self, image: NDArray[np.uint8]) -> FoundQuads:
        """Find the lines of an image.

        Args:
            image: (H, W, 3) uint8 BGR, at least 1 x 1.
        """
        height, width = image.shape[:2]
        plan = plan_tiles(height, width, self._rule, self._sizes)
        maps, infer_ms = [], 0.0
        for tensor in tile_tensors(image, plan):
            start = time.perf_counter()
            maps.append(self._network.infer(tensor)[0][0])
            infer_ms += (time.perf_counter() - start) * 1e3
        quads = map_to_quads(merge_tiles(plan, maps), self._thresholds, width, height)
        runs_down = is_vertical(quads)
        return FoundQuads([turn_quad(quads[i]) if runs_down[i] else quads[i] for i in reading_order(quads)], infer_ms)


def plan_tiles(height: int, width: int, rule: ScaleRule, sizes: Sequence[Size]) -> TilePlan:
    """Choose the scale and the static sizes for an image.

    One tile of the smallest size that holds the scaled image, shrunk a little further (`SQUEEZE`) where that lets it
    fit; where none does, overlapping tiles of the size that needs the least area.

    Args:
        height: Rows of the image, at least 1.
        width: Columns of the image, at least 1.
        rule: How large the image is shown.
        sizes: Static (height, width) that the detector is compiled for; at least one.
    """
    scale = rule.scale(height, width)
    plans = [_plan_with(height, width, scale, size) for size in sizes]
    # One tile first, even where two smaller ones are a little less area: a seam costs accuracy.
    return min(plans, key=lambda plan: (len(plan.tiles) > 1, sum(math.prod(tile.size) for tile in plan.tiles)))


def tile_tensors(image: NDArray[np.uint8], plan: TilePlan) -> list[NDArray[np.uint8]]:
    """What the detector sees of an image: (1, H, W, 3) uint8 per tile of the plan."""
    if plan.scaled == image.shape[:2]:
        return [letterbox(image, tile) for tile in plan.tiles]
    (height, width), (rows, columns) = plan.scaled, plan.tiles[0].size
    # Scaled right into the place where a single tile is seen: no copy.
    canvas = np.empty((1, max(rows, height), max(columns, width), 3), dtype=np.uint8)
    canvas[0, height:], canvas[0, :height, width:] = 0, 0
    interpolation = cv2.INTER_AREA if height * 2 < image.shape[0] else cv2.INTER_LINEAR
    cv2.resize(image, (width, height), dst=canvas[0, :height, :width], interpolation=interpolation)
    if len(plan.tiles) == 1:
        return [canvas]
    return [letterbox(canvas[0, :height, :width], tile) for tile in plan.tiles]


def letterbox(scaled_image: NDArray[np.uint8], tile: Tile) -> NDArray[np.uint8]:
    """Cut a tile out of the scaled image; what is missing on the right and below is black.

    Returns:
        (1, H, W, 3) uint8 of the tile's size.
    """
    height, width = tile.size
    part = scaled_image[tile.y : tile.y + height, tile.x : tile.x + width]
    if part.shape[:2] == (height, width):
        return np.ascontiguousarray(part)[None]
    canvas = np.zeros((1, height, width, 3), dtype=np.uint8)
    canvas[0, : part.shape[0], : part.shape[1]] = part
    return canvas


def merge_tiles(plan: TilePlan, maps: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Lay the tiles' probability maps over each other; the larger probability wins, so seams cut no line.

    Args:
        plan: As `plan_tiles` gave it.
        maps: Per tile (H, W) uint8 probability * 255.

    Returns:
        (h, w) uint8 of the scaled image's size.
    """
    height, width = plan.scaled
    if len(maps) == 1:
        return maps[0][:height, :width]
    merged = np.zeros(plan.scaled, dtype=np.uint8)
    for tile, prob_map in zip(plan.tiles, maps, strict=True):
        target = merged[tile.y : tile.y + tile.size[0], tile.x : tile.x + tile.size[1]]
        np.maximum(target, prob_map[: target.shape[0], : target.shape[1]], out=target)
    return merged


def map_to_quads(
    prob_map: NDArray[np.uint8], thresholds: DetectorThresholds, image_width: int, image_height: int
) -> NDArray[np.float32]:
    """Turn a probability map into quads in pixels of the image.

    Args:
        prob_map: (h, w) uint8 probability * 255 over the whole image.
        thresholds: The detector's constants.
        image_width: Columns of the image the quads are for.
        image_height: Rows of it.

    Returns:
        (N, 4, 2) in no particular order; none for a map without text.
    """
    _, binary = cv2.threshold(prob_map, round(thresholds.bin * 255), 1, cv2.THRESH_BINARY)
    if thresholds.dilate:
        binary = cv2.dilate(binary, np.ones((2, 2), np.uint8))
    contours, _ = cv2.findContours(binary, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    if len(contours) > thresholds.max_candidates:
        contours = sorted(contours, key=cv2.contourArea, reverse=True)[: thresholds.max_candidates]
    factors = np.array([image_width / prob_map.shape[1], image_height / prob_map.shape[0]], dtype=np.float32)
    rects = np.array([(*centre, *size, deg) for centre, size, deg in map(cv2.minAreaRect, contours)], dtype=np.float32)
    rects = rects.reshape(-1, 5)
    rects = rects[rects[:, 2:4].min(axis=1) >= thresholds.min_side_px]
    rects = rects[_means_inside(prob_map, rect_corners(rects)) >= thresholds.box * 255]
    width, height = rects[:, 2], rects[:, 3]
    grow = width * height * thresholds.unclip / (2 * (width + height))
    is_line = np.minimum(width, height) + 2 * grow >= thresholds.min_side_px + 2
    quads = from_top_left(rect_corners(rects[is_line], grow[is_line]))
    in_image = clip_quad(quads * factors, image_width, image_height)
    return np.asarray(in_image[quad_sizes(in_image).min(axis=1) > 1])


def _plan_with(height: int, width: int, scale: float, size: Size) -> TilePlan:
    """An image of that scale shown in tiles of one size."""
    fits = min(size[0] / height, size[1] / width)
    if scale * SQUEEZE <= fits < scale:
        scale = fits
    scaled = (max(1, round(height * scale)), max(1, round(width * scale)))
    rows, columns = (_tile_starts(length, side) for length, side in zip(scaled, size, strict=True))
    return TilePlan(scaled, tuple(Tile(y, x, size) for y in rows for x in columns))


def _tile_starts(length: int, side: int) -> list[int]:
    """Starts of windows of `side` that cover `length` with an overlap, spread evenly."""
    if length <= side:
        return [0]
    overlap = min(OVERLAP_PX, side // 2)
    n = math.ceil((length - overlap) / (side - overlap))
    return [round(i * (length - side) / (n - 1)) for i in range(n)]


def _means_inside(prob_map: NDArray[np.uint8], boxes_N42: NDArray[np.float32]) -> NDArray[np.float64]:
    """Means of the map inside rectangles, their corners in turn: (N,) in [0, 255]."""
    last = np.array(prob_map.shape[::-1]) - 1
    starts = np.clip(np.floor(boxes_N42.min(axis=1)), 0, last).astype(np.int32)
    stops = np.clip(np.ceil(boxes_N42.max(axis=1)), 0, last).astype(np.int32) + 1
    outlines = (boxes_N42 - starts[:, None]).astype(np.int32)
    means = np.empty(len(boxes_N42))
    for i, ((x0, y0), (x1, y1)) in enumerate(zip(starts.tolist(), stops.tolist(), strict=True)):
        mask = np.zeros((y1 - y0, x1 - x0), dtype=np.uint8)
        cv2.fillConvexPoly(mask, outlines[i], 1)
        means[i] = cv2.mean(prob_map[y0:y1, x0:x1], mask)[0]
    return means
