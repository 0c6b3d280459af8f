"""What a training task is: the contract between the trainer and everything that can be trained.

A task module defines two classes and is named in `train.recipe.TASKS`:

    class RecognitionRecipe(Recipe):    # pydantic, unknown keys refused: what one YAML file may say
        model: ModelSettings = ModelSettings()
        data: DataSettings

    class RecognitionTask(Task):
        recipe_type = RecognitionRecipe
        kind = "recognizer"
        best = "line_accuracy"          # the figure of `evaluate` that chooses the best checkpoint; larger is better
        recipe: RecognitionRecipe

        def __init__(self, recipe: RecognitionRecipe) -> None:
            super().__init__(recipe)
            self.networks["student"] = ...    # trained, and kept in checkpoints; the first one is what is released
            self.teacher = Frozen(...)        # neither trained nor kept; stays in eval mode

What the trainer promises in return:

- `batches()` is asked once for a picklable callable. Worker processes call it with a step number and a share; the
  answer must depend on nothing but (recipe, step, share). So the position in the data *is* the step number, and a run
  that was killed goes on with the very batches it would have seen. Take chance from `sample_rng(seed, index)`, with
  `index = step * batch_size + i` for sample i of the whole batch. `share.of(range(batch_size))` gives a process its
  samples, so that n processes together see what one would see.
- `loss(batch)` runs on the device inside autocast, networks in train mode, gradients on; `batch["step"]` is the number
  of the step, from 0. It returns named scalars, the
  mean over the samples of the share; `total` is what is minimised, the others are logged. Compute what overflows in
  half precision (CTC, KL, sigmoid(50x)) on `.float()`. Torch's global random state is set from (seed, step, rank)
  before the call, so dropout is the same after a resume; use no other global random state.
- `evaluate(networks)` runs in the first process, in eval mode, without gradients, on the averaged weights where the
  recipe asks for EMA: use the networks it is given, not `self.networks`.
- `details()` travels with every checkpoint: plain data that whoever loads the weights needs, and `build(details)` makes
  the released network again. A recogniser says `height`, `stride` and `charset`, a detector `scale` and `thresholds`
  (the keys of edge_ocr's ScaleRule and DetectorThresholds); evaluation and export rely on these.
- Weights to begin with: call `train.start.start_recognizer` or `start_network` with `recipe.start` on each network.

Everything that is trained must be in `networks`, a training-only branch too, or a resumed run would begin it anew.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge_ocr.errors import ConfigError
from train.recipe import Recipe

HELD_OUT_SEED = 1_000_000_007
"""Added to a run's seed: what training cannot reach."""
Batch = dict[str, Any]
"""Tensors by name, which are moved to the device, and plain data (texts, names of files), which is left alone."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Share:
    """The part of each batch that one of several training processes makes."""

    rank: int = 0
    n: int = 1

    def of(self, items: Sequence[T]) -> list[T]:
        """Every n-th item, beginning with the rank-th; all of them for a single process."""
        return list(items[self.rank :: self.n])


class Batches(Protocol):
    """Makes the batches of a run. Picklable; called in worker processes."""

    def __call__(self, step: int, share: Share) -> Batch:
        """Make one process's share of a batch.

        Args:
            step: Number of the batch, from 0.
            share: Which part of it.
        """
        ...


class Frozen(nn.Module):
    """A network that is looked at and never trained: a distillation's teacher.

    Its parameters get no gradient and it stays in eval mode whatever the task around it does: batch norms of a teacher
    that follow the student's batches are a classic leak (reference: PP-OCRv2 code, CML).
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.requires_grad_(requires_grad=False)
        self.train(mode=False)

    def train(self, mode: bool = True) -> "Frozen":  # noqa: FBT001, FBT002, RUF100 - torch's signature
        """Stay in eval mode."""
        del mode
        super().train(mode=False)
        return self

    @torch.no_grad()
    def forward(self, *inputs: Tensor) -> Any:
        """The network's output, without a gradient."""
        return self.network(*inputs)


class Task(nn.Module, ABC):
    """Something that can be trained; see the module's docstring."""

    recipe_type: ClassVar[type[Recipe]]
    kind: ClassVar[Literal["detector", "recognizer", "orientation"]]
    """Of the released network."""
    best: ClassVar[str]

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.recipe = recipe
        self.networks = nn.ModuleDict()

    @abstractmethod
    def batches(self) -> Batches:
        """What makes the training batches."""

    @abstractmethod
    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The named terms of the loss on one batch, `total` among them."""

    @abstractmethod
    def evaluate(self, networks: nn.ModuleDict) -> dict[str, float]:
        """Figures on held-out data by name, `best` among them."""

    @classmethod
    @abstractmethod
    def build(cls, details: Mapping[str, Any]) -> nn.Module:
        """The released network that `details` describe, its weights random: what a checkpoint is loaded into."""

    @abstractmethod
    def details(self) -> dict[str, Any]:
        """Plain data that travels with the weights."""

    def data(self) -> dict[str, str]:
        """Fingerprints of what is learnt from, for the run's folder: names of files and their sha256."""
        return {}

    def picture(self, batch: Batch) -> NDArray[np.uint8]:
        """What a batch shows to the networks and wants of them, as a picture (H, W, 3) BGR for people to look at.

        Raises:
            ConfigError: the task draws none.
        """
        raise ConfigError(f"task {self.recipe.task}: draws no picture of its batches")

    @property
    def released(self) -> str:
        """Name of the network that a device gets: the first one."""
        return next(iter(self.networks))

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """`loss`, in the form that DistributedDataParallel wraps."""
        return self.loss(batch)


def sample_rng(seed: int, index: int) -> np.random.Generator:
    """The chance of one training sample.

    Args:
        seed: Of the recipe.
        index: Number of the sample in the whole run.
    """
    return np.random.default_rng([seed, index])
