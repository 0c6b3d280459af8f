"""Weights to keep in the repository: the released network of a checkpoint in half precision, with its origin."""

import hashlib
import json
from pathlib import Path

import torch

from edge_ocr.errors import ModelError
from train.checkpoint import below, read_tensors, write_bytes, write_tensors

MAX_BYTES = 6_000_000
"""What a network may take in train/weights."""


def keep_weights(checkpoint: Path, out: Path) -> int:
    """Write the released network of a checkpoint; a recipe starts from it as from any checkpoint.

    Kernels and matrices become FP16; norms and biases, which are small and may lie outside its range, stay FP32.

    Args:
        checkpoint: Of a run.
        out: The file, a `.json` with its plain data goes beside it.

    Returns:
        Its size in bytes.

    Raises:
        ModelError: no checkpoint of ours, weights beyond FP16, or more than `MAX_BYTES`.
    """
    tensors, about = read_tensors(checkpoint)
    prefix = f"{about['released']}."
    kept = {
        f"{prefix}{name}": tensor.half() if tensor.ndim > 1 and tensor.is_floating_point() else tensor
        for name, tensor in below(tensors, prefix).items()
    }
    beyond = [name for name, tensor in kept.items() if not torch.isfinite(tensor).all()]
    if beyond:
        raise ModelError(f"{checkpoint}: {beyond[0]} does not fit into half precision; was the run healthy?")
    source = {"checkpoint": checkpoint.name, "sha256": hashlib.sha256(checkpoint.read_bytes()).hexdigest()}
    part = out.with_name(f".{out.name}.new")
    write_tensors(part, kept, {**about, "kept_from": source})
    size = part.stat().st_size
    if size > MAX_BYTES:
        part.unlink()
        raise ModelError(f"{out}: would take {size / 1e6:.1f} MB, above {MAX_BYTES / 1e6:.0f} MB a network")
    part.replace(out)
    write_bytes(out.with_suffix(".json"), (json.dumps({**about, "kept_from": source}, indent=2) + "\n").encode())
    return size
