"""Feature pyramids of the DB detector: four backbone maps in, one map at stride 4 out.

Shape suffixes: N images, C channels, H and W cells.

Reference:
    Liao et al. 2020 (DB), section 3.1; PP-OCRv3 (Li et al. 2022), section 2.2, for the residual SE.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from train.nets.layers import HardSigmoid, SqueezeExcite

SE_SLOPE = 0.2


class DBFPN(nn.Module):
    """The pyramid of DB: 1 x 1 laterals, top-down sums, 3 x 3 outputs, concatenated at stride 4.

    Args:
        in_channels: Channels of the four maps, finest first.
        out_channels: Width of the pyramid and of the result; a multiple of 4.
    """

    def __init__(self, in_channels: Sequence[int], out_channels: int = 96) -> None:
        super().__init__()
        self.out_channels = out_channels
        # Coarsest first, the order in which they run.
        self.laterals = nn.ModuleList(self._layer(channels, out_channels, 1) for channels in reversed(in_channels))
        self.outputs = nn.ModuleList(self._layer(out_channels, out_channels // 4, 3) for _ in in_channels)

    def forward(self, feats: Sequence[Tensor]) -> Tensor:
        """Maps at strides 4, 8, 16 and 32 (each side twice the next one's) to (N, out_channels, H/4, W/4)."""
        laterals: list[Tensor] = [lateral(feat) for lateral, feat in zip(self.laterals, reversed(feats), strict=True)]
        merged = laterals[:1]
        for finer in laterals[1:]:
            merged.append(finer + _grow(merged[-1], 2))
        outputs: list[Tensor] = [output(feat) for output, feat in zip(self.outputs, merged, strict=True)]
        return torch.cat([*(_grow(outputs[level], 8 >> level) for level in range(3)), outputs[3]], dim=1)

    def _layer(self, in_channels: int, out_channels: int, kernel: int) -> nn.Module:
        conv = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=False)
        nn.init.kaiming_uniform_(conv.weight)
        return conv


class RSEFPN(DBFPN):
    """DBFPN where every convolution is followed by x + SE(x), as in PP-OCRv3."""

    def _layer(self, in_channels: int, out_channels: int, kernel: int) -> nn.Module:
        conv = super()._layer(in_channels, out_channels, kernel)
        return nn.Sequential(conv, _ResidualSE(out_channels))


class _ResidualSE(SqueezeExcite):
    def __init__(self, channels: int) -> None:
        super().__init__(channels, HardSigmoid(SE_SLOPE))

    def forward(self, feat_NCHW: Tensor) -> Tensor:
        return feat_NCHW + super().forward(feat_NCHW)


def _grow(feat_NCHW: Tensor, factor: int) -> Tensor:
    return functional.interpolate(feat_NCHW, scale_factor=float(factor), mode="nearest")
