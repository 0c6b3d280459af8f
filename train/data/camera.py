"""What a camera adds to a scene: surfaces, light, blur, noise and compression. Images are (H, W, 3) uint8 BGR."""

import cv2
import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]
"""Blue, green, red in 0..255."""


def smooth_noise(rng: np.random.Generator, size_hw: tuple[int, int], cells_hw: tuple[int, int]) -> NDArray[np.float32]:
    """Draw a smooth random field, about -1 to 1, with the given number of bumps down and across."""
    grid = rng.uniform(-1, 1, (cells_hw[0] + 1, cells_hw[1] + 1)).astype(np.float32)
    return np.asarray(cv2.resize(grid, size_hw[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def texture(rng: np.random.Generator, size_hw: tuple[int, int], colour: Colour) -> NDArray[np.uint8]:
    """Paint a table top, wall or cloth of about this colour: blotches, streaks of grain and speckle."""
    streaks_hw = (int(rng.integers(40, 160)), int(rng.integers(2, 6)))
    if rng.random() < 0.5:
        streaks_hw = streaks_hw[::-1]
    field = rng.uniform(4, 14) * smooth_noise(rng, size_hw, (3, 5))
    field += rng.uniform(0, 8) * smooth_noise(rng, size_hw, (int(rng.integers(8, 30)), int(rng.integers(8, 30))))
    field += rng.uniform(0, 10) * smooth_noise(rng, size_hw, streaks_hw)
    field += rng.normal(0, rng.uniform(0, 4), size_hw).astype(np.float32)
    return to_uint8(np.array(colour, np.float32) + field[..., None])


def shade(rng: np.random.Generator, image: NDArray[np.uint8], strength: float) -> NDArray[np.uint8]:
    """Light the image unevenly: up to `strength` (a fraction) darker or brighter from place to place."""
    light = 1 + strength * smooth_noise(rng, image.shape[:2], (1, 2))
    return to_uint8(image * light[..., None])


def defocus(image: NDArray[np.uint8], sigma_px: float) -> NDArray[np.uint8]:
    """Blur evenly; 0 gives the image back."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma_px), np.uint8) if sigma_px > 0 else image


def motion_blur(image: NDArray[np.uint8], length_px: float, angle_deg: float) -> NDArray[np.uint8]:
    """Smear along a straight path of this length; under 1 px gives the image back."""
    if length_px < 1:
        return image
    half = int(np.ceil(length_px / 2))
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    dx, dy = length_px / 2 * np.cos(np.deg2rad(angle_deg)), length_px / 2 * np.sin(np.deg2rad(angle_deg))
    ends = [(round((half + sign * dx) * 16), round((half + sign * dy) * 16)) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], (1.0,), 1, cv2.LINE_AA, 4)
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE), np.uint8)


def sensor_noise(rng: np.random.Generator, image: NDArray[np.uint8], sigma: float) -> NDArray[np.uint8]:
    """Add Gaussian noise of this deviation (grey levels), a third of it shared by the three colours."""
    size_hw = image.shape[:2]
    noise = rng.standard_normal((*size_hw, 3), np.float32) * 0.8 + rng.standard_normal((*size_hw, 1), np.float32) * 0.6
    return to_uint8(image + sigma * noise)


def jpeg(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Compress and decompress at a JPEG quality in 1..100."""
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def photograph(rng: np.random.Generator, image: NDArray[np.uint8], *, blur_px: float) -> NDArray[np.uint8]:
    """Take a picture under chance conditions: light, exposure, focus, shake, noise and JPEG.

    Args:
        rng: Where the chance comes from.
        image: The scene.
        blur_px: Largest deviation of the defocus; the longest shake is three times that.
    """
    image = shade(rng, image, rng.uniform(0, 0.25))
    image = to_uint8((image - 128.0) * rng.uniform(0.7, 1.1) + 128 + rng.uniform(-30, 20))
    if rng.random() < 0.6:
        image = defocus(image, rng.uniform(0.2, 1) * blur_px)
    if rng.random() < 0.25:
        image = motion_blur(image, rng.uniform(0.3, 3) * blur_px, rng.uniform(0, 180))
    image = sensor_noise(rng, image, rng.uniform(0, 8))
    return jpeg(image, int(rng.integers(40, 96))) if rng.random() < 0.7 else image


def to_uint8(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Round and clip to 0..255."""
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)
