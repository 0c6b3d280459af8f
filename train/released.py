"""The network of a checkpoint that a device gets, loaded without anything else of its run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edge_ocr.charset import Charset
from edge_ocr.errors import ModelError
from train.checkpoint import below, read_tensors
from train.recipe import task_class


@dataclass(frozen=True, slots=True)
class Released:
    """A trained network and what is known of it."""

    network: nn.Module
    """In eval mode."""
    kind: str
    """`detector`, `recognizer` or `orientation`."""
    about: dict[str, Any]
    """The plain data of the checkpoint: task, step, figures, details, recipe, revision."""

    @property
    def details(self) -> dict[str, Any]:
        """What the task said of the network: input height, charset, thresholds."""
        details: dict[str, Any] = self.about["details"]
        return details

    @property
    def charset(self) -> Charset:
        """Of a recogniser."""
        return Charset(self.details["charset"])


def load_released(path: Path, device: str | torch.device = "cpu") -> Released:
    """Load the released network of a checkpoint.

    Raises:
        ModelError: the file is no checkpoint, or its weights do not fit the networks as they are now.
    """
    tensors, about = read_tensors(path)
    task = task_class(about.get("task", ""), where=str(path))
    network = task.build(about["details"])
    try:
        network.load_state_dict(below(tensors, f"{about['released']}."))
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"{path}: does not fit the networks as they are now: {reason}") from error
    return Released(network.to(device).eval(), task.kind, about)
