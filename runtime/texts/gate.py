"""The scene gate: which parts of a picture are not what they were when it was last looked at in earnest.

    frame -> small grey picture -> blocks -> differs from the last detection's picture? moves since the last frame?

A block counts as unchanged when the reference explains it: shifted a little (a trembling hand), brighter or darker
(exposure, mains hum, a shadow), and up to the noise that this block usually has. Costs about half a millisecond for a
1280 x 720 frame, of which most is making it small. What is too faint for it is left to the periodic refresh
(`runtime.texts.scene_reader`).

Nothing here looks at a clock.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Grid = NDArray[np.bool_]
"""(rows, columns) of blocks."""

SMALL_SIDE = 640
"""A frame is halved until its longer side is below this: 1280 x 720 becomes 320 x 180, averaged over 4 x 4 pixels."""
BLOCK = 16
"""Side of a block in small pixels: 64 pixels of a 1280 x 720 frame."""
MAX_SHIFT = 1.0
"""Shift of a block, in small pixels along each axis, that is nothing special."""
MAX_GAIN, MAX_OFFSET = 0.3, 40.0
"""Change of contrast (a share) and of brightness (grey levels) that are nothing special."""
RIDGE = 1.0
"""Keeps the fit of a block without any contrast finite."""
LEARN = 0.05
"""Weight of a new look in the noise model: a second or two of memory at the usual rates."""
N_STD = 6.0
"""Standard deviations above its usual residual from which a block has changed: 200 blocks, 15 times a second."""
MIN_RESIDUAL = 1.5
"""Mean square residual in squared grey levels below which nothing counts, however still the block was before."""
WARP = 0.06
"""Part of a block's gradient energy that a small shift leaves unexplained (curvature, resampling, compression)."""
MOTION_SLACK = 6
"""Grey levels by which a pixel may leave the range of its neighbourhood in the last frame: noise and exposure."""
MOTION_MEAN = 1.0
"""Mean excess of a block over that from which it moves."""


@dataclass(frozen=True, slots=True, eq=False)
class Glance:
    """What a look at a frame shows."""

    changed: Grid
    """Blocks that differ from the reference picture; all of them when there is none yet."""
    moving: Grid
    """Blocks whose content moved by more than a tremble since the frame before; none for the first frame."""
    block_px: int
    """Side of a block in pixels of the frame."""
    has_before: bool = True
    """Whether there was a frame before, so that what does not move is known to stand still."""

    def is_ripe(self) -> bool:
        """Whether something has changed that does not move: connected changes of which no part is in motion."""
        if not self.changed.any():
            return False
        # A sliding sheet changes blocks that are plain paper before and after: they belong to its moving edges.
        busy = np.asarray(cv2.dilate((self.changed | self.moving).astype(np.uint8), np.ones((3, 3), np.uint8)))
        _, labels = cv2.connectedComponents(busy, connectivity=8)
        in_motion = np.unique(labels[self.moving])
        return bool((self.changed & ~np.isin(labels, in_motion)).any())

    def moves_at(self, quad: NDArray[np.float32]) -> bool:
        """Whether a part of a quad (pixels of the frame) lies in motion."""
        return self._any_at(self.moving, quad)

    def changed_at(self, quad: NDArray[np.float32]) -> bool:
        """Whether a part of a quad (pixels of the frame) differs from the reference."""
        return self._any_at(self.changed, quad)

    def differs_at(self, quad: NDArray[np.float32]) -> bool:
        """Whether a part of a quad moves or differs from the reference."""
        return self.moves_at(quad) or self.changed_at(quad)

    def _any_at(self, grid: Grid, quad: NDArray[np.float32]) -> bool:
        """Whether any of the blocks under a quad's box is set."""
        # In most frames none is at all; every track asks in every frame.
        if not grid.any():
            return False
        rows, columns = grid.shape
        x0, y0 = np.floor(quad.min(axis=0) / self.block_px).astype(int)
        x1, y1 = np.floor(quad.max(axis=0) / self.block_px).astype(int)
        part = grid[max(y0, 0) : max(min(y1, rows - 1), 0) + 1, max(x0, 0) : max(min(x1, columns - 1), 0) + 1]
        return bool(part.any())


class SceneGate:
    """Compares a camera's frames with the one that was last looked at in earnest."""

    def __init__(self) -> None:
        self._reference: _Reference | None = None
        self._noise: _NoiseModel | None = None
        self._lesson: Floats | None = None
        """What the noise model learns before the next look."""
        self._last: NDArray[np.uint8] | None = None
        self._shape: tuple[int, ...] = ()

    def look(self, image: NDArray[np.uint8]) -> Glance:
        """Compare a frame with the reference and with the frame before.

        Args:
            image: (H, W, 3) uint8 BGR. One of another size than before starts anew.
        """
        if image.shape != self._shape:
            self._shape, self._reference, self._noise, self._last = image.shape, None, None, None
            self._lesson = None
        small, halvings = shrink(image)
        blocks = _to_blocks(small)
        has_before = self._last is not None
        moving = _moving_blocks(self._last, small)
        self._last = small
        if self._reference is None:
            changed = np.ones(moving.shape, dtype=np.bool_)
        else:
            changed = self._differs(self._reference, blocks).reshape(moving.shape)
        return Glance(changed, moving, BLOCK << halvings, has_before)

    def accept(self) -> None:
        """Make the frame last looked at the reference: its text has been looked for."""
        assert self._last is not None, "look first"
        self._reference = _Reference(self._last)

    def disregard(self) -> None:
        """Learn nothing from the frame last looked at: nobody could read it, and a change must not pass for noise."""
        self._lesson = None

    def _differs(self, reference: "_Reference", blocks: Floats) -> Grid:
        residuals = reference.residuals(blocks)
        if self._noise is None:
            self._noise = _NoiseModel(residuals)
        if self._lesson is not None:
            self._noise.learn(self._lesson)
        self._lesson = residuals
        differs: Grid = residuals > self._noise.limits() + WARP * reference.gradient_energy + MIN_RESIDUAL
        return differs


class _Reference:
    """A picture, prepared to tell how much of another one it does not explain.

    Per block, other - this is fitted by least squares with the picture's gradients (a shift: Lucas and Kanade 1981),
    the picture itself (contrast) and a constant (brightness), none of them by more than is nothing special.
    """

    def __init__(self, small: NDArray[np.uint8]) -> None:
        picture = small.astype(np.float32)
        along_x = cv2.Sobel(picture, cv2.CV_32F, 1, 0, scale=1 / 8)
        along_y = cv2.Sobel(picture, cv2.CV_32F, 0, 1, scale=1 / 8)
        self._blocks = _to_blocks(small)
        shifts = np.stack([_to_blocks(along_x), _to_blocks(along_y)], axis=1)
        centred = self._blocks - self._blocks.mean(axis=1, keepdims=True)
        self._features = np.stack([shifts[:, 0], shifts[:, 1], centred, np.ones_like(centred)], axis=1)
        self._gram = self._features @ self._features.transpose(0, 2, 1) + RIDGE * np.eye(4, dtype=np.float32)
        self._inverse = np.linalg.inv(self._gram)
        self._most = np.array([MAX_SHIFT, MAX_SHIFT, MAX_GAIN, MAX_OFFSET], dtype=np.float32)[:, None]
        self.gradient_energy: Floats = np.square(shifts).sum(axis=1).mean(axis=1)
        """(B,) mean square gradient."""

    def residuals(self, blocks: Floats) -> Floats:
        """(B,) mean square of what is left of the difference, in squared grey levels."""
        difference = blocks - self._blocks
        onto = self._features @ difference[:, :, None]
        fit = np.clip(self._inverse @ onto, -self._most, self._most)
        explained = (fit * (2 * onto - self._gram @ fit)).sum(axis=(1, 2))
        left: Floats = (np.einsum("bi,bi->b", difference, difference) - explained) / difference.shape[1]
        return np.maximum(left, 0.0)


class _NoiseModel:
    """Usual residual of every block, and how far it strays: running estimates that one change cannot carry away."""

    def __init__(self, residuals: Floats) -> None:
        # At first the blocks vouch for each other: most of a scene stands still.
        middle = float(np.median(residuals))
        self._mean = np.full_like(residuals, middle)
        self._spread = np.full_like(residuals, max(middle, MIN_RESIDUAL) / 2)

    def limits(self) -> Floats:
        limits: Floats = self._mean + N_STD * self._spread
        return limits

    def learn(self, residuals: Floats) -> None:
        # Clipped: what changed moves the estimate little, a camera that turns noisier at dusk moves it step by step.
        surprise = np.clip(residuals - self._mean, -3 * self._spread, 3 * self._spread)
        self._mean += LEARN * surprise
        self._spread += LEARN * (1.25 * np.abs(surprise) - self._spread)  # 1.25: mean absolute to standard deviation
        np.maximum(self._spread, 0.02 * MIN_RESIDUAL, out=self._spread)


def shrink(image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], int]:
    """A small grey picture of a frame (H, W, 3), and how often it was halved; every halving averages 2 x 2 pixels."""
    halvings, small = 0, image
    while max(small.shape[:2]) >= SMALL_SIDE:
        # Linear at exactly one half is the mean of 2 x 2 pixels, four times faster than INTER_AREA by 4.
        size = (max(small.shape[1] // 2, 1), max(small.shape[0] // 2, 1))
        small = np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
        if small.ndim == 3:
            small = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
        halvings += 1
    if small.ndim == 3:
        small = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
    # Strokes are about one small pixel wide: without this a shift by part of a pixel is no matter of the gradient.
    return np.asarray(cv2.GaussianBlur(small, (3, 3), 0), dtype=np.uint8), halvings


def _to_blocks(picture: NDArray[Any]) -> Floats:
    """(B, BLOCK * BLOCK) float32, blocks row by row; what is missing on the right and below repeats the edge."""
    height, width = picture.shape
    rows, columns = -(-height // BLOCK), -(-width // BLOCK)
    padded = cv2.copyMakeBorder(
        picture, 0, rows * BLOCK - height, 0, columns * BLOCK - width, borderType=cv2.BORDER_REPLICATE
    )
    tiled = np.asarray(padded, dtype=np.float32).reshape(rows, BLOCK, columns, BLOCK)
    return np.ascontiguousarray(tiled.transpose(0, 2, 1, 3)).reshape(rows * columns, BLOCK * BLOCK)


def _moving_blocks(before: NDArray[np.uint8] | None, now: NDArray[np.uint8]) -> Grid:
    """(rows, columns): blocks with pixels that nothing near them in the frame before accounts for.

    Near is one small pixel: what moves slower than that a frame can be read as if it stood still.
    """
    height, width = now.shape
    rows, columns = -(-height // BLOCK), -(-width // BLOCK)
    if before is None:
        return np.zeros((rows, columns), dtype=np.bool_)
    near = np.ones((3, 3), np.uint8)
    above = cv2.subtract(now, cv2.dilate(before, near))
    below = cv2.subtract(cv2.erode(before, near), now)
    outside = np.asarray(cv2.max(above, below), dtype=np.uint8)
    excess = cv2.subtract(outside, np.full_like(outside, MOTION_SLACK))
    grown = cv2.copyMakeBorder(
        excess, 0, rows * BLOCK - height, 0, columns * BLOCK - width, borderType=cv2.BORDER_CONSTANT, value=0
    )
    means = cv2.resize(np.asarray(grown, np.float32), (columns, rows), interpolation=cv2.INTER_AREA)
    moving: Grid = np.asarray(means) > MOTION_MEAN
    return moving
