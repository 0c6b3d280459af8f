"""Batches of rendered lines, each line a function of the seed and its number."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_ocr.charset import Charset
from train.ctc_targets import classes_of, steps_needed
from train.data.augment import augment_line, join_lines
from train.data.lines import render_line
from train.errors import LabelError
from train.task import Batch, Share, sample_rng
from train.tasks.line_sets import fitted, line_batch

MAX_SQUEEZE = 1.25
"""A rendered line that is wider than this times the batch is drawn anew: devices cut such lines."""
MAX_TRIES = 200


@dataclass(frozen=True, slots=True)
class LineShape:
    """What a network takes."""

    height: int
    stride: int
    """Columns per time step."""
    width: int
    """Pixels that every line is padded to."""

    @property
    def n_steps(self) -> int:
        """Time steps of the padded line."""
        return self.width // self.stride

    def takes(self, image: NDArray[np.uint8], text: str, charset: Charset) -> bool:
        """Whether CTC can learn this text from this picture.

        The line itself must have the time steps, not only its padding, where there is nothing to see.
        """
        width = image.shape[1] * self.height / image.shape[0]
        n_steps = -(-int(min(width, self.width)) // self.stride)
        fits = width <= MAX_SQUEEZE * self.width and steps_needed(text) <= n_steps
        return fits and set(text) <= set(charset)


@dataclass(frozen=True)
class RenderedBatches:
    """Batches of rendered lines; see `train.task.Batches`."""

    seed: int
    batch_size: int
    charset: Charset
    fonts: tuple[Path, ...]
    shape: LineShape
    augment: float = 0.0
    """Probability of each change of `augment_line`."""
    join: float = 0.0
    """Probability that a second line is put beside a line where there is room."""

    def __call__(self, step: int, share: Share) -> Batch:
        """Draw one process's lines of a step; `n_refused` counts what was drawn and could not be learnt."""
        images, texts, n_refused = [], [], 0
        for i in share.of(range(self.batch_size)):
            image, text, n_more = self.sample(step * self.batch_size + i)
            images.append(fitted(image, self.shape.height, self.shape.width))
            texts.append(text)
            n_refused += n_more
        where = f"rendered line of step {step}"
        classes = [classes_of(text, self.charset, n_steps=self.shape.n_steps, where=where) for text in texts]
        return {**line_batch(images, classes, texts), "n_refused": n_refused}

    def sample(self, index: int) -> tuple[NDArray[np.uint8], str, int]:
        """Line number `index`, its text, and how many were refused before it.

        Raises:
            LabelError: nothing that is drawn can be learnt.
        """
        rng = sample_rng(self.seed, index)
        for n_refused in range(MAX_TRIES):
            image, text = render_line(rng, self.fonts)
            if rng.random() < self.join:
                image, text = self._joined(rng, image, text)
            image = augment_line(rng, image, self.augment)
            if self.shape.takes(image, text, self.charset):
                return image, text, n_refused
        raise LabelError(
            f"rendered line {index}: {MAX_TRIES} lines drawn, none of which fits {self.shape.width} pixels and the"
            " charset; raise data.width or extend the charset"
        )

    def _joined(self, rng: np.random.Generator, image: NDArray[np.uint8], text: str) -> tuple[NDArray[np.uint8], str]:
        more, more_text = render_line(rng, self.fonts)
        joined, joined_text = join_lines(rng, image, more), f"{text} {more_text}"
        return (joined, joined_text) if self.shape.takes(joined, joined_text, self.charset) else (image, text)
