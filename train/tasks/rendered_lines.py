"""Batches of rendered lines, each line a function of the seed and its number, each batch of one width."""

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_ocr.charset import Charset
from train.ctc_targets import classes_of, steps_needed
from train.data.augment import augment_line, join_lines
from train.data.crops import draw_crop, make_text
from train.data.font_book import FontBook
from train.data.samples import Emphasis, choose_kind
from train.errors import LabelError
from train.task import Batch, Share, sample_rng
from train.tasks.line_sets import fitted, line_batch

MAX_SQUEEZE = 1.25
"""A rendered line that is wider than this times the batch is drawn anew: devices cut such lines."""
MAX_TRIES = 500
CHARACTER_ASPECT = 0.43
"""Mean width of a character as a part of its line's height: what a line will measure is guessed before it is drawn."""
ROOM = 0.6
"""Part of a batch's width from which a line is wide enough for it."""


@dataclass(frozen=True, slots=True)
class LineShape:
    """What a network takes."""

    height: int
    stride: int
    """Columns per time step."""
    widths: tuple[int, ...]
    """Pixels that the lines of a batch are padded to, ascending."""

    def takes(self, image: NDArray[np.uint8], text: str, width: int) -> bool:
        """Whether CTC can learn this text from this picture in a batch of a width.

        The line itself must have the time steps, not only its padding, where there is nothing to see.
        """
        own = image.shape[1] * self.height / image.shape[0]
        return own <= MAX_SQUEEZE * width and steps_needed(text) <= -(-int(min(own, width)) // self.stride)

    def bucket(self, text: str) -> int:
        """The smallest width that a text will fit when it is drawn; the largest for all that are longer."""
        guess = CHARACTER_ASPECT * self.height * (len(text) + 1)
        return self.widths[min(bisect_left(self.widths, guess), len(self.widths) - 1)]


@dataclass(frozen=True)
class RenderedBatches:
    """Batches of rendered lines; see `train.task.Batches`."""

    seed: int
    batch_size: int
    charset: Charset
    fonts: FontBook
    shape: LineShape
    augment: float = 0.0
    """Probability of each further change (`augment_line`): a line is photographed already."""
    join: float = 0.0
    """Probability that a second line is put beside a line where there is room."""
    emphasis: Emphasis = ()
    """Kinds of lines that are drawn more often."""

    def __call__(self, step: int, share: Share) -> Batch:
        """Draw one process's lines of a step; `n_refused` counts what was drawn and could not be learnt."""
        width = self.width(step)
        images, texts, n_refused = [], [], 0
        for i in share.of(range(self.batch_size)):
            image, text, n_more = self.sample(step * self.batch_size + i, width)
            images.append(fitted(image, self.shape.height, width))
            texts.append(text)
            n_refused += n_more
        where, n_steps = f"rendered line of step {step}", width // self.shape.stride
        classes = [classes_of(text, self.charset, n_steps=n_steps, where=where) for text in texts]
        return {**line_batch(images, classes, texts), "n_refused": n_refused}

    def width(self, step: int) -> int:
        """The width of a step's lines: that of a line drawn by chance, so that widths come as often as they occur."""
        rng = np.random.default_rng([self.seed, step])
        return self.shape.bucket(make_text(rng, choose_kind(rng, self.emphasis), tuple(self.charset)))

    def sample(self, index: int, width: int) -> tuple[NDArray[np.uint8], str, int]:
        """Line number `index` for a batch of a width, its text, and how many were refused before it.

        Raises:
            LabelError: nothing that is drawn can be learnt.
        """
        rng = sample_rng(self.seed, index)
        n_refused = 0
        for _ in range(MAX_TRIES):
            kind = choose_kind(rng, self.emphasis)
            text = make_text(rng, kind, tuple(self.charset))
            if self.shape.bucket(text) != width:
                continue
            drawn = draw_crop(rng, kind, text, self.fonts)
            if drawn is None:
                continue
            image, text = self._joined(rng, drawn, text, width) if rng.random() < self.join else (drawn, text)
            image = augment_line(rng, image, self.augment)
            if self.shape.takes(image, text, width):
                return image, text, n_refused
            n_refused += 1
        raise LabelError(
            f"rendered line {index}: of {MAX_TRIES} texts none can be drawn and read within {width} pixels; change"
            " data.widths, or add fonts"
        )

    def _joined(
        self, rng: np.random.Generator, image: NDArray[np.uint8], text: str, width: int
    ) -> tuple[NDArray[np.uint8], str]:
        if image.shape[1] * self.shape.height / image.shape[0] > ROOM * width:
            return image, text
        kind = choose_kind(rng, self.emphasis)
        more_text = make_text(rng, kind, tuple(self.charset))
        more = draw_crop(rng, kind, more_text, self.fonts)
        if more is None:
            return image, text
        joined, joined_text = join_lines(rng, image, more), f"{text} {more_text}"
        return (joined, joined_text) if self.shape.takes(joined, joined_text, width) else (image, text)
