"""What stands among the characters of a plate and is none: seals, stickers, emblems, the band with a country's sign."""

import cv2
import numpy as np
from numpy.typing import NDArray

from train.data.ink import Mask
from train.data.surfaces import Levels

_LEAST_GAP = 0.12
"""Of a line's height: what is narrower is the distance between two letters."""
_FINE = 4
"""Emblems are drawn this much larger: their edges are soft."""


def with_gap(rng: np.random.Generator, mask: Mask) -> tuple[Mask, tuple[int, int] | None]:
    """Widen the widest gap of a printed line for a seal.

    Args:
        rng: Chance.
        mask: (H, W) of the printed line.

    Returns:
        The mask, and the first column of the gap and the one behind it; None where there is no gap but between letters.
    """
    inked = np.flatnonzero(mask.max(axis=0) > 0)
    if len(inked) < 2:
        return mask, None
    steps = np.diff(inked)
    widest = int(steps.argmax())
    height = mask.shape[0]
    if steps[widest] < _LEAST_GAP * height:
        return mask, None
    start, stop = int(inked[widest]) + 1, int(inked[widest + 1])
    more = round(height * rng.uniform(0.0, 0.45))
    return np.insert(mask, [start] * more, 0, axis=1), (start, stop + more)


def sealed(
    rng: np.random.Generator, pixels: NDArray[np.float32], columns: tuple[int, int], rows: tuple[int, int]
) -> NDArray[np.float32]:
    """Put one emblem, or two round seals above each other, into a gap of a plate (H, W, 3)."""
    width, height = columns[1] - columns[0], rows[1] - rows[0]
    x = (columns[0] + columns[1]) / 2
    n_seals = 2 if rng.random() < 0.4 else 1
    for i in range(n_seals):
        across = min(width * rng.uniform(0.55, 1.0), height * rng.uniform(0.25, 0.6) / n_seals**0.5)
        y = rows[0] + height * ((0.28, 0.72)[i] if n_seals == 2 else rng.uniform(0.35, 0.65))
        outline = _outline(rng, (x, y), across, across * (1.0 if n_seals == 2 else rng.uniform(0.8, 1.7)))
        pixels = _filled(pixels, outline, _colour(rng), rng.uniform(0.5, 1.0))
        for _ in range(int(rng.integers(0, 3))):
            inner = across * rng.uniform(0.2, 0.7)
            pixels = _filled(pixels, _outline(rng, (x, y), inner, inner), _colour(rng), rng.uniform(0.5, 1.0))
    return pixels


def banded(rng: np.random.Generator, pixels: NDArray[np.float32], mask: Mask) -> tuple[NDArray[np.float32], Mask, int]:
    """Put a band in front of a plate, as in Europe: blue, with a ring of stars and one to three letters.

    Returns:
        The wider plate and mask, and by how many columns.
    """
    height = mask.shape[0]
    more = round(height * rng.uniform(0.12, 0.4))
    pixels = np.pad(pixels, ((0, 0), (more, 0), (0, 0)), mode="edge")
    mask = np.pad(mask, ((0, 0), (more, 0)))
    blue = np.array((rng.uniform(70, 200), rng.uniform(10, 80), rng.uniform(0, 60)), np.float32)
    pixels[:, :more] = blue if rng.random() < 0.9 else _colour(rng)
    light = np.full(3, rng.uniform(150, 250), np.float32)
    for angle in np.linspace(0, 2 * np.pi, 12, endpoint=False):
        star = (more * (0.5 + 0.28 * np.cos(angle)), height * 0.32 + more * 0.28 * np.sin(angle))
        pixels = _filled(pixels, _outline(rng, star, more * 0.09, more * 0.09), light, 0.8)
    sign = "".join(chr(ord("A") + int(i)) for i in rng.integers(0, 26, rng.integers(1, 4)))
    scale = 0.75 * more / max(1, cv2.getTextSize(sign, cv2.FONT_HERSHEY_SIMPLEX, 1.0, 2)[0][0])
    place = (round(0.12 * more), round(0.72 * height))
    alpha = np.zeros(pixels.shape[:2], np.uint8)
    cv2.putText(alpha, sign, place, cv2.FONT_HERSHEY_SIMPLEX, scale, (255,), 1, cv2.LINE_AA)
    return _blended(pixels, alpha, light, 1.0), mask, more


def _colour(rng: np.random.Generator) -> Levels:
    return np.asarray(rng.uniform(0, 255, 3), np.float32)


def _outline(rng: np.random.Generator, centre: tuple[float, float], width: float, height: float) -> NDArray[np.float64]:
    """A circle, a shield or the ragged shape of a state, as (N, 2) points."""
    kind = rng.integers(3)
    angles = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1) / 2
    if kind == 1:
        points = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.1], [0.3, 0.4], [0.0, 0.5], [-0.3, 0.4], [-0.5, 0.1]])
    elif kind == 2:
        points *= rng.uniform(0.6, 1.3, (20, 1))
    return np.asarray(np.array(centre) + points * (width, height))


def _filled(
    pixels: NDArray[np.float32], outline: NDArray[np.float64], colour: Levels, strength: float
) -> NDArray[np.float32]:
    alpha = np.zeros(pixels.shape[:2], np.uint8)
    cv2.fillPoly(alpha, [np.round(outline * _FINE).astype(np.int32)], 255, cv2.LINE_AA, shift=2)
    return _blended(pixels, alpha, colour, strength)


def _blended(
    pixels: NDArray[np.float32], alpha: NDArray[np.uint8], colour: Levels, strength: float
) -> NDArray[np.float32]:
    part = (alpha.astype(np.float32) * np.float32(strength / 255))[..., None]
    return np.asarray(pixels * (1 - part) + colour * part, np.float32)
