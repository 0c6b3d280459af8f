"""What a run says of itself while it runs: progress, metrics.jsonl, curves, TensorBoard."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge_ocr.errors import ConfigError
from train.curves import draw_curves
from train.progress import Progress
from train.recipe import Recipe
from train.run_folder import RunFolder


@dataclass(frozen=True, slots=True)
class StepRecord:
    """What one step of the optimiser was like."""

    lr: float
    loss: dict[str, float]
    """The terms by name."""
    grad_norm: float
    """Before clipping."""


class Report:
    """Collects what happens in steps and tells it every `log_every` of them.

    Args:
        folder: Where the records go.
        recipe: Of the run.
        first: The step it begins or goes on with.
        is_first: Whether this process reports; the others stay silent.
    """

    def __init__(self, folder: RunFolder, recipe: Recipe, *, first: int, is_first: bool) -> None:
        self.folder = folder
        self.recipe = recipe
        self.is_first = is_first
        self.progress = Progress(first, recipe.steps)
        self.board = _open_board(folder) if recipe.tensorboard and is_first else None
        self._begin()

    def step(self, step: int, made: StepRecord, *, wait_s: float) -> None:
        """Count a step, and tell of the last ones where it is due.

        Args:
            step: Number of steps done.
            made: The last of them.
            wait_s: How long it waited for its batch.
        """
        if not self.is_first:
            return
        self.n_steps += 1
        self.wait_s += wait_s
        for name, value in made.loss.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        if step % self.recipe.log_every and step != self.recipe.steps:
            return
        elapsed = max(time.perf_counter() - self.started, 1e-9)
        loss = {name: total / self.n_steps for name, total in self.sums.items()}
        record = {
            "step": step,
            "lr": made.lr,
            "loss": loss,
            "grad_norm": made.grad_norm,
            "samples_per_s": round(self.n_steps * self.recipe.batch_size / elapsed, 2),
            "data_wait": round(self.wait_s / elapsed, 4),
        }
        scalars = {f"loss/{name}": value for name, value in loss.items()}
        self._record(record, scalars | {"lr": made.lr, "grad_norm": made.grad_norm})
        rate = f"{record['samples_per_s']:.4g} samples/s"
        self.progress.show(
            step, f"loss {loss['total']:.4g}  lr {made.lr:.3g}  {rate}  {record['data_wait']:.0%} waiting"
        )
        self._begin()

    def evaluation(self, step: int, figures: Mapping[str, float], *, is_best: bool) -> None:
        """Tell the figures of an evaluation and draw the curves anew."""
        self._record({"step": step, "figures": dict(figures)}, {f"held-out/{key}": v for key, v in figures.items()})
        shown = "  ".join(f"{name} {value:.4g}" for name, value in figures.items())
        self.progress.say(f"step {step}: {shown}{'  (best so far)' if is_best else ''}")
        draw_curves(self.folder.records(), self.folder.curves, title=f"{self.folder.path.name} ({self.recipe.task})")
        self._begin()

    def close(self) -> None:
        """Say where the results are."""
        if self.board:
            self.board.close()
        if self.is_first:
            self.progress.say(f"done: {self.folder.best}")

    def _begin(self) -> None:
        """Start a new stretch of steps; the time of evaluations is in none."""
        self.n_steps = 0
        self.wait_s = 0.0
        self.sums: dict[str, float] = {}
        self.started = time.perf_counter()

    def _record(self, record: dict[str, Any], scalars: Mapping[str, float]) -> None:
        self.folder.append(record)
        if self.board:
            for name, value in scalars.items():
                self.board.add_scalar(name, value, record["step"])


def _open_board(folder: RunFolder) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ConfigError("tensorboard: true needs the package: pip install tensorboard") from error
    return SummaryWriter(folder.path / "tensorboard")
