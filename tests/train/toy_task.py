"""A task that takes milliseconds: a line is fitted to noisy points."""

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from train import recipe as recipes
from train.recipe import Recipe
from train.task import Batch, Frozen, Share, Task, sample_rng

NAME = "toy"
WHERE = "tests.train.toy_task:ToyTask"


class ToyRecipe(Recipe):
    task: str = NAME
    steps: int = 12
    batch_size: int = 4
    log_every: int = 2
    evaluate_every: int = 6
    save_every: int = 4
    nan_at: int | None = None
    """Step whose batch holds a number that is none."""
    kill_at: int | None = None
    """Step before which the process kills itself, if it has not done so yet."""
    dropout: float = 0.0
    has_norm: bool = False
    flag: Path | None = None


class ToyTask(Task):
    recipe_type = ToyRecipe
    kind = "recognizer"
    best = "closeness"
    recipe: ToyRecipe

    def __init__(self, recipe: ToyRecipe) -> None:
        super().__init__(recipe)
        self.networks["student"] = self.build(self.details())
        self.networks["helper"] = nn.Linear(3, 1)
        self.teacher = Frozen(nn.Sequential(nn.Linear(3, 1), nn.BatchNorm1d(1)))

    @classmethod
    def build(cls, details: Mapping[str, Any]) -> nn.Module:
        norm = nn.BatchNorm1d(8) if details.get("has_norm") else nn.Identity()
        return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), norm, nn.Dropout(details["dropout"]), nn.Linear(8, 1))

    def batches(self) -> "ToyBatches":
        return ToyBatches(self.recipe)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        self._maybe_die(batch)
        teacher = self.teacher(batch["x"])
        assert not teacher.requires_grad
        terms = {
            "student": (self.networks["student"](batch["x"]) - batch["y"]).square().mean(),
            "helper": (self.networks["helper"](batch["x"]) - batch["y"]).square().mean(),
        }
        return {"total": terms["student"] + terms["helper"], **terms}

    def evaluate(self, networks: nn.ModuleDict) -> dict[str, float]:
        torch.rand(5)  # as a careless task would: must not change the training
        batch = ToyBatches(self.recipe)(10_000, Share())
        error = (networks["student"](batch["x"]) - batch["y"]).square().mean()
        return {"closeness": -float(error)}

    def details(self) -> dict[str, Any]:
        return {"dropout": self.recipe.dropout} | ({"has_norm": True} if self.recipe.has_norm else {})

    def _maybe_die(self, batch: Batch) -> None:
        flag = self.recipe.flag
        if flag and batch["step"] == self.recipe.kill_at and not flag.exists():
            flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class ToyBatches:
    recipe: ToyRecipe

    def __call__(self, step: int, share: Share) -> Batch:
        xs = []
        for i in share.of(range(self.recipe.batch_size)):
            rng = sample_rng(self.recipe.seed, step * self.recipe.batch_size + i)
            xs.append(torch.from_numpy(rng.normal(size=3)).float())
        x = torch.stack(xs)
        y = x.sum(1, keepdim=True)
        if step == self.recipe.nan_at:
            y[0] = float("nan")
        return {"x": x, "y": y, "step": step}


recipes.TASKS[NAME] = WHERE
