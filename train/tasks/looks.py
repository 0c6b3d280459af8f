"""Batches at the sizes at which a reader shows lines: fewer rows, and columns that keep what there is to read."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edge_ocr.recognition import PAD
from edge_ocr.strips import GAP_PX
from train.ctc_targets import steps_needed
from train.nets.ctc import RecognizerForm
from train.task import Batch, Batches, Share, sample_rng
from train.tasks.recognition_recipe import LookSettings

STRIP_PX = 640
"""Columns of a strip, as the device profiles have them; wider lines stand alone."""
STRIPS_SEED = 3


@dataclass(frozen=True)
class ShownBatches:
    """Batches that are shown at one of the looks, in turn: every other one, or all; see `train.task.Batches`.

    A text that needs more time steps than its look has is left unlearnt (length 0) and counted in `n_refused`.
    """

    batches: Batches
    looks: Sequence[LookSettings]
    form: RecognizerForm
    each: bool = False
    """Whether every batch is shown so."""
    guide_height: int | None = None
    """Rows at which a guide sees the same lines: `guide_NCHW`, with as many columns."""
    strips: float = 0.0
    """Share of the batches whose lines stand side by side; they have no labels."""
    seed: int = 0

    def __call__(self, step: int, share: Share) -> Batch:
        """A process's lines of a step."""
        batch = self.batches(step, share)
        if not self.each and step % 2 == 0:
            return batch
        turn = step if self.each else step // 2
        look = self.looks[turn % len(self.looks)]
        image_NCHW = batch["image_NCHW"]
        shown = shown_at(image_NCHW, look, self.form)
        n_steps = shown.shape[3] // self.form.stride
        fits = torch.tensor([steps_needed(text) <= n_steps for text in batch["texts"]])
        batch = {
            **batch,
            "image_NCHW": shown,
            "lengths": torch.where(fits, batch["lengths"], 0),
            "n_refused": batch.get("n_refused", 0) + int((~fits).sum()),
        }
        if self.guide_height is not None:
            batch["guide_NCHW"] = _resized(image_NCHW, (self.guide_height, shown.shape[3]))
        if sample_rng(self.seed + STRIPS_SEED, step).random() < self.strips:
            return _in_strips(batch)
        return batch


def shown_at(image_NCHW: Tensor, look: LookSettings, form: RecognizerForm) -> Tensor:
    """Lines at the height of a network's form, (N, 3, H, W) uint8, at a look; columns in whole time steps."""
    columns = image_NCHW.shape[3] * look.width_scale * look.height / form.height
    return _resized(image_NCHW, (look.height, math.ceil(columns / form.stride) * form.stride))


def _resized(image_NCHW: Tensor, size_hw: tuple[int, int]) -> Tensor:
    resized = nn.functional.interpolate(image_NCHW.float(), size_hw, mode="bilinear", antialias=True)
    return resized.round().clamp(0, 255).to(torch.uint8)


def _in_strips(batch: Batch) -> Batch:
    """Lines side by side with the gaps of `edge_ocr.strips`; the batch as it is where no two of them fit."""
    n, _, _, width = batch["image_NCHW"].shape
    beside = min(STRIP_PX // (width + GAP_PX), n)
    if beside < 2:
        return batch
    lengths = torch.zeros(n // beside, dtype=batch["lengths"].dtype)
    stripped: Batch = {**batch, "targets": batch["targets"][: n // beside], "lengths": lengths}
    return stripped | {
        name: _side_by_side(batch[name], beside) for name in ("image_NCHW", "guide_NCHW") if name in batch
    }


def _side_by_side(image_NCHW: Tensor, beside: int) -> Tensor:
    n = len(image_NCHW) // beside
    padded = nn.functional.pad(image_NCHW[: n * beside], (0, GAP_PX), value=PAD)
    channels, height = padded.shape[1:3]
    return padded.reshape(n, beside, channels, height, -1).permute(0, 2, 3, 1, 4).flatten(3).contiguous()
