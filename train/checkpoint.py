"""Tensors on disk: one safetensors file holds tensors and, in its header, plain data as JSON. Never a pickled object.

Every file is written beside its place and moved there when it is complete and on the disk, so a crash leaves the old
file or the new one.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from edge_ocr.errors import ModelError

HEADER_KEY = "edge-ocr"
"""Where the plain data stands among the metadata of the file."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Write tensors and plain data, atomically.

    Args:
        path: The file; an old one is replaced.
        tensors: By name, on any device.
        about: What JSON can hold.
    """
    stored = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_bytes(path, save(stored, {HEADER_KEY: json.dumps(about, ensure_ascii=False)}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write_tensors` wrote.

    Raises:
        ModelError: the file is missing, damaged or not one of ours.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = (file.metadata() or {}).get(HEADER_KEY)
            if header is None:
                raise ModelError(f"{path}: no checkpoint of ours: its header has no entry {HEADER_KEY!r}")
            return {name: file.get_tensor(name) for name in file.keys()}, json.loads(header)  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path}: cannot be read as a checkpoint ({error})") from error


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file's content, atomically and durably."""
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def write_weights(path: Path, networks: nn.Module, about: Mapping[str, Any]) -> None:
    """Write a checkpoint of weights, and a copy of its plain data as `.json` beside it for people to read."""
    write_tensors(path, networks.state_dict(), about)
    write_bytes(path.with_suffix(".json"), (json.dumps(about, indent=2, ensure_ascii=False) + "\n").encode())


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The moments of an optimiser by `<parameter's number>/<name>`; its settings follow from the recipe."""
    state = optimizer.state_dict()["state"]
    return {f"{number}/{name}": value for number, values in state.items() for name, value in values.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Set the moments of an optimiser to those of `optimizer_tensors`."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, _, name = key.partition("/")
        state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose name begins with a prefix, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
