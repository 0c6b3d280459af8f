from pathlib import Path

import numpy as np
import openvino as ov
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from edge_ocr.detection import ScaleRule
from edge_ocr.engines.openvino import shared_core
from optimize.evaluate import SIZES, WIDTHS, turned
from optimize.ir import fold_detector, fold_recognizer, from_torch
from optimize.quantize import (
    RECIPES,
    Recipe,
    Tensor,
    _kept_in_float,
    detector_inputs,
    quantize,
    recognizer_inputs,
)
from tests.optimize.toys import SKEWED, ToyDetector, ToyRecognizer, noise
from train.nets.ppocrv6 import V6Stem


def weights_in_integers(model: ov.Model, kind: str) -> list[bool]:
    """Per node of a kind, in order: whether its weights come from a constant of 8-bit integers."""
    found = []
    for node in model.get_ordered_ops():
        if node.get_type_name() == kind:
            kinds = []
            above = [value.get_source_output().get_node() for value in node.inputs()[1:]]
            while above:
                one = above.pop()
                if one.get_type_name() == "Constant":
                    kinds.append(one.get_element_type().to_string())
                else:
                    above += [value.get_source_output().get_node() for value in one.inputs()]
            found.append(any(kind.endswith("8") for kind in kinds))
    return found


@pytest.mark.parametrize(
    ("recipe", "in_integers"),
    [
        pytest.param(
            Recipe("MIXED", "MINMAX", float_ends=True), [False, True, True, False, False], id="first and last two kept"
        ),
        pytest.param(Recipe("MIXED", "MINMAX", float_first=2), [False, False, True, True, True], id="first two kept"),
        pytest.param(Recipe("MIXED", "MINMAX"), [True, True, True, True, True], id="none kept"),
    ],
)
def test_convolutions_are_kept_in_float_where_the_recipe_says_so(recipe: Recipe, in_integers: list[bool]) -> None:
    layers = [nn.Conv2d(3, 4, 3, padding=1), nn.ReLU()]
    for _ in range(3):
        layers += [nn.Conv2d(4, 4, 3, padding=1), nn.ReLU()]
    detector = nn.Sequential(*layers, nn.Conv2d(4, 1, 1), nn.Sigmoid())
    folded = fold_detector(from_torch(detector, "detector"), SKEWED)
    quantised = quantize(folded, recipe, [noise(1, 32, 64, 3)])
    assert weights_in_integers(quantised, "Convolution") == in_integers


def test_a_convolution_of_two_maps_becomes_one_of_each_where_the_recipe_says_so() -> None:
    network = nn.Sequential(V6Stem(8), nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.Conv2d(8, 1, 1), nn.Sigmoid())
    folded, image = fold_detector(from_torch(network.eval(), "detector"), SKEWED), noise(1, 32, 64, 3)
    plain, split = (quantize(folded, Recipe("MIXED", "MINMAX", split_merges=split), [image]) for split in (False, True))
    assert weights_in_integers(plain, "Convolution") == [True] * 6
    assert weights_in_integers(split, "Convolution") == [True] * 7
    joins = [node for node in split.get_ordered_ops() if node.get_type_name() == "Concat"]
    assert not joins
    float_map, split_map = (compiled_map(model, image) for model in (folded, split))
    assert float_map.std() > 1
    assert np.abs(float_map - split_map).mean() < 2


@pytest.mark.parametrize("float_joins", [True, False])
def test_joins_of_two_maps_are_kept_in_float_where_the_recipe_says_so(*, float_joins: bool) -> None:
    class Pyramid(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fine, self.coarse, self.around = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 2, stride=2), nn.Conv2d(4, 4, 1)
            self.last = nn.Conv2d(4, 1, 1)

        def forward(self, image_NCHW: torch.Tensor) -> torch.Tensor:
            coarse = self.coarse(image_NCHW)
            coarse = coarse + self.around(coarse)
            gated = coarse * torch.sigmoid(coarse.mean((2, 3), keepdim=True)) * 0.5
            enlarged = nn.functional.interpolate(gated, scale_factor=2.0, mode="nearest")
            return torch.sigmoid(self.last(self.fine(image_NCHW) + enlarged))

    folded, image = fold_detector(from_torch(Pyramid().eval(), "detector"), SKEWED), noise(1, 32, 64, 3)
    recipe = Recipe("MIXED", "MINMAX", float_joins=float_joins)
    kept = _kept_in_float(folded, recipe)
    kinds = [node.get_type_name() for node in folded.get_ordered_ops() if node.get_friendly_name() in kept]
    # Not the shortcut, products with constants, nor the convolutions' biases.
    assert kinds == (["Multiply", "Add"] if float_joins else [])
    quantised = quantize(folded, recipe, [image])
    assert weights_in_integers(quantised, "Convolution") == [True] * 4
    assert np.abs(compiled_map(folded, image) - compiled_map(quantised, image)).mean() < 2


def compiled_map(model: ov.Model, image: Tensor) -> NDArray[np.int64]:
    compiled = shared_core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.asarray(compiled([image])[0], np.int64)


def test_lstms_are_kept_in_float() -> None:
    folded = fold_recognizer(from_torch(ToyRecognizer(), "recognizer"), SKEWED)
    quantised = quantize(folded, RECIPES["recognizer"], [noise(1, 48, 64, 3), noise(1, 48, 128, 3)])
    lstms = [node for node in quantised.get_ordered_ops() if node.get_type_name() == "LSTMSequence"]
    assert lstms
    for lstm in lstms:
        weights = [value.get_source_output().get_node() for value in lstm.inputs()[4:]]
        assert all(node.get_type_name() != "FakeQuantize" for node in weights)
    assert any(weights_in_integers(quantised, "Convolution"))


def test_a_quantised_network_takes_and_gives_what_the_folded_one_does(tmp_path: Path) -> None:
    folded = fold_detector(from_torch(ToyDetector(), "detector"), SKEWED)
    quantised = quantize(folded, RECIPES["detector_with_float_joins"], [noise(1, 64, 64, 3)])
    outputs = []
    for model in (folded, quantised):
        compiled = shared_core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        outputs.append(compiled([noise(1, 64, 64, 3)])[0].astype(int))
    assert outputs[0].shape == outputs[1].shape == (1, 64, 64)
    assert np.abs(outputs[0] - outputs[1]).mean() < 4


def text_lines(*widths: int) -> list[tuple[Tensor, str]]:
    return [(noise(48, width, 3), "x") for width in widths]


def test_lines_are_calibrated_as_the_device_feeds_them() -> None:
    inputs = recognizer_inputs(text_lines(40, 500, 5000), 48)
    assert [tensor.shape for tensor in inputs] == [(1, 48, WIDTHS[0], 3), (1, 48, 640, 3), (1, 48, WIDTHS[-1], 3)]


def test_pages_are_calibrated_as_the_device_feeds_them() -> None:
    inputs = detector_inputs([(noise(400, 600, 3), []), (noise(1200, 400, 3), [])], ScaleRule(limit_px=1280))
    assert len(inputs) == 2
    assert all(tensor.shape[1:3] in SIZES and tensor.dtype == np.uint8 for tensor in inputs)


def test_turning_twice_gives_the_image_back() -> None:
    image = noise(3, 5, 3)
    assert turned(image)[0, 0].tolist() == image[-1, -1].tolist()
    np.testing.assert_array_equal(turned(turned(image)), image)
