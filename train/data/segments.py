"""Seven-segment displays, drawn by geometry: slanted segments, points that take no room, and those that are off."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from train.data.ink import Mask

SEGMENTS = {
    "0": "abcdef", "1": "bc", "2": "abdeg", "3": "abcdg", "4": "bcfg", "5": "acdfg", "6": "acdefg", "7": "abc",
    "8": "abcdefg", "9": "abcdfg", "-": "g", " ": "", "A": "abcefg", "b": "cdefg", "C": "adef", "d": "bcdeg",
    "E": "adefg", "F": "aefg", "H": "bcefg", "L": "def", "P": "abefg", "r": "eg", "o": "cdeg", "n": "ceg", "t": "defg",
    "U": "bcdef", "h": "cefg", "S": "acdfg", "O": "abcdef", "I": "ef", "f": "aefg", "p": "abefg", "e": "abdefg",
}  # fmt: skip
"""Which segments of a digit each character lights: a at the top, then clockwise, g in the middle."""

_POINTS = ".:"
_SHIFT = 4


@dataclass(frozen=True, slots=True)
class SegmentShape:
    """How the digits of one display look; lengths are parts of a digit's height."""

    width: float
    """Of a digit, without its gap."""
    thickness: float
    gap: float
    """Between two segments."""
    pitch: float
    """From one digit to the next."""
    slant: float
    """How far the top leans to the right."""
    seven_hook: bool
    """Whether a 7 lights its upper left segment too."""

    @classmethod
    def by_chance(cls, rng: np.random.Generator) -> "SegmentShape":
        """Draw a shape as displays have them."""
        width = rng.uniform(0.42, 0.6)
        return cls(
            width=width,
            thickness=rng.uniform(0.07, 0.17),
            gap=rng.uniform(0.0, 0.045),
            pitch=width + rng.uniform(0.12, 0.35),
            slant=rng.choice((0.0, rng.uniform(0.05, 0.2))),
            seven_hook=rng.random() < 0.15,
        )


def can_show(text: str) -> bool:
    """Whether every character can be made of segments; a point needs a digit before it, and none follows another."""
    return all(char in SEGMENTS or char in _POINTS for char in text) and text[:1] not in _POINTS and ".." not in text


def draw(text: str, height_px: int, shape: SegmentShape) -> tuple[Mask, Mask]:
    """Draw a text of `can_show`.

    Returns:
        The lit segments and all segments, two masks of one size, uncut: a display has its places.
    """
    cells: list[tuple[str, str]] = []
    for char in text:
        if char in _POINTS:
            cells[-1] = (cells[-1][0], char)
        else:
            cells.append((char, ""))
    lean = shape.slant * height_px
    size = (height_px + 4, int(len(cells) * shape.pitch * height_px + lean + shape.thickness * height_px) + 4)
    lit, everything = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    polygons = _polygons(shape)
    for i, (char, point) in enumerate(cells):
        left = i * shape.pitch
        on = SEGMENTS[char] + ("f" if char == "7" and shape.seven_hook else "")
        for name, polygon in polygons.items():
            corners = _pixels(polygon + np.array([left, 0]), height_px, shape)
            cv2.fillPoly(everything, [corners], 255, cv2.LINE_AA, _SHIFT)
            if name in on:
                cv2.fillPoly(lit, [corners], 255, cv2.LINE_AA, _SHIFT)
        _draw_points(lit, everything, point, left, height_px, shape)
    scale = np.float32(1 / 255)
    return lit.astype(np.float32) * scale, everything.astype(np.float32) * scale


def _draw_points(
    lit: NDArray[np.uint8], everything: NDArray[np.uint8], point: str, left: float, height_px: int, shape: SegmentShape
) -> None:
    half, x = 0.55 * shape.thickness, left + (shape.width + shape.pitch) / 2
    for y, belongs_to in ((1 - half, "."), (0.3, ":"), (0.7, ":")):
        square = np.array([[x - half, y - half], [x + half, y - half], [x + half, y + half], [x - half, y + half]])
        corners = _pixels(square, height_px, shape)
        if belongs_to == ".":
            cv2.fillPoly(everything, [corners], 255, cv2.LINE_AA, _SHIFT)
        if point == belongs_to:
            cv2.fillPoly(lit, [corners], 255, cv2.LINE_AA, _SHIFT)


def _pixels(points: NDArray[np.float64], height_px: int, shape: SegmentShape) -> NDArray[np.int32]:
    x = points[:, 0] + shape.slant * (1 - points[:, 1])
    return np.asarray(np.rint((np.stack([x, points[:, 1]], axis=1) * height_px + 2) * 2**_SHIFT), np.int32)


def _polygons(shape: SegmentShape) -> dict[str, NDArray[np.float64]]:
    """Six corners of each segment in a digit of height 1 with its top left at the origin."""
    half, gap, right = shape.thickness / 2, shape.gap, shape.width - shape.thickness / 2

    def across(y: float) -> NDArray[np.float64]:
        x0, x1 = half + gap, right - gap
        upper = [[x0, y], [x0 + half, y - half], [x1 - half, y - half]]
        return np.array([*upper, [x1, y], [x1 - half, y + half], [x0 + half, y + half]])

    def down(x: float, y: float) -> NDArray[np.float64]:
        y0, y1 = y + gap, y + 0.5 - half - gap
        right_side = [[x, y0], [x + half, y0 + half], [x + half, y1 - half]]
        return np.array([*right_side, [x, y1], [x - half, y1 - half], [x - half, y0 + half]])

    return {
        "a": across(half), "b": down(right, half), "c": down(right, 0.5), "d": across(1 - half), "e": down(half, 0.5),
        "f": down(half, half), "g": across(0.5),
    }  # fmt: skip
