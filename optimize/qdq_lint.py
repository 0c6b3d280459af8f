"""What TensorRT's ONNX parser wants of a network, checked without TensorRT: every violation is a line.

Some violations it refuses, others it takes and computes something else: a uint8 pair is read as int8 with the same
scale. From the parser's source (onnx-tensorrt, release 10.1) and NVIDIA's guide to explicit quantisation.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from edge_ocr.errors import ModelError
from optimize.onnx_quantize import groups

OPSETS = range(13, 21)
"""Q/DQ per channel begins with 13; the parser of TensorRT 10 reads up to 20."""
FP16_QDQ_OPSET = 19
FREE_SIDES = frozenset({"height", "width"})
"""Names that free sides of an input may have; engines give them their sizes by name."""
OUTPUT_CHANNEL = {"Conv": 0, "ConvTranspose": 1, "MatMul": -1, "Gemm": -1}
"""Axis of the output channels in the weights of what TensorRT computes in integers."""
COMPUTES_SHAPES = frozenset({"Shape", "Size", "NonZero", "Range", "ConstantOfShape", "Loop", "If", "Scan"})
"""Ops that ONNX Runtime leaves to the CPU, which is refused beside a GPU."""
OPS = frozenset({
    *OUTPUT_CHANNEL, "Add", "AveragePool", "BatchNormalization", "Cast", "Clip", "Concat", "DepthToSpace",
    "DequantizeLinear", "Div", "Erf", "GlobalAveragePool", "HardSigmoid", "HardSwish", "LayerNormalization", "MaxPool",
    "Mul", "Pad",
    "QuantizeLinear", "ReduceMean", "Relu", "Reshape", "Resize", "Round", "Sigmoid", "Slice", "Softmax", "Split",
    "Squeeze", "Sub", "TopK", "Transpose", "Unsqueeze",
})  # fmt: skip
"""Ops our networks are made of, all of which the parser reads. LSTM it reads too, but as a loop and never in INT8."""


def check_for_tensorrt(model: onnx.ModelProto, where: str | Path) -> None:
    """Refuse a network that breaks a rule.

    Raises:
        ModelError: it breaks at least one; the message has the first.
    """
    violations = lint(model)
    if violations:
        more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
        raise ModelError(f"{where}: not for TensorRT: {violations[0]}{more}; mend optimize.onnx_quantize, not the file")


def lint(model: onnx.ModelProto) -> list[str]:
    """All rules that a network breaks, a line each; an FP one has only the general rules to keep."""
    graph = _Graph(model)
    return [
        *_opset_rules(graph),
        *_shape_rules(graph),
        *_byte_rules(graph),
        *(line for node in graph.nodes for line in _node_rules(graph, node)),
    ]


class _Graph:
    """A network with what is asked of it again and again."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.opset = max((entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"}), default=0)
        self.nodes: Sequence[onnx.NodeProto] = model.graph.node
        self.inputs: Sequence[onnx.ValueInfoProto] = model.graph.input
        self.maker = {name: node for node in self.nodes for name in node.output}
        self.readers: dict[str, list[onnx.NodeProto]] = {}
        for node in self.nodes:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)
        self.constants: dict[str, TensorProto] = {value.name: value for value in model.graph.initializer}
        for node in self.nodes:
            if node.op_type == "Constant" and node.attribute[0].name == "value":
                self.constants[node.output[0]] = node.attribute[0].t

    def array(self, name: str) -> NDArray[np.generic] | None:
        """The values of a constant; None where it is computed."""
        value = self.constants.get(name)
        return None if value is None else numpy_helper.to_array(value)

    def is_made_by(self, name: str, op_type: str) -> bool:
        return name in self.maker and self.maker[name].op_type == op_type


def _opset_rules(graph: _Graph) -> Iterator[str]:
    if graph.opset not in OPSETS:
        yield f"opset {graph.opset}: must be {OPSETS.start} to {OPSETS.stop - 1}"
    half = any(
        graph.constants[node.input[1]].data_type == TensorProto.FLOAT16
        for node in graph.nodes
        if node.op_type in {"QuantizeLinear", "DequantizeLinear"} and node.input[1] in graph.constants
    )
    if half and graph.opset < FP16_QDQ_OPSET:
        yield f"opset {graph.opset}: FP16 scales begin with {FP16_QDQ_OPSET}"


def _shape_rules(graph: _Graph) -> Iterator[str]:
    for info in graph.inputs:
        for axis, side in enumerate(info.type.tensor_type.shape.dim):
            if not side.dim_value and side.dim_param not in FREE_SIDES:
                yield f"input {info.name}, axis {axis}: free as {side.dim_param!r}; only height and width may be"


def _byte_rules(graph: _Graph) -> Iterator[str]:
    """uint8 is at the network's edges only: an input that is cast at once, an output that was cast last."""
    for info in graph.inputs:
        readers = graph.readers.get(info.name, [])
        if info.type.tensor_type.elem_type == TensorProto.UINT8 and any(node.op_type != "Cast" for node in readers):
            yield f"input {info.name}: uint8 and not cast at once; TensorRT has no uint8 inside a network"
    for node in graph.nodes:
        casts = node.op_type == "Cast" and any(attribute.i == TensorProto.UINT8 for attribute in node.attribute)
        if casts and graph.readers.get(node.output[0]):
            yield f"{node.name}: casts to uint8 before the end; TensorRT has no uint8 inside a network"


def _node_rules(graph: _Graph, node: onnx.NodeProto) -> Iterator[str]:
    if node.op_type in COMPUTES_SHAPES:
        yield f"{node.name}: {node.op_type} would run on the CPU; make its result a constant"
    elif node.op_type == "QuantizeLinear":
        yield from _pair_rules(graph, node)
        yield from _quantize_rules(graph, node)
    elif node.op_type == "DequantizeLinear":
        yield from _pair_rules(graph, node)
        yield from _dequantize_rules(graph, node)
    elif node.op_type not in OPS and node.op_type != "Constant":
        yield f"{node.name}: {node.op_type} is not an op that this was tried with"
    elif node.op_type in OUTPUT_CHANNEL:
        yield from _integer_rules(graph, node)


def _pair_rules(graph: _Graph, node: onnx.NodeProto) -> Iterator[str]:
    """What holds of either half of a pair: constant finite scales above 0, int8, zero point 0."""
    scale = graph.array(node.input[1])
    if scale is None:
        yield f"{node.name}: its scale is computed; TensorRT wants a constant"
    elif not np.all(np.isfinite(scale.astype(np.float64)) & (scale.astype(np.float64) > 0)):
        yield f"{node.name}: a scale is not above 0 and finite"
    if len(node.input) < 3 or not node.input[2]:
        # Without a zero point the type is uint8 (ONNX, QuantizeLinear).
        if node.op_type == "QuantizeLinear":
            yield f"{node.name}: without a zero point it is uint8; TensorRT wants int8"
        return
    zero = graph.array(node.input[2])
    if zero is None or np.any(zero.astype(np.int64)):
        yield f"{node.name}: its zero point is not 0; TensorRT wants symmetric scales"
    if zero is not None and zero.dtype != np.int8:
        yield f"{node.name}: {zero.dtype} would be read as int8 with the same scale"


def _quantize_rules(graph: _Graph, node: onnx.NodeProto) -> Iterator[str]:
    scale = graph.array(node.input[1])
    if scale is not None and scale.size != 1:
        yield f"{node.name}: {scale.size} scales for an activation; TensorRT wants one per tensor"
    readers = graph.readers.get(node.output[0], [])
    if not readers or any(reader.op_type != "DequantizeLinear" for reader in readers):
        yield f"{node.name}: not followed by DequantizeLinear only"


def _dequantize_rules(graph: _Graph, node: onnx.NodeProto) -> Iterator[str]:
    if node.input[0] not in graph.constants:
        quantizer = graph.maker.get(node.input[0])
        if quantizer is None or quantizer.op_type != "QuantizeLinear":
            yield f"{node.name}: dequantises neither a constant nor the output of QuantizeLinear"
        elif not _equal(graph.array(quantizer.input[1]), graph.array(node.input[1])):
            yield f"{node.name}: another scale than {quantizer.name}"
    for reader in graph.readers.get(node.output[0], []):
        if reader.op_type not in OUTPUT_CHANNEL:
            yield f"{node.name}: read by {reader.op_type} {reader.name}, which has no integer kernel worth it"


def _integer_rules(graph: _Graph, node: onnx.NodeProto) -> Iterator[str]:
    """What holds of a convolution or product that reads dequantised values."""
    dequantised = [i for i, name in enumerate(node.input) if graph.is_made_by(name, "DequantizeLinear")]
    if not dequantised:
        return
    if node.op_type == "Conv" and groups(node) > 1:
        yield f"{node.name}: a convolution of {groups(node)} groups in INT8; leave depthwise ones in FP16"
    if 2 in dequantised:
        yield f"{node.name}: its bias is quantised; TensorRT wants it in float"
    if not {0, 1} <= set(dequantised):
        yield f"{node.name}: only one of input and weights is quantised"
        return
    weights = graph.maker[node.input[1]]
    scale, values = graph.array(weights.input[1]), graph.array(weights.input[0])
    if scale is None or values is None:
        yield f"{node.name}: its weights are not constant integers"
        return
    channel = OUTPUT_CHANNEL[node.op_type] % values.ndim
    if node.op_type == "Gemm" and any(attribute.name == "transB" and attribute.i for attribute in node.attribute):
        channel = 0
    axis = next((attribute.i for attribute in weights.attribute if attribute.name == "axis"), 1) % values.ndim
    if scale.size != math.prod(values.shape[channel : channel + 1]) or (scale.size > 1 and axis != channel):
        yield f"{weights.name}: {scale.size} scales along axis {axis}; TensorRT wants one per output channel"


def _equal(one: NDArray[np.generic] | None, other: NDArray[np.generic] | None) -> bool:
    return one is not None and other is not None and np.array_equal(one, other)
