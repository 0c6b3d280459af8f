"""The training loop: the same for every task, on a CPU, a GPU or several.

`train` reads top-down as: join the other processes, build the task, open the run folder, restore, make steps. What a
task owes and is owed stands in train/task.py.
"""

import contextlib
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from edge_ocr.errors import ConfigError
from train.average import WeightAverage
from train.checkpoint import (
    below,
    optimizer_tensors,
    read_tensors,
    restore_optimizer,
    write_tensors,
    write_weights,
)
from train.distributed import Process, joined
from train.errors import TrainingError
from train.recipe import OptimizerSettings, Recipe, task_class
from train.report import Report, StepRecord
from train.run_folder import RunFolder, code_revision
from train.schedule import lr_share
from train.stream import iter_batches
from train.task import Batch, Task

CHECKPOINT_FORMAT = "edge-ocr.checkpoint/1"
AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


def train(recipe: Recipe, out: Path, *, resume: bool = False, device: str | None = None, n_workers: int = 0) -> None:
    """Train by a recipe into a run folder; under `torchrun` as one of several processes.

    Args:
        recipe: What to train and how.
        out: The run's folder.
        resume: Go on with the run in that folder.
        device: See `train.distributed.joined`.
        n_workers: Processes that make batches ahead.

    Raises:
        ConfigError: the recipe, folder or device cannot be used so.
        TrainingError: the loss or its gradient stopped being a number.
    """
    with joined(device) as process:
        if recipe.batch_size % process.share.n:
            raise ConfigError(f"batch_size: {recipe.batch_size} is no multiple of {process.share.n} processes")
        folder = RunFolder(out)
        if process.is_first:
            folder.open(recipe, resume=resume)
        process.wait()
        torch.manual_seed(recipe.seed)
        task = task_class(recipe.task)(recipe)
        if process.is_first:
            folder.note_data(task.data())
        Trainer(task, recipe, folder, process).run(n_workers)


class Trainer:
    """One run: the task, its optimiser, and where it is.

    Args:
        task: What is trained.
        recipe: How.
        folder: Opened by the first process.
        process: This one among those that train together.
    """

    def __init__(self, task: Task, recipe: Recipe, folder: RunFolder, process: Process) -> None:
        _check_kept(task)
        if recipe.precision == "fp16" and process.device.type != "cuda":
            raise ConfigError("precision: fp16 scales the loss, which needs CUDA; use bf16 or fp32")
        if recipe.freeze_norms and not batch_norms(task.networks):
            raise ConfigError("freeze_norms: there is no batch norm in this network; leave it out")
        self.task = task.to(process.device)
        self.recipe = recipe
        self.folder = folder
        self.process = process
        self.average = WeightAverage(task.networks, recipe.ema) if recipe.ema else None
        self.optimizer = make_optimizer(task.networks, recipe.optimizer)
        self.scaler = torch.amp.GradScaler(process.device.type, enabled=recipe.precision == "fp16")
        self.step = 0
        """Steps done, which is also the number of the next batch."""
        self.best: dict[str, Any] = {}
        """Step and figures of the best evaluation."""
        if folder.state.exists():
            self.restore()
        self.model: nn.Module = self.task
        if process.share.n > 1:
            self.model = DistributedDataParallel(self.task)

    def run(self, n_workers: int = 0) -> None:
        """Make the steps that are left."""
        if self.process.is_first:
            self.folder.forget_after(self.step)
        steps = range(self.step, self.recipe.steps)
        is_cuda = self.process.device.type == "cuda"
        batches = iter_batches(self.task.batches(), steps, self.process.share, n_workers=n_workers, pin_memory=is_cuda)
        report = Report(self.folder, self.recipe, first=self.step, is_first=self.process.is_first)
        for _ in steps:
            waited = time.perf_counter()
            batch = next(batches)
            waited = time.perf_counter() - waited
            made = self.make_step(batch)
            report.step(self.step, made, wait_s=waited)
            if self._is_due(self.recipe.evaluate_every):
                self.evaluate(report)
            if self._is_due(self.recipe.save_every):
                self.save()
        report.close()

    def make_step(self, batch: Batch) -> StepRecord:
        """One step of the optimiser.

        Raises:
            TrainingError: the loss or the norm is no finite number.
        """
        recipe, device = self.recipe, self.process.device
        # The random state is a function of the step: nothing to restore, and evaluating in between changes nothing.
        seeds = np.random.SeedSequence([recipe.seed, self.step, self.process.share.rank])
        torch.manual_seed(int(seeds.generate_state(1)[0]))
        lr = recipe.optimizer.lr * lr_share(recipe.schedule, self.step, recipe.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.task.train()
        if recipe.freeze_norms:
            for layer in batch_norms(self.task.networks):
                layer.eval()
        on_device = {name: _moved(value, device) for name, value in batch.items()} | {"step": self.step}
        with self._autocast():
            terms: dict[str, Tensor] = self.model(on_device)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(self.scaler.scale(terms["total"]))
        self.scaler.unscale_(self.optimizer)
        parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        norm = nn.utils.clip_grad_norm_(parameters, recipe.clip_norm or math.inf)
        # Together, since every number that leaves a GPU waits for it.
        *losses, grad_norm = torch.stack([*(value.detach().float() for value in terms.values()), norm]).tolist()
        made = StepRecord(lr, dict(zip(terms, losses, strict=True)), grad_norm)
        self._check_finite(made, batch)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.average and self.process.is_first:
            self.average.update(self.task.networks, self.step)
        self.step += 1
        return made

    def evaluate(self, report: Report) -> None:
        """Score the weights as they are, keep them as the last and, where they are, as the best ones."""
        if self.process.is_first:
            networks = self.average.networks if self.average else self.task.networks
            was_training = self.task.training
            self.task.eval()
            with torch.no_grad():
                figures = self.task.evaluate(networks)
            self.task.train(was_training)
            if self.task.best not in figures:
                raise TrainingError(
                    f"{self.recipe.task}: `evaluate` gave no {self.task.best!r}, which chooses the best"
                )
            is_best = not self.best or figures[self.task.best] >= self.best["figures"][self.task.best]
            if is_best:
                self.best = {"step": self.step, "figures": figures}
            about = self._about(figures)
            write_weights(self.folder.last, networks, about)
            if is_best:
                write_weights(self.folder.best, networks, about)
            report.evaluation(self.step, figures, is_best=is_best)
        self.process.wait()

    def save(self) -> None:
        """Write everything that a resume needs."""
        if self.process.is_first:
            tensors = {f"networks/{name}": tensor for name, tensor in self.task.networks.state_dict().items()}
            tensors |= {f"optimizer/{name}": tensor for name, tensor in optimizer_tensors(self.optimizer).items()}
            if self.average:
                mean = self.average.networks.state_dict()
                tensors |= {f"average/{name}": tensor for name, tensor in mean.items()}
            state = {"step": self.step, "best": self.best, "scaler": self.scaler.state_dict()}
            write_tensors(self.folder.state, tensors, state)
        self.process.wait()

    def restore(self) -> None:
        """Go back to the state that `save` wrote last."""
        tensors, state = read_tensors(self.folder.state)
        try:
            self.task.networks.load_state_dict(below(tensors, "networks/"))
            restore_optimizer(self.optimizer, below(tensors, "optimizer/"))
            if self.average:
                self.average.networks.load_state_dict(below(tensors, "average/"))
        except (RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[-1].strip()
            raise TrainingError(f"{self.folder.state}: does not fit the networks as they are now ({reason})") from error
        self.scaler.load_state_dict(state["scaler"])
        self.step, self.best = state["step"], state["best"]

    def _about(self, figures: Mapping[str, float]) -> dict[str, Any]:
        return {
            "format": CHECKPOINT_FORMAT,
            "task": self.recipe.task,
            "released": self.task.released,
            "step": self.step,
            "figures": dict(figures),
            "is_average": self.average is not None,
            "details": self.task.details(),
            "recipe": self.recipe.model_dump(mode="json"),
            "revision": code_revision(),
        }

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        dtype = AUTOCAST.get(self.recipe.precision)
        if dtype is None:
            return contextlib.nullcontext()
        return torch.autocast(self.process.device.type, dtype)

    def _check_finite(self, made: StepRecord, batch: Batch) -> None:
        bad = [name for name, value in made.loss.items() if not math.isfinite(value)]
        # With fp16 a gradient that overflows is expected now and then: the scaler skips the step.
        if not bad and (math.isfinite(made.grad_norm) or self.scaler.is_enabled()):
            return
        path = self.folder.path / f"nan-step-{self.step}.safetensors"
        tensors = {name: value for name, value in batch.items() if isinstance(value, Tensor)}
        rest = {name: repr(value) for name, value in batch.items() if name not in tensors}
        write_tensors(path, tensors, {"step": self.step, "rank": self.process.share.rank, "batch": rest})
        what = f"the loss is no finite number in {', '.join(bad)}" if bad else "the gradient is no finite number"
        raise TrainingError(f"step {self.step}: {what}; its batch is in {path}; lower optimizer.lr or set clip_norm")

    def _is_due(self, every: int) -> bool:
        return self.step % every == 0 or self.step == self.recipe.steps


def make_optimizer(networks: nn.Module, settings: OptimizerSettings) -> torch.optim.Optimizer:
    """The optimiser of all that can be trained in some networks; weight decay spares norms and biases."""
    parameters = [parameter for parameter in networks.parameters() if parameter.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if settings.kind == "sgd":
        return torch.optim.SGD(groups, lr=settings.lr, momentum=settings.momentum)
    kind = torch.optim.Adam if settings.kind == "adam" else torch.optim.AdamW
    return kind(groups, lr=settings.lr, betas=settings.betas)


def batch_norms(networks: nn.Module) -> list[nn.Module]:
    """The layers of some networks that measure each batch."""
    # torch has no public name for what all its batch norms, synchronised ones too, have in common.
    return [module for module in networks.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]


def _moved(value: Any, device: torch.device) -> Any:
    return value.to(device, non_blocking=True) if isinstance(value, Tensor) else value


def _check_kept(task: Task) -> None:
    """What is trained must be in checkpoints, or a resumed run would begin it anew."""
    kept = {id(parameter) for parameter in task.networks.parameters()}
    lost = [name for name, p in task.named_parameters() if p.requires_grad and id(p) not in kept]
    assert not lost, f"{lost} would be trained but not kept: put them into `networks`, or wrap them in `Frozen`"
