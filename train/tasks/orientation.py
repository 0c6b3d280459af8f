"""Training the classifier that tells upright lines from upside-down ones.

Shape suffixes: N lines, C channels, H and W pixels.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from edge_ocr.charset import Charset
from edge_ocr.orientation import UPSIDE_DOWN, fit_crop
from train.data.augment import augment_line
from train.data.font_book import FontBook
from train.data.samples import choose_kind, draw_line_of
from train.datasets.formats import fingerprints
from train.datasets.labelled import LabelledLine
from train.errors import LabelError
from train.nets.orientation import OrientationClassifier
from train.recipe import Recipe, Settings
from train.start import start_network
from train.task import HELD_OUT_SEED, Batch, Batches, Share, Task, sample_rng
from train.tasks.line_sets import read_lines
from train.tasks.mixed_batches import MixedBatches
from train.tasks.recognition_losses import normalized
from train.tasks.recognition_recipe import LATIN_CHARSET

HEIGHT, WIDTH = 48, 192
SURE = 0.9
"""Probability from which the published reader turns a line (PP-OCR, `cls_thresh`)."""
TURNS_INTO_TEXT = frozenset("0689HINOSXZMWxosznupdbqlI1|-–—=+.·:%/\\()<>[]~#*' \"")
"""Characters that are characters when they stand on their head: a line of these alone has no right way up."""
MAX_TRIES = 200


class OrientationData(Settings):
    """Upright lines, half of which are turned."""

    fonts: Path | None = None
    """Folder of fonts; /usr/share/fonts when not given."""
    augment: float = Field(default=0.4, ge=0, le=1)
    """Probability of each change of `train.data.augment`."""
    sets: tuple[Path, ...] = ()
    """Label files or folders of upright lines to learn from too (train/datasets/formats.py)."""
    sets_share: float = Field(default=0.5, gt=0, le=1)
    """Share of the batches that is made of `sets`, where there are any."""
    held_out: PositiveInt = 200
    """Rendered lines of another seed that are evaluated on."""
    held_out_sets: tuple[Path, ...] = ()
    """Label files or folders to evaluate on, instead of rendered lines."""


class OrientationRecipe(Recipe):
    """What a classifier of orientation is trained from."""

    data: OrientationData = OrientationData()


class OrientationTask(Task):
    """A classifier learns to tell upright lines from upside-down ones."""

    recipe_type = OrientationRecipe
    kind = "orientation"
    best = "accuracy"
    recipe: OrientationRecipe

    def __init__(self, recipe: OrientationRecipe) -> None:
        super().__init__(recipe)
        student = self.build(self.details())
        start_network(student, recipe.start, kind="orientation")
        self.networks["student"] = student

    @classmethod
    def build(cls, details: Mapping[str, Any]) -> OrientationClassifier:
        """The classifier; there is one form."""
        del details
        return OrientationClassifier()

    def batches(self) -> Batches:
        """Rendered lines; batches of labelled ones among them where the recipe names some."""
        recipe, data = self.recipe, self.recipe.data
        rendered = TurnedBatches(
            recipe.seed, recipe.batch_size, fonts=FontBook.from_folder(data.fonts), augment=data.augment
        )
        if not data.sets:
            return rendered
        labelled = TurnedBatches(recipe.seed, recipe.batch_size, lines=readable_lines(data.sets), augment=data.augment)
        return MixedBatches(rendered, labelled, data.sets_share, recipe.seed)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Cross entropy."""
        logits_NC = self.networks["student"](normalized(batch["image_NCHW"]))
        loss = nn.functional.cross_entropy(logits_NC.float(), batch["is_turned"].long())
        return {"total": loss, "cross_entropy": loss}

    def evaluate(self, networks: nn.ModuleDict) -> dict[str, float]:
        """Accuracy; and at the probability at which a reader turns lines, what it would spoil and what it would mend.

        `false_turns` is the share of upright lines that would be turned, `mended` that of upside-down ones.
        """
        device = next(networks.parameters()).device
        probs, turned = [], []
        for batch in self._held_out:
            probs.append(networks[self.released](normalized(batch["image_NCHW"].to(device)))[:, UPSIDE_DOWN].cpu())
            turned.append(batch["is_turned"])
        prob_N, is_turned_N = torch.cat(probs).float(), torch.cat(turned)
        is_sure_N = prob_N > SURE
        return {
            "accuracy": float(((prob_N > 0.5) == is_turned_N).float().mean()),
            "false_turns": float(is_sure_N[~is_turned_N].float().sum() / (~is_turned_N).sum().clamp(min=1)),
            "mended": float(is_sure_N[is_turned_N].float().sum() / is_turned_N.sum().clamp(min=1)),
        }

    def details(self) -> dict[str, Any]:
        """The input of the network."""
        return {"height": HEIGHT, "width": WIDTH}

    def data(self) -> dict[str, str]:
        """The label files; rendered lines follow from the seed and the code's revision."""
        return fingerprints((*self.recipe.data.sets, *self.recipe.data.held_out_sets))

    @cached_property
    def _held_out(self) -> list[Batch]:
        recipe, data = self.recipe, self.recipe.data
        seed = recipe.seed + HELD_OUT_SEED
        if data.held_out_sets:
            lines = readable_lines(data.held_out_sets)
            batches, n_lines = TurnedBatches(seed, recipe.batch_size, lines=lines, is_shuffled=False), len(lines)
        else:
            batches = TurnedBatches(seed, recipe.batch_size, fonts=FontBook.from_folder(data.fonts))
            n_lines = data.held_out
        made = [batches(step, Share()) for step in range(-(-n_lines // recipe.batch_size))]
        surplus = len(made) * recipe.batch_size - n_lines
        if surplus:
            made[-1] = {name: values[:-surplus] for name, values in made[-1].items()}
        return made


@dataclass(frozen=True)
class TurnedBatches:
    """Lines of one source, each turned by 180 degrees with a chance of a half; see `train.task.Batches`."""

    seed: int
    batch_size: int
    fonts: FontBook | None = None
    """To draw lines with, where no `lines` are given."""
    lines: tuple[LabelledLine, ...] = ()
    augment: float = 0.0
    is_shuffled: bool = True

    def __call__(self, step: int, share: Share) -> Batch:
        """A process's lines of a step: `image_NCHW` (N, 3, 48, 192) uint8 and `is_turned` (N,) bool."""
        images, turned = [], []
        for i in share.of(range(self.batch_size)):
            index = step * self.batch_size + i
            rng = sample_rng(self.seed, index)
            image = augment_line(rng, self._upright(rng, index), self.augment)
            is_turned = bool(rng.random() < 0.5)
            images.append(fit_crop(turned_over(image) if is_turned else image, HEIGHT, WIDTH)[0])
            turned.append(is_turned)
        image_NCHW = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()
        return {"image_NCHW": image_NCHW, "is_turned": torch.tensor(turned)}

    def _upright(self, rng: np.random.Generator, index: int) -> NDArray[np.uint8]:
        if self.lines:
            number = int(rng.integers(len(self.lines))) if self.is_shuffled else index % len(self.lines)
            return self.lines[number].load(HEIGHT)
        assert self.fonts is not None, "neither lines nor fonts"
        for _ in range(MAX_TRIES):
            image, text = draw_line_of(rng, choose_kind(rng), self.fonts, _latin())
            if has_right_way_up(text):
                return image
        raise LabelError(f"rendered line {index}: {MAX_TRIES} lines drawn, none of which has a right way up")


def has_right_way_up(text: str) -> bool:
    """Whether one can tell by the characters that a line stands on its head: "NOON" and "906" read either way."""
    return not set(text) <= TURNS_INTO_TEXT


@cache
def _latin() -> tuple[str, ...]:
    return tuple(Charset.from_file(LATIN_CHARSET))


def turned_over(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image turned by 180 degrees."""
    return np.asarray(cv2.rotate(image, cv2.ROTATE_180), np.uint8)


def readable_lines(sets: tuple[Path, ...]) -> tuple[LabelledLine, ...]:
    """Lines of label files that have a right way up.

    Raises:
        LabelError: there is none.
    """
    lines = tuple(line for line in read_lines(sets) if has_right_way_up(line.text))
    if not lines:
        raise LabelError(f"{', '.join(map(str, sets))}: no line that has a right way up")
    return lines
