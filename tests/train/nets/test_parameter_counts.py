"""Parameter counts of the published networks (reference/ppocrv2.md, sections 0 to 4)."""

import pytest
from torch import nn

from train.nets.ctc import ppocrv2_recognizer, ppocrv3_recognizer, ppocrv6_recognizer
from train.nets.db import ppocrv2_detector, ppocrv3_detector, teacher_detector
from train.nets.lcnet import DetectionLCNet, LCNet
from train.nets.orientation import OrientationClassifier
from train.nets.resnet_vd import DetectionResNet18vd


def n_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_ppocrv2_detector_has_the_published_counts() -> None:
    detector = ppocrv2_detector()
    assert n_parameters(detector.backbone) == 398_480
    assert n_parameters(detector.neck) == 138_240
    assert n_parameters(detector.head.prob) == n_parameters(detector.head.threshold) == 23_257
    assert n_parameters(detector) == 583_234
    assert n_parameters(detector) - n_parameters(detector.head.threshold) == 559_977


def test_ppocrv3_detector_differs_by_the_residual_se_of_its_pyramid() -> None:
    detector = ppocrv3_detector()
    assert n_parameters(detector.neck) == 158_424
    assert n_parameters(detector) == 583_234 - 138_240 + 158_424


@pytest.mark.parametrize(
    ("n_classes", "head", "total"),
    [
        pytest.param(6625, 655_009, 2_066_433, id="Chinese"),
        pytest.param(97, 21_793, 1_433_217, id="English"),
    ],
)
def test_ppocrv2_recognizer_has_the_published_counts(n_classes: int, head: int, total: int) -> None:
    recognizer = ppocrv2_recognizer(n_classes)
    assert n_parameters(recognizer.backbone) == 1_016_160
    assert n_parameters(recognizer.neck) == 395_264
    assert n_parameters(recognizer.head) == head
    assert n_parameters(recognizer) == total


@pytest.mark.parametrize(("n_classes", "millions"), [(6625, 2.64), (97, 2.2)])
def test_ppocrv3_recognizer_has_the_published_counts(n_classes: int, millions: float) -> None:
    recognizer = ppocrv3_recognizer(n_classes)
    assert n_parameters(recognizer.backbone) == 1_016_160
    assert n_parameters(recognizer) / 1e6 == pytest.approx(millions, abs=0.02)


def test_orientation_classifier_has_the_published_count() -> None:
    assert n_parameters(OrientationClassifier()) == 129_356


@pytest.mark.parametrize(
    ("scale", "millions"),
    [(0.25, 1.52), (0.35, 1.64), (0.5, 1.88), (0.75, 2.36), (1.0, 2.953), (1.5, 4.50), (2.0, 6.52), (2.5, 9.02)],
)
def test_lcnet_follows_the_published_scale_table(scale: float, millions: float) -> None:
    assert n_parameters(LCNet(scale)) / 1e6 == pytest.approx(millions, abs=0.0051)


def test_lcnet_without_its_tail_has_the_parameters_of_the_recognisers_backbone() -> None:
    assert n_parameters(LCNet().features) == 1_016_160


def test_detection_lcnet_is_lcnet_without_its_tail() -> None:
    assert n_parameters(DetectionLCNet(1.0)) == 1_016_160


def test_resnet18vd_has_the_published_count() -> None:
    backbone = DetectionResNet18vd()
    norms = [module for module in backbone.modules() if isinstance(module, nn.BatchNorm2d)]
    statistics = sum(2 * norm.num_features for norm in norms)
    classes = 512 * 1000 + 1000
    # keras-hub's count of `resnet_vd_18_imagenet`, which has Paddle's form, includes the norms' statistics.
    assert n_parameters(backbone) + statistics + classes == 11_722_824


def test_the_teacher_is_some_twenty_times_the_student() -> None:
    teacher = teacher_detector()
    assert n_parameters(teacher.neck) == 960 * 256 + 4 * 9 * 256 * 64
    assert 20 < n_parameters(teacher) / n_parameters(ppocrv3_detector()) < 22


def test_ppocrv6_recognizer_has_the_counts_of_its_merged_file() -> None:
    recognizer = ppocrv6_recognizer(18_710)
    assert n_parameters(recognizer.backbone) == 2_676_000
    assert n_parameters(recognizer.neck) == 326_640
    assert n_parameters(recognizer.head) == 18_710 * 121
