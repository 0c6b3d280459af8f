"""ONNX networks of a few nodes with the inputs and outputs of the real ones."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

N_CLASSES = 4


def write_toy_detector(path: Path) -> Path:
    """(1, H, W, 3) uint8 to (1, H, W) uint8: the mean over the colours."""
    nodes = [
        helper.make_node("Cast", ["image"], ["floats"], name="cast", to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats", "axes"], ["means"], name="mean", keepdims=0),
        helper.make_node("Cast", ["means"], ["prob_map"], name="bytes", to=TensorProto.UINT8),
    ]
    axes = numpy_helper.from_array(np.array([3], dtype=np.int64), "axes")
    return _write(path, nodes, [_image()], [_info("prob_map", TensorProto.UINT8, [1, "height", "width"])], [axes])


def write_toy_recognizer(path: Path) -> Path:
    """(1, 48, W, 3) uint8 and (4,) float32 to the best of four classes per column and its score."""
    weights = np.random.default_rng(0).normal(0, 0.02, (3, N_CLASSES)).astype(np.float32)
    nodes = [
        helper.make_node("Cast", ["image"], ["floats"], name="cast", to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats", "rows"], ["columns"], name="mean", keepdims=0),
        helper.make_node("MatMul", ["columns", "weights"], ["logits"], name="head"),
        helper.make_node("Softmax", ["logits"], ["probs"], name="softmax", axis=2),
        helper.make_node("Add", ["probs", "class_bias"], ["biased"], name="bias"),
        helper.make_node("TopK", ["biased", "one"], ["top_scores", "top_classes"], name="top", axis=2),
        helper.make_node("Squeeze", ["top_scores", "last"], ["scores"], name="scores"),
        helper.make_node("Squeeze", ["top_classes", "last"], ["long_classes"], name="classes"),
        helper.make_node("Cast", ["long_classes"], ["classes"], name="ints", to=TensorProto.INT32),
    ]
    constants = {"rows": [1], "one": [1], "last": [2]}
    return _write(
        path,
        nodes,
        [_image(), _info("class_bias", TensorProto.FLOAT, [N_CLASSES])],
        [_info("classes", TensorProto.INT32, [1, "steps"]), _info("scores", TensorProto.FLOAT, [1, "steps"])],
        [numpy_helper.from_array(weights, "weights")]
        + [numpy_helper.from_array(np.array(value, dtype=np.int64), name) for name, value in constants.items()],
    )


def _image() -> onnx.ValueInfoProto:
    return _info("image", TensorProto.UINT8, [1, "height", "width", 3])


def _info(name: str, kind: int, shape: list[Any]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def _write(
    path: Path, nodes: list[Any], inputs: list[Any], outputs: list[Any], constants: list[onnx.TensorProto]
) -> Path:
    graph = helper.make_graph(nodes, "toy", inputs, outputs, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9), path)
    return path
