"""Text as ink: (H, W) float32 masks in [0, 1], cut close, for every way of printing."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from train.data.camera import smooth_noise

Mask = NDArray[np.float32]
Printer = Callable[[np.random.Generator, str, Path, int], Mask]
"""Prints a text with a font at a size, pixels per em, leaving things to chance."""

_FLATTEST = 0.42
"""Lowest mask, in ems: a dash keeps the room that a small letter has."""
_DOT_EM = 11
"""Pixels per em at which a letter is about seven dots high."""


@lru_cache(maxsize=256)
def open_font(path: Path, size_px: int) -> ImageFont.FreeTypeFont:
    """Open a font at a size; laid out letter by letter, so that no ligature depends on how Pillow was built."""
    return ImageFont.truetype(path, size_px, layout_engine=ImageFont.Layout.BASIC)


def plain(
    text: str, path: Path, em_px: int, *, spacing_px: float = 0, stroke_px: int = 0, aliased: bool = False
) -> Mask:
    """Draw a line of text.

    Args:
        text: The line.
        path: The font's file.
        em_px: Pixels per em.
        spacing_px: Added between letters; may be negative.
        stroke_px: How much bolder, on every side.
        aliased: Whether pixels are on or off.

    Returns:
        The mask, as wide as the ink and as high, but never lower than a small letter.
    """
    font = open_font(path, em_px)
    starts = [0.0]
    if spacing_px:
        for char in text:
            starts.append(starts[-1] + font.getlength(char) + spacing_px)
    left, top, right, bottom = font.getbbox(text, anchor="ls", stroke_width=stroke_px)
    pad = 2 + stroke_px
    width = int(right - min(left, 0) + max(0.0, spacing_px) * len(text) + 2 * pad)
    image = Image.new("L", (max(width, 4), int(bottom - top) + 2 * pad), 0)
    pen = ImageDraw.Draw(image)
    pen.fontmode = "1" if aliased else "L"
    origin = (pad - min(left, 0), pad - top)
    if spacing_px:
        for start, char in zip(starts, text, strict=False):
            pen.text((origin[0] + start, origin[1]), char, 255, font, "ls", stroke_width=stroke_px)
    else:
        pen.text(origin, text, 255, font, "ls", stroke_width=stroke_px)
    base = int(pad - top)
    return _close(np.asarray(image, np.float32) / np.float32(255), base, em_px)


def typewriter(rng: np.random.Generator, text: str, path: Path, em_px: int) -> Mask:
    """Hit every letter by itself: uneven height and pressure, edges frayed by the ribbon."""
    font = open_font(path, em_px)
    widths = [font.getlength(char) for char in text]
    height = round(1.5 * em_px)
    mask = np.zeros((height, int(sum(widths)) + em_px), np.float32)
    jitter, x = 0.03 * em_px, em_px / 4
    for char, width in zip(text, widths, strict=True):
        image = Image.new("L", (mask.shape[1], height) if len(text) < 2 else (round(width) + em_px, height), 0)
        place = (em_px / 4 + rng.uniform(-jitter, jitter), 1.05 * em_px + rng.uniform(-jitter, jitter))
        ImageDraw.Draw(image).text(place, char, 255, font, "ls")
        letter = np.asarray(image, np.float32) * (rng.uniform(0.6, 1) / 255)
        start = max(0, round(x - em_px / 4))
        part = mask[:, start : start + letter.shape[1]]
        np.maximum(part, letter[:, : part.shape[1]], out=part)
        x += width
    return _close(mask, round(1.05 * em_px), em_px)


def dot_matrix(rng: np.random.Generator, text: str, path: Path, em_px: int) -> Mask:
    """Print with needles, or show on a panel of lamps: round dots on a grid."""
    dots = plain(text, path, _DOT_EM + int(rng.integers(0, 3)), aliased=True) > 0.5
    pitch = max(2, round(em_px / _DOT_EM))
    axis = np.arange(pitch) - (pitch - 1) / 2
    radius = pitch * rng.uniform(0.42, 0.62)
    dot = np.clip(radius + 0.5 - np.hypot(*np.meshgrid(axis, axis)), 0, 1).astype(np.float32)
    return np.kron(dots.astype(np.float32), dot)


def fray(rng: np.random.Generator, mask: Mask, strength: float) -> Mask:
    """Wear a print: spots missing, strokes fattened or starved from place to place.

    Args:
        rng: Where the chance comes from.
        mask: The print.
        strength: From 0, none, to 1, hardly legible.
    """
    height, width = mask.shape
    field = smooth_noise(rng, mask.shape, (max(1, height // 6), max(1, width // 6)))
    grain = rng.standard_normal(mask.shape, np.float32)
    soft = cv2.GaussianBlur(mask, (0, 0), max(0.5, 0.02 * height))
    level = 0.5 + strength * (0.35 * field + 0.25 * grain) + rng.uniform(-0.12, 0.12)
    return np.asarray(np.clip((soft - level) * 3 + 0.5, 0, 1), np.float32) * np.float32(1 - 0.2 * strength)


def fade(rng: np.random.Generator, mask: Mask, strength: float) -> Mask:
    """Print with a tired thermal head: paler in bands across and along, a column or two missing."""
    height, width = mask.shape
    along = 1 - strength * np.abs(smooth_noise(rng, (1, width), (1, 4)))
    rows = 1 - 0.5 * strength * rng.random((height, 1), np.float32)
    mask = np.asarray(mask * along * rows, np.float32)
    for _ in range(rng.integers(0, 3)):
        mask[:, rng.integers(width)] *= rng.uniform(0, 0.7)
    return mask


def _close(mask: Mask, base: int, em_px: int) -> Mask:
    """Cut a mask to its ink, but keep the height of a small letter about the base line."""
    rows, columns = np.flatnonzero(mask.max(axis=1) > 0.1), np.flatnonzero(mask.max(axis=0) > 0.1)
    if not len(rows):
        return np.zeros((max(4, int(_FLATTEST * em_px)), max(4, em_px // 3)), np.float32)
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    if bottom - top < _FLATTEST * em_px:
        top, bottom = min(top, int(base - _FLATTEST * em_px)), max(bottom, base)
    above, below = max(0, -top), max(0, bottom - mask.shape[0])
    if above or below:
        mask = np.pad(mask, ((above, below), (0, 0)))
    return mask[top + above : bottom + above, int(columns[0]) : int(columns[-1]) + 1]
