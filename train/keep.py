"""Weights to keep in the repository: the released network of a checkpoint in half precision, with its origin."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from edge_ocr.errors import ConfigError, ModelError
from train.checkpoint import below, read_tensors, write_bytes, write_tensors
from train.recipe import task_class

ROOT = Path(__file__).parents[1]
MAX_BYTES = 6 << 20
"""What a network may take in train/weights."""


def keep_weights(checkpoint: Path, out: Path, *, share: float = 1.0) -> int:
    """Write the released network of a checkpoint; a recipe starts from it as from any checkpoint.

    Kernels and matrices become FP16; norms and biases, which are small and may lie outside its range, stay FP32.

    Args:
        checkpoint: Of a run.
        out: The file, a `.json` with its plain data goes beside it.
        share: How far to go from the weights that the run began with to those it came to, in (0, 1]. Part of the way a
            network keeps more of what it could do before and has most of what it learnt (Wortsman et al. 2022).

    Returns:
        Its size in bytes.

    Raises:
        ModelError: no checkpoint of ours, weights beyond FP16, or more than `MAX_BYTES`.
        ConfigError: a share of the way from random weights.
    """
    tensors, about = read_tensors(checkpoint)
    prefix = f"{about['released']}."
    network = below(tensors, prefix)
    if share != 1:
        network = _on_the_way(_start(about), network, share)
    kept = {
        f"{prefix}{name}": tensor.half() if tensor.ndim > 1 and tensor.is_floating_point() else tensor
        for name, tensor in network.items()
    }
    beyond = [name for name, tensor in kept.items() if not torch.isfinite(tensor).all()]
    if beyond:
        raise ModelError(f"{checkpoint}: {beyond[0]} does not fit into half precision; was the run healthy?")
    about = {**about, "recipe": _without_machine(about.get("recipe"))}
    sha256 = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    source = {"checkpoint": checkpoint.name, "sha256": sha256, "share": share}
    part = out.with_name(f".{out.name}.new")
    write_tensors(part, kept, {**about, "kept_from": source})
    size = part.stat().st_size
    if size > MAX_BYTES:
        part.unlink()
        raise ModelError(f"{out}: would take {size / 1e6:.1f} MB, above {MAX_BYTES / 1e6:.1f} MB a network")
    part.replace(out)
    write_bytes(out.with_suffix(".json"), (json.dumps({**about, "kept_from": source}, indent=2) + "\n").encode())
    return size


def _start(about: Mapping[str, Any]) -> dict[str, Tensor]:
    """The weights that a run began with, made as the run made them."""
    task = task_class(about["task"])
    recipe = task.recipe_type.model_validate(about["recipe"])
    if not (recipe.start.published or recipe.start.checkpoint):
        raise ConfigError("a share of the way: the run began with random weights; keep all that it came to")
    return task(recipe).networks[about["released"]].state_dict()


def _on_the_way(start: Mapping[str, Tensor], end: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    return {
        name: start[name].lerp(tensor, share) if tensor.is_floating_point() else tensor for name, tensor in end.items()
    }


def _without_machine(value: Any) -> Any:
    """A recipe without the paths of the machine that it ran on: those of the project from its root, names of others."""
    if isinstance(value, dict):
        return {key: _without_machine(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_machine(each) for each in value]
    if not isinstance(value, str) or not Path(value).is_absolute():
        return value
    return str(Path(value).relative_to(ROOT)) if Path(value).is_relative_to(ROOT) else Path(value).name
