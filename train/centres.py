"""Centres of classes for the enhanced CTC loss: where a trained recogniser's features lie for each class.

They are made from a run (`python -m train centres`), by the rule of PP-OCRv2's authors: of the training lines that are
read exactly right, the features of every time step are averaged over the class that is read there, blank included.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from edge_ocr.ctc import decode_probs
from edge_ocr.errors import ConfigError, ModelError
from train.checkpoint import read_tensors, write_tensors
from train.errors import TrainingError
from train.nets.ctc import Recognizer
from train.recipe import Start, task_class
from train.released import load_released
from train.stream import iter_batches
from train.task import Batches, Share
from train.tasks.recognition_losses import normalized
from train.tasks.recognition_recipe import LearnSettings

FORMAT = "edge-ocr.centres/1"


@dataclass(frozen=True, slots=True)
class Centres:
    """A centre a class."""

    means: Tensor
    """(C, D) float32; 0 for a class that was never read."""
    counts: Tensor
    """(C,) int64 time steps that went into each."""
    characters: tuple[str, ...]
    """In class order, without the blank."""


class CentreSum:
    """Adds up features by class, batch after batch."""

    def __init__(self, n_classes: int) -> None:
        self.sums_CD = torch.zeros(n_classes, 0, dtype=torch.float64)
        self.counts_C = torch.zeros(n_classes, dtype=torch.int64)
        self.n_lines = 0
        self.n_right = 0

    def add(self, feat_NTD: Tensor, logits_NTC: Tensor, is_right: Tensor) -> None:
        """Take the time steps of the lines that were read right.

        Args:
            feat_NTD: What the last layer sees.
            logits_NTC: What it makes of it.
            is_right: (N,) bool.
        """
        feat_SD = feat_NTD[is_right].flatten(0, 1).double().cpu()
        classes_S = logits_NTC[is_right].argmax(2).flatten().cpu()
        if not self.sums_CD.shape[1]:
            self.sums_CD = torch.zeros(len(self.counts_C), feat_SD.shape[1], dtype=torch.float64)
        self.sums_CD.index_add_(0, classes_S, feat_SD)
        self.counts_C += torch.bincount(classes_S, minlength=len(self.counts_C))
        self.n_lines += len(is_right)
        self.n_right += int(is_right.sum())

    def centres(self) -> Tensor:
        """(C, D) float32 means; 0 where a class was never read."""
        return (self.sums_CD / self.counts_C.clamp(min=1)[:, None]).float()


def write_centres(checkpoint: Path, out: Path, *, n_lines: int, device: str = "cpu", n_workers: int = 0) -> str:
    """Compute centres with the released network of a checkpoint, on the lines that it was trained on.

    Args:
        checkpoint: Of a recogniser.
        out: The file to write.
        n_lines: To look at, rounded up to whole batches.
        device: Where the network runs.
        n_workers: Processes that make the lines.

    Returns:
        A line that says what came of it.

    Raises:
        ConfigError: the checkpoint is that of something else.
        TrainingError: no line was read right.
    """
    released = load_released(checkpoint, device)
    if not isinstance(released.network, Recognizer):
        raise ConfigError(f"{checkpoint}: holds a {released.kind}; centres come from a recogniser")
    batches, batch_size = _batches_of(released.about)
    steps = range(-(-n_lines // batch_size))
    summed = _summed(released.network, tuple(released.charset), batches, steps, n_workers)
    if not summed.n_right:
        raise TrainingError(f"{checkpoint}: none of {summed.n_lines} lines is read right; train it further first")
    about = {
        "format": FORMAT,
        "charset": list(released.charset),
        "checkpoint": str(checkpoint),
        "lines": summed.n_right,
    }
    write_tensors(out, {"centres": summed.centres(), "counts": summed.counts_C}, about)
    n_known = int((summed.counts_C > 0).sum())
    return f"{out}: {n_known} of {len(summed.counts_C)} classes, from {summed.n_right} of {summed.n_lines} lines"


def load_centres(path: Path, characters: tuple[str, ...], n_features: int) -> Centres:
    """Load centres for a network.

    Raises:
        ModelError: the file is none of ours.
        ConfigError: they are those of another charset or of other features.
    """
    tensors, about = read_tensors(path)
    if about.get("format") != FORMAT:
        raise ModelError(f"{path}: no file of centres; make one with: python -m train centres CHECKPOINT")
    if tuple(about["charset"]) != characters:
        raise ConfigError(f"{path}: centres of another charset; make them with a checkpoint that has this one")
    if tensors["centres"].shape[1] != n_features:
        raise ConfigError(
            f"{path}: centres of {tensors['centres'].shape[1]} features, this network has {n_features}; make them with"
            " a checkpoint of the same network"
        )
    return Centres(tensors["centres"], tensors["counts"], characters)


@torch.inference_mode()
def _summed(
    network: Recognizer, characters: tuple[str, ...], batches: Batches, steps: range, n_workers: int
) -> CentreSum:
    device = next(network.parameters()).device
    summed = CentreSum(1 + len(characters))
    for batch in iter_batches(batches, steps, Share(), n_workers=n_workers):
        parts = network.parts(normalized(batch["image_NCHW"].to(device)))
        readings = decode_probs(parts.logits.softmax(2).cpu().numpy(), characters)
        is_right = torch.tensor([reading.text == text for reading, text in zip(readings, batch["texts"], strict=True)])
        summed.add(parts.feat.cpu(), parts.logits.cpu(), is_right)
    return summed


def _batches_of(about: dict[str, Any]) -> tuple[Batches, int]:
    """The batches that a checkpoint was trained on, and their size."""
    task = task_class(about["task"])
    recipe = task.recipe_type.model_validate(about["recipe"])
    # Weights, centres and teacher of that run are of no use here, and may be gone.
    bare = recipe.model_copy(update={"start": Start(), "learn": LearnSettings()})
    return task(bare).batches(), recipe.batch_size
