"""ResNet18-vd: the backbone of the teacher from which small detectors learn.

Shape suffixes: N images, C channels, H and W pixels or cells.

Reference:
    He et al. 2019, "Bag of tricks for image classification", section 4.2 (ResNet-D), with Paddle's habit of a
    projection in the first block of every stage, the first stage's too.
"""

from torch import Tensor, nn
from torch.nn import functional

from train.nets.layers import ConvBN, init_kaiming_normal

WIDTHS = (64, 128, 256, 512)
"""Of the stages at strides 4, 8, 16 and 32."""


class DetectionResNet18vd(nn.Module):
    """ResNet18-vd without its classifier, tapped at strides 4, 8, 16 and 32."""

    def __init__(self) -> None:
        super().__init__()
        self.out_channels = list(WIDTHS)
        self.stem = nn.Sequential(
            ConvBN(3, 32, 3, stride=(2, 2), activation=nn.ReLU()),
            ConvBN(32, 32, 3, activation=nn.ReLU()),
            ConvBN(32, 64, 3, activation=nn.ReLU()),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        self.stages = nn.ModuleList()
        channels = 64
        for number, width in enumerate(WIDTHS):
            self.stages.append(nn.Sequential(_Block(channels, width, 1 if number == 0 else 2), _Block(width, width)))
            channels = width
        init_kaiming_normal(self)

    def forward(self, image_NCHW: Tensor) -> list[Tensor]:
        """(N, 3, H, W) normalised image to four maps of 64, 128, 256 and 512 channels, finest first."""
        feat: Tensor = self.stem(image_NCHW)
        feats: list[Tensor] = []
        for stage in self.stages:
            feat = stage(feat)
            feats.append(feat)
        return feats


class _Block(nn.Module):
    """Two 3 x 3 convolutions and a shortcut: a projection where a stride is given, the input itself where not."""

    def __init__(self, in_channels: int, out_channels: int, stride: int | None = None) -> None:
        super().__init__()
        step = stride or 1
        self.layers = nn.Sequential(
            ConvBN(in_channels, out_channels, 3, stride=(step, step), activation=nn.ReLU()),
            ConvBN(out_channels, out_channels, 3),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride is not None:
            # Pooling before a projection without stride is what the "vd" is about: no cell of the map is skipped.
            pool: list[nn.Module] = [nn.AvgPool2d(2, ceil_mode=True)] if stride == 2 else []
            self.shortcut = nn.Sequential(*pool, ConvBN(in_channels, out_channels, 1))

    def forward(self, feat_NCHW: Tensor) -> Tensor:
        return functional.relu(self.layers(feat_NCHW) + self.shortcut(feat_NCHW))
