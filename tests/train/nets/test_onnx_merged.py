"""Layers of an ONNX file whose batch norms are merged."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from torch import Tensor, nn

from edge_ocr.errors import ModelError
from train.nets.onnx_merged import parse_merged
from train.nets.onnx_weights import load_onnx


class TinyNet(nn.Module):
    """A convolution with a bias, one that a batch norm follows, a layer norm, and two matrices."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.normed = nn.Conv2d(4, 4, 1)
        self.norm = nn.LayerNorm(4)
        self.hidden = nn.Linear(4, 6)
        self.classes = nn.Linear(6, 5)

    def forward(self, image: Tensor) -> Tensor:
        feat = self.norm(self.normed(self.conv(image)).mean((2, 3)))
        out: Tensor = self.classes(self.hidden(feat))
        return out


def merged_file(tensors: dict[str, NDArray[np.float32]]) -> bytes:
    """TinyNet as PP-OCRv6 is published: biases in additions, the layer norm spelled out."""
    nodes = [
        helper.make_node("Conv", ["x", "k0"], ["a"], strides=[2, 2], pads=[1, 1, 1, 1], kernel_shape=[3, 3]),
        helper.make_node("Identity", ["a"], ["b"]),
        helper.make_node("Add", ["b", "bias0"], ["c"]),
        helper.make_node("Conv", ["c", "k1"], ["d"], kernel_shape=[1, 1], strides=[1, 1], pads=[0, 0, 0, 0]),
        helper.make_node("BatchNormalization", ["d", "scale", "shift", "mean", "var"], ["e"], epsilon=1e-5),
        helper.make_node("ReduceMean", ["e"], ["f"], axes=[2, 3], keepdims=0),
        helper.make_node("Mul", ["f", "two"], ["half"]),
        helper.make_node("Mul", ["half", "norm_weight"], ["g"]),
        helper.make_node("Add", ["g", "norm_bias"], ["h"]),
        helper.make_node("MatMul", ["h", "m0"], ["i"]),
        helper.make_node("Add", ["i", "mbias0"], ["j"]),
        helper.make_node("MatMul", ["j", "m1"], ["y"]),
    ]
    ends = [helper.make_tensor_value_info(name, 1, None) for name in ("x", "y")]
    graph = helper.make_graph(
        nodes, "tiny", ends[:1], ends[1:], [numpy_helper.from_array(v, k) for k, v in tensors.items()]
    )
    content: bytes = helper.make_model(graph).SerializeToString()
    return content


@pytest.fixture
def tensors() -> dict[str, NDArray[np.float32]]:
    random = np.random.default_rng(0)
    shapes = {
        "k0": (4, 3, 3, 3), "bias0": (1, 4, 1, 1), "k1": (4, 4, 1, 1), "scale": (4,), "shift": (4,), "mean": (4,),
        "var": (4,), "two": (), "norm_weight": (4,), "norm_bias": (4,), "m0": (4, 6), "mbias0": (6,), "m1": (6, 5),
    }  # fmt: skip
    return {name: np.asarray(random.uniform(0.5, 1.5, shape), np.float32) for name, shape in shapes.items()}


def test_weights_and_biases_arrive_where_they_belong(tensors: dict[str, NDArray[np.float32]]) -> None:
    net = TinyNet()
    load_onnx(net, parse_merged("tiny", merged_file(tensors)), torch.zeros(1, 3, 4, 4))
    np.testing.assert_array_equal(net.state_dict()["conv.bias"], tensors["bias0"].ravel())
    np.testing.assert_array_equal(net.norm.weight.detach(), tensors["norm_weight"])
    np.testing.assert_array_equal(net.hidden.weight.detach(), tensors["m0"].T)
    np.testing.assert_array_equal(net.hidden.bias.detach(), tensors["mbias0"])
    np.testing.assert_array_equal(net.classes.bias.detach(), np.zeros(5))


def test_a_batch_norm_is_merged_into_the_convolution_before_it(tensors: dict[str, NDArray[np.float32]]) -> None:
    net = TinyNet()
    load_onnx(net, parse_merged("tiny", merged_file(tensors)), torch.zeros(1, 3, 4, 4))
    feat = torch.randn(2, 4, 3, 3)
    scale, shift, mean, variance = (torch.from_numpy(tensors[name]) for name in ("scale", "shift", "mean", "var"))
    plain = nn.functional.conv2d(feat, torch.from_numpy(tensors["k1"]))
    wanted = nn.functional.batch_norm(plain, mean, variance, scale, shift, eps=1e-5)
    torch.testing.assert_close(net.normed(feat), wanted)


def test_another_network_is_refused(tensors: dict[str, NDArray[np.float32]]) -> None:
    file = parse_merged("tiny", merged_file(tensors))
    net = TinyNet()
    net.classes = nn.Linear(6, 7)
    with pytest.raises(ModelError, match="tiny: m1 is Linear"):
        load_onnx(net, file, torch.zeros(1, 3, 4, 4))


def test_what_is_not_onnx_is_refused() -> None:
    with pytest.raises(ModelError, match=r"x\.onnx: not an ONNX file"):
        parse_merged("x.onnx", b"\xff\xff\xff")
