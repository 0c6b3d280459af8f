"""MobileNetV3: backbones of the detector, of the orientation classifier and of PP-OCR's first mobile recogniser.

Large x 0.5 without SE, small x 0.35 and small x 0.5 with it.

Shape suffixes: N images, C channels, H and W pixels or cells.

Reference:
    Howard et al. 2019, tables 1 and 2; PP-OCR (Du et al. 2020) for the missing SE and the height-only strides.
"""

from typing import Literal, NamedTuple

from torch import Tensor, nn

from train.nets.layers import ConvBN, HardSigmoid, Pair, SqueezeExcite, init_kaiming_normal, scaled_width

STEM_WIDTH = 16
TAIL_WIDTH = 1280
"""The last layer before the ImageNet classes; not scaled, and for small as for large in PaddleClas."""
SE_SLOPE = 0.2
"""Of the hard sigmoid in squeeze-and-excite; LCNet has 1/6."""


class _Block(NamedTuple):
    kernel: int
    expansion: int
    width: int
    stride: Pair = (1, 1)
    has_se: bool = False
    is_hardswish: bool = True


_LARGE = (
    _Block(3, 16, 16, is_hardswish=False),
    _Block(3, 64, 24, stride=(2, 2), is_hardswish=False),
    _Block(3, 72, 24, is_hardswish=False),
    _Block(5, 72, 40, stride=(2, 2), has_se=True, is_hardswish=False),
    *[_Block(5, 120, 40, has_se=True, is_hardswish=False)] * 2,
    _Block(3, 240, 80, stride=(2, 2)),
    _Block(3, 200, 80),
    *[_Block(3, 184, 80)] * 2,
    _Block(3, 480, 112, has_se=True),
    _Block(3, 672, 112, has_se=True),
    _Block(5, 672, 160, stride=(2, 2), has_se=True),
    *[_Block(5, 960, 160, has_se=True)] * 2,
)
_LARGE_STAGES = (slice(0, 3), slice(3, 6), slice(6, 12), slice(12, 15))
"""Blocks up to stride 4, 8, 16 and 32."""

_SMALL = (
    _Block(3, 16, 16, stride=(2, 1), has_se=True, is_hardswish=False),
    _Block(3, 72, 24, stride=(2, 1), is_hardswish=False),
    _Block(3, 88, 24, is_hardswish=False),
    _Block(5, 96, 40, stride=(2, 1), has_se=True),
    *[_Block(5, 240, 40, has_se=True)] * 2,
    _Block(5, 120, 48, has_se=True),
    _Block(5, 144, 48, has_se=True),
    _Block(5, 288, 96, stride=(2, 1), has_se=True),
    *[_Block(5, 576, 96, has_se=True)] * 2,
)


class MobileNetV3(nn.Sequential):
    """MobileNetV3 for image classification: (N, 3, H, W) to (N, n_classes) logits; H and W at least 32.

    Args:
        size: large or small.
        scale: Factor on every width but the last one.
        n_classes: Size of the output.
    """

    def __init__(self, size: Literal["large", "small"], scale: float = 1.0, n_classes: int = 1000) -> None:
        super().__init__()
        blocks, last = (_LARGE, 960) if size == "large" else (_SMALL, 576)
        square = tuple(block._replace(stride=(block.stride[0], block.stride[0])) for block in blocks)
        self.stem = _stem(scale)
        self.blocks, channels = _stage(square, scaled_width(STEM_WIDTH, scale), scale)
        self.last = ConvBN(channels, scaled_width(last, scale), 1, activation=nn.Hardswish())
        self.tail = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(scaled_width(last, scale), TAIL_WIDTH, 1, bias=False),
            nn.Hardswish(),
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(TAIL_WIDTH, n_classes),
        )
        init_kaiming_normal(self)


class DetectionMobileNetV3(nn.Module):
    """MobileNetV3-large without SE, tapped at strides 4, 8, 16 and 32.

    Args:
        scale: Factor on every width; PP-OCR's mobile detectors have 0.5.
    """

    def __init__(self, scale: float = 0.5) -> None:
        super().__init__()
        self.stem = _stem(scale)
        self.stages = nn.ModuleList()
        self.out_channels: list[int] = []
        channels = scaled_width(STEM_WIDTH, scale)
        for blocks in _LARGE_STAGES:
            without_se = tuple(block._replace(has_se=False) for block in _LARGE[blocks])
            stage, channels = _stage(without_se, channels, scale)
            self.stages.append(stage)
            self.out_channels.append(channels)
        self.out_channels[-1] = scaled_width(960, scale)
        self.last = ConvBN(channels, self.out_channels[-1], 1, activation=nn.Hardswish())
        init_kaiming_normal(self)

    def forward(self, image_NCHW: Tensor) -> list[Tensor]:
        """(N, 3, H, W) normalised image to four maps, finest first; at scale 0.5 of 16, 24, 56 and 480 channels."""
        feat: Tensor = self.stem(image_NCHW)
        feats: list[Tensor] = []
        for stage in self.stages:
            feat = stage(feat)
            feats.append(feat)
        return [*feats[:-1], self.last(feat)]


class OrientationMobileNetV3(nn.Sequential):
    """MobileNetV3-small with SE and height-only strides: (N, 3, 48, W) to (N, out_channels, 1, W/4).

    Args:
        scale: Factor on every width; PP-OCR's classifier has 0.35.
    """

    def __init__(self, scale: float = 0.35) -> None:
        super().__init__()
        self.out_channels = scaled_width(576, scale)
        self.stem = _stem(scale)
        self.blocks, channels = _stage(_SMALL, scaled_width(STEM_WIDTH, scale), scale)
        self.last = ConvBN(channels, self.out_channels, 1, activation=nn.Hardswish())
        self.pool = nn.MaxPool2d(2)
        init_kaiming_normal(self)


class RecognitionMobileNetV3(nn.Sequential):
    """MobileNetV3-small with SE as PP-OCR's first mobile recogniser had it: (N, 3, 32, W) to (N, 288, 1, W/4).

    The classifier's network with a first block that keeps the height (`small_stride: [1, 2, 2, 2]` in the published
    configuration rec_chinese_lite_train_v2.0), so that 32 rows end as one.

    Args:
        scale: Factor on every width.
    """

    def __init__(self, scale: float = 0.5) -> None:
        super().__init__()
        self.out_channels = scaled_width(576, scale)
        self.stem = _stem(scale)
        blocks = (_SMALL[0]._replace(stride=(1, 1)), *_SMALL[1:])
        self.blocks, channels = _stage(blocks, scaled_width(STEM_WIDTH, scale), scale)
        self.last = ConvBN(channels, self.out_channels, 1, activation=nn.Hardswish())
        self.pool = nn.MaxPool2d(2)
        init_kaiming_normal(self)


class _InvertedResidual(nn.Module):
    """Widen with 1 x 1, filter each channel, weigh them, narrow with 1 x 1; a shortcut where shapes allow."""

    def __init__(self, in_channels: int, block: _Block, scale: float) -> None:
        super().__init__()
        expanded = scaled_width(block.expansion, scale)
        self.out_channels = scaled_width(block.width, scale)
        self.is_residual = block.stride == (1, 1) and in_channels == self.out_channels
        self.layers = nn.Sequential(
            ConvBN(in_channels, expanded, 1, activation=_activation(block)),
            ConvBN(
                expanded, expanded, block.kernel, stride=block.stride, groups=expanded, activation=_activation(block)
            ),
            SqueezeExcite(expanded, HardSigmoid(SE_SLOPE)) if block.has_se else nn.Identity(),
            ConvBN(expanded, self.out_channels, 1),
        )

    def forward(self, feat_NCHW: Tensor) -> Tensor:
        out: Tensor = self.layers(feat_NCHW)
        return feat_NCHW + out if self.is_residual else out


def _stem(scale: float) -> ConvBN:
    return ConvBN(3, scaled_width(STEM_WIDTH, scale), 3, stride=(2, 2), activation=nn.Hardswish())


def _stage(blocks: tuple[_Block, ...], channels: int, scale: float) -> tuple[nn.Sequential, int]:
    """Blocks in a row and the number of channels that leave them."""
    layers: list[nn.Module] = []
    for block in blocks:
        layer = _InvertedResidual(channels, block, scale)
        layers.append(layer)
        channels = layer.out_channels
    return nn.Sequential(*layers), channels


def _activation(block: _Block) -> nn.Module:
    return nn.Hardswish() if block.is_hardswish else nn.ReLU()
