"""ONNX networks in FP16, with the few places in FP32 that need it.

Own code, because the converter of ONNX Runtime leaves nodes in an order that ONNX's checker refuses.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edge_ocr.errors import ModelError

BODY = "/net/"
"""Names of the network's own nodes begin so; all others are pre- and post-processing."""
FLOAT_OPS = frozenset({"LayerNormalization"})
"""Computed in FP32: their sums of squares may overflow."""
QDQ = frozenset({"QuantizeLinear", "DequantizeLinear"})
"""Named by who quantised, and part of the network all the same."""
ALWAYS_FLOAT_INPUTS = {"Resize": {1, 2}}
"""Inputs that are FP32 in ONNX whatever the data's type."""


def to_fp16(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network with weights and arithmetic in FP16; inputs and outputs keep their types.

    FP32 stay pre- and post-processing, the softmax or sigmoid in front of it, whose steps in FP16 would show in scores,
    and layer norms. Q/DQ pairs get FP16 on their float side.

    Args:
        model: In FP32, its nodes in order, as `optimize.onnx_export.to_onnx` makes it; left as it is.

    Raises:
        ModelError: a weight is beyond FP16.
    """
    halved = onnx.ModelProto()
    halved.CopyFrom(model)
    graph = halved.graph
    lift_constants(graph)
    conversion = _Conversion(onnx.shape_inference.infer_shapes(halved).graph, _float_nodes(graph))
    for node in graph.node:
        conversion.add(node)
    del graph.node[:], graph.initializer[:], graph.value_info[:]
    graph.node.extend(conversion.nodes)
    graph.initializer.extend(conversion.weights.values())
    onnx.checker.check_model(halved, full_check=True)
    return halved


def lift_constants(graph: onnx.GraphProto) -> None:
    """Turn constant nodes into initialisers, in place."""
    for node in [node for node in graph.node if node.op_type == "Constant"]:
        (value,) = [helper.get_attribute_value(attribute) for attribute in node.attribute]
        array = numpy_helper.to_array(value) if isinstance(value, TensorProto) else np.array(value)
        graph.initializer.append(numpy_helper.from_array(array, node.output[0]))
        graph.node.remove(node)


class _Conversion:
    """Takes nodes in order and puts them out again, in the types they are to compute in."""

    def __init__(self, graph: onnx.GraphProto, float_nodes: set[str]) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, onnx.TensorProto] = {}
        self._float_nodes = float_nodes
        self._constants = {value.name: value for value in graph.initializer}
        infos = [*graph.input, *graph.value_info, *graph.output]
        types = {info.name: info.type.tensor_type.elem_type for info in infos}
        types |= {name: value.data_type for name, value in self._constants.items()}
        self._type = {name: kind for name, kind in types.items() if kind == TensorProto.FLOAT}
        """Of every tensor that was FP32, the type it has now."""

    def add(self, node: onnx.NodeProto) -> None:
        wanted = TensorProto.FLOAT if node.name in self._float_nodes else TensorProto.FLOAT16
        converted = onnx.NodeProto()
        converted.CopyFrom(node)
        always_float = ALWAYS_FLOAT_INPUTS.get(node.op_type, set())
        for i, name in enumerate(node.input):
            if name:
                converted.input[i] = self._in_type(name, TensorProto.FLOAT if i in always_float else wanted)
        self.nodes.append(converted)
        for name in node.output:
            if name in self._type:
                self._type[name] = wanted

    def _in_type(self, name: str, wanted: int) -> str:
        """The name under which a tensor is at hand in the wanted type."""
        if name not in self._type:
            if name in self._constants:
                self.weights[name] = self._constants[name]
            return name
        converted = name if self._type[name] == wanted else f"{name}/{TensorProto.DataType.Name(wanted).lower()}"
        if name in self._constants:
            self.weights[converted] = self._constants[name] if converted == name else _halved(name, self._constants)
        elif converted not in self._type:
            self.nodes.append(helper.make_node("Cast", [name], [converted], name=converted, to=wanted))
            self._type[converted] = wanted
        return converted


def _halved(name: str, constants: dict[str, onnx.TensorProto]) -> onnx.TensorProto:
    values = numpy_helper.to_array(constants[name])
    if np.abs(values).max(initial=0) > np.finfo(np.float16).max:
        raise ModelError(f"{name}: a weight of {np.abs(values).max():g} is beyond FP16; keep this network in FP32")
    return numpy_helper.from_array(values.astype(np.float16), f"{name}/float16")


def _float_nodes(graph: onnx.GraphProto) -> set[str]:
    outside = [node for node in graph.node if not node.name.startswith(BODY) and node.op_type not in QDQ]
    read = {name for node in outside for name in node.input} | {output.name for output in graph.output}
    last = [node for node in graph.node if node.op_type in {"Softmax", "Sigmoid"} and read & set(node.output)]
    return {node.name for node in graph.node if node in outside or node in last or node.op_type in FLOAT_OPS}
