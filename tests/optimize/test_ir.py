from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import openvino as ov
import pytest
import torch
from numpy.typing import NDArray
from openvino import opset13 as ops

from edge_ocr.engines.openvino import shared_core
from edge_ocr.errors import ConfigError, ModelError
from optimize.ir import (
    fold_detector,
    fold_orientation,
    fold_recognizer,
    from_onnx,
    from_torch,
    head_classes,
    restrict_head,
    save_fp16,
)
from tests.optimize.toys import (
    CHARACTERS,
    SKEWED,
    ToyClassifier,
    ToyDetector,
    ToyRecognizer,
    noise,
    normalised,
    onnx_recognizer,
)

FLOAT_TOLERANCE = 1e-5
FP16_TOLERANCE = 2e-2
"""Eleven bits in every weight, and a softmax eight times as steep as usual."""


def run(model: ov.Model, given: NDArray[Any]) -> list[NDArray[Any]]:
    compiled = shared_core().compile_model(
        model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    )
    request = compiled.create_infer_request()
    request.infer([given])
    return [tensor.data.copy() for tensor in request.output_tensors]


@pytest.mark.parametrize("size", [(32, 64), (64, 32), (96, 96)])
def test_a_folded_detector_gives_torchs_probabilities_as_bytes(size: tuple[int, int]) -> None:
    net, image = ToyDetector().eval(), noise(1, *size, 3)
    (prob_map,) = run(fold_detector(from_torch(net, "detector"), SKEWED), image)
    with torch.inference_mode():
        expected = net(normalised(image))[:, 0].numpy() * 255
    assert prob_map.dtype == np.uint8
    assert prob_map.shape == (1, *size)
    assert np.abs(prob_map - expected).max() <= 0.5 + 255 * FLOAT_TOLERANCE


@pytest.mark.parametrize("shape", [(1, 48, 8, 3), (1, 48, 64, 3), (3, 48, 168, 3)])
def test_a_folded_recogniser_gives_torchs_best_classes(shape: tuple[int, int, int, int]) -> None:
    net, image = ToyRecognizer().eval(), noise(*shape)
    classes, scores = run(fold_recognizer(from_torch(net, "recognizer"), SKEWED), image)
    with torch.inference_mode():
        probs = net(normalised(image)).numpy()
    assert classes.dtype == np.int32
    assert classes.shape == scores.shape == (shape[0], shape[2] // 8)
    np.testing.assert_array_equal(classes, probs.argmax(2))
    np.testing.assert_allclose(scores, probs.max(2), atol=FLOAT_TOLERANCE)


@pytest.mark.parametrize("n", [1, 3])
def test_a_folded_classifier_gives_torchs_probabilities(n: int) -> None:
    net, image = ToyClassifier().eval(), noise(n, 48, 192, 3)
    (probs,) = run(fold_orientation(from_torch(net, "orientation"), SKEWED), image)
    with torch.inference_mode():
        np.testing.assert_allclose(probs, net(normalised(image)).numpy(), atol=FLOAT_TOLERANCE)


def test_a_module_in_training_is_traced_as_it_infers() -> None:
    net = torch.nn.Sequential(ToyDetector(), torch.nn.Dropout(0.9)).train()
    image = noise(1, 32, 32, 3)
    (prob_map,) = run(fold_detector(from_torch(net, "detector"), SKEWED), image)
    with torch.inference_mode():
        expected = net.eval()(normalised(image))[:, 0].numpy() * 255
    assert np.abs(prob_map - expected).max() <= 0.5 + 255 * FLOAT_TOLERANCE


def test_a_folded_network_takes_static_sizes_and_names_its_outputs() -> None:
    model = fold_recognizer(from_torch(ToyRecognizer(), "recognizer"), SKEWED)
    assert [output.any_name for output in model.outputs] == ["classes", "scores"]
    assert model.inputs[0].any_name == "image"
    for width in (160, 320):
        static = model.clone()
        static.reshape({static.inputs[0]: ov.PartialShape([1, 48, width, 3])})
        assert [list(output.shape) for output in static.outputs] == [[1, width // 8]] * 2


def test_an_ir_on_disk_is_half_the_size_and_gives_nearly_the_same(tmp_path: Path) -> None:
    model, image = fold_recognizer(from_torch(ToyRecognizer(), "recognizer"), SKEWED), noise(1, 48, 64, 3)
    save_fp16(model, tmp_path / "half.xml")
    ov.save_model(model, tmp_path / "whole.xml", compress_to_fp16=False)
    half = (tmp_path / "half.bin").stat().st_size
    assert half < 0.6 * (tmp_path / "whole.bin").stat().st_size
    scores = run(shared_core().read_model(tmp_path / "half.xml"), image)[1]
    np.testing.assert_allclose(scores, run(model, image)[1], atol=FP16_TOLERANCE)


def test_an_ir_on_disk_leaves_out_what_is_inferred_when_it_is_read(tmp_path: Path) -> None:
    model, image = fold_recognizer(from_torch(ToyRecognizer(), "recognizer"), SKEWED), noise(1, 48, 64, 3)
    save_fp16(model, tmp_path / "short.xml")
    assert "<dim>" not in (tmp_path / "short.xml").read_text()
    again = shared_core().read_model(tmp_path / "short.xml")
    assert [str(end.get_partial_shape()) for end in (*again.inputs, *again.outputs)] == [
        str(end.get_partial_shape()) for end in (*model.inputs, *model.outputs)
    ]
    assert run(again, image)[0].shape == run(model, image)[0].shape


def test_large_float_matrices_beside_int8_are_halved_too(tmp_path: Path) -> None:
    """OpenVINO by itself compresses nothing in a network that holds INT8."""
    image = ops.parameter([1, 96, 4, 4], np.float32, name="image")
    seen = ops.fake_quantize(image, *(np.float32(bound) for bound in (0, 1, 0, 1)), 256)
    kernel = np.random.default_rng(0).standard_normal((96, 96, 1, 1)).astype(np.float32)
    mixed = ops.convolution(seen, ops.constant(kernel), [1, 1], [0, 0], [0, 0], [1, 1])
    model = ov.Model([mixed], [image], "mixed")
    save_fp16(model, tmp_path / "half.xml")
    assert (tmp_path / "half.bin").stat().st_size < 0.6 * kernel.nbytes
    example = noise(1, 96, 4, 4).astype(np.float32) / 255
    read = shared_core().read_model(tmp_path / "half.xml")
    np.testing.assert_allclose(run(read, example)[0], run(model, example)[0], atol=0.05)


@pytest.fixture
def head(tmp_path: Path) -> ov.Model:
    onnx.save(onnx_recognizer(), tmp_path / "head.onnx")
    return from_onnx(tmp_path / "head.onnx", "recognizer")


def from_file(head: ov.Model) -> ov.Model:
    return head


def from_module(head: ov.Model) -> ov.Model:
    return from_torch(ToyRecognizer(), "recognizer")


@pytest.mark.parametrize("make", [from_file, from_module])
@pytest.mark.parametrize("keep", ["a", " b", "cba "])
def test_a_restricted_head_keeps_the_blank_and_the_rows_asked_for(head: ov.Model, make: Any, keep: str) -> None:
    model = make(head)
    image = normalised(noise(1, 48, 64, 3)).numpy()
    (full,) = run(model, image)
    restrict_head(model, CHARACTERS, keep)
    assert head_classes(model) == 1 + len(keep)
    kept = full[..., [0, *(CHARACTERS.index(character) + 1 for character in keep)]]
    (probs,) = run(model, image)
    np.testing.assert_allclose(probs, kept / kept.sum(2, keepdims=True), atol=FLOAT_TOLERANCE)


def test_characters_that_the_head_lacks_are_refused(head: ov.Model) -> None:
    with pytest.raises(ConfigError, match="the published head cannot read '€é'; leave these characters out"):
        restrict_head(head, CHARACTERS, "a€é")


def test_a_network_without_such_a_head_is_refused(head: ov.Model) -> None:
    with pytest.raises(ModelError, match="found 0 constants with 10 classes"):
        restrict_head(head, "abcdefghi", "ab")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"no network", "no recognizer network that OpenVINO can read", id="no ONNX"),
        pytest.param(None, "no recognizer network that OpenVINO can read", id="no file"),
    ],
)
def test_a_file_that_is_no_network_is_refused(tmp_path: Path, content: Sequence[int] | None, message: str) -> None:
    if content is not None:
        (tmp_path / "bad.onnx").write_bytes(bytes(content))
    with pytest.raises(ModelError, match=f"bad.onnx: {message}") as caught:
        from_onnx(tmp_path / "bad.onnx", "recognizer")
    assert "\n" not in str(caught.value)


def test_another_kind_of_network_is_refused(tmp_path: Path) -> None:
    onnx.save(onnx_recognizer(), tmp_path / "head.onnx")
    with pytest.raises(ModelError, match=r"head.onnx: no orientation network, its output is \[\?,24,5\]"):
        from_onnx(tmp_path / "head.onnx", "orientation")
