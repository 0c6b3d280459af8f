"""The recogniser of PP-OCRv6 small, as it is published: batch norms and side branches are merged into its convolutions.

Its backbone mixes in two steps, as RepViT does: a depthwise convolution over neighbouring cells, then two pointwise
ones over channels with GELU between. Nearly all of its work is in the pointwise ones, which INT8 makes several times
faster where depthwise convolutions gain little. `hidden` says how wide the part between the two is: the place to save.

Shape suffixes: N lines, C channels, H and W pixels or cells, T time steps, D features.

Reference:
    Wang et al. 2023 (RepViT), section 3; the graph of PP-OCRv6_rec_small.onnx in the wheel rapidocr 3.10.0
    (Apache-2.0).
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from train.nets.layers import Pair, SqueezeExcite
from train.nets.necks import AttentionBlock


class Stage(NamedTuple):
    """Blocks of one width, and one before them that leads into it where the width changes."""

    width: int
    n_blocks: int


STAGES = (Stage(96, 3), Stage(192, 6), Stage(384, 2))
PUBLISHED = (192, 192, 192, 192, 384, 384, 384, 384, 384, 384, 384, 768, 768)
"""Channels between the two pointwise convolutions of each of the 13 blocks."""
SLIM = (128, 192, 192, 160, 256, 320, 256, 320, 288, 352, 288, 480, 256)
"""Ours, 0.7 of the products of all pointwise pairs. Found by `python -m train slim --plan`, which takes channels where
they are missed least for the products they cost."""


class V6Stem(nn.Module):
    """Quarters both sides: of two ways at half size, one of convolutions and one of a maximum, that meet again.

    Reference:
        The stem of PP-HGNetV2 as published by PaddlePaddle.
    """

    def __init__(self, out_channels: int) -> None:
        super().__init__()
        half = out_channels // 2
        self.halve = nn.Sequential(nn.Conv2d(3, half, 3, stride=2, padding=1), nn.ReLU())
        self.narrow = nn.Sequential(nn.Conv2d(half, half // 2, 2), nn.ReLU())
        self.widen = nn.Sequential(nn.Conv2d(half // 2, half, 2), nn.ReLU())
        self.largest = nn.MaxPool2d(2, stride=1)
        self.merge = nn.Sequential(
            nn.Conv2d(out_channels, half, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(half, out_channels, 1),
            nn.ReLU(),
        )

    def forward(self, image_NCHW: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, C, H/4, W/4)."""
        halved = self.halve(image_NCHW)
        convolved = self.widen(_grown(self.narrow(_grown(halved))))
        merged: Tensor = self.merge(torch.cat([self.largest(_grown(halved)), convolved], dim=1))
        return merged


class V6Block(nn.Module):
    """Mix over neighbours, then over channels.

    With Hardswish for GELU the whole network takes 0.92 of the time in INT8. What that costs is not won back in half an
    hour on two cores: word accuracy in float at 48 rows, mean of 3,400 lines of eight real sets, .890, with the layer
    behind solved for (`train.slim`) .877, after learning from rendered lines .855.

    Args:
        in_channels: C.
        out_channels: The same, unless the block leads into a stage; then nothing goes around the pointwise part.
        hidden: Channels between the pointwise convolutions.
        stride: Of the depthwise convolution.
        has_se: Whether channels are weighed in between.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, hidden: int, stride: Pair = (1, 1), has_se: bool = False
    ) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(in_channels, in_channels, 3, stride=stride, padding=1, groups=in_channels)
        self.se = SqueezeExcite(in_channels, nn.Hardsigmoid()) if has_se else nn.Identity()
        self.widen = nn.Conv2d(in_channels, hidden, 1)
        self.shrink = nn.Conv2d(hidden, out_channels, 1)
        self.leads = in_channels != out_channels

    def forward(self, feat_NCHW: Tensor) -> Tensor:
        """(N, C, H, W) to (N, out_channels, H / stride, W / stride)."""
        return self.across(self.around(feat_NCHW))

    def around(self, feat_NCHW: Tensor) -> Tensor:
        """What the pointwise part gets: neighbours mixed, channels weighed."""
        around_NCHW: Tensor = self.se(self.depthwise(feat_NCHW))
        return around_NCHW

    def hidden(self, around_NCHW: Tensor) -> Tensor:
        """The channels between the pointwise convolutions."""
        hidden_NCHW: Tensor = nn.functional.gelu(self.widen(around_NCHW))
        return hidden_NCHW

    def across(self, around_NCHW: Tensor) -> Tensor:
        """The pointwise part, and what goes around it."""
        mixed_NCHW: Tensor = self.shrink(self.hidden(around_NCHW))
        return mixed_NCHW if self.leads else around_NCHW + mixed_NCHW


class V6Backbone(nn.Module):
    """Stem and three stages, each half as high as the one before; then the mean over rows and pairs of columns.

    Every other block of a stage weighs channels, its last one never. That one's last layer comes behind the mean, with
    which it changes places: the same function, 0.97 of the network's time in INT8.

    Args:
        hidden: Channels between the pointwise convolutions, for each of the 13 blocks.
    """

    def __init__(self, hidden: Sequence[int] = PUBLISHED) -> None:
        super().__init__()
        self.out_channels = STAGES[-1].width
        self.stem = V6Stem(STAGES[0].width)
        blocks: list[nn.Module] = []
        channels = STAGES[0].width
        for stage in STAGES:
            if stage.width != channels:
                blocks.append(V6Block(channels, stage.width, hidden=hidden[len(blocks)], stride=(2, 1)))
                channels = stage.width
            for i in range(stage.n_blocks):
                has_se = i % 2 == 0 and i < stage.n_blocks - 1
                blocks.append(V6Block(channels, channels, hidden=hidden[len(blocks)], has_se=has_se))
        self.blocks = nn.Sequential(*blocks)
        # Two or three rows are left of 24 to 48: of the four that the kernel covers, those that there are count. A mean
        # over rows alone is several times slower in INT8.
        self.mean = nn.AvgPool2d((4, 2), padding=(1, 0), count_include_pad=False)

    def forward(self, image_NCHW: Tensor) -> Tensor:
        """(N, 3, H, W) normalised lines to (N, C, 1, W/8); H is 24 to 48, 48 as published."""
        last = self.blocks[-1]
        assert isinstance(last, V6Block)
        around_NCHW = last.around(self.blocks[:-1](self.stem(image_NCHW)))
        feat_NC1T: Tensor = self.mean(around_NCHW) + last.shrink(self.mean(last.hidden(around_NCHW)))
        return feat_NC1T


class V6Neck(nn.Module):
    """Neighbouring steps, then two blocks of global attention, and a shortcut around both."""

    def __init__(self, in_channels: int, width: int = 120) -> None:
        super().__init__()
        self.out_features = width
        self.shortcut = nn.Sequential(nn.Conv2d(in_channels, width, 1), nn.SiLU())
        self.reduce = nn.Sequential(nn.Conv2d(in_channels, width, 1), nn.SiLU())
        self.neighbours = nn.Sequential(nn.Conv2d(width, width, (1, 7), padding=(0, 3), groups=width), nn.SiLU())
        self.attention = nn.Sequential(AttentionBlock(width), AttentionBlock(width), nn.LayerNorm(width, eps=1e-6))

    def forward(self, feat_NC1T: Tensor) -> Tensor:
        """(N, C, 1, T) to (N, T, D)."""
        around_NDT = self.shortcut(feat_NC1T).flatten(2)
        reduced = self.reduce(feat_NC1T)
        feat_NTD = (reduced + self.neighbours(reduced)).flatten(2).transpose(1, 2)
        mixed_NTD: Tensor = self.attention(feat_NTD) + around_NDT.transpose(1, 2)
        return mixed_NTD


def _grown(feat_NCHW: Tensor) -> Tensor:
    """One more row below and column at the right, of zeros: a kernel of 2 then keeps the size."""
    grown: Tensor = nn.functional.pad(feat_NCHW, (0, 1, 0, 1))
    return grown
