"""Draw one line and cut it out as the reader does: margins, slant, and what stands beside it."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from train.data import emblems, ink, lens, segments
from train.data.camera import to_uint8
from train.data.chance import pick
from train.data.font_book import FontBook
from train.data.ink import Mask
from train.data.line_kinds import LineKind
from train.data.phrases import TEMPLATES, Writer
from train.data.surfaces import Levels
from train.data.words import spell

_INK_PART = 0.6
"""Of a crop's height: the rest is what unclipping by 2.0 leaves above and below (seen on the reader's own crops)."""
_OVERSAMPLED = 1.25
"""Letters are drawn this much larger than they are seen, as a lens would find them."""
_MAX_CHARS = 84
_MIN_EM_PX = 12
_MIN_DOTS_EM_PX = 26
"""Smaller letters are not printed in dots: nobody could read them, once scanned."""


@dataclass(frozen=True, slots=True)
class Type:
    """A way of printing: font, size and manner."""

    path: Path
    em_px: int
    manner: str
    narrow: float
    spacing: float


def make_text(rng: np.random.Generator, kind: LineKind, charset: tuple[str, ...]) -> str:
    """Make up what a line of this kind says, with the characters of a charset; never empty."""
    writer, allowed = Writer(rng), frozenset(charset)
    for _ in range(20):
        source = pick(rng, kind.texts)
        if source == "mrz":
            text = pick(rng, writer.mrz())
        elif source == "gibberish":
            text = writer.gibberish(charset)
        else:
            text = writer.make(source) if source in TEMPLATES else writer.checked()
        text = spell(text.upper() if kind.capitals else text, allowed)[:_MAX_CHARS].strip()
        if text and ("segments" not in kind.prints or segments.can_show(text)):
            return text
    return spell("0", allowed) or charset[0]


def choose_type(rng: np.random.Generator, kind: LineKind, text: str, fonts: FontBook, em_px: int) -> Type | None:
    """Choose font and manner for a text; None where no font of these uses has all its characters."""
    use = pick(rng, kind.fonts)
    if use == "capitals" and text != text.upper():
        use = "plain"
    if use == "road" and not text.isascii():
        use = "plain"
    manner = pick(rng, kind.prints)
    if manner in {"typewriter", "dots"} and rng.random() < 0.85:
        use = "mono"
    path = fonts.choose(rng, use, text) or fonts.choose(rng, "plain", text) or fonts.choose(rng, "mono", text)
    if path is None:
        return None
    spacing = rng.uniform(0.04, 0.4) if manner == "spaced" else 0.0
    if manner == "plain" and rng.random() < 0.15:
        spacing = rng.uniform(-0.04, 0.08)
    return Type(path, em_px, manner, rng.uniform(*kind.narrow) if rng.random() < 0.6 else 1.0, spacing)


def print_text(rng: np.random.Generator, text: str, how: Type) -> Mask:
    """Print a line as a mask."""
    if how.manner == "typewriter":
        mask = ink.typewriter(rng, text, how.path, how.em_px)
    elif how.manner == "dots" and how.em_px >= _MIN_DOTS_EM_PX:
        mask = ink.dot_matrix(rng, text, how.path, how.em_px)
    else:
        stroke = max(1, round(0.02 * how.em_px)) if how.manner == "bold" and how.em_px > 20 else 0
        mask = ink.plain(text, how.path, how.em_px, spacing_px=how.spacing * how.em_px, stroke_px=stroke)
    if how.manner == "worn":
        mask = ink.fray(rng, mask, rng.uniform(0.1, 0.65))
    elif how.manner == "thermal":
        mask = ink.fade(rng, mask, rng.uniform(0.1, 0.5))
    if how.narrow != 1.0:
        mask = _resized(mask, (mask.shape[0], max(2, round(mask.shape[1] * how.narrow))))
    return mask


def draw_crop(rng: np.random.Generator, kind: LineKind, text: str, fonts: FontBook) -> NDArray[np.uint8] | None:
    """Draw a line of a kind as a crop, (H, W, 3) uint8 BGR; None where no font can show the text."""
    height_px = round(float(np.exp(rng.uniform(*np.log(kind.height_px)))))
    ink_px = max(8, round(height_px * _INK_PART * _OVERSAMPLED))
    # A charset may have nothing that segments can show: then a display is printed.
    if "segments" in kind.prints and segments.can_show(text):
        pixels, ink_box_px = _draw_display(rng, kind, text, ink_px)
    else:
        how = choose_type(rng, kind, text, fonts, max(_MIN_EM_PX, round(ink_px * 1.25)))
        mask = None if how is None else print_text(rng, text, how)
        if how is None or mask is None or not mask.any():
            return None
        pixels, ink_box_px = _draw_print(rng, kind, mask, how), mask.shape[0]
    return _photographed(rng, kind, _cut(rng, kind, to_uint8(pixels), height_px, ink_box_px), height_px)


def _photographed(
    rng: np.random.Generator, kind: LineKind, image: NDArray[np.uint8], height_px: int
) -> NDArray[np.uint8]:
    if rng.random() < kind.scanned:
        scanned = lens.scan(rng, image, stroke_px=0.06 * height_px)
        return lens.compress(rng, scanned) if rng.random() < 0.5 else scanned
    if kind.name == "screen" and rng.random() < 0.3:
        image = lens.moire(rng, image)
    return lens.photograph(rng, image, text_px=0.5 * height_px, depth=kind.depth * rng.uniform(0, 1))


def _draw_print(rng: np.random.Generator, kind: LineKind, mask: Mask, how: Type) -> NDArray[np.float32]:
    ground, tone = kind.colours(rng)
    mask, gap = emblems.with_gap(rng, mask) if kind.seals and rng.random() < kind.seals else (mask, None)
    canvas, top, left = _with_margins(rng, mask)
    pixels = pick(rng, kind.grounds)(rng, canvas.shape, ground).astype(np.float32)
    if gap is not None:
        pixels = emblems.sealed(rng, pixels, (left + gap[0], left + gap[1]), (top, top + mask.shape[0]))
    if kind.bands and rng.random() < kind.bands:
        pixels, canvas, more = emblems.banded(rng, pixels, canvas)
        left += more
    if rng.random() < kind.effects:
        pixels = decorated(rng, pixels, canvas, tone)
    pixels = lay_ink(pixels, canvas, tone, rng.uniform(0.85, 1.0))
    if rng.random() < kind.neighbours:
        pixels = _intruded(rng, kind, pixels, tone, how, (top, left, mask.shape))
    return _ruled(rng, pixels, tone, top + mask.shape[0]) if rng.random() < kind.rules else pixels


def _draw_display(rng: np.random.Generator, kind: LineKind, text: str, ink_px: int) -> tuple[NDArray[np.float32], int]:
    """Seven segments, lit or dark, with those that are off showing through; and the height of a digit."""
    ground, tone = kind.colours(rng)
    lit, everything = segments.draw(text, ink_px, segments.SegmentShape.by_chance(rng))
    if rng.random() < kind.narrow[1] - 1:
        size_hw = (lit.shape[0], round(lit.shape[1] * rng.uniform(*kind.narrow)))
        lit, everything = _resized(lit, size_hw), _resized(everything, size_hw)
    canvas, top, left = _with_margins(rng, lit)
    pixels = pick(rng, kind.grounds)(rng, canvas.shape, ground).astype(np.float32)
    off = pick(rng, (0.0, rng.uniform(0.02, 0.16)))
    pixels = lay_ink(pixels, _placed(everything, canvas.shape, top, left), tone, off)
    if tone.max() > ground.max() and rng.random() < 0.8:
        halo = glow(canvas, rng.uniform(0.05, 0.16) * ink_px)
        pixels += halo[..., None] * tone * np.float32(rng.uniform(0.2, 0.7))
    elif rng.random() < 0.4:
        # The crystals' shadow on the mirror behind them.
        pixels = lay_ink(pixels, np.roll(canvas, (2, 3), (0, 1)), tone, rng.uniform(0.05, 0.25))
    pixels = lay_ink(pixels, canvas, tone, rng.uniform(0.85, 1.0))
    return (_ruled(rng, pixels, tone, top + ink_px) if rng.random() < kind.rules else pixels), ink_px


def glow(mask: Mask, spread_px: float) -> Mask:
    """The light around lit segments."""
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), max(0.5, spread_px)), np.float32)


def _with_margins(rng: np.random.Generator, mask: Mask) -> tuple[Mask, int, int]:
    height = mask.shape[0]
    side = (1 - _INK_PART) / _INK_PART / 2
    above, below = (round(height * side * rng.uniform(0.45, 1.35)) for _ in range(2))
    before, after = (round(height * side * rng.uniform(0.2, 1.6)) for _ in range(2))
    return np.pad(mask, ((above, below), (before, after))), above, before


def _placed(mask: Mask, size_hw: tuple[int, ...], top: int, left: int) -> Mask:
    """Show the part of a mask that falls onto a canvas; its corner may lie outside."""
    out = np.zeros(size_hw, np.float32)
    y0, x0 = max(0, top), max(0, left)
    part = mask[y0 - top :, x0 - left :][: max(0, size_hw[0] - y0), : max(0, size_hw[1] - x0)]
    out[y0 : y0 + part.shape[0], x0 : x0 + part.shape[1]] = part
    return out


def lay_ink(pixels: NDArray[np.float32], mask: Mask, tone: Levels, strength: float) -> NDArray[np.float32]:
    """Show pixels (H, W, 3) below ink of one tone; `strength` 1 covers them."""
    alpha = (mask * np.float32(strength))[..., None]
    return np.asarray(pixels * (1 - alpha) + tone * alpha, np.float32)


def decorated(rng: np.random.Generator, pixels: NDArray[np.float32], mask: Mask, tone: Levels) -> NDArray[np.float32]:
    """Put an outline, a cast shadow or an embossed edge below the ink."""
    height = mask.shape[0]
    other = np.asarray(rng.uniform(0, 255, 3), np.float32)
    style = rng.integers(3)
    if style == 0:
        size = 2 * max(1, round(rng.uniform(0.015, 0.05) * height)) + 1
        return lay_ink(pixels, cv2.dilate(mask, np.ones((size, size), np.uint8)), other, 1.0)  # type: ignore[arg-type]
    step = max(1, round(rng.uniform(0.02, 0.07) * height))
    if style == 1:
        soft = cv2.GaussianBlur(mask, (0, 0), max(0.5, step * rng.uniform(0.2, 1.0)))
        return lay_ink(
            pixels, np.roll(np.asarray(soft, np.float32), (step, step), (0, 1)), other * 0.3, rng.uniform(0.4, 1)
        )
    pixels = lay_ink(pixels, np.roll(mask, (-1, -1), (0, 1)), np.minimum(tone + 170, 255).astype(np.float32), 0.7)
    return lay_ink(pixels, np.roll(mask, (1, 1), (0, 1)), tone * np.float32(0.3), 0.7)


def _intruded(
    rng: np.random.Generator,
    kind: LineKind,
    pixels: NDArray[np.float32],
    tone: Levels,
    how: Type,
    placed: tuple[int, int, tuple[int, ...]],
) -> NDArray[np.float32]:
    """Let a neighbouring line or word reach in: its nearest strokes, never a whole letter beside the text."""
    top, left, (height, width) = placed
    canvas_hw = pixels.shape[:2]
    writer = Writer(rng)
    for side in ("above", "below", "before", "after"):
        if rng.random() < 0.55:
            continue
        words = spell(writer.make(pick(rng, ("page", "receipt", "form"))), frozenset(chr(i) for i in range(32, 127)))
        other = print_text(rng, (words.upper() if kind.capitals else words)[:40] or "0", how)
        if side in {"above", "below"}:
            gap = round(height * rng.uniform(0.08, 0.35))
            y = top - gap - other.shape[0] if side == "above" else top + height + gap
            mask = _placed(other, canvas_hw, y, left + round(rng.uniform(-0.5, 0.5) * width))
        else:
            reach = round(height * rng.uniform(0.02, 0.08))
            x = reach - other.shape[1] if side == "before" else canvas_hw[1] - reach
            mask = _placed(other, canvas_hw, top + height - other.shape[0], x)
            gap = round(0.12 * height)
            mask[:, max(0, left - gap) : left + width + gap] = 0
        pixels = lay_ink(pixels, mask, tone, 0.9)
    return pixels


def _ruled(rng: np.random.Generator, pixels: NDArray[np.float32], tone: Levels, bottom: int) -> NDArray[np.float32]:
    """Draw an underline or the edges of a box in the margins."""
    height, width = pixels.shape[:2]
    out, colour = pixels.copy(), tuple(float(level) for level in tone)
    thickness = max(1, round(rng.uniform(0.02, 0.07) * height))
    lines = {
        "under": ((0, (bottom + height) // 2), (width, (bottom + height) // 2)),
        "top": ((0, thickness), (width, thickness)),
        "left": ((thickness, 0), (thickness, height)),
        "right": ((width - thickness, 0), (width - thickness, height)),
    }
    for name, probability in (("under", 0.7), ("top", 0.25), ("left", 0.15), ("right", 0.15)):
        if rng.random() < probability:
            cv2.line(out, *lines[name], colour, thickness, cv2.LINE_AA)
    return out


def _cut(
    rng: np.random.Generator, kind: LineKind, pixels: NDArray[np.uint8], height_px: int, ink_px: int
) -> NDArray[np.uint8]:
    """Rectify a quad that fits loosely: slanted, in perspective, by chance bent, at the size it is seen."""
    height, width = pixels.shape[:2]
    if rng.random() < kind.bent:
        pixels = _bent(rng, pixels, 0.12 * ink_px)
    scale = height_px / height
    size_wh = (max(6, round(width * scale)), height_px)
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    loose = (height - ink_px) / 2 * kind.slant * rng.random()
    source = corners + rng.uniform(-1, 1, (4, 2)).astype(np.float32) * np.float32(loose)
    target = corners * np.array([size_wh[0] / width, size_wh[1] / height], np.float32)
    homography = cv2.getPerspectiveTransform(source.astype(np.float32), target)
    if scale < 0.6:
        pixels = np.asarray(cv2.GaussianBlur(pixels, (0, 0), 0.35 / scale), np.uint8)
    flags = cv2.INTER_LINEAR if rng.random() < 0.7 else cv2.INTER_CUBIC
    return np.asarray(
        cv2.warpPerspective(pixels, homography, size_wh, flags=flags, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def _bent(rng: np.random.Generator, pixels: NDArray[np.uint8], swing_px: float) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    along = np.arange(width, dtype=np.float32) / width
    if rng.random() < 0.6:
        curve = 4 * (along - 0.5) ** 2 - 0.5
    else:
        curve = np.sin(2 * np.pi * (along * rng.uniform(0.5, 1.5) + rng.random()))
    shift = (swing_px * rng.uniform(-1.5, 1.5) * curve).astype(np.float32)
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return np.asarray(
        cv2.remap(pixels, x, y + shift[None], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def _resized(mask: Mask, size_hw: tuple[int, int]) -> Mask:
    return np.asarray(cv2.resize(mask, size_hw[::-1], interpolation=cv2.INTER_AREA), np.float32)
