"""Batches at the sizes at which a reader shows lines: fewer rows, and columns that keep what there is to read."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from train.ctc_targets import steps_needed
from train.nets.ctc import RecognizerForm
from train.task import Batch, Batches, Share
from train.tasks.recognition_recipe import LookSettings


@dataclass(frozen=True)
class ShownBatches:
    """Batches of which every other one is shown at one of the looks, in turn; see `train.task.Batches`.

    A text that needs more time steps than its look has is left unlearnt (length 0) and counted in `n_refused`.
    """

    batches: Batches
    looks: Sequence[LookSettings]
    form: RecognizerForm

    def __call__(self, step: int, share: Share) -> Batch:
        """A process's lines of a step."""
        batch = self.batches(step, share)
        if step % 2 == 0:
            return batch
        look = self.looks[step // 2 % len(self.looks)]
        image_NCHW = batch["image_NCHW"]
        columns = image_NCHW.shape[3] * look.width_scale * look.height / self.form.height
        size_hw = (look.height, math.ceil(columns / self.form.stride) * self.form.stride)
        shown = nn.functional.interpolate(image_NCHW.float(), size_hw, mode="bilinear", antialias=True)
        n_steps = size_hw[1] // self.form.stride
        fits = torch.tensor([steps_needed(text) <= n_steps for text in batch["texts"]])
        return {
            **batch,
            "image_NCHW": shown.round().clamp(0, 255).to(torch.uint8),
            "lengths": torch.where(fits, batch["lengths"], 0),
            "n_refused": batch.get("n_refused", 0) + int((~fits).sum()),
        }
