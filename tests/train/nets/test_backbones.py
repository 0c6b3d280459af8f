from collections.abc import Callable

import pytest
import torch
from torch import nn

from train.nets.layers import Pair
from train.nets.lcnet import DetectionLCNet, LCNet, RecognitionLCNet
from train.nets.mobilenetv3 import DetectionMobileNetV3, OrientationMobileNetV3
from train.nets.resnet_vd import DetectionResNet18vd


def test_lcnet_classifies_images_of_any_size() -> None:
    net = LCNet(0.25, n_classes=10).eval()
    assert net(torch.rand(2, 3, 64, 96)).shape == (2, 10)
    assert net.features(torch.rand(1, 3, 64, 96)).shape == (1, 128, 2, 3)


@pytest.mark.parametrize(
    ("last_stride", "height", "width", "steps"),
    [
        pytest.param((1, 1), 32, 320, 80, id="PP-OCRv2 keeps W/4 steps"),
        pytest.param((1, 1), 32, 8, 2, id="PP-OCRv2, one letter"),
        pytest.param((1, 2), 48, 320, 40, id="PP-OCRv3 keeps W/8 steps"),
        pytest.param((1, 2), 48, 8, 1, id="PP-OCRv3, one letter"),
    ],
)
def test_recognition_lcnet_leaves_one_row_and_a_step_for_every_few_pixels(
    last_stride: Pair, height: int, width: int, steps: int
) -> None:
    net = RecognitionLCNet(last_stride).eval()
    assert net(torch.rand(1, 3, height, width)).shape == (1, 512, 1, steps)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (96, 160)])
@pytest.mark.parametrize(
    ("backbone", "channels"),
    [
        (DetectionMobileNetV3, [16, 24, 56, 480]),
        (DetectionLCNet, [32, 64, 128, 256]),
        (DetectionResNet18vd, [64, 128, 256, 512]),
    ],
)
def test_detection_backbones_are_tapped_at_four_strides(
    backbone: Callable[[], nn.Module], channels: list[int], height: int, width: int
) -> None:
    net = backbone().eval()
    shapes = [feat.shape[1:] for feat in net(torch.rand(1, 3, height, width))]
    assert shapes == [
        (c, height // stride, width // stride) for c, stride in zip(channels, [4, 8, 16, 32], strict=True)
    ]
    assert net.out_channels == channels


def test_orientation_mobilenetv3_reduces_the_height_to_one_row() -> None:
    assert OrientationMobileNetV3().eval()(torch.rand(2, 3, 48, 192)).shape == (2, 200, 1, 48)
