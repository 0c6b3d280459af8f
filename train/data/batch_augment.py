"""Camera faults for a whole batch at once, on whatever device the batch is: geometry, blur, colour, noise, JPEG.

Drawing text needs a CPU; spoiling pictures does not. A GPU applies these to crops or scenes that were drawn clean, so
that each epoch sees them under other conditions. Batches are images_NCHW: float32 in [0, 1], three channels in OpenCV's
order (B, G, R), padded on the right and below where pictures differ in size.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

_KERNEL = 9
_BLOCK = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchAugment:
    """How much of each fault a batch gets; each sample draws its own share."""

    shift_px: float = 2.0
    """Furthest that a corner moves; 0 for no geometry."""
    blur_px: float = 1.4
    """Largest deviation of the blur, along its long axis; the kernel is 9 pixels wide."""
    contrast: float = 0.35
    """Largest change of gain; offset and gamma follow, and the colour of the light changes by a third of it."""
    noise: float = 0.05
    """Largest deviation of the noise, in [0, 1]."""
    coarsest_jpeg: int = 25
    """Lowest JPEG quality; 100 for none."""
    probability: float = 0.5
    """Of each fault, for each sample."""

    def __call__(self, images_NCHW: Tensor, generator: torch.Generator, sizes_hw_N2: Tensor | None = None) -> Tensor:
        """Spoil a batch.

        Args:
            images_NCHW: Clean pictures; not changed. N may be 0.
            generator: Of the CPU: which faults a sample gets does not depend on the device; the grain of noise does.
            sizes_hw_N2: Height and width of each picture without its padding, which keeps its value.

        Returns:
            Pictures of the same shape, on the same device, in [0, 1].
        """
        if not len(images_NCHW):
            return images_NCHW
        images = images_NCHW
        if self.shift_px:
            images = self._chosen(images, self._warped(images, generator, sizes_hw_N2), generator)
        if self.blur_px:
            images = self._chosen(images, self._blurred(images, generator), generator)
        if self.contrast:
            images = self._chosen(images, self._exposed(images, generator), generator)
        if self.noise:
            images = self._chosen(images, self._noisy(images, generator), generator)
        if self.coarsest_jpeg < 100:
            images = self._chosen(images, self._compressed(images, generator), generator)
        if sizes_hw_N2 is None:
            return images
        return torch.where(_inside(images_NCHW, sizes_hw_N2), images, images_NCHW)

    def _chosen(self, before: Tensor, after: Tensor, generator: torch.Generator) -> Tensor:
        use = _draw(generator, before, (len(before), 1, 1, 1)) < self.probability
        return torch.where(use, after, before)

    def _warped(self, images: Tensor, generator: torch.Generator, sizes_hw_N2: Tensor | None) -> Tensor:
        """Move the corners of each picture: a bilinear field of shifts, which is nearly a perspective."""
        n, _, height, width = images.shape
        shifts_N422 = (_draw(generator, images, (n, 2, 2, 2)) * 2 - 1) * self.shift_px
        size = images.new_tensor([width, height])
        parts = images.new_ones(n, 2) if sizes_hw_N2 is None else sizes_hw_N2.to(images).flip(1) / size
        grid = F.affine_grid(torch.eye(2, 3).to(images).expand(n, 2, 3), [n, 3, height, width], align_corners=False)
        # Where in its own picture a point lies, 0 to 1 across and down; padding goes on with the edge's shift.
        place = ((grid + 1) / 2 / parts[:, None, None]).clamp(0, 1)
        x, y = place[..., :1], place[..., 1:]
        corner = shifts_N422[:, :, :, None, None]
        upper = corner[:, 0, 0] * (1 - x) + corner[:, 0, 1] * x
        lower = corner[:, 1, 0] * (1 - x) + corner[:, 1, 1] * x
        moved = grid + (upper * (1 - y) + lower * y) * 2 / size
        # A picture repeats its own edge, not the padding beyond.
        moved = torch.minimum(moved, (2 * parts - 1 - 1 / size)[:, None, None])
        return F.grid_sample(images, moved, "bilinear", "border", align_corners=False)

    def _blurred(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Gaussian blur, longer along one chance direction: defocus and shake in one."""
        n, channels, height, width = images.shape
        long = _draw(generator, images, (n, 1, 1)) * self.blur_px + 0.15
        short = long * (0.25 + 0.75 * _draw(generator, images, (n, 1, 1)))
        angle = _draw(generator, images, (n, 1, 1)) * math.pi
        axis = torch.arange(_KERNEL, device=images.device, dtype=images.dtype) - _KERNEL // 2
        y, x = axis[:, None], axis[None]
        along, across = x * angle.cos() + y * angle.sin(), y * angle.cos() - x * angle.sin()
        kernels = torch.exp(-(along**2) / (2 * long**2) - across**2 / (2 * short**2))
        kernels = (kernels / kernels.sum((1, 2), keepdim=True)).repeat_interleave(channels, 0)[:, None]
        flat = F.pad(images.reshape(1, n * channels, height, width), [_KERNEL // 2] * 4, mode="replicate")
        return F.conv2d(flat, kernels, groups=n * channels).reshape(images.shape)

    def _exposed(self, images: Tensor, generator: torch.Generator) -> Tensor:
        shape = (len(images), 1, 1, 1)
        gamma = torch.exp((_draw(generator, images, shape) * 2 - 1) * self.contrast)
        gain = 1 + (_draw(generator, images, shape) * 2 - 1) * self.contrast
        offset = (_draw(generator, images, shape) * 2 - 1) * self.contrast / 3
        light = 1 + (_draw(generator, images, (len(images), 3, 1, 1)) * 2 - 1) * self.contrast / 3
        return (((images.clamp(0, 1) ** gamma - 0.5) * gain + 0.5 + offset) * light).clamp(0, 1)

    def _noisy(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Noise of the sensor, a part of it alike in the three colours, more of it where there is light."""
        seed = int(torch.randint(2**31, (), generator=generator))
        own = torch.Generator(images.device).manual_seed(seed)
        n, _, height, width = images.shape
        grain = torch.randn(images.shape, generator=own, device=images.device, dtype=images.dtype)
        shared = torch.randn((n, 1, height, width), generator=own, device=images.device, dtype=images.dtype)
        sigma = _draw(generator, images, (n, 1, 1, 1)) * self.noise * (0.5 + images.clamp(0, 1))
        return (images + sigma * (0.8 * grain + 0.6 * shared)).clamp(0, 1)

    def _compressed(self, images: Tensor, generator: torch.Generator) -> Tensor:
        quality = self.coarsest_jpeg + _draw(generator, images, (len(images),)) * (95 - self.coarsest_jpeg)
        return jpeg_like(images, quality)


def jpeg_like(images_NCHW: Tensor, quality_N: Tensor) -> Tensor:
    """Round 8 x 8 transforms as baseline JPEG does, colour at half the resolution.

    Args:
        images_NCHW: B, G, R in [0, 1].
        quality_N: 1 to 100 for each picture; libjpeg's scale.

    Reference:
        ITU-T T.81, annex A.3.3 and the tables of annex K.1; quality as in libjpeg's jpeg_quality_scaling.
    """
    height, width = images_NCHW.shape[2:]
    padded = F.pad(images_NCHW, [0, -width % 16, 0, -height % 16], mode="replicate") * 255
    blue, green, red = padded.unbind(1)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    chroma = torch.stack([(blue - luma) / 1.772, (red - luma) / 1.402], 1)
    scale = (
        torch.where(quality_N < 50, 5000 / quality_N.clamp(1), 200 - 2 * quality_N).to(padded)[:, None, None, None]
        / 100
    )
    luma = _rounded(luma[:, None] - 128, scale, _LUMA_TABLE) + 128
    chroma = _rounded(F.avg_pool2d(chroma, 2), scale, _CHROMA_TABLE)
    chroma = F.interpolate(chroma, scale_factor=2.0, mode="bilinear", align_corners=False)
    blue, red = luma[:, 0] + 1.772 * chroma[:, 0], luma[:, 0] + 1.402 * chroma[:, 1]
    green = (luma[:, 0] - 0.114 * blue - 0.299 * red) / 0.587
    return (torch.stack([blue, green, red], 1)[..., :height, :width] / 255).clamp(0, 1)


def _rounded(planes: Tensor, scale: Tensor, table: Tensor) -> Tensor:
    n, channels, height, width = planes.shape
    dct = _DCT.to(planes)
    blocks = planes.reshape(n, channels, height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK).transpose(3, 4)
    steps = (table.to(planes) * scale).round().clamp(1, 255)[:, :, None, None]
    coded = ((dct @ blocks @ dct.T) / steps).round() * steps
    return (dct.T @ coded @ dct).transpose(3, 4).reshape(planes.shape)


def _draw(generator: torch.Generator, like: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Uniform in [0, 1), drawn on the CPU so that it is the same on every device."""
    return torch.rand(shape, generator=generator).to(like)


def _inside(images: Tensor, sizes_hw_N2: Tensor) -> Tensor:
    sizes = sizes_hw_N2.to(images.device)[:, :, None, None]
    rows = torch.arange(images.shape[2], device=images.device)[None, :, None] < sizes[:, 0]
    columns = torch.arange(images.shape[3], device=images.device)[None, None] < sizes[:, 1]
    return (rows & columns)[:, None]


def _dct_matrix() -> Tensor:
    k, n = torch.arange(_BLOCK)[:, None], torch.arange(_BLOCK)[None]
    matrix = math.sqrt(2 / _BLOCK) * torch.cos(math.pi * (2 * n + 1) * k / (2 * _BLOCK))
    matrix[0] = math.sqrt(1 / _BLOCK)
    return matrix


_DCT = _dct_matrix()
_LUMA_TABLE = torch.tensor([
    [16, 11, 10, 16, 24, 40, 51, 61], [12, 12, 14, 19, 26, 58, 60, 55], [14, 13, 16, 24, 40, 57, 69, 56],
    [14, 17, 22, 29, 51, 87, 80, 62], [18, 22, 37, 56, 68, 109, 103, 77], [24, 35, 55, 64, 81, 104, 113, 92],
    [49, 64, 78, 87, 103, 121, 120, 101], [72, 92, 95, 98, 112, 100, 103, 99],
])  # fmt: skip
_CHROMA_TABLE = torch.full((8, 8), 99)
_CHROMA_TABLE[:4, :4] = torch.tensor([[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]])
