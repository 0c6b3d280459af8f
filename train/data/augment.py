"""What happens to a line between the paper and the recogniser, beyond how it was drawn: RecAug with our own set.

PP-OCRv2's list (TIA warps, crop, blur, "colour", "noise", inversion) leaves colours as they are and adds a noise that
rounding removes; what a camera at a counter does came from its unpublished data. Here each item that did something is
kept, and focus, shake, exposure, colour cast, resolution, noise and JPEG are added. Images are (H, W, 3) uint8 BGR.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from train.data.camera import defocus, jpeg, motion_blur, sensor_noise, shade, to_uint8
from train.data.chance import pick

Image = NDArray[np.uint8]

RARELY = 0.3
"""Times the probability of the others: what is seldom at a counter, such as a negative."""
MIN_SIDE_PX = 8
"""Smaller pictures are left alone by what moves or cuts pixels."""


def augment_line(rng: np.random.Generator, image: Image, probability: float) -> Image:
    """Change a line as cameras, detectors and printers do; what it says stays the same.

    Args:
        rng: Where the chance comes from.
        image: One line; any size.
        probability: Of each change by itself; 0.4 in PP-OCRv2.

    Returns:
        A picture of about that size.
    """
    changes: tuple[tuple[float, Callable[[np.random.Generator, Image], Image]], ...] = (
        (1, stretch), (1, tilt), (1, recut), (RARELY, invert), (1, expose), (1, coarsen), (1, blur), (1, add_noise),
        (1, compress),
    )  # fmt: skip
    # All are decided first, so that one change more or less does not turn the others into different ones.
    chances = rng.random(len(changes))
    for chance, (share, change) in zip(chances, changes, strict=True):
        if chance < share * probability:
            image = change(rng, image)
    return image


def stretch(rng: np.random.Generator, image: Image) -> Image:
    """Widen some parts and narrow others, and wave up and down: a bent or badly fed paper (TIA distort and stretch)."""
    height, width = image.shape[:2]
    if min(height, width) < MIN_SIDE_PX:
        return image
    n_parts = int(rng.integers(3, 7))
    knots = np.linspace(0, width - 1, n_parts + 1)
    moved = knots.copy()
    moved[1:-1] += rng.uniform(-0.3, 0.3, n_parts - 1) * width / n_parts
    new_width = max(MIN_SIDE_PX, round(width * rng.uniform(0.85, 1.2)))
    columns = np.linspace(0, width - 1, new_width)
    map_x = np.interp(columns, knots, moved).astype(np.float32)
    wave = np.interp(columns, knots, rng.uniform(-0.05, 0.05, n_parts + 1) * height).astype(np.float32)
    map_y = np.arange(height, dtype=np.float32)[:, None] + wave
    grid_x = np.broadcast_to(map_x, map_y.shape).copy()
    return np.asarray(cv2.remap(image, grid_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def tilt(rng: np.random.Generator, image: Image) -> Image:
    """Move each corner: what is left of slant and perspective when a quad fits badly."""
    height, width = image.shape[:2]
    if min(height, width) < MIN_SIDE_PX:
        return image
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    reach = np.array([0.25, 0.14], np.float32) * height * np.float32(rng.random())
    moved = corners + rng.uniform(-1, 1, (4, 2)).astype(np.float32) * reach
    homography = cv2.getPerspectiveTransform(corners, moved)
    return np.asarray(
        cv2.warpPerspective(image, homography, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def recut(rng: np.random.Generator, image: Image) -> Image:
    """Cut a little more or less than the line, as detectors do: each edge moves by itself."""
    height, width = image.shape[:2]
    if min(height, width) < MIN_SIDE_PX:
        return image
    # Outwards further than inwards: half a margin is there to lose, and no letter.
    top, bottom = (round(height * rng.uniform(-0.08, 0.15)) for _ in range(2))
    left, right = (round(height * rng.uniform(-0.08, 0.35)) for _ in range(2))
    grown = cv2.copyMakeBorder(image, max(0, top), max(0, bottom), max(0, left), max(0, right), cv2.BORDER_REPLICATE)
    inner = grown[max(0, -top) : grown.shape[0] - max(0, -bottom), max(0, -left) : grown.shape[1] - max(0, -right)]
    return np.ascontiguousarray(inner, np.uint8)


def invert(rng: np.random.Generator, image: Image) -> Image:
    """Light on dark instead of dark on light."""
    del rng
    return np.asarray(255 - image, np.uint8)


def expose(rng: np.random.Generator, image: Image) -> Image:
    """Change light, contrast, gamma and white balance."""
    values = shade(rng, image, rng.uniform(0, 0.35)).astype(np.float32) / 255
    values = values ** np.float32(np.exp(rng.uniform(-0.5, 0.5)))
    values = (values - 0.5) * np.float32(rng.uniform(0.4, 1.25)) + np.float32(0.5 + rng.uniform(-0.15, 0.15))
    cast = rng.uniform(0.85, 1.15, 3).astype(np.float32)
    return to_uint8(values * cast * 255)


def coarsen(rng: np.random.Generator, image: Image) -> Image:
    """Lose resolution, as text does that is far away."""
    height, width = image.shape[:2]
    factor = rng.uniform(0.35, 0.9)
    small_wh = (max(4, round(width * factor)), max(4, round(height * factor)))
    small = cv2.resize(image, small_wh, interpolation=pick(rng, (cv2.INTER_AREA, cv2.INTER_LINEAR)))
    return np.asarray(
        cv2.resize(small, (width, height), interpolation=pick(rng, (cv2.INTER_LINEAR, cv2.INTER_CUBIC))), np.uint8
    )


def blur(rng: np.random.Generator, image: Image) -> Image:
    """Out of focus, or shaken: up to what leaves letters legible."""
    height = image.shape[0]
    if rng.random() < 0.5:
        return defocus(image, rng.uniform(0.005, 0.035) * height)
    return motion_blur(image, rng.uniform(0.03, 0.12) * height, rng.uniform(0, 180))


def add_noise(rng: np.random.Generator, image: Image) -> Image:
    """Noise of a sensor in the dark; large enough to survive rounding."""
    return sensor_noise(rng, image, float(np.exp(rng.uniform(0.7, 3.0))))


def compress(rng: np.random.Generator, image: Image) -> Image:
    """JPEG of any quality met in practice."""
    return jpeg(image, int(rng.integers(20, 95)))


def join_lines(rng: np.random.Generator, left: Image, right: Image) -> Image:
    """Put two lines beside each other with a space between them (RecConAug of PP-OCRv3).

    Args:
        rng: Where the chance comes from.
        left: Gives the height.
        right: Scaled to it.
    """
    height = left.shape[0]
    width = max(1, round(right.shape[1] * height / right.shape[0]))
    scaled = cv2.resize(right, (width, height), interpolation=cv2.INTER_AREA)
    share = np.linspace(0, 1, max(1, round(height * rng.uniform(0.0, 0.3))), dtype=np.float32)[None, :, None]
    # From the ground of the one to that of the other: medians, since the edge itself may hold ink.
    ends = [
        np.median(part, axis=(0, 1)).astype(np.float32) for part in (left[:, -height // 2 :], scaled[:, : height // 2])
    ]
    gap = np.broadcast_to(to_uint8(ends[0] * (1 - share) + ends[1] * share), (height, share.shape[1], 3))
    return np.concatenate([left, gap, np.asarray(scaled, np.uint8)], axis=1)
