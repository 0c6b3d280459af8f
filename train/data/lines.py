"""Pictures of single lines of text, cut out as a detector cuts them."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from train.data.camera import Colour, photograph, texture
from train.data.chance import pick
from train.data.fonts import load_font
from train.data.paper import Paper
from train.data.text import random_text


def render_line(rng: np.random.Generator, fonts: Sequence[Path]) -> tuple[NDArray[np.uint8], str]:
    """Draw a line of text in a chance font, size, colour and background, and photograph it.

    Args:
        rng: The same state gives the same picture, given the same fonts.
        fonts: Files to choose from, not empty (`find_fonts`).

    Returns:
        A picture (H, W, 3) uint8 BGR, about 20 to 90 pixels high with the text filling most of it, and the text.
    """
    text = random_text(rng)
    font = load_font(pick(rng, fonts), int(rng.integers(18, 65)))
    left, top, right, bottom = font.getbbox(text, anchor="ls")
    margin = 4 + font.size * rng.uniform(0.1, 0.35)
    # Ink as flat as a dash would give a picture of two pixels: the height is the text's or half an em.
    height = max(bottom - top, font.size / 2)
    size_hw = (int(height + 2 * margin), int(right - left + 2 * margin))
    ground, ink = paper_and_ink(rng)
    paper = Paper(_ground(rng, size_hw, ground))
    paper.write(text, (margin - left, (size_hw[0] - bottom - top) / 2), font, ink)
    return photograph(rng, _askew(rng, paper.pixels, margin), blur_px=0.035 * font.size), text


def paper_and_ink(rng: np.random.Generator) -> tuple[Colour, Colour]:
    """Choose two colours that can be told apart: mostly dark on light, one time in four the other way."""
    light = rng.integers(165, 256) + rng.integers(-35, 1, 3) * rng.integers(2)
    dark = rng.integers(0, 60) + rng.integers(0, 35, 3)
    if rng.random() < 0.2:
        # A strong colour instead of the dark one: signs, stamps, coloured print.
        dark[rng.integers(3)] = rng.integers(100, 180)
    pair: tuple[Colour, Colour] = _colour(light), _colour(dark)
    return pair if rng.random() < 0.75 else pair[::-1]


def _colour(values: NDArray[np.int64]) -> Colour:
    blue, green, red = (int(value) for value in np.clip(values, 0, 255))
    return blue, green, red


def _ground(rng: np.random.Generator, size_hw: tuple[int, int], colour: Colour) -> NDArray[np.uint8]:
    if rng.random() < 0.4:
        return texture(rng, size_hw, colour)
    return np.full((*size_hw, 3), colour, np.uint8)


def _askew(rng: np.random.Generator, pixels: NDArray[np.uint8], margin: float) -> NDArray[np.uint8]:
    """Move each corner inwards or outwards by less than the margin: the slant and perspective of a loose quad."""
    height, width = pixels.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    moved = corners + rng.uniform(-0.7, 0.7, (4, 2)).astype(np.float32) * margin * rng.random()
    homography = cv2.getPerspectiveTransform(corners, moved.astype(np.float32))
    warped = cv2.warpPerspective(pixels, homography, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, np.uint8)
