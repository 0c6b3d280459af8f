"""Networks to ONNX for NVIDIA GPUs: the same numbers as torch in FP32, nearly so in FP16, and what is quantised.

ONNX Runtime computes here on the CPU. Nothing here ran on a GPU or through TensorRT.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from edge_ocr.errors import ModelError
from optimize.onnx_export import to_onnx
from optimize.onnx_fp16 import to_fp16
from optimize.onnx_quantize import make_signed, quantisable, quantize_onnx
from optimize.qdq_lint import lint
from tests.optimize.toys import SKEWED, ToyAttention, ToyClassifier, ToyDetector, noise, normalised


def run(model: onnx.ModelProto, image_NHWC: NDArray[np.uint8], bias: NDArray[np.float32] | None = None) -> list[Any]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feed: dict[str, Any] = {"image": image_NHWC}
    if len(session.get_inputs()) > 1:
        feed["class_bias"] = np.zeros(5, np.float32) if bias is None else bias
    return list(session.run(None, feed))


def kinds(model: onnx.ModelProto) -> set[str]:
    return {node.op_type for node in model.graph.node}


def types_of_weights(model: onnx.ModelProto, op_type: str) -> set[int]:
    kind = {value.name: value.data_type for value in model.graph.initializer}
    return {kind[node.input[1]] for node in model.graph.node if node.op_type == op_type and node.input[1] in kind}


@pytest.mark.parametrize("size", [(32, 64), (96, 32)])
def test_a_detector_takes_bytes_and_gives_bytes_of_any_size(size: tuple[int, int]) -> None:
    detector, image = ToyDetector().eval(), noise(1, *size, 3)
    (prob_map,) = run(to_onnx(detector, "detector", SKEWED), image)
    expected = 255 * detector(normalised(image))[:, 0].detach().numpy()
    assert prob_map.dtype == np.uint8
    np.testing.assert_allclose(prob_map, expected, atol=0.51)


def test_a_detector_that_gives_sub_pixels_is_shuffled() -> None:
    class SubPixels(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(3, 4, 2, stride=2)

        def forward(self, image_NCHW: Tensor) -> Tensor:
            return torch.sigmoid(self.layer(image_NCHW))

    detector, image = SubPixels().eval(), noise(1, 32, 64, 3)
    (prob_map,) = run(to_onnx(detector, "detector", SKEWED), image)
    expected = 255 * nn.functional.pixel_shuffle(detector(normalised(image)), 2)[:, 0].detach().numpy()
    np.testing.assert_allclose(prob_map, expected, atol=0.51)


@pytest.mark.parametrize("width", [64, 160, 320])
def test_a_recogniser_reads_any_width_without_computing_shapes(width: int) -> None:
    recognizer, image = ToyAttention().eval(), noise(1, 48, width, 3)
    model = to_onnx(recognizer, "recognizer", SKEWED)
    classes, scores = run(model, image)
    probs = recognizer(normalised(image)).detach().numpy()
    assert classes.dtype == np.int32
    np.testing.assert_array_equal(classes, probs.argmax(axis=2))
    np.testing.assert_allclose(scores, probs.max(axis=2), atol=1e-5)
    assert kinds(model).isdisjoint({"Shape", "Gather", "ConstantOfShape"})


def test_a_bias_decides_what_a_recogniser_may_choose() -> None:
    model = to_onnx(ToyAttention(), "recognizer", SKEWED)
    bias = np.full(5, -2, np.float32)
    bias[3] = 0
    assert (run(model, noise(1, 48, 64, 3), bias)[0] == 3).all()


def test_two_free_sides_in_a_reshape_are_refused() -> None:
    class Flattens(nn.Module):
        def forward(self, image_NCHW: Tensor) -> Tensor:
            mean = image_NCHW.mean(1).reshape(1, image_NCHW.shape[3], image_NCHW.shape[2])
            return torch.sigmoid(mean[:, None])

    with pytest.raises(ModelError, match=r"reshapes to \[1, -1, -1\]; at most one side may be free"):
        to_onnx(Flattens(), "detector", SKEWED)


def test_fp16_keeps_ends_and_layer_norms_in_float() -> None:
    model = to_fp16(to_onnx(ToyAttention(), "recognizer", SKEWED))
    assert types_of_weights(model, "Conv") == types_of_weights(model, "MatMul") == {TensorProto.FLOAT16}
    assert types_of_weights(model, "LayerNormalization") == {TensorProto.FLOAT}
    assert [output.type.tensor_type.elem_type for output in model.graph.output] == [
        TensorProto.INT32,
        TensorProto.FLOAT,
    ]
    assert lint(model) == []


@pytest.mark.parametrize(
    ("make", "network", "shape", "atol"),
    [
        pytest.param(ToyDetector, "detector", (1, 64, 96, 3), 1, id="detector, of 255"),
        pytest.param(ToyClassifier, "orientation", (1, 48, 192, 3), 2e-3, id="classifier"),
    ],
)
def test_fp16_computes_nearly_the_same(make: type[nn.Module], network: str, shape: Sequence[int], atol: float) -> None:
    model = to_onnx(make(), network, SKEWED)
    (full,), (half,) = run(model, noise(*shape)), run(to_fp16(model), noise(*shape))
    assert full.dtype == half.dtype
    np.testing.assert_allclose(half.astype(float), full.astype(float), atol=atol)


def test_a_weight_beyond_fp16_is_refused() -> None:
    detector = ToyDetector()
    with torch.no_grad():
        next(detector.parameters())[0, 0, 0, 0] = 1e6
    with pytest.raises(ModelError, match=r"a weight of 1e\+06 is beyond FP16"):
        to_fp16(to_onnx(detector, "detector", SKEWED))


def test_dense_layers_are_quantised_and_nothing_else() -> None:
    model = to_onnx(ToyAttention(), "recognizer", SKEWED)
    layers = {name.removeprefix("/net/").split("/")[0] for name in quantisable(model)}
    # Not the stem, the depthwise one, squeeze-and-excite, nor the products of attention.
    assert layers == {"pointwise", "qkv", "classes"}


def test_the_coarsest_maps_of_a_detector_stay_in_float() -> None:
    class Pyramid(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(3, 4, 4, stride=4)
            self.middle = nn.Conv2d(4, 4, 4, stride=4)
            self.coarse = nn.Conv2d(4, 4, 2, stride=2)
            self.fine = nn.Conv2d(4, 1, 1)

        def forward(self, image_NCHW: Tensor) -> Tensor:
            middle = self.middle(self.stem(image_NCHW).relu()).relu()
            coarse = self.coarse(middle).relu()
            merged = middle + nn.functional.interpolate(coarse, scale_factor=2.0)
            return torch.sigmoid(nn.functional.interpolate(self.fine(merged), scale_factor=16.0))

    names = quantisable(to_onnx(Pyramid(), "detector", SKEWED))
    assert {name.split("/")[2] for name in names} == {"middle", "fine"}


def test_int8_keeps_every_rule_and_computes_nearly_the_same() -> None:
    model = to_onnx(ToyAttention(), "recognizer", SKEWED)
    image = noise(1, 48, 160, 3)
    quantised = to_fp16(quantize_onnx(model, [image, noise(1, 48, 64, 3)]))
    assert lint(quantised) == []
    assert sum(node.op_type == "QuantizeLinear" for node in quantised.graph.node) == 3
    np.testing.assert_allclose(run(quantised, image)[1], run(model, image)[1], atol=0.05)


def test_unsigned_pairs_become_signed_ones_of_the_same_range() -> None:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [3])],
        [
            numpy_helper.from_array(np.array(1 / 255, np.float32), "scale"),
            numpy_helper.from_array(np.array(0, np.uint8), "zero"),
        ],
    )
    make_signed(graph)
    scale, zero = (numpy_helper.to_array(value) for value in graph.initializer)
    assert zero.dtype == np.int8
    assert float(scale) == pytest.approx(1 / 127)
