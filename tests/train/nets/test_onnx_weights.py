from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from torch import Tensor, nn

from edge_ocr.errors import ModelError
from train.nets.onnx_weights import OnnxFile, load_onnx

EXAMPLE = torch.zeros(1, 3, 4, 4)
BATCH_NORM = ("w_0", "b_0", "w_1", "w_2")


class TinyNet(nn.Module):
    """One layer of most kinds, with a part that runs in training only."""

    def __init__(self, n_classes: int = 5, stride: int = 2) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=stride, padding=1)
        self.bn = nn.BatchNorm2d(4)
        self.norm = nn.LayerNorm(4)
        self.classes = nn.Linear(4, n_classes)
        self.extra = nn.Linear(4, 2)

    def forward(self, image: Tensor) -> Tensor:
        feat = self.norm(self.bn(self.conv(image)).mean((2, 3)))
        out: Tensor = self.classes(feat)
        return torch.cat([out, self.extra(feat)], dim=1) if self.training else out


def paddle_file(change: Callable[[Any, dict[str, NDArray[np.float32]]], None] | None = None) -> bytes:
    """An ONNX file of a TinyNet, named and laid out as Paddle's converter does."""
    random = np.random.default_rng(0)
    shapes = {
        "conv2d_0.w_0": (4, 3, 3, 3),
        "conv2d_0.b_0": (4,),
        **{f"batch_norm_0.{name}": (4,) for name in BATCH_NORM},
        "layer_norm_0.w_0": (4,),
        "layer_norm_0.b_0": (4,),
        "linear_0.w_0": (4, 5),
        "linear_0.b_0": (5,),
    }
    tensors = {name: random.uniform(0.5, 1.5, shape).astype(np.float32) for name, shape in shapes.items()}
    nodes = [
        helper.make_node("Conv", ["x", "conv2d_0.w_0"], ["a"], strides=[2, 2], pads=[1, 1, 1, 1], group=1),
        helper.make_node("Reshape", ["conv2d_0.b_0", "Constant_0"], ["b"]),
        helper.make_node("Add", ["a", "b"], ["c"]),
        helper.make_node("BatchNormalization", ["c", *(f"batch_norm_0.{name}" for name in BATCH_NORM)], ["d"]),
        helper.make_node("GlobalAveragePool", ["d"], ["e"]),
        helper.make_node("Reshape", ["layer_norm_0.w_0", "Constant_0"], ["f"]),
        helper.make_node("Reshape", ["layer_norm_0.b_0", "Constant_0"], ["g"]),
        helper.make_node("MatMul", ["g", "linear_0.w_0"], ["h"]),
        helper.make_node("Add", ["h", "linear_0.b_0"], ["i"]),
    ]
    if change is not None:
        change(nodes, tensors)
    constants = [
        helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value))
        for name, value in {**tensors, "Constant_0": np.array([1, 4, 1, 1])}.items()
    ]
    model = helper.make_model(helper.make_graph([*constants, *nodes], "tiny", [], []))
    helper.set_model_props(model, {"character": "a\nb"})
    content: bytes = model.SerializeToString()
    return content


def test_load_onnx_fills_every_layer_of_the_file() -> None:
    net = TinyNet()
    file = OnnxFile.parse("tiny.onnx", paddle_file())
    load_onnx(net, file, EXAMPLE, fresh="extra")
    assert not net.training
    tensors = {f"{layer.name}:{key}": value for layer in file.layers for key, value in layer.tensors.items()}
    state = {
        "conv2d_0.w_0:weight": net.conv.weight,
        "conv2d_0.w_0:bias": net.conv.bias,
        "batch_norm_0.w_0:weight": net.bn.weight,
        "batch_norm_0.w_0:bias": net.bn.bias,
        "batch_norm_0.w_0:running_mean": net.bn.running_mean,
        "batch_norm_0.w_0:running_var": net.bn.running_var,
        "layer_norm_0.w_0:weight": net.norm.weight,
        "layer_norm_0.w_0:bias": net.norm.bias,
        "linear_0.w_0:weight": net.classes.weight,
        "linear_0.w_0:bias": net.classes.bias,
    }
    assert tensors.keys() == state.keys()
    for name, tensor in state.items():
        assert tensor is not None
        np.testing.assert_array_equal(tensor.detach().numpy(), tensors[name])


def test_linear_weights_are_turned_to_rows_per_output() -> None:
    layers = OnnxFile.parse("tiny.onnx", paddle_file()).layers
    assert [layer.tensors["weight"].shape for layer in layers] == [(4, 3, 3, 3), (4,), (4,), (5, 4)]


def test_metadata_is_read() -> None:
    assert OnnxFile.parse("tiny.onnx", paddle_file()).metadata == {"character": "a\nb"}


@pytest.mark.parametrize(
    ("net", "message"),
    [
        pytest.param(
            TinyNet(n_classes=6), r"linear_0.w_0 is Linear weight \(5, 4\).*our classes is .*\(6, 4\)", id="shape"
        ),
        pytest.param(
            TinyNet(stride=1), r"conv2d_0.w_0 is .*stride \(2, 2\).*our conv is .*stride \(1, 1\)", id="stride"
        ),
        pytest.param(nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1)), r"4 layers, our network has 1", id="a file with more"),
        pytest.param(nn.Sequential(nn.BatchNorm2d(3)), r"conv2d_0.w_0 is Conv2d.*our 0 is BatchNorm2d", id="kind"),
    ],
)
def test_a_file_of_another_network_is_refused(net: nn.Module, message: str) -> None:
    with pytest.raises(ModelError, match=f"tiny.onnx: {message}"):
        load_onnx(net, OnnxFile.parse("tiny.onnx", paddle_file()), EXAMPLE, fresh="extra")


def test_a_part_that_the_file_lacks_must_be_named() -> None:
    with pytest.raises(ModelError, match="nothing to put into extra"):
        load_onnx(TinyNet(), OnnxFile.parse("tiny.onnx", paddle_file()), EXAMPLE)


def unused_parameter(nodes: Any, tensors: dict[str, NDArray[np.float32]]) -> None:
    tensors["linear_9.w_0"] = np.zeros((2, 2), np.float32)


def folded_bias(nodes: Any, tensors: dict[str, NDArray[np.float32]]) -> None:
    del tensors["batch_norm_0.w_1"]


def unknown_operation(nodes: Any, tensors: dict[str, NDArray[np.float32]]) -> None:
    nodes[0].op_type = "Einsum"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(unused_parameter, "no layer uses linear_9.w_0", id="a parameter nobody uses"),
        pytest.param(folded_bias, "batch_norm_0.w_1.*BatchNormalization is missing", id="a missing parameter"),
        pytest.param(
            unknown_operation, "cannot read a Einsum with the parameter conv2d_0.w_0", id="an unknown operation"
        ),
    ],
)
def test_a_file_that_cannot_be_understood_is_refused(
    change: Callable[[Any, dict[str, NDArray[np.float32]]], None], message: str
) -> None:
    with pytest.raises(ModelError, match=f"tiny.onnx: .*{message}"):
        OnnxFile.parse("tiny.onnx", paddle_file(change))


def test_a_file_that_is_not_onnx_is_refused() -> None:
    with pytest.raises(ModelError, match=r"photo.onnx: not an ONNX file"):
        OnnxFile.parse("photo.onnx", b"\xff\xd8\xff\xe0 JFIF")
