"""A flat paper that is written on, and where it lies in the picture afterwards."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from train.data.camera import Colour, to_uint8

_SHADOW_SCALE = 4


@dataclass(frozen=True, slots=True, eq=False)
class LabelledQuad:
    """A line of text and where it is."""

    quad: NDArray[np.float32]
    """(4, 2) corners of the ink in pixels, clockwise from the text's top-left."""
    text: str


class Paper:
    """A document under construction: its pixels and the lines written so far."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        # Pillow would call the channels RGB; it does not mind, and ours stay BGR.
        self._image = Image.fromarray(pixels)
        self.draw = ImageDraw.Draw(self._image)
        self.lines: list[LabelledQuad] = []

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self._image.height, self._image.width

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """A copy of what was drawn, (H, W, 3) uint8 BGR."""
        return np.array(self._image)

    def write(
        self, text: str, xy: tuple[float, float], font: ImageFont.FreeTypeFont, colour: Colour, *, anchor: str = "ls"
    ) -> bool:
        """Write one line where there is room for it.

        Args:
            text: The line; its outer spaces would not be seen and must not be there.
            xy: Where the anchor lies, in pixels.
            font: What to write with.
            colour: The ink.
            anchor: Pillow's two letters; "ls" is the left end of the base line.

        Returns:
            False, and nothing written, where the text would leave the paper or touch an earlier line.
        """
        x_min, y_min, x_max, y_max = self.draw.textbbox(xy, text, font, anchor)
        height, width = self.size_hw
        if x_min < 1 or y_min < 1 or x_max > width - 1 or y_max > height - 1:
            return False
        for line in self.lines:
            (left, top), (right, bottom) = line.quad[0], line.quad[2]
            if x_min < right and left < x_max and y_min < bottom and top < y_max:
                return False
        self.draw.text(xy, text, colour, font, anchor)
        quad = np.array([[x_min, y_min], [x_max, y_min], [x_max, y_max], [x_min, y_max]], np.float32)
        self.lines.append(LabelledQuad(quad, text))
        return True


def laying(size_hw: tuple[int, int], corners: NDArray[np.floating]) -> NDArray[np.float64]:
    """Find the (3, 3) homography that lays a paper of this size with its corners there."""
    height, width = size_hw
    flat = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    return np.asarray(cv2.getPerspectiveTransform(flat, corners.astype(np.float32)), np.float64)


def laid_lines(lines: list[LabelledQuad], homography: NDArray[np.float64]) -> list[LabelledQuad]:
    """Say where the lines are once their paper lies in the picture."""
    return [
        LabelledQuad(np.asarray(cv2.perspectiveTransform(line.quad[None], homography), np.float32)[0], line.text)
        for line in lines
    ]


def lay(
    scene: NDArray[np.uint8],
    pixels: NDArray[np.uint8],
    homography: NDArray[np.float64],
    *,
    shadow: float = 0.35,
    smear_px: tuple[float, float] = (0.0, 0.0),
) -> NDArray[np.uint8]:
    """Show the scene with a paper lying on it.

    Args:
        scene: What is below; it is not changed.
        pixels: The paper, flat.
        homography: From the paper's pixels to the scene's (`laying`).
        shadow: Darkness of its soft shadow, in [0, 1].
        smear_px: Across and down, how far the paper moves while the shutter is open.
    """
    size_wh = scene.shape[1::-1]
    layer = cv2.warpPerspective(pixels, homography, size_wh, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    cover = cv2.warpPerspective(np.full(pixels.shape[:2], 255, np.uint8), homography, size_wh, flags=cv2.INTER_LINEAR)
    alpha = (np.asarray(cover, np.float32) / np.float32(255))[..., None]
    premultiplied = np.asarray(layer, np.float32) * alpha
    window = (max(1, round(abs(smear_px[0]))), max(1, round(abs(smear_px[1]))))
    if window != (1, 1):
        premultiplied = np.asarray(cv2.blur(premultiplied, window), np.float32)
        alpha = np.asarray(cv2.blur(alpha, window), np.float32)[..., None]
    below = scene * (1 - shadow * _shadow(alpha[..., 0]))[..., None]
    return to_uint8(premultiplied + below * (1 - alpha))


def _shadow(alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    """Blur and shift a paper's outline: light from the upper left. Made small, since it is soft anyway."""
    small = cv2.resize(alpha, None, fx=1 / _SHADOW_SCALE, fy=1 / _SHADOW_SCALE, interpolation=cv2.INTER_AREA)
    shift = np.array([[1, 0, 2], [0, 1, 3]], np.float32)
    moved = cv2.warpAffine(cv2.GaussianBlur(small, (0, 0), 3), shift, small.shape[1::-1])
    return np.asarray(cv2.resize(moved, alpha.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
