"""Post-training INT8 with NNCF on folded networks, calibrated with what the device will feed them."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Literal

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from edge_ocr.detection import ScaleRule, plan_tiles, tile_tensors
from edge_ocr.recognition import pad_crop, scale_line
from optimize.evaluate import SIZES, WIDTHS, Crop, LabelledPage

Tensor = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How NNCF quantises one kind of network."""

    preset: Literal["MIXED", "PERFORMANCE"]
    """MIXED: asymmetric activations; PERFORMANCE: symmetric."""
    ranges: Literal["HISTOGRAM", "MINMAX"]
    """Never the default ranges: they average minima and maxima per sample and clip the tails of hard-swish."""
    float_ends: bool = False
    """Whether the first convolution, the deep ones (stride 32, and gates on whole maps) and the last two stay in
    float."""
    float_merges: bool = False
    """Whether convolutions that read a concatenation, and those that read them, stay in float; where that is in the
    stem, before the first depthwise convolution, the whole stem does."""


COARSE_STRIDE = 32

RECIPES = {
    # Detection Hmean on 80 rendered pages, 60 of icdar15, 15 of sroie (float .870 .339 .935): as it is .853 .321 .928
    # with the head equalised (`optimize.equalize`); on 95 of icdar15 .359 (float .361). With the last two in INT8 too
    # the gate refused (.849), and word F1 on icdar15 fell by 4 points; the third last in float costs a quarter of its
    # time. With nothing in float, not equalised, results swung by 10 points with the pages drawn.
    "detector": Recipe("MIXED", "HISTOGRAM", float_ends=True),
    # Word accuracy of PP-OCRv3 comes back to FP with these ranges, and only with these also on CPUs without VNNI. In
    # the stem of PP-OCRv6 two maps of unlike make are put together: with all in INT8 icdar15_words at 48 rows lost 2.5
    # points. Mean of 400 lines each of icdar15_words, docs, wire_markers, sroie and 117 plates at 32 and 48 rows: with
    # the convolution behind the merge and the next one in float .838 .870, the whole stem .851 .876 (and no slower),
    # all but its first .852 .869, its first too .833 .866; sums .837 .866, gates too .832 .868, depthwise ones .832.
    # No cure: channels equalised (.768 on icdar15_words, .774 without bias correction), minima and maxima as ranges
    # (.574), the slow bias correction (0).
    "recognizer": Recipe("MIXED", "HISTOGRAM", float_merges=True),
}


def quantize(model: ov.Model, recipe: Recipe, calibration: Sequence[Tensor]) -> ov.Model:
    """Quantise a folded network to INT8. LSTMs stay in float: in INT8 they depend on the batch.

    Args:
        model: A folded network with free shapes.
        recipe: Preset and ranges.
        calibration: Inputs (1, H, W, 3) uint8 as the device feeds them.
    """
    import nncf
    from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    # It warns, per layer, that per-channel ranges are minima and maxima anyway. Not nncf.set_log_level: that sets the
    # level of every handler too, whoever added it.
    logging.getLogger("nncf").setLevel(logging.ERROR)
    return nncf.quantize(
        model,
        nncf.Dataset(list(calibration)),
        preset=nncf.QuantizationPreset[recipe.preset],
        subset_size=len(calibration),
        ignored_scope=nncf.IgnoredScope(names=_kept_in_float(model, recipe)),
        advanced_parameters=AdvancedQuantizationParameters(
            activations_range_estimator_params=getattr(RangeEstimatorParametersSet, recipe.ranges)
        ),
    )


def _kept_in_float(model: ov.Model, recipe: Recipe) -> list[str]:
    # Names change from one conversion to the next, so the nodes are picked by walking the graph.
    nodes = model.get_ordered_ops()
    kept = [node for node in nodes if node.get_type_name() == "LSTMSequence"]
    if recipe.float_ends:
        convolutions = _convolutions(model)
        probe = model.clone()
        probe.reshape([1, 10 * COARSE_STRIDE, 10 * COARSE_STRIDE, 3])
        heights = {node.get_friendly_name(): node.get_output_shape(0)[2] for node in _convolutions(probe)}
        deep = [node for node in convolutions if heights[node.get_friendly_name()] <= 10]
        kept += [convolutions[0], *deep, *convolutions[-2:]]
    if recipe.float_merges:
        convolutions = _convolutions(model)
        merges = [node for node in convolutions if _reads(node, {"Concat"})]
        kept += merges
        kept += [node for node in convolutions if any(_follows(node, merge) for merge in merges)]
        stem = list(takewhile(lambda node: node.get_type_name() != "GroupConvolution", convolutions))
        kept += stem if any(_reads(node, {"Concat"}) for node in stem) else []
    return sorted({node.get_friendly_name() for node in kept})


def _reads(node: ov.Node, kinds: set[str]) -> bool:
    return node.input_value(0).get_node().get_type_name() in kinds


def _follows(node: ov.Node, earlier: ov.Node) -> bool:
    """Whether only a bias and an activation lie between two convolutions."""
    before = node.input_value(0).get_node()
    while before.get_type_name() in {"Add", "Relu", "Swish", "Sigmoid", "Multiply"}:
        before = before.input_value(0).get_node()
    return bool(before.get_friendly_name() == earlier.get_friendly_name())


def _convolutions(model: ov.Model) -> list[ov.Node]:
    return [node for node in model.get_ordered_ops() if "Convolution" in node.get_type_name()]


def recognizer_inputs(crops: Sequence[Crop], height: int, width_scale: float = 1.0) -> list[Tensor]:
    """Lines as the recogniser gets them."""
    lines = (scale_line(image, height, width_scale)[:, : WIDTHS[-1]] for image, _ in crops)
    return [pad_crop(line, WIDTHS) for line in lines]


def detector_inputs(pages: Sequence[LabelledPage], rule: ScaleRule) -> list[Tensor]:
    """Pages as the detector gets them."""
    return [
        tensor
        for image, _ in pages
        for tensor in tile_tensors(image, plan_tiles(image.shape[0], image.shape[1], rule, SIZES))
    ]
