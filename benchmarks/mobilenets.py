"""MobileNets 1 and 2 for image classification, with random weights: what LCNet is timed against.

torchvision has them too, but its wheel on PyPI does not load beside a CPU build of torch.

Shape suffixes: N images, C channels, H and W pixels or cells.

Reference:
    Howard et al. 2017 (MobileNets), table 1; Sandler et al. 2018 (MobileNetV2), table 2.
"""

from torch import Tensor, nn

from train.nets.layers import ConvBN, Pair, scaled_width

STEM_WIDTH = 32
V1_BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
"""(width, stride)."""
V2_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""(expansion, width, blocks, stride of the first one)."""
V2_LAST_WIDTH = 1280
"""Not scaled below 1.0."""


class MobileNetV1(nn.Sequential):
    """MobileNet: (N, 3, H, W) to (N, n_classes) logits.

    Args:
        scale: Factor on every width.
        n_classes: Size of the output.
    """

    def __init__(self, scale: float = 1.0, n_classes: int = 1000) -> None:
        channels = scaled_width(STEM_WIDTH, scale)
        layers: list[nn.Module] = [ConvBN(3, channels, 3, stride=(2, 2), activation=nn.ReLU())]
        for width, stride in V1_BLOCKS:
            out_channels = scaled_width(width, scale)
            layers += [
                _depthwise(channels, (stride, stride), nn.ReLU()),
                ConvBN(channels, out_channels, 1, activation=nn.ReLU()),
            ]
            channels = out_channels
        super().__init__(*layers, *_head(channels, n_classes))


class MobileNetV2(nn.Sequential):
    """MobileNetV2: (N, 3, H, W) to (N, n_classes) logits.

    Args:
        scale: Factor on every width but the last one.
        n_classes: Size of the output.
    """

    def __init__(self, scale: float = 1.0, n_classes: int = 1000) -> None:
        channels = scaled_width(STEM_WIDTH, scale)
        layers: list[nn.Module] = [ConvBN(3, channels, 3, stride=(2, 2), activation=nn.ReLU6())]
        for expansion, width, n_blocks, first_stride in V2_STAGES:
            for number in range(n_blocks):
                stride = 1 if number else first_stride
                layers.append(_InvertedResidual(channels, scaled_width(width, scale), expansion, stride))
                channels = scaled_width(width, scale)
        layers.append(ConvBN(channels, V2_LAST_WIDTH, 1, activation=nn.ReLU6()))
        super().__init__(*layers, *_head(V2_LAST_WIDTH, n_classes))


class _InvertedResidual(nn.Module):
    """Widen with 1 x 1, filter each channel, narrow without an activation; a shortcut where shapes allow."""

    def __init__(self, in_channels: int, out_channels: int, expansion: int, stride: int) -> None:
        super().__init__()
        width = in_channels * expansion
        widen = [ConvBN(in_channels, width, 1, activation=nn.ReLU6())] if expansion > 1 else []
        self.layers = nn.Sequential(
            *widen, _depthwise(width, (stride, stride), nn.ReLU6()), ConvBN(width, out_channels, 1)
        )
        self.is_residual = stride == 1 and in_channels == out_channels

    def forward(self, feat_NCHW: Tensor) -> Tensor:
        out: Tensor = self.layers(feat_NCHW)
        return feat_NCHW + out if self.is_residual else out


def _depthwise(channels: int, stride: Pair, activation: nn.Module) -> ConvBN:
    return ConvBN(channels, channels, 3, stride=stride, groups=channels, activation=activation)


def _head(channels: int, n_classes: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, n_classes)]
