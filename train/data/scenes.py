"""Whole pictures for the detector: sheets lying, hanging or standing somewhere, photographed or scanned."""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from train.data import documents, lens, objects, surfaces
from train.data.camera import to_uint8
from train.data.font_book import FontBook
from train.data.paper import LabelledQuad, laid_lines, laying
from train.data.sheet import Sheet

Layout = Callable[[np.random.Generator, FontBook, tuple[int, int]], Sheet]

LAYOUTS: dict[str, tuple[float, Layout]] = {
    "receipt": (16, documents.receipt), "form": (14, documents.form), "page": (12, documents.page),
    "label": (10, objects.label), "card": (7, objects.card), "plate": (7, objects.plate), "panel": (7, objects.panel),
    "sleeve": (6, objects.sleeve), "sign": (14, objects.sign), "screen": (4, objects.screen),
}  # fmt: skip
"""How often, and what draws the sheets. A scene in twenty has no text."""
_TEXT_FREE = 0.05
_DOCUMENTS = frozenset({"receipt", "form", "page"})
_SEVERAL = {"sign": (2, 10), "sleeve": (1, 4), "plate": (1, 3), "label": (1, 3)}
_FROM_FILES = 0.7
"""Part of the backdrops that comes from files, where there are any."""
_LEGIBLE_PX = 6.0
"""Lower lines are left in the picture, and told without their text: neither a hit nor a miss."""


def draw_layout(
    rng: np.random.Generator, name: str, fonts: FontBook, backdrops: Sequence[Path] = ()
) -> tuple[NDArray[np.uint8], list[LabelledQuad]]:
    """Draw a scene with sheets of one layout; see `samples.draw_scene`."""
    layout = LAYOUTS[name][1]
    size_hw = (int(rng.integers(480, 1121)), int(rng.integers(480, 1121)))
    if name in _DOCUMENTS and rng.random() < 0.5:
        return _scanned(rng, layout(rng, fonts, size_hw))
    scene = _backdrop(rng, size_hw, backdrops)
    lines: list[LabelledQuad] = []
    taken: list[NDArray[np.float64]] = []
    low, high = _SEVERAL.get(name, (1, 2))
    for _ in range(rng.integers(low, high)):
        sheet = layout(rng, fonts, _sheet_size(rng, name, size_hw))
        corners = _corners(rng, sheet.size_hw, size_hw)
        box = np.concatenate([corners.min(axis=0), corners.max(axis=0)])
        if any(_overlap(box, other) for other in taken):
            continue
        taken.append(box)
        homography = laying(sheet.size_hw, corners)
        _lay(rng, scene, sheet.pixels, homography)
        lines += laid_lines(sheet.lines, homography)
    heights = [_height(line) for line in lines]
    text_px = float(np.percentile(heights, 20)) if heights else 12.0
    taken_picture = lens.photograph(rng, scene, text_px=text_px, depth=rng.uniform(0, 1.1))
    return taken_picture, [line if _height(line) >= _LEGIBLE_PX else LabelledQuad(line.quad, "") for line in lines]


def draw_empty(rng: np.random.Generator, backdrops: Sequence[Path] = ()) -> NDArray[np.uint8]:
    """A scene without text: a backdrop full of edges."""
    size_hw = (int(rng.integers(480, 1121)), int(rng.integers(480, 1121)))
    return lens.photograph(rng, _backdrop(rng, size_hw, backdrops), text_px=14)


def choose_layout(rng: np.random.Generator) -> str | None:
    """Draw the name of a layout by its weight; None for a scene without text."""
    if rng.random() < _TEXT_FREE:
        return None
    weights = np.array([weight for weight, _ in LAYOUTS.values()])
    place = int(np.searchsorted(np.cumsum(weights) / weights.sum(), rng.random(), side="right"))
    return tuple(LAYOUTS)[place]


def _backdrop(rng: np.random.Generator, size_hw: tuple[int, int], files: Sequence[Path]) -> NDArray[np.uint8]:
    if files and rng.random() < _FROM_FILES:
        return surfaces.photo(rng, size_hw, files)
    return surfaces.any_backdrop(rng, size_hw)


def _scanned(rng: np.random.Generator, sheet: Sheet) -> tuple[NDArray[np.uint8], list[LabelledQuad]]:
    """The sheet is the picture: a scan, a copy, or a file that never was on paper; turned a little."""
    height, width = sheet.size_hw
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), rng.normal(0, 0.8), 1.0)
    homography = np.asarray(np.vstack([turn, (0, 0, 1)]), np.float64)
    border = tuple(float(level) for level in sheet.ground)
    flat = cv2.BORDER_CONSTANT
    image = cv2.warpPerspective(sheet.pixels, homography, (width, height), borderMode=flat, borderValue=border)
    lines = [
        line
        for line in laid_lines(sheet.lines, homography)
        if (line.quad >= 0).all() and (line.quad <= (width, height)).all()
    ]
    taken = np.asarray(image, np.uint8)
    choice = rng.random()
    if choice < 0.5:
        taken = lens.scan(rng, taken, stroke_px=0.8)
    elif choice < 0.75:
        taken = lens.photograph(rng, taken, text_px=10, depth=rng.uniform(0, 0.5))
    return (lens.compress(rng, taken) if rng.random() < 0.4 else taken), lines


def _sheet_size(rng: np.random.Generator, name: str, scene_hw: tuple[int, int]) -> tuple[int, int]:
    height, width = scene_hw
    part = rng.uniform(0.75, 1.0)
    if name == "receipt":
        return int(height * part), int(width * rng.uniform(0.35, 0.8))
    if name in _DOCUMENTS | {"screen"}:
        return int(height * part), int(width * rng.uniform(0.75, 1.0))
    wide = {
        "sleeve": rng.uniform(0.25, 0.9),
        "card": rng.uniform(0.6, 0.98),
        "plate": rng.uniform(0.12, 0.5),
        "panel": rng.uniform(0.5, 0.95),
    }
    across = int(width * wide.get(name, rng.uniform(0.14, 0.7)))
    flat = {"sleeve": rng.uniform(0.2, 0.4), "label": rng.uniform(0.4, 1.0), "panel": rng.uniform(0.4, 0.7)}
    return max(24, int(min(across * flat.get(name, rng.uniform(0.2, 1.2)), 0.9 * height))), max(48, across)


def _corners(rng: np.random.Generator, sheet_hw: tuple[int, int], scene_hw: tuple[int, int]) -> NDArray[np.float64]:
    """Place a sheet in the scene: turned, in perspective, no corner outside."""
    height, width = sheet_hw
    corners = np.array([[-width, -height], [width, -height], [width, height], [-width, height]]) / 2
    lean = rng.uniform(0, 0.09)
    corners *= 1 + rng.uniform(-lean, lean, (4, 2))
    angle = np.deg2rad(rng.normal(0, 4))
    corners = corners @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    room = np.array(scene_hw[::-1]) - 4
    corners *= min(1.0, *(room / np.ptp(corners, axis=0)))
    free = room - np.ptp(corners, axis=0)
    return np.asarray(corners - corners.min(axis=0) + 2 + free * rng.uniform(0, 1, 2), np.float64)


def _lay(
    rng: np.random.Generator, scene: NDArray[np.uint8], pixels: NDArray[np.uint8], homography: NDArray[np.float64]
) -> None:
    """Lay a sheet into a scene, in place, with a soft shadow; only its own part of the scene is touched."""
    height, width = pixels.shape[:2]
    flat = np.array([[[0, 0], [width, 0], [width, height], [0, height]]], np.float64)
    outline = cv2.perspectiveTransform(flat, homography)[0]
    spread = int(rng.integers(3, 14))
    x0, y0 = np.maximum(np.floor(outline.min(axis=0)).astype(int) - spread, 0)
    x1, y1 = np.ceil(outline.max(axis=0)).astype(int) + spread
    part = scene[y0:y1, x0:x1]
    move = np.array([[1, 0, -x0], [0, 1, -y0], [0, 0, 1]], np.float64) @ homography
    size_wh = (part.shape[1], part.shape[0])
    layer = cv2.warpPerspective(pixels, move, size_wh, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
    cover = cv2.warpPerspective(np.full((height, width), 255, np.uint8), move, size_wh, flags=cv2.INTER_LINEAR)
    alpha = np.asarray(cover, np.float32)[..., None] / np.float32(255)
    dark = np.asarray(cv2.blur(np.roll(alpha[..., 0], spread // 3, (0, 1)), (spread, spread)), np.float32)[..., None]
    below = part * (1 - np.float32(rng.uniform(0, 0.6)) * dark)
    part[...] = to_uint8(below * (1 - alpha) + np.asarray(layer, np.float32) * alpha)


def _overlap(box: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    return bool((box[:2] < other[2:]).all() and (other[:2] < box[2:]).all())


def _height(line: LabelledQuad) -> float:
    return float(np.linalg.norm(line.quad[3] - line.quad[0]))
