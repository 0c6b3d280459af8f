"""PP-LCNet: the classification network, and the backbones of the text recogniser and of a text detector.

Shape suffixes: N images, C channels, H and W pixels or cells, T time steps.

Reference:
    Cui et al. 2021 (PP-LCNet), section 3. Published figures: reference/ppocrv2.md, section 1.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from torch import Tensor, nn

from train.nets.layers import ConvBN, Pair, SqueezeExcite, init_kaiming_normal, scaled_width

STEM_WIDTH = 16
TAIL_WIDTH = 1280
"""The last layer before the ImageNet classes; not scaled."""


class _Block(NamedTuple):
    kernel: int
    width: int
    has_se: bool = False


_BLOCKS = (
    _Block(3, 32),
    _Block(3, 64),
    _Block(3, 64),
    _Block(3, 128),
    _Block(3, 128),
    _Block(3, 256),
    *[_Block(5, 256)] * 5,
    _Block(5, 512, has_se=True),
    _Block(5, 512, has_se=True),
)
_SAME: Pair = (1, 1)
_IMAGENET_STRIDES: dict[int, Pair] = {1: (2, 2), 3: (2, 2), 5: (2, 2), 11: (2, 2)}
_DETECTION_TAPS = (2, 4, 10, 12)
"""The last blocks at strides 4, 8, 16 and 32."""
_RECOGNITION_STRIDES: dict[int, Pair] = {3: (2, 1), 5: (2, 1), 11: (2, 1)}


class LCNet(nn.Module):
    """PP-LCNet for image classification.

    Args:
        scale: Factor on every width but the last one (0.25 to 2.5 were published).
        n_classes: Size of the output.
    """

    def __init__(self, scale: float = 1.0, n_classes: int = 1000) -> None:
        super().__init__()
        self.features = _body([_IMAGENET_STRIDES.get(index, _SAME) for index in range(len(_BLOCKS))], scale)
        self.tail = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(scaled_width(_BLOCKS[-1].width, scale), TAIL_WIDTH, 1, bias=False),
            nn.Hardswish(),
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(TAIL_WIDTH, n_classes),
        )
        init_kaiming_normal(self)

    def forward(self, image_NCHW: Tensor) -> Tensor:
        """(N, 3, H, W) normalised image to (N, n_classes) logits; H and W at least 32."""
        logits: Tensor = self.tail(self.features(image_NCHW))
        return logits


class DetectionLCNet(nn.Module):
    """LCNet without its tail, tapped at strides 4, 8, 16 and 32.

    Args:
        scale: Factor on every width.
    """

    def __init__(self, scale: float = 0.5) -> None:
        super().__init__()
        self.features = _body([_IMAGENET_STRIDES.get(index, _SAME) for index in range(len(_BLOCKS))], scale)
        self.out_channels = [scaled_width(_BLOCKS[index].width, scale) for index in _DETECTION_TAPS]
        init_kaiming_normal(self)

    def forward(self, image_NCHW: Tensor) -> list[Tensor]:
        """(N, 3, H, W) normalised image to four maps, finest first; at scale 0.5 of 32, 64, 128 and 256 channels."""
        feat, feats = image_NCHW, []
        # The stem is layer 0.
        for index, layer in enumerate(self.features, start=-1):
            feat = layer(feat)
            if index in _DETECTION_TAPS:
                feats.append(feat)
        return feats


class RecognitionLCNet(nn.Module):
    """LCNet 1.0 with height-only reductions, so that a line of text keeps its horizontal resolution.

    Paddle calls it MobileNetV1Enhance at scale 0.5; the widths come out the same.

    Args:
        last_stride: Stride of the last block: (1, 1) in PP-OCRv2, (1, 2) in PP-OCRv3.
        pool: Kind of the final 2 x 2 pooling: "max" in PP-OCRv2, "mean" in PP-OCRv3.
    """

    out_channels = _BLOCKS[-1].width

    def __init__(self, last_stride: Pair = (1, 1), pool: Literal["max", "mean"] = "max") -> None:
        super().__init__()
        strides = [_RECOGNITION_STRIDES.get(index, _SAME) for index in range(len(_BLOCKS) - 1)]
        self.features = _body([*strides, last_stride], scale=1.0)
        self.pool = nn.MaxPool2d(2) if pool == "max" else nn.AvgPool2d(2)
        init_kaiming_normal(self)

    def forward(self, image_NCHW: Tensor) -> Tensor:
        """(N, 3, 32 or 48, W) normalised lines to (N, 512, 1, T); T = W/4, or W/8 with last stride (1, 2)."""
        feat_NC1T: Tensor = self.pool(self.features(image_NCHW))
        return feat_NC1T


class _DepthSeparable(nn.Sequential):
    """Depthwise convolution, squeeze-and-excite where the table says so, pointwise convolution."""

    def __init__(self, in_channels: int, out_channels: int, block: _Block, stride: Pair) -> None:
        super().__init__()
        self.depthwise = ConvBN(
            in_channels, in_channels, block.kernel, stride=stride, groups=in_channels, activation=nn.Hardswish()
        )
        if block.has_se:
            self.se = SqueezeExcite(in_channels, nn.Hardsigmoid())
        self.pointwise = ConvBN(in_channels, out_channels, 1, activation=nn.Hardswish())


def _body(strides: Sequence[Pair], scale: float) -> nn.Sequential:
    """Stem and the 13 blocks, one stride a block."""
    channels = scaled_width(STEM_WIDTH, scale)
    layers: list[nn.Module] = [ConvBN(3, channels, 3, stride=(2, 2), activation=nn.Hardswish())]
    for block, stride in zip(_BLOCKS, strides, strict=True):
        out_channels = scaled_width(block.width, scale)
        layers.append(_DepthSeparable(channels, out_channels, block, stride))
        channels = out_channels
    return nn.Sequential(*layers)
