"""What a run says of itself while it runs: progress, metrics.jsonl, curves, TensorBoard."""

import time
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from edge_ocr.errors import ConfigError
from train.curves import draw_curves
from train.progress import Progress
from train.recipe import Recipe
from train.run_folder import RunFolder


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

    def step(self, step: int, *, lr: float, terms: Mapping[str, Tensor], norm: float, wait_s: float) -> None:
        """Count a step, and tell of the last ones where it is due."""
        if not self.is_first:
            return
        self.n_steps += 1
        self.wait_s += wait_s
        for name, value in terms.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(value.detach())
        if step % self.recipe.log_every and step != self.recipe.steps:
            return
        elapsed = max(time.perf_counter() - self.started, 1e-9)
        loss = {name: total / self.n_steps for name, total in self.sums.items()}
        record = {
            "step": step,
            "lr": lr,
            "loss": loss,
            "grad_norm": norm,
            "samples_per_s": round(self.n_steps * self.recipe.batch_size / elapsed, 2),
            "data_wait": round(self.wait_s / elapsed, 4),
        }
        self._record(record, {**{f"loss/{name}": value for name, value in loss.items()}, "lr": lr, "grad_norm": norm})
        rate = f"{record['samples_per_s']:.4g} samples/s"
        self.progress.show(step, f"loss {loss['total']:.4g}  lr {lr:.3g}  {rate}  {record['data_wait']:.0%} waiting")
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
