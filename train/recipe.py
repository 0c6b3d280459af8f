"""Recipes: one YAML file says everything about a training run; unknown keys are refused.

    task: recognition
    steps: 20000
    batch_size: 128
    optimizer: {kind: adam, lr: 1.0e-3, weight_decay: 2.0e-5}
    schedule: {kind: cosine, warmup: 500}
    model: ...      # what the task adds

Paths in a recipe are relative to the current folder, as those on the command line are.
"""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from edge_ocr.errors import ConfigError
from edge_ocr.yamlfile import and_more, describe_error, load_yaml_model

if TYPE_CHECKING:
    from train.task import Task

TASKS = {
    "detection": "train.tasks.detection:DetectionTask",
    "recognition": "train.tasks.recognition:RecognitionTask",
    "orientation": "train.tasks.orientation:OrientationTask",
}
"""Task names and where they are defined; a module is imported only when its task is asked for."""


class Settings(BaseModel):
    """Base of all settings: unknown keys refused, not changed after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class OptimizerSettings(Settings):
    """How gradients become steps."""

    kind: Literal["adam", "adamw", "sgd"] = "adam"
    lr: PositiveFloat = 1e-3
    """Peak learning rate, for the whole batch as it is: nothing is scaled by the number of processes."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Coupled L2 for adam and sgd, decoupled for adamw; on matrices and kernels only, not on norms and biases."""
    betas: tuple[float, float] = (0.9, 0.999)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Of sgd."""


class ScheduleSettings(Settings):
    """The learning rate over the steps, as a share of `optimizer.lr`."""

    kind: Literal["constant", "cosine", "piecewise"] = "cosine"
    warmup: NonNegativeInt = 0
    """Steps of linear rise at the start."""
    final: float = Field(default=0.0, ge=0, le=1)
    """Of cosine: the share at the end."""
    milestones: tuple[PositiveInt, ...] = ()
    """Of piecewise: steps from which the rate is multiplied by `factor` once more."""
    factor: float = Field(default=0.1, gt=0, lt=1)

    @model_validator(mode="after")
    def _milestones_fit(self) -> "ScheduleSettings":
        if (self.kind == "piecewise") != bool(self.milestones):
            raise ValueError("`milestones` belong to `kind: piecewise`, which needs at least one")
        if list(self.milestones) != sorted(set(self.milestones)):
            raise ValueError("`milestones` must ascend")
        return self


class Start(Settings):
    """Where the weights come from: random when neither is given."""

    published: Path | None = None
    """A wheel or folder with the published networks (train/pretrained.py): PP-OCRv3's, or for `model.network: ppocrv6`
    PP-OCRv6 small's."""
    checkpoint: Path | None = None
    """A `.safetensors` of an earlier run; its charset may be another one."""
    network: str | None = None
    """Name of the network in that checkpoint; the released one when not given."""

    @model_validator(mode="after")
    def _one_source(self) -> "Start":
        if self.published and self.checkpoint:
            raise ValueError("give `published` or `checkpoint`, not both")
        if self.network and not self.checkpoint:
            raise ValueError("`network` names a network of a `checkpoint`; give one")
        return self


class Recipe(Settings):
    """What every task's recipe says; a task's own recipe class adds its keys."""

    task: str
    seed: NonNegativeInt = 1
    steps: PositiveInt
    batch_size: PositiveInt
    """Samples of one step over all processes."""
    optimizer: OptimizerSettings = OptimizerSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Of autocast; weights stay fp32. fp16 scales the loss and needs CUDA."""
    clip_norm: PositiveFloat | None = None
    """Gradients are scaled down to at most this norm."""
    ema: float | None = Field(default=None, gt=0, lt=1)
    """Decay of the averaged weights, which are then evaluated and released; none when not given."""
    freeze_norms: bool = False
    """Batch norms keep the means and deviations that they start with (`start`) and go on learning scale and shift: for
    fine-tuning with batches too small to measure them anew."""
    start: Start = Start()
    log_every: PositiveInt = 20
    evaluate_every: PositiveInt = 1000
    save_every: PositiveInt = 1000
    """Steps between states to resume from."""
    tensorboard: bool = False

    @model_validator(mode="after")
    def _norms_have_a_start(self) -> "Recipe":
        if self.freeze_norms and not (self.start.published or self.start.checkpoint):
            raise ValueError("`freeze_norms` keeps what batch norms start with, so it needs `start`")
        return self


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Load a recipe as the class of its task.

    Args:
        path: The YAML file.
        overrides: `key.inner=value` each, the value in YAML.

    Raises:
        ConfigError: the file, the task or an override cannot be used.
    """
    name = load_yaml_model(path, _TaskName).task
    recipe_type = task_class(name, where=str(path)).recipe_type
    if not overrides:
        return load_yaml_model(path, recipe_type)
    data = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    for override in overrides:
        _apply(data, override)
    return _validated(data, recipe_type, f"{path} with --set")


def dump_recipe(recipe: Recipe) -> str:
    """The complete recipe, defaults included, as YAML."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def task_class(name: str, *, where: str = "task") -> type["Task"]:
    """Import a task's class.

    Raises:
        ConfigError: there is no such task.
    """
    if name not in TASKS:
        raise ConfigError(f"{where}: no task {name!r}; known are {', '.join(TASKS)}")
    module, _, attribute = TASKS[name].partition(":")
    found: type[Task] = getattr(importlib.import_module(module), attribute)
    return found


class _TaskName(BaseModel):
    task: str


def _apply(data: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    *above, last = key.strip().split(".")
    if not equals or not last:
        raise ConfigError(f"--set {override}: write key=value, as in --set optimizer.lr=0.0005")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {override}: the value is not valid YAML") from error
    for part in above:
        inner = data.setdefault(part, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"--set {override}: {part} holds {inner!r}, not further keys")
        data = inner
    data[last] = value


def _validated(data: dict[str, Any], recipe_type: type[Recipe], where: str) -> Recipe:
    try:
        return recipe_type.model_validate(data)
    except ValidationError as error:
        problems = error.errors()
        first = describe_error(problems[0], recipe_type, problems[0]["loc"])
        raise ConfigError(f"{where}: {first}{and_more(problems)}") from None
