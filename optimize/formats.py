"""What a pack's networks are written as: the steps that differ between OpenVINO's IR and ONNX."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openvino as ov
from torch import nn

from edge_ocr.pack import Normalization
from optimize import quantize
from optimize.facts import Facts, write_rt_info
from optimize.ir import FOLD, from_torch, head_classes, save_fp16


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFormat:
    """One kind of network file. A network is what `convert` gives, as is a folded and a quantised one.

    The networks' names, which most steps are told, are detector, recognizer and orientation.
    """

    suffix: str
    convert: Callable[[nn.Module, str], Any]
    """From torch, for the network of a name."""
    n_classes: Callable[[Any], int]
    """Classes of a recogniser that is not folded yet."""
    fold: Callable[[Any, str, Normalization], Any]
    """With pre- and post-processing, still in FP32."""
    save: Callable[[Any, Path], None]
    """Write a folded network, its weights in FP16."""
    quantize: Callable[[Any, str, Sequence[quantize.Tensor]], Any]
    """A folded network in INT8, by a recipe's name, from inputs as the device feeds them."""
    tell: Callable[[Path, Facts], None]
    """Write into a file what it is (`optimize.facts`)."""
    reread: Callable[[Path], Any] | None = None
    """Read what `save` wrote, so that INT8 is made of the rounded weights that it is held against; None: not needed."""


def _fold(model: Any, network: str, normalization: Normalization) -> Any:
    return FOLD[network](model, normalization)


def _quantize(model: Any, recipe: str, calibration: Sequence[quantize.Tensor]) -> Any:
    return quantize.quantize(model, quantize.RECIPES[recipe], calibration)


IR = NetworkFormat(
    suffix=".xml",
    convert=from_torch,
    n_classes=head_classes,
    fold=_fold,
    save=save_fp16,
    quantize=_quantize,
    tell=write_rt_info,
    reread=lambda path: ov.Core().read_model(path),
)
"""OpenVINO's, for CPUs."""
