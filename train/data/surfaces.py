"""What text stands on: papers, metal, plastic, displays, and scenes to put things into. (H, W, 3) uint8 BGR."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_ocr.errors import ConfigError
from train.data.camera import smooth_noise, texture, to_uint8
from train.data.chance import pick

Pixels = NDArray[np.uint8]
Levels = NDArray[np.float32]
"""Blue, green, red, (3,) in 0..255."""


def kindred(rng: np.random.Generator, colour: Levels, light: float, hue: float) -> Levels:
    """A colour that may stand beside another: lighter or darker, a little of another hue, seldom a strong one."""
    shift = rng.normal(0, light) + rng.normal(0, hue if rng.random() < 0.9 else 4 * hue, 3)
    return np.asarray(np.clip(colour + shift, 0, 255), np.float32)


def flat(rng: np.random.Generator, size_hw: tuple[int, int], colour: Levels) -> Pixels:
    """One even colour; nothing is drawn by chance."""
    del rng
    return np.full((*size_hw, 3), np.clip(np.rint(colour), 0, 255).astype(np.uint8), np.uint8)


def paper(rng: np.random.Generator, size_hw: tuple[int, int], colour: Levels) -> Pixels:
    """Paper with a little grain and, by chance, creases."""
    field = rng.uniform(0, 5) * rng.standard_normal(size_hw, np.float32)
    field += rng.uniform(0, 10) * smooth_noise(rng, size_hw, (2, 3))
    if rng.random() < 0.25:
        field -= _creases(rng, size_hw)
    return to_uint8(colour + field[..., None])


def gradient(rng: np.random.Generator, size_hw: tuple[int, int], colour: Levels) -> Pixels:
    """A colour that changes evenly into a related one, as on plates, screens and posters."""
    height, width = size_hw
    other = kindred(rng, colour, 35, 14)
    ramp = np.linspace(0, 1, height)[:, None] if rng.random() < 0.7 else np.linspace(0, 1, width)[None]
    part = np.broadcast_to(ramp, size_hw)[..., None]
    return to_uint8(colour * (1 - part) + other * part)


def guilloche(rng: np.random.Generator, size_hw: tuple[int, int], colour: Levels) -> Pixels:
    """The fine wavy lines of cards, tickets and banknotes, over a gradient."""
    height, width = size_hw
    y, x = np.ogrid[:height, :width]
    out = gradient(rng, size_hw, colour).astype(np.float32)
    for _ in range(rng.integers(1, 4)):
        period, angle = rng.uniform(4, 16), rng.uniform(0, np.pi)
        swing, length = rng.uniform(1, 14), rng.uniform(20, 120)
        across = x * np.cos(angle) + y * np.sin(angle)
        along = x * np.sin(angle) - y * np.cos(angle)
        wave = np.sin(2 * np.pi / period * (across + swing * np.sin(2 * np.pi * along / length)))
        line = np.clip(wave - rng.uniform(0.2, 0.8), 0, 1)
        out += line[..., None] * rng.uniform(-90, 25, 3)
    return to_uint8(out)


def brushed(rng: np.random.Generator, size_hw: tuple[int, int], colour: Levels) -> Pixels:
    """Brushed metal: streaks along one way and a broad reflection."""
    height, width = size_hw
    streaks = cv2.blur(rng.standard_normal((height, width + 40)).astype(np.float32), (41, 1))[:, 20 : 20 + width]
    light = 25 * smooth_noise(rng, size_hw, (1, 2))
    return to_uint8(colour + (rng.uniform(10, 50) * streaks + light)[..., None])


def rounded_sleeve(rng: np.random.Generator, size_hw: tuple[int, int], colour: Levels) -> Pixels:
    """A sleeve or tube: lit from one side, dark at its edges."""
    height, _ = size_hw
    across = np.linspace(-1, 1, height)[:, None] - rng.uniform(-0.5, 0.5)
    light = 1 - rng.uniform(0.05, 0.45) * across**2 + rng.uniform(-0.1, 0.1) * across
    grain = rng.uniform(0, 4) * rng.standard_normal(size_hw, np.float32)
    return to_uint8(colour * light[..., None] + grain[..., None])


def scene(rng: np.random.Generator, size_hw: tuple[int, int], colour: Levels) -> Pixels:
    """Something out of focus, as behind shop signs: patches, edges and light of many colours."""
    height, width = size_hw
    scale = max(1, min(size_hw) // 96)
    small_hw = (max(8, height // scale), max(8, width // scale))
    out = texture(rng, small_hw, tuple(int(level) for level in colour)).copy()  # type: ignore[arg-type]
    for _ in range(rng.integers(4, 16)):
        shade = tuple(float(level) for level in kindred(rng, colour, 55, 16))
        centre = rng.uniform(0, small_hw[::-1])
        spread = rng.uniform(0.05, 0.5, 2) * small_hw[::-1]
        if rng.random() < 0.6:
            box = ((float(centre[0]), float(centre[1])), (float(spread[0]), float(spread[1])), float(rng.normal(0, 20)))
            cv2.fillConvexPoly(out, cv2.boxPoints(box).astype(np.int32), shade, cv2.LINE_AA)
        else:
            axes = (int(spread[0] / 2) + 1, int(spread[1] / 2) + 1)
            cv2.ellipse(out, (int(centre[0]), int(centre[1])), axes, float(rng.uniform(0, 180)), 0, 360, shade, -1)
    if rng.random() < 0.7:
        out = np.asarray(cv2.GaussianBlur(out, (0, 0), rng.uniform(0.5, 3)), np.uint8)
    out = np.asarray(cv2.resize(out, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
    return to_uint8(out + rng.uniform(0, 5) * rng.standard_normal((*size_hw, 1), np.float32))


def bricks(rng: np.random.Generator, size_hw: tuple[int, int], colour: Levels) -> Pixels:
    """A wall of bricks, tiles or boards: edges as long and straight as strokes."""
    height, width = size_hw
    out = texture(rng, size_hw, tuple(int(level) for level in colour)).copy()  # type: ignore[arg-type]
    joint = tuple(float(level) for level in np.clip(colour + rng.uniform(-70, 70), 0, 255))
    step_y, step_x = int(rng.integers(8, 60)), int(rng.integers(20, 160))
    thickness, shift = int(rng.integers(1, 4)), step_x // 2 if rng.random() < 0.7 else 0
    for row, top in enumerate(range(0, height, step_y)):
        cv2.line(out, (0, top), (width, top), joint, thickness)
        for left in range(shift * (row % 2), width, step_x):
            cv2.line(out, (left, top), (left, top + step_y), joint, thickness)
    return out


def clutter(rng: np.random.Generator, size_hw: tuple[int, int], colour: Levels) -> Pixels:
    """Things that are sharp and no text: rods, frames, cables, rings, leaves, stripes; before something blurred."""
    out = scene(rng, size_hw, colour).copy()
    height, width = size_hw
    for _ in range(rng.integers(6, 30)):
        shade = tuple(float(level) for level in kindred(rng, colour, 60, 20))
        (x0, y0), (x1, y1) = ((int(x), int(y)) for x, y in rng.uniform(0, 1, (2, 2)) * (width, height))
        size, thickness = int(rng.uniform(3, 0.2 * height)), int(rng.integers(1, 9))
        style = rng.integers(5)
        if style == 0:
            cv2.line(out, (x0, y0), (x1, y1), shade, 2 * thickness, cv2.LINE_AA)
        elif style == 1:
            cv2.rectangle(out, (x0, y0), (x0 + 2 * size, y0 + size), shade, thickness if rng.random() < 0.5 else -1)
        elif style == 2:
            cv2.circle(out, (x0, y0), size // 2 + 1, shade, thickness, cv2.LINE_AA)
        elif style == 3:
            angle = float(rng.uniform(0, 360))
            cv2.ellipse(out, (x0, y0), (size, size // 4 + 1), angle, 0, 360, shade, -1, cv2.LINE_AA)
        else:
            for stripe in range(int(rng.integers(4, 16))):
                x = x0 + 3 * thickness * stripe
                cv2.line(out, (x, y0), (x, y0 + size), shade, max(1, thickness // 2))
    return out


def any_backdrop(rng: np.random.Generator, size_hw: tuple[int, int]) -> Pixels:
    """Something to lie or hang before: a table, a wall, a street out of focus."""
    colour = np.asarray(rng.uniform(35, 240) + rng.normal(0, 14, 3), np.float32)
    grounds = (scene, scene, scene, clutter, clutter, clutter, bricks, gradient, _texture)
    return pick(rng, grounds)(rng, size_hw, np.clip(colour, 5, 250))


def photo(rng: np.random.Generator, size_hw: tuple[int, int], files: Sequence[Path]) -> Pixels:
    """A part of a picture without text, chosen from files.

    Raises:
        ConfigError: The file cannot be read as a picture.
    """
    path = pick(rng, files)
    image = cv2.imread(str(path))
    if image is None:
        raise ConfigError(f"{path}: cannot be read as a picture; leave it out of the backdrops")
    scale = max(size_hw[0] / image.shape[0], size_hw[1] / image.shape[1]) * rng.uniform(1.0, 1.6)
    image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    image = cv2.copyMakeBorder(image, 0, 2, 0, 2, cv2.BORDER_REPLICATE)
    top, left = (int(rng.integers(have - need + 1)) for have, need in zip(image.shape[:2], size_hw, strict=True))
    return np.array(image[top : top + size_hw[0], left : left + size_hw[1]], np.uint8)


def _texture(rng: np.random.Generator, size_hw: tuple[int, int], colour: Levels) -> Pixels:
    return texture(rng, size_hw, tuple(int(level) for level in colour))  # type: ignore[arg-type]


def _creases(rng: np.random.Generator, size_hw: tuple[int, int]) -> NDArray[np.float32]:
    height, width = size_hw
    dark = np.zeros(size_hw, np.float32)
    for _ in range(rng.integers(1, 4)):
        ends = rng.uniform(0, 1, (2, 2)) * (width, height)
        start, end = ((int(x), int(y)) for x, y in ends)
        cv2.line(dark, start, end, (float(rng.uniform(8, 35)),), 1, cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(dark, (0, 0), rng.uniform(0.6, 2)), np.float32)
