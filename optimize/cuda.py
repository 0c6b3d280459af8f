"""The pack `latin-cuda`: the networks of `latin` as ONNX for NVIDIA GPUs.

Only exported here. Engines are built on the device, for its GPU and driver, by `edge_ocr.engines.onnxruntime`.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import onnx
from torch import nn

from edge_ocr.pack import Normalization
from optimize.build import Ingredients
from optimize.facts import write_onnx_metadata
from optimize.formats import NetworkFormat
from optimize.latin import latin_ingredients
from optimize.onnx_export import to_onnx
from optimize.onnx_fp16 import to_fp16
from optimize.onnx_quantize import quantize_onnx
from optimize.qdq_lint import check_for_tensorrt
from optimize.quantize import Tensor


def cuda_ingredients(published: Path) -> Ingredients:
    """What the pack is made of: all of `latin`, in another format.

    Args:
        published: The wheel rapidocr-onnxruntime 1.2.13, or a folder with its ONNX files.

    Raises:
        ModelError: the files are not there.
    """
    latin = latin_ingredients(published, form=ONNX)
    return replace(latin, name="latin-cuda", description=f"{latin.description}; ONNX for NVIDIA GPUs")


def _as_it_is(module: nn.Module, network: str) -> nn.Module:
    return module


def _n_classes(recognizer: nn.Module) -> int:
    """Rows of its last layer."""
    *_, head = (layer for layer in recognizer.modules() if isinstance(layer, nn.Linear))
    return head.out_features


def _save(model: onnx.ModelProto, path: Path) -> None:
    check_for_tensorrt(model, path.name)  # before: what it does not know may not be convertible either
    halved = to_fp16(model)
    check_for_tensorrt(halved, path.name)
    onnx.save(halved, path)


def _quantize(model: onnx.ModelProto, recipe: str, calibration: Sequence[Tensor]) -> onnx.ModelProto:
    return quantize_onnx(model, calibration)


def _fold(module: nn.Module, network: str, normalization: Normalization) -> onnx.ModelProto:
    return to_onnx(module, network, normalization)


ONNX = NetworkFormat(
    suffix=".onnx",
    convert=_as_it_is,
    n_classes=_n_classes,
    fold=_fold,
    save=_save,
    quantize=_quantize,
    tell=write_onnx_metadata,
)
"""For NVIDIA GPUs: in FP16, and with explicit Q/DQ pairs by TensorRT's rules."""
