"""The small blocks every network here is built from.

Shape suffixes: N images, C channels, H and W pixels or cells.
"""

import torch
from torch import Tensor, nn

WIDTH_STEP = 8
"""Scaled widths are multiples of this."""

Pair = tuple[int, int]
"""(vertical, horizontal)."""


def scaled_width(width: int, scale: float) -> int:
    """Scale a layer's width: nearest multiple of 8, at least 8, never under 90 % of the exact value.

    Reference:
        Howard et al. 2017 (MobileNets), the rounding of their published code.
    """
    exact = width * scale
    rounded = max(WIDTH_STEP, int(exact + WIDTH_STEP / 2) // WIDTH_STEP * WIDTH_STEP)
    return rounded + WIDTH_STEP if rounded < 0.9 * exact else rounded


def init_kaiming_normal(net: nn.Module) -> None:
    """Draw every convolution of a backbone from Kaiming's normal distribution (fan in); biases become 0."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


class HardSigmoid(nn.Module):
    """clamp(slope * x + 1/2, 0, 1). torch's own has slope 1/6; MobileNetV3 as published by Paddle has 0.2."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = slope

    def forward(self, feat: Tensor) -> Tensor:
        """Any shape in, the same shape in [0, 1] out."""
        return torch.clamp(feat * self.slope + 0.5, 0.0, 1.0)


class ConvBN(nn.Sequential):
    """Convolution without bias, batch norm, and the activation if there is one; keeps the size at stride 1."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        *,
        stride: Pair = (1, 1),
        groups: int = 1,
        activation: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False
        )
        self.bn = nn.BatchNorm2d(out_channels)
        if activation is not None:
            self.activation = activation


class SqueezeExcite(nn.Module):
    """Weigh every channel by a number in [0, 1] computed from the channels' means; reduction 4.

    Reference:
        Hu et al. 2018, section 3, with a hard sigmoid as the gate.
    """

    def __init__(self, channels: int, gate: nn.Module) -> None:
        super().__init__()
        self.weigh = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, channels // 4, 1),
            nn.ReLU(),
            nn.Conv2d(channels // 4, channels, 1),
            gate,
        )

    def forward(self, feat_NCHW: Tensor) -> Tensor:
        """(N, C, H, W) in and out."""
        weights: Tensor = self.weigh(feat_NCHW)
        return feat_NCHW * weights
