"""Bring the channels of a detector's pyramid and head to like ranges, so that one INT8 scale a tensor fits them all.

In the published detector the loudest channel of a map is up to 8 times as loud as the median one; with one scale for
the whole map the quiet ones are left with few steps. Where only ReLU, sums and channel weights lie between two
convolutions, a channel can be turned down on one side and up again on the other: in float the network stays the same
function. With this, pyramid and head can be in INT8; without it they lose one to two points of Hmean.

Reference:
    Nagel et al. 2019, "Data-free quantization through weight equalization and bias correction", section 4.1, with the
    activations' ranges on calibration pages as Xiao et al. 2023, "SmoothQuant", section 4, weigh them against weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge_ocr.pack import Normalization
from optimize.rewrite import SubpixelDetector
from train.nets.layers import SqueezeExcite

BALANCE = 0.5
"""Exponent of the activations' ranges, its rest to 1 that of the weights' (SmoothQuant's alpha). On rendered pages,
icdar15 and sroie: 0.5 gave Hmean .860 .328 .935, 0.75 .854 .315 .929, 1 .857 .324 .934 (float .875 .339 .935)."""
QUIETEST = 1e-3
"""Ranges below this part of the largest count as this: such a channel may be dead on the calibration pages."""


@dataclass(frozen=True, slots=True)
class _Producer:
    """A convolution whose output channels are turned down."""

    convolution: nn.Conv2d
    gate: SqueezeExcite | None = None
    """Weighs the channels from their means behind it."""


@dataclass(frozen=True, slots=True)
class _Consumer:
    """A convolution whose input channels are turned up again."""

    convolution: nn.Conv2d
    begin: int = 0
    """Its first input channel that counts; a concatenation may lie before it."""


@torch.no_grad()
def equalize(detector: SubpixelDetector, images: Sequence[Tensor]) -> None:
    """Equalise the channels that meet in the pyramid's sums, in its concatenation and in the head, in place.

    Args:
        detector: In eval mode.
        images: At least one (N, 3, H, W) float32 as the network takes it; their activations give the ranges.
    """
    neck = detector.neck
    outputs = [_producer(layer) for layer in neck.outputs]
    reduce, first, last = (_convolution(part) for part in (detector.reduce, detector.first, detector.last))
    # The laterals are summed, so their channels share a scale over all levels; every output layer reads such a sum.
    sums = _input_range(detector, [output.convolution for output in outputs], images)
    _balance([_producer(layer) for layer in neck.laterals], [_Consumer(o.convolution) for o in outputs], sums)
    concatenated = _input_range(detector, [reduce], images)
    begin = 0
    for output in outputs:
        n_channels = output.convolution.out_channels
        _balance([output], [_Consumer(reduce, begin)], concatenated[begin : begin + n_channels])
        begin += n_channels
    _balance([_Producer(reduce)], [_Consumer(first)], _input_range(detector, [first], images))
    _balance([_Producer(first)], [_Consumer(last)], _input_range(detector, [last], images))


def normalized(image: NDArray[np.uint8], normalization: Normalization) -> Tensor:
    """(N, H, W, 3) uint8 BGR as the network takes it: (N, 3, H, W) float32."""
    mean, std = (torch.tensor(values)[None, :, None, None] for values in (normalization.mean, normalization.std))
    return (torch.from_numpy(image).permute(0, 3, 1, 2) / 255 - mean) / std


def _balance(producers: Sequence[_Producer], consumers: Sequence[_Consumer], ranges: Tensor) -> None:
    """Turn every channel down by its factor in the producers, and up by it in the consumers."""
    n_channels = len(ranges)
    weights = [
        consumer.convolution.weight[:, consumer.begin : consumer.begin + n_channels].abs().amax(dim=(0, 2, 3))
        for consumer in consumers
    ]
    factors = _relative(ranges) ** BALANCE / _relative(torch.stack(weights).amax(dim=0)) ** (1 - BALANCE)
    for producer in producers:
        producer.convolution.weight.div_(factors[:, None, None, None])
        if producer.convolution.bias is not None:
            producer.convolution.bias.div_(factors)
        if producer.gate is not None:
            # The gate must come out as before, from means that are turned down.
            squeeze = _convolution(producer.gate.weigh)
            squeeze.weight.mul_(factors[None, :, None, None])
    for consumer in consumers:
        part = consumer.convolution.weight[:, consumer.begin : consumer.begin + n_channels]
        part.mul_(factors[None, :, None, None])


def _relative(ranges: Tensor) -> Tensor:
    return (ranges / ranges.max()).clamp(min=QUIETEST)


def _input_range(detector: nn.Module, layers: Sequence[nn.Module], images: Sequence[Tensor]) -> Tensor:
    """Largest magnitude of every input channel, over some layers that see like channels, on the images."""
    seen: list[Tensor] = []

    def note(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen.append(inputs[0].abs().amax(dim=(0, 2, 3)))

    hooks = [layer.register_forward_pre_hook(note) for layer in layers]
    try:
        for image in images:
            detector(image)
    finally:
        for hook in hooks:
            hook.remove()
    return torch.stack(seen).amax(dim=0)


def _producer(layer: nn.Module) -> _Producer:
    """A layer of the pyramid: a convolution, in PP-OCRv3's with x + SE(x) behind it."""
    if isinstance(layer, nn.Conv2d):
        return _Producer(layer)
    gate = next((module for module in layer.modules() if isinstance(module, SqueezeExcite)), None)
    return _Producer(_convolution(layer), gate)


def _convolution(part: nn.Module) -> nn.Conv2d:
    """The first convolution of a part."""
    return next(module for module in part.modules() if isinstance(module, nn.Conv2d))
