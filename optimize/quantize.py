"""Post-training INT8 with NNCF on folded networks, calibrated with what the device will feed them."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops

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
    float_joins: bool = False
    """Whether gates, products of two maps, stay in float, and the sums that read them or an enlarged map; not shortcuts
    around convolutions."""
    float_first: int = 0
    """How many convolutions, from the picture on, stay in float."""
    split_merges: bool = False
    """Whether a convolution of a concatenation becomes the sum, in float, of one for each of its parts: maps of unlike
    make then have scales of their own."""


COARSE_STRIDE = 32
CHANNEL_AXIS = 1

RECIPES = {
    # Detection Hmean on 80 rendered pages, 60 of icdar15, 15 of sroie (float .870 .339 .935): as it is .853 .321 .928
    # with the head equalised (`optimize.equalize`); on 95 of icdar15 .359 (float .361). With the last two in INT8 too
    # the gate refused (.849), and word F1 on icdar15 fell by 4 points; the third last in float costs a quarter of its
    # time. With nothing in float, not equalised, results swung by 10 points with the pages drawn.
    "detector": Recipe("MIXED", "HISTOGRAM", float_ends=True),
    # Every rounding of a map is noise, and in the neck a map is rounded four times on its way to the next convolution.
    # With the pyramid's sums in float, its gates too, and shortcuts of the backbone too, in 1, 1.014 and 1.020 of the
    # time: divergence of the map from the float one's on 12 images each of six real sets .242 .187 .173; Hmean of all
    # labelled sets -.0016 .0028 .0046 below float, pump_displays .0180 .0122 .0000 and mrz .1028 .0647 .0647; gates but
    # no sums in float .217, pump_displays .0151, mrz .0842. More calibration pages bring nothing. It is for the pack
    # `latin`: the pyramid's sums in float cost PP-OCRv6's detector .0075 on rendered pages.
    # It is for static sizes, as ours are: compiled for free ones, OpenVINO 2026.4.1 computes it wrong (2.56 for .187).
    "detector_with_float_joins": Recipe("MIXED", "HISTOGRAM", float_ends=True, float_joins=True),
    # Word accuracy of PP-OCRv3 comes back to FP with these ranges, and only with these also on CPUs without VNNI. In
    # the stem of PP-OCRv6 two maps of unlike make are put together: with one scale for both icdar15_words lost 2.5
    # points at 48 rows. Mean of 3,400 lines of eight sets at 32 and 48 rows (float .865 .890): split, all in INT8 .857
    # .882, its first convolution in float .848 .877, the second too .854 .886; one convolution as it was with the whole
    # stem in float .855 .876, in 1.15 of the time.
    # No cure: channels equalised (.768 on icdar15_words, .774 without bias correction), minima and maxima as ranges
    # (.574), the slow bias correction (0).
    "recognizer": Recipe("MIXED", "HISTOGRAM", split_merges=True),
    # PP-OCRv6's own recogniser reads rendered lines worse so, for .035 of its time. Word accuracy on those and mean of
    # 2,400 real lines of four sets, .85 of the width: float .801 .925; none, one, two, four in float .787 .921,
    # .793 .925, .801 .923, .791 .921.
    "recognizer_with_float_start": Recipe("MIXED", "HISTOGRAM", float_first=2, split_merges=True),
}


def quantize(model: ov.Model, recipe: Recipe, calibration: Sequence[Tensor]) -> ov.Model:
    """Quantise a folded network to INT8. LSTMs stay in float: in INT8 they depend on the batch.

    Args:
        model: A folded network with free shapes; left as it is.
        recipe: Preset and ranges.
        calibration: Inputs (1, H, W, 3) uint8 as the device feeds them.
    """
    import nncf
    from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    # It warns, per layer, that per-channel ranges are minima and maxima anyway. Not nncf.set_log_level: that sets the
    # level of every handler too, whoever added it.
    logging.getLogger("nncf").setLevel(logging.ERROR)
    model = model.clone()
    sums = _split_merges(model) if recipe.split_merges else []
    return nncf.quantize(
        model,
        nncf.Dataset(list(calibration)),
        preset=nncf.QuantizationPreset[recipe.preset],
        subset_size=len(calibration),
        ignored_scope=nncf.IgnoredScope(names=[*sums, *_kept_in_float(model, recipe)]),
        advanced_parameters=AdvancedQuantizationParameters(
            activations_range_estimator_params=getattr(RangeEstimatorParametersSet, recipe.ranges)
        ),
    )


def _kept_in_float(model: ov.Model, recipe: Recipe) -> list[str]:
    # Names change from one conversion to the next, so the nodes are picked by walking the graph.
    nodes = model.get_ordered_ops()
    kept = [node for node in nodes if node.get_type_name() == "LSTMSequence"]
    convolutions = _convolutions(model)
    kept += convolutions[: recipe.float_first]
    if recipe.float_ends:
        probe = model.clone()
        probe.reshape([1, 10 * COARSE_STRIDE, 10 * COARSE_STRIDE, 3])
        heights = {node.get_friendly_name(): node.get_output_shape(0)[2] for node in _convolutions(probe)}
        deep = [node for node in convolutions if heights[node.get_friendly_name()] <= 10]
        kept += [convolutions[0], *deep, *convolutions[-2:]]
    if recipe.float_joins:
        gates = [node for node in nodes if node.get_type_name() == "Multiply" and not _has_constant(node)]
        enlarged = [node for node in nodes if node.get_type_name() == "Interpolate"]
        readers = [target.get_node() for node in [*gates, *enlarged] for target in node.output(0).get_target_inputs()]
        kept += gates + [node for node in readers if node.get_type_name() == "Add"]
    return sorted({node.get_friendly_name() for node in kept})


def _has_constant(node: ov.Node) -> bool:
    return any(_constant_node(value) is not None for value in node.input_values())


def _split_merges(model: ov.Model) -> list[str]:
    """Split the convolutions that read a concatenation of channels, in place; the names of the sums."""
    sums = []
    for convolution in model.get_ordered_ops():
        merge = convolution.input_value(0).get_node() if convolution.get_type_name() == "Convolution" else None
        if merge is None or merge.get_type_name() != "Concat" or merge.get_attributes()["axis"] != CHANNEL_AXIS:
            continue
        weights, attributes, begin = _constant(convolution.input_value(1)), convolution.get_attributes(), 0
        parts: list[ov.Node] = []
        for value in merge.input_values():
            end = begin + value.get_partial_shape()[CHANNEL_AXIS].get_length()
            kernel = ops.constant(np.ascontiguousarray(weights[:, begin:end], np.float32))
            sides = [attributes[name] for name in ("strides", "pads_begin", "pads_end", "dilations", "auto_pad")]
            part = ops.convolution(value, kernel, *sides)
            part.set_friendly_name(f"{convolution.get_friendly_name()}/{len(parts)}")
            parts.append(part)
            begin = end
        whole = parts[0]
        for part in parts[1:]:
            whole = ops.add(whole, part)
            whole.set_friendly_name(f"{part.get_friendly_name()}/sum")
            sums.append(whole.get_friendly_name())
        for reader in convolution.output(0).get_target_inputs():
            reader.replace_source_output(whole.output(0))
    model.validate_nodes_and_infer_types()
    return sums


def _constant_node(value: ov.Output) -> ov.Node | None:
    """The constant that a value is, or that it is kept as in FP16; None for what is computed."""
    node = value.get_node()
    while node.get_type_name() == "Convert":
        node = node.input_value(0).get_node()
    return node if node.get_type_name() == "Constant" else None


def _constant(value: ov.Output) -> NDArray[np.generic]:
    node = _constant_node(value)
    assert node is not None
    data: NDArray[np.generic] = node.get_data()
    return data


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
