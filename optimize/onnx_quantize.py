"""Post-training INT8 for TensorRT: explicit Q/DQ pairs, placed where its tensor cores have integer kernels.

Only dense convolutions and products with constant weights are quantised. The rest stays in FP16: depthwise convolutions
(per-tensor scales cost them dearly, and TensorRT wants no others), squeeze-and-excite, which works on one pixel, the
first convolution with its three channels, the detector's coarsest maps, attention, sums and activations.
"""

import logging
from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from optimize.onnx_export import drop_unused
from optimize.quantize import COARSE_STRIDE, Tensor


def quantize_onnx(model: onnx.ModelProto, calibration: Sequence[Tensor]) -> onnx.ModelProto:
    """Quantise a folded network in FP32; scales are symmetric, per tensor for activations, per channel for weights.

    Args:
        model: As `optimize.onnx_export.to_onnx` makes it; left as it is.
        calibration: Inputs (1, H, W, 3) uint8 as the device feeds them.
    """
    import nncf
    from nncf.quantization.advanced_parameters import (
        AdvancedQuantizationParameters,
        OverflowFix,
        QuantizationParameters,
    )
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    logging.getLogger("nncf").setLevel(logging.ERROR)
    wanted = quantisable(model)
    zeros = {
        extra.name: np.zeros([side.dim_value for side in extra.type.tensor_type.shape.dim], dtype=np.float32)
        for extra in model.graph.input[1:]
    }
    quantised: onnx.ModelProto = nncf.quantize(
        model,
        nncf.Dataset(list(calibration), lambda image: {"image": image, **zeros}),
        preset=nncf.QuantizationPreset.PERFORMANCE,  # symmetric
        subset_size=len(calibration),
        ignored_scope=nncf.IgnoredScope(
            names=[node.name for node in model.graph.node if node.op_type != "Constant" and node.name not in wanted]
        ),
        advanced_parameters=AdvancedQuantizationParameters(
            overflow_fix=OverflowFix.DISABLE,  # tensor cores add up in 32 bits
            activations_quantization_params=QuantizationParameters(per_channel=False),
            # Never the default ranges, which clip the tails of hard-swish.
            activations_range_estimator_params=RangeEstimatorParametersSet.HISTOGRAM,
        ),
    )
    make_signed(quantised.graph)
    quantised = onnx.shape_inference.infer_shapes(quantised)
    onnx.checker.check_model(quantised, full_check=True)
    return quantised


def quantisable(model: onnx.ModelProto) -> set[str]:
    """Names of the nodes worth computing in integers on tensor cores."""
    graph = model.graph
    constants = {value.name for value in graph.initializer}
    constants |= {output for node in graph.node if node.op_type == "Constant" for output in node.output}
    left = _behind_pooling(graph) | _deep(model)
    nodes = [
        node
        for node in graph.node
        if (node.op_type == "Conv" and groups(node) == 1)
        or (node.op_type in {"MatMul", "Gemm"} and node.input[1] in constants)
    ]
    first = next((node.name for node in graph.node if node.op_type == "Conv"), None)
    return {node.name for node in nodes if node.name != first and not {*node.input, *node.output} & left}


def groups(convolution: onnx.NodeProto) -> int:
    """Groups of a convolution; as many as channels make it depthwise."""
    return next((attribute.i for attribute in convolution.attribute if attribute.name == "group"), 1)


def make_signed(graph: onnx.GraphProto) -> None:
    """Turn uint8 Q/DQ pairs with zero point 0 into int8 ones of the same range, in place.

    TensorRT reads a uint8 zero point as int8 and keeps the scale, which halves the range without an error.
    """
    values = {value.name: value for value in graph.initializer}
    done: set[str] = set()
    for node in graph.node:
        if node.op_type not in {"QuantizeLinear", "DequantizeLinear"} or len(node.input) < 3:
            continue
        scale, zero = values[node.input[1]], values[node.input[2]]
        if zero.data_type == TensorProto.UINT8 and not numpy_helper.to_array(zero).any():
            zero.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(zero).astype(np.int8), zero.name))
            if scale.name not in done:
                wider = (numpy_helper.to_array(scale) * np.float32(255 / 127)).astype(np.float32)
                scale.CopyFrom(numpy_helper.from_array(wider, scale.name))
                done.add(scale.name)
    # What was inferred for the pairs' integers no longer holds.
    del graph.value_info[:]
    drop_unused(graph)


def _behind_pooling(graph: onnx.GraphProto) -> set[str]:
    """Tensors of one pixel: behind a global pooling, up to where they weigh the map again."""
    pooled: set[str] = set()
    for node in graph.node:
        if node.op_type in {"GlobalAveragePool", "ReduceMean"} or (
            node.op_type in {"Conv", "Relu", "HardSigmoid", "HardSwish", "Clip", "Squeeze"} and node.input[0] in pooled
        ):
            pooled.update(node.output)
    return pooled


def _deep(model: onnx.ModelProto) -> set[str]:
    """Tensors of a detector at its coarsest stride: little work, and what INT8 costs it most accuracy on."""
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    sides = {side.dim_param: side for side in probe.graph.input[0].type.tensor_type.shape.dim if side.dim_param}
    if "height" not in sides:
        return set()
    for side in sides.values():
        side.dim_value = 10 * COARSE_STRIDE
    del probe.graph.value_info[:]
    shapes = {
        info.name: [side.dim_value for side in info.type.tensor_type.shape.dim]
        for info in onnx.shape_inference.infer_shapes(probe).graph.value_info
    }
    return {name for name, shape in shapes.items() if len(shape) == 4 and 0 < shape[2] <= 10}
