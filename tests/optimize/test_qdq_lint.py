"""The list that a network for TensorRT is held against: every rule broken once."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edge_ocr.errors import ModelError
from optimize.qdq_lint import check_for_tensorrt, lint

Arrays = dict[str, NDArray[Any]]


def network(
    *, group: int = 1, opset: int = 19, arrays: Arrays | None = None, change: Callable[[list[Any]], None] | None = None
) -> onnx.ModelProto:
    """A quantised convolution: one pair on the image's floats, weights of int8 per channel, a bias in float."""
    channels = 4
    values: Arrays = {
        "scale": np.array(0.02, np.float16),
        "zero": np.array(0, np.int8),
        "integers": np.ones((channels, channels // group, 1, 1), np.int8),
        "scales": np.full(channels, 0.01, np.float16),
        "zeros": np.zeros(channels, np.int8),
        "bias": np.zeros(channels, np.float16),
    }
    values |= arrays or {}
    nodes = [
        helper.make_node("Cast", ["image"], ["floats"], name="cast", to=TensorProto.FLOAT16),
        helper.make_node("QuantizeLinear", ["floats", "scale", "zero"], ["q"], name="quantize"),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["dq"], name="dequantize"),
        helper.make_node("DequantizeLinear", ["integers", "scales", "zeros"], ["weights"], name="weights", axis=0),
        helper.make_node("Conv", ["dq", "weights", "bias"], ["a"], name="conv", group=group),
        helper.make_node("Relu", ["a"], ["y"], name="relu"),
    ]
    if change:
        change(nodes)
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, channels, "height", "width"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT16, None)],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


def test_a_network_that_keeps_the_rules_has_no_line() -> None:
    assert lint(network()) == []


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        pytest.param({"zero": np.array(3, np.int8)}, "quantize: its zero point is not 0", id="asymmetric"),
        pytest.param({"zero": np.array(0, np.uint8)}, "quantize: uint8 would be read as int8", id="unsigned"),
        pytest.param({"scale": np.array(0, np.float16)}, "quantize: a scale is not above 0", id="a scale of 0"),
        pytest.param({"scale": np.array(np.inf, np.float16)}, "quantize: a scale is not above 0", id="beyond FP16"),
        pytest.param(
            {"scale": np.full(4, 0.02, np.float16), "zero": np.zeros(4, np.int8)},
            "quantize: 4 scales for an activation",
            id="activations per channel",
        ),
        pytest.param(
            {"scales": np.array(0.01, np.float16), "zeros": np.array(0, np.int8)},
            "weights: 1 scales along axis 0; TensorRT wants one per output channel",
            id="weights per tensor",
        ),
    ],
)
def test_scales_and_zero_points(arrays: Arrays, said: str) -> None:
    assert any(line.startswith(said) for line in lint(network(arrays=arrays)))


def test_a_depthwise_convolution_stays_in_float() -> None:
    assert "conv: a convolution of 4 groups in INT8; leave depthwise ones in FP16" in lint(network(group=4))


def _rename(node: int, position: int, name: str) -> Callable[[list[Any]], None]:
    def change(nodes: list[Any]) -> None:
        nodes[node].input[position] = name

    return change


def _insert(at: int, op: str, inputs: Sequence[str], outputs: Sequence[str]) -> Callable[[list[Any]], None]:
    return lambda nodes: nodes.insert(at, helper.make_node(op, inputs, outputs, name="new"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(_rename(4, 0, "floats"), "conv: only one of input and weights", id="weights only"),
        pytest.param(_rename(4, 2, "weights"), "conv: its bias is quantised", id="bias"),
        pytest.param(_rename(5, 0, "q"), "quantize: not followed by DequantizeLinear only", id="integers elsewhere"),
        pytest.param(_rename(5, 0, "dq"), "dequantize: read by Relu", id="a pair in front of an activation"),
        pytest.param(_rename(2, 1, "bias"), "dequantize: another scale than quantize", id="two scales in a pair"),
        pytest.param(_rename(1, 1, "floats"), "quantize: its scale is computed", id="a computed scale"),
        pytest.param(_insert(6, "Shape", ["a"], ["s"]), "new: Shape would run on the CPU", id="shapes"),
        pytest.param(_insert(6, "Einsum", ["a"], ["s"]), "new: Einsum is not an op", id="an untried op"),
        pytest.param(
            _insert(0, "Transpose", ["image"], ["t"]), "input image: uint8 and not cast at once", id="bytes inside"
        ),
    ],
)
def test_placement(change: Callable[[list[Any]], None], said: str) -> None:
    assert any(line.startswith(said) for line in lint(network(change=change)))


def test_bytes_are_made_at_the_end_only() -> None:
    def change(nodes: list[Any]) -> None:
        nodes[5].input[0] = "bytes"
        nodes.insert(5, helper.make_node("Cast", ["a"], ["bytes"], name="early", to=TensorProto.UINT8))

    assert any(line.startswith("early: casts to uint8 before the end") for line in lint(network(change=change)))


@pytest.mark.parametrize(
    ("opset", "said"),
    [
        pytest.param(13, "opset 13: FP16 scales begin with 19", id="too old for FP16 scales"),
        pytest.param(21, "opset 21: must be 13 to 20", id="newer than the parser"),
    ],
)
def test_opsets(opset: int, said: str) -> None:
    assert lint(network(opset=opset)) == [said]


def test_only_height_and_width_may_be_free() -> None:
    model = network()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    assert lint(model) == ["input image, axis 0: free as 'batch'; only height and width may be"]


def test_a_violation_stops_the_export() -> None:
    with pytest.raises(ModelError, match=r"d\.onnx: not for TensorRT: quantize: its zero point .* \(and 1 more\)"):
        check_for_tensorrt(network(arrays={"zero": np.array(3, np.int8)}), "d.onnx")
