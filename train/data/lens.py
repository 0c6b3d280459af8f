"""What a camera, a scanner and a codec do to a picture. Images are (H, W, 3) uint8 BGR; sizes are given in pixels."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from train.data.camera import defocus, jpeg, motion_blur, sensor_noise, shade, smooth_noise, to_uint8
from train.data.chance import pick

Image = NDArray[np.uint8]


def expose(rng: np.random.Generator, image: Image, *, depth: float) -> Image:
    """Change exposure, contrast, gamma and the colour of the light; `depth` in [0, 1] says how much."""
    values = np.arange(256, dtype=np.float32) / 255
    gamma = np.exp(depth * rng.uniform(-0.6, 0.6))
    gain, offset = 1 + depth * rng.uniform(-0.5, 0.3), depth * rng.uniform(-0.15, 0.2)
    light = 1 + depth * rng.uniform(-0.09, 0.09, 3)
    table = to_uint8(255 * (values[:, None] ** gamma * gain * light + offset))
    return np.asarray(cv2.LUT(image, table[:, None, :]), np.uint8)


def glare(rng: np.random.Generator, image: Image) -> Image:
    """Let a lamp shine in the surface: one soft bright spot or streak."""
    height, width = image.shape[:2]
    y, x = np.ogrid[:height, :width]
    cx, cy = rng.uniform(0, width), rng.uniform(0, height)
    rx, ry = rng.uniform(0.1, 0.5) * width + 4, rng.uniform(0.15, 0.8) * height + 4
    spot = np.exp(-(((x - cx) / rx) ** 2) - ((y - cy) / ry) ** 2).astype(np.float32)
    return to_uint8(image + (rng.uniform(20, 120) * spot)[..., None])


def shadow(rng: np.random.Generator, image: Image) -> Image:
    """Let an edge of shadow fall across the picture, sharp or soft."""
    height, width = image.shape[:2]
    y, x = np.ogrid[:height, :width]
    angle, softness = rng.uniform(0, 2 * np.pi), rng.uniform(0.02, 0.5) * max(height, width)
    along = (x - rng.uniform(0, width)) * np.cos(angle) + (y - rng.uniform(0, height)) * np.sin(angle)
    dark = 1 / (1 + np.exp(np.clip(-along / softness * 4, -30, 30)))
    return to_uint8(image * (1 - rng.uniform(0.2, 0.6) * dark)[..., None])


def disk_blur(image: Image, radius_px: float) -> Image:
    """Defocus as a lens does: an even disk rather than a bell; under half a pixel gives the image back."""
    if radius_px < 0.5:
        return image
    half = int(np.ceil(radius_px))
    axis = np.arange(-half, half + 1)
    kernel = np.clip(radius_px + 0.5 - np.hypot(*np.meshgrid(axis, axis)), 0, 1).astype(np.float32)
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE), np.uint8)


def resample(rng: np.random.Generator, image: Image, factor: float) -> Image:
    """Lose detail: shrink by a factor of 1 or more and blow up again, by chance blocky, soft or sharpened."""
    height, width = image.shape[:2]
    small_wh = (max(2, round(width / factor)), max(2, round(height / factor)))
    down = pick(rng, (cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_AREA))
    up = pick(rng, (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LINEAR, cv2.INTER_NEAREST))
    small = cv2.resize(image, small_wh, interpolation=down)
    return np.asarray(cv2.resize(small, (width, height), interpolation=up), np.uint8)


def sharpen(image: Image, strength: float) -> Image:
    """Sharpen too much, as cameras and scanners do."""
    soft = cv2.GaussianBlur(image, (0, 0), 1.2)
    return np.asarray(cv2.addWeighted(image, 1 + strength, soft, -strength, 0), np.uint8)


def video(image: Image, step: float) -> Image:
    """Code a picture as H.264 or its like does: 8 x 8 transforms rounded to `step` grey levels, half the colour.

    The rounding is done on two grids and averaged, which is about what a deblocking filter leaves.
    """
    height, width = image.shape[:2]
    coded = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2YCrCb), np.uint8)
    half = np.asarray(
        cv2.resize(coded, (max(1, width // 2), max(1, height // 2)), interpolation=cv2.INTER_AREA), np.uint8
    )
    chroma = np.stack([_transform_rounded(half[..., channel], 1.6 * step) for channel in (1, 2)], axis=-1)
    coded[..., 0] = _transform_rounded(coded[..., 0], step)
    coded[..., 1:] = cv2.resize(chroma, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.cvtColor(coded, cv2.COLOR_YCrCb2BGR), np.uint8)


def moire(rng: np.random.Generator, image: Image) -> Image:
    """Photograph a screen: its grid beats with the sensor's, each colour a little apart."""
    height, width = image.shape[:2]
    y, x = np.ogrid[:height, :width]
    angle, period = rng.uniform(0, np.pi), rng.uniform(2.5, 12)
    bend = 3 * smooth_noise(rng, (height, width), (1, 2))
    phase = 2 * np.pi / period * (x * np.cos(angle) + y * np.sin(angle)) + bend
    apart = rng.uniform(0, 2.1)
    waves = np.stack([np.sin(phase + channel * apart) for channel in range(3)], axis=-1)
    return to_uint8(image * (1 + rng.uniform(0.03, 0.16) * waves))


def scan(rng: np.random.Generator, image: Image, *, stroke_px: float) -> Image:
    """Copy or fax a page: nearly black and white, edges frayed, specks, sometimes through a coarse grid."""
    sharp = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.float32)
    grey = np.asarray(cv2.GaussianBlur(sharp, (0, 0), max(0.3, rng.uniform(0.2, 0.5) * stroke_px)), np.float32)
    height, width = grey.shape
    dark, light = np.percentile(grey, (0.3, 99.7))
    depth = max(20.0, float(light - dark))
    noise = depth * rng.uniform(0.01, 0.1) * rng.standard_normal((height, width), np.float32)
    noise += depth * rng.uniform(0, 0.08) * smooth_noise(rng, (height, width), (1 + height // 40, 1 + width // 40))
    threshold = dark + depth * rng.uniform(0.45, 0.8)
    steep = pick(rng, (1.5, 4.0, 12.0, 40.0))
    copied = np.clip((grey + noise - threshold) * steep / depth + 0.5, 0, 1)
    if rng.random() < 0.3:
        copied = cv2.GaussianBlur(copied, (0, 0), rng.uniform(0.3, 0.7))
    black, white = rng.uniform(0, 60), rng.uniform(235, 255)
    return to_uint8(np.repeat((black + (white - black) * copied)[..., None], 3, axis=2))


def photograph(rng: np.random.Generator, image: Image, *, text_px: float, depth: float = 1.0) -> Image:
    """Take a picture under chance conditions.

    Args:
        rng: Where the chance comes from.
        image: What lies before the camera.
        text_px: Height of the smaller letters: blur is a part of it, so that most stays legible.
        depth: 0 for perfect conditions, 1 for those of a shop, 1.5 for the street at night.
    """
    chance = rng.random(10)
    image = shade(rng, image, depth * rng.uniform(0, 0.3))
    steps: tuple[tuple[float, Callable[[], Image]], ...] = (
        (0.12, lambda: shadow(rng, image)),
        (0.12, lambda: glare(rng, image)),
        (0.85, lambda: expose(rng, image, depth=min(1.2, depth))),
        (0.35, lambda: defocus(image, depth * rng.uniform(0.01, 0.07) * text_px)),
        (0.2, lambda: disk_blur(image, depth * rng.uniform(0.02, 0.11) * text_px)),
        (0.2, lambda: motion_blur(image, depth * rng.uniform(0.05, 0.3) * text_px, rng.uniform(0, 180))),
        (0.15, lambda: resample(rng, image, rng.uniform(1.0, max(1.1, min(3.0, depth * text_px / 9))))),
        (0.6, lambda: sensor_noise(rng, image, depth * np.exp(rng.uniform(-0.5, 2.6)))),
        (0.2, lambda: sharpen(image, rng.uniform(0.3, 1.5))),
    )
    for draw, (probability, step) in zip(chance, steps, strict=False):
        if draw < probability * min(1.0, 0.4 + 0.6 * depth):
            image = step()
    return compress(rng, image) if chance[9] < 0.75 else image


def compress(rng: np.random.Generator, image: Image) -> Image:
    """Store as JPEG or as a frame of a video."""
    if rng.random() < 0.7:
        return jpeg(image, int(rng.integers(25, 96)))
    return video(image, rng.uniform(6, 42))


def _transform_rounded(plane: NDArray[np.uint8], step: float) -> NDArray[np.uint8]:
    height, width = plane.shape
    padded = np.pad(plane, ((4, 12 - height % 8), (4, 12 - width % 8)), mode="edge").astype(np.float32)
    rounded = (_rounded(padded, step) + np.roll(_rounded(np.roll(padded, (4, 4), (0, 1)), step), (-4, -4), (0, 1))) / 2
    return to_uint8(rounded[4 : 4 + height, 4 : 4 + width])


def _rounded(plane: NDArray[np.float32], step: float) -> NDArray[np.float32]:
    rows, columns = plane.shape[0] // 8, plane.shape[1] // 8
    blocks = plane[: 8 * rows, : 8 * columns].reshape(rows, 8, columns, 8).transpose(0, 2, 1, 3)
    coefficients = _DCT @ blocks @ _DCT.T
    steps = step * _WEIGHTS
    back = _DCT.T @ (np.trunc(coefficients / steps + 0.33 * np.sign(coefficients)) * steps) @ _DCT
    out = plane.copy()
    out[: 8 * rows, : 8 * columns] = back.transpose(0, 2, 1, 3).reshape(8 * rows, 8 * columns)
    return out


_N = np.arange(8)
_DCT = np.sqrt(2 / 8) * np.cos(np.pi * (2 * _N[None] + 1) * _N[:, None] / 16)
_DCT[0] = np.sqrt(1 / 8)
_DCT = _DCT.astype(np.float32)
"""The orthonormal 8-point DCT-II."""
_WEIGHTS = (1 + 0.12 * (_N[None] + _N[:, None])).astype(np.float32)
"""Fine detail is rounded more coarsely, about as H.264's default matrices do."""
