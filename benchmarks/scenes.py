"""Scenes that are made while they are played, as recordings."""

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from runtime.frames import Frame

Image = NDArray[np.uint8]


class DrawnScene:
    """A recording of frames that a function draws; see `runtime.sources.paced.Recording`."""

    is_live = False

    def __init__(self, draw: Callable[[int], Image], n_frames: int, fps: float) -> None:
        self._draw = draw
        self._n_frames = n_frames
        self._fps = fps
        self._next_index = 0

    @property
    def description(self) -> str:
        """What it is."""
        return f"a drawn scene of {self._n_frames} frames"

    @property
    def nominal_fps(self) -> float | None:
        """Frames a second."""
        return self._fps

    def open(self) -> None:
        """Start with frame 0."""
        self._next_index = 0

    def read(self) -> Frame | None:
        """The next frame; None at the end."""
        if not self.skip():
            return None
        index = self._next_index - 1
        return Frame(self._draw(index), index, ts=index / self._fps, arrival_s=time.monotonic(), decode_ms=0.0)

    def skip(self) -> bool:
        """Pass over one frame; False at the end."""
        if self._next_index >= self._n_frames:
            return False
        self._next_index += 1
        return True

    def close(self) -> None:
        """Nothing to release."""


class SensorNoise:
    """Gaussian noise, another for every frame: drawn once, then shifted, since drawing it takes longer than reading."""

    def __init__(self, sigma: float, *, seed: int = 0) -> None:
        """Noise of `sigma` grey levels; 0: none."""
        self._sigma = sigma
        self._seed = seed
        self._field: NDArray[np.int16] | None = None

    def on(self, image: Image, index: int) -> Image:
        """The image as the sensor gives it in frame `index`."""
        if self._sigma == 0:
            return image
        if self._field is None or self._field.shape != image.shape:
            drawn = np.random.default_rng(self._seed).normal(0.0, self._sigma, image.shape)
            self._field = np.round(drawn).astype(np.int16)
        shift = np.random.default_rng((self._seed, index)).integers(0, image.shape[:2])
        noise = np.roll(self._field, tuple(shift), axis=(0, 1))
        seen: Image = np.clip(image + noise, 0, 255).astype(np.uint8)
        return seen
