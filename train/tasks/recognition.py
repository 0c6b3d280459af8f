"""Training a recogniser of text lines with CTC, on rendered and labelled lines.

Shape suffixes: N lines, C channels or classes, H and W pixels, T time steps.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, PositiveInt, field_validator
from torch import Tensor, nn

from edge_ocr.charset import Charset
from edge_ocr.ctc import decode_probs
from train.ctc_targets import classes_of, steps_needed
from train.data.fonts import find_fonts
from train.data.lines import render_line
from train.datasets.formats import fingerprints
from train.evaluation.measures import line_figures
from train.nets.ctc import BLANK, Recognizer, ppocrv2_recognizer, ppocrv3_recognizer
from train.recipe import Recipe, Settings
from train.start import start_recognizer
from train.task import Batch, Batches, Share, Task, sample_rng
from train.tasks.line_sets import (
    LabelledBatches,
    checked_lines,
    fitted,
    held_out_batches,
    line_batch,
    read_lines,
)

LATIN_CHARSET = Path(__file__).parents[2] / "edge_ocr" / "packs" / "latin" / "charset.txt"
MAKERS = {"ppocrv2": ppocrv2_recognizer, "ppocrv3": ppocrv3_recognizer}
HEIGHTS = {"ppocrv2": 32, "ppocrv3": 48}
STRIDES = {"ppocrv2": 4, "ppocrv3": 8}
"""Columns of the picture per time step."""


class RecognizerSettings(Settings):
    """The network."""

    network: Literal["ppocrv2", "ppocrv3"] = "ppocrv3"
    charset: Path = LATIN_CHARSET
    """One character a line, in class order, without the blank."""


class LineData(Settings):
    """Lines drawn on the fly, and lines of label files."""

    fonts: Path | None = None
    """Folder of fonts; /usr/share/fonts when not given."""
    width: PositiveInt = Field(default=320, multiple_of=16)
    """Pixels that every line is padded to; a longer one is squeezed."""
    held_out: PositiveInt = 200
    """Rendered lines of another seed that are evaluated on."""
    sets: tuple[Path, ...] = ()
    """Label files or folders to learn from too (train/datasets/formats.py)."""
    sets_share: float = Field(default=0.5, gt=0, le=1)
    """Share of the batches that is made of `sets`, where there are any."""
    held_out_sets: tuple[Path, ...] = ()
    """Label files or folders to evaluate on, instead of rendered lines."""
    widths: tuple[PositiveInt, ...] = (96, 160, 240, 320)
    """Buckets of labelled lines, ascending multiples of 16; the last one squeezes what is longer."""
    drop: bool = False
    """Leave out labels that cannot be learnt (empty, outside the charset, too few time steps), not refuse them."""

    @field_validator("widths")
    @classmethod
    def _ascend(cls, widths: tuple[int, ...]) -> tuple[int, ...]:
        if not widths or list(widths) != sorted(set(widths)) or any(width % 16 for width in widths):
            raise ValueError("must be ascending multiples of 16")
        return widths


class RecognitionRecipe(Recipe):
    """What a recogniser is trained from."""

    model: RecognizerSettings = RecognizerSettings()
    data: LineData = LineData()


class RecognitionTask(Task):
    """A recogniser learns to read rendered lines."""

    recipe_type = RecognitionRecipe
    kind = "recognizer"
    best = "line_accuracy"
    recipe: RecognitionRecipe

    def __init__(self, recipe: RecognitionRecipe) -> None:
        super().__init__(recipe)
        self.charset = Charset.from_file(recipe.model.charset)
        student = self.build(self.details())
        start_recognizer(student, recipe.start, self.charset)
        self.networks["student"] = student

    @classmethod
    def build(cls, details: Mapping[str, Any]) -> Recognizer:
        """The network of that name with a head for that charset."""
        return MAKERS[details["network"]](1 + len(details["charset"]))

    def batches(self) -> Batches:
        """Rendered lines, all of one width; with `sets`, some batches of labelled lines among them."""
        data = self.recipe.data
        labelled = self._labelled() if data.sets else None
        if labelled and data.sets_share == 1:
            return labelled
        rendered = RenderedBatches(self.recipe, self.charset, find_fonts(data.fonts))
        return MixedBatches(rendered, labelled, data.sets_share, self.recipe.seed) if labelled else rendered

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """CTC, per line and averaged over the batch."""
        student: Recognizer = self.networks["student"]  # type: ignore[assignment]
        ctc = ctc_loss(student(normalized(batch["image_NCHW"])), batch["targets"], batch["lengths"])
        return {"total": ctc, "ctc": ctc}

    def evaluate(self, networks: nn.ModuleDict) -> dict[str, float]:
        """Accuracy on held-out lines, strict and folded, and 1 - NED."""
        device = next(networks.parameters()).device
        pairs: list[tuple[str, str]] = []
        for images, texts in self._held_out:
            probs_NTC = networks[self.released](normalized(images.to(device)))
            readings = decode_probs(probs_NTC.float().cpu().numpy(), self.charset)
            pairs += [(reading.text, text) for reading, text in zip(readings, texts, strict=True)]
        return line_figures(pairs)

    def details(self) -> dict[str, Any]:
        """The charset and the input of the network."""
        name = self.recipe.model.network
        return {"network": name, "height": HEIGHTS[name], "stride": STRIDES[name], "charset": list(self.charset)}

    def data(self) -> dict[str, str]:
        """The label files; rendered lines follow from the seed and the code's revision."""
        return fingerprints((*self.recipe.data.sets, *self.recipe.data.held_out_sets))

    def _labelled(self) -> LabelledBatches:
        recipe, name = self.recipe, self.recipe.model.network
        shape = {"height": HEIGHTS[name], "stride": STRIDES[name]}
        lines = checked_lines(
            read_lines(recipe.data.sets), self.charset, **shape, max_width=recipe.data.widths[-1], drop=recipe.data.drop
        )
        return LabelledBatches(
            lines, self.charset, **shape, buckets=recipe.data.widths, batch_size=recipe.batch_size, seed=recipe.seed
        )

    @cached_property
    def _held_out(self) -> list[tuple[Tensor, list[str]]]:
        """Held-out lines in batches of one width: labelled ones, or rendered from a seed that training cannot reach."""
        if self.recipe.data.held_out_sets:
            return held_out_batches(
                read_lines(self.recipe.data.held_out_sets),
                height=HEIGHTS[self.recipe.model.network],
                buckets=self.recipe.data.widths,
                batch_size=self.recipe.batch_size,
            )
        recipe = self.recipe.model_copy(update={"seed": self.recipe.seed + 1_000_000_007})
        batches = RenderedBatches(recipe, self.charset, find_fonts(recipe.data.fonts))
        n_batches = -(-recipe.data.held_out // recipe.batch_size)
        made = [batches(step, Share()) for step in range(n_batches)]
        return [(batch["image_NCHW"], batch["texts"]) for batch in made]


@dataclass(frozen=True)
class MixedBatches:
    """Labelled batches among rendered ones, by chance of the step."""

    rendered: Batches
    labelled: Batches
    share: float
    """Of labelled batches."""
    seed: int

    def __call__(self, step: int, share: Share) -> Batch:
        """The batch of a step, of one kind or the other; all processes choose alike."""
        is_labelled = np.random.default_rng([self.seed, step, 1]).random() < self.share
        return self.labelled(step, share) if is_labelled else self.rendered(step, share)


@dataclass(frozen=True)
class RenderedBatches:
    """Batches of rendered lines."""

    recipe: RecognitionRecipe
    charset: Charset
    fonts: tuple[Path, ...]

    def __call__(self, step: int, share: Share) -> Batch:
        """Draw one process's lines of a step."""
        name, width = self.recipe.model.network, self.recipe.data.width
        images, texts = [], []
        for i in share.of(range(self.recipe.batch_size)):
            image, text = self._draw(step * self.recipe.batch_size + i, n_steps=width // STRIDES[name])
            images.append(fitted(image, HEIGHTS[name], width))
            texts.append(text)
        where, n_steps = f"rendered line of step {step}", width // STRIDES[name]
        classes = [classes_of(text, self.charset, n_steps=n_steps, where=where) for text in texts]
        return line_batch(images, classes, texts)

    def _draw(self, index: int, *, n_steps: int) -> tuple[NDArray[np.uint8], str]:
        """Draw until a text fits the charset and the time steps; most do."""
        rng = sample_rng(self.recipe.seed, index)
        while True:
            image, text = render_line(rng, self.fonts)
            if steps_needed(text) <= n_steps and set(text) <= set(self.charset):
                return image, text


def normalized(image_NCHW: Tensor) -> Tensor:
    """(N, 3, H, W) uint8 BGR to float32, (x / 255 - 0.5) / 0.5."""
    return image_NCHW.float() / 127.5 - 1.0


def ctc_loss(logits_NTC: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
    """CTC averaged over the batch, not divided by the length of the labels (PP-OCRv2's code)."""
    log_probs_TNC = logits_NTC.float().log_softmax(2).transpose(0, 1)
    n_steps = torch.full_like(lengths, logits_NTC.shape[1])
    losses = nn.functional.ctc_loss(log_probs_TNC, targets, n_steps, lengths, blank=BLANK, reduction="none")
    return losses.mean()
