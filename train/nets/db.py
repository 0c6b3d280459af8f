"""The DB text detector: an image in, the probability of text per pixel out.

Shape suffixes: N images, C channels, H and W pixels or cells.

Reference:
    Liao et al. 2020, "Real-time scene text detection with differentiable binarization".
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from train.nets.fpn import DBFPN, RSEFPN
from train.nets.lcnet import DetectionLCNet
from train.nets.mobilenetv3 import DetectionMobileNetV3
from train.nets.resnet_vd import DetectionResNet18vd

STRIDE = 32
"""Both sides of the input are multiples of this."""
STEEPNESS = 50.0
"""k of the differentiable binarisation."""


class DBMaps(NamedTuple):
    """What the detector returns in training, each (N, 1, H, W) and but the last one in [0, 1]."""

    prob: Tensor
    threshold: Tensor
    binary: Tensor
    """sigmoid(50 (prob - threshold)), equation 2 of the paper."""
    logit: Tensor
    """Of `prob`, unbounded: the published detector is so sure that its probs are 0 or 1, where no gradient is left."""


class DBHead(nn.Module):
    """Two branches of equal shape from the pyramid to full resolution; the second one works in training only."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.prob = _branch(in_channels)
        self.threshold = _branch(in_channels)

    def forward(self, feat_NCHW: Tensor) -> Tensor | DBMaps:
        """(N, C, H/4, W/4) to the prob map (N, 1, H, W), in training to all three maps."""
        if not self.training:
            answer: Tensor = self.prob(feat_NCHW)
            return answer
        logit: Tensor = self.prob[:-1](feat_NCHW)
        prob = torch.sigmoid(logit)
        threshold: Tensor = self.threshold(feat_NCHW)
        # As a sigmoid, since 1 / (1 + exp(-50 x)) overflows in half precision.
        return DBMaps(prob, threshold, torch.sigmoid(STEEPNESS * (prob - threshold)), logit)


class DBDetector(nn.Module):
    """Backbone, pyramid and head.

    Args:
        backbone: Gives maps at strides 4, 8, 16 and 32, finest first.
        neck: Takes these maps.
    """

    def __init__(self, backbone: nn.Module, neck: DBFPN) -> None:
        super().__init__()
        self.backbone = backbone
        self.neck = neck
        self.head = DBHead(neck.out_channels)

    def forward(self, image_NCHW: Tensor) -> Tensor | DBMaps:
        """Find text.

        Args:
            image_NCHW: (N, 3, H, W) BGR in [0, 1], less ImageNet's mean and over its deviation, both in RGB order as
                published; H and W are multiples of 32.

        Returns:
            The prob map (N, 1, H, W) in [0, 1]; in training mode DBMaps.
        """
        maps: Tensor | DBMaps = self.head(self.neck(self.backbone(image_NCHW)))
        return maps


def ppocrv2_detector() -> DBDetector:
    """MobileNetV3-large x 0.5 and DBFPN-96, randomly initialised."""
    backbone = DetectionMobileNetV3()
    return DBDetector(backbone, DBFPN(backbone.out_channels))


def ppocrv3_detector() -> DBDetector:
    """MobileNetV3-large x 0.5 and RSEFPN-96, randomly initialised."""
    backbone = DetectionMobileNetV3()
    return DBDetector(backbone, RSEFPN(backbone.out_channels))


def lcnet_detector(scale: float = 0.5) -> DBDetector:
    """PP-LCNet and RSEFPN-96, randomly initialised."""
    backbone = DetectionLCNet(scale)
    return DBDetector(backbone, RSEFPN(backbone.out_channels))


def teacher_detector() -> DBDetector:
    """ResNet18-vd and DBFPN-256, the teacher of PP-OCRv2 (its server detector), randomly initialised."""
    backbone = DetectionResNet18vd()
    return DBDetector(backbone, DBFPN(backbone.out_channels, 256))


def _branch(in_channels: int) -> nn.Sequential:
    width = in_channels // 4
    branch = nn.Sequential(
        nn.Conv2d(in_channels, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.ConvTranspose2d(width, width, 2, stride=2),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.ConvTranspose2d(width, 1, 2, stride=2),
        nn.Sigmoid(),
    )
    for layer in branch:
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_uniform_(layer.weight)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.constant_(layer.bias, 1e-4)
    return branch
