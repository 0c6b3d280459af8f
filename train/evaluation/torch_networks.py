"""Torch networks behind the interface of compiled ones, so that evaluation reads exactly as the device does.

Normalisation as published: recognisers (x / 255 - 0.5) / 0.5, detectors ImageNet's mean and deviation in RGB order on
BGR.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class TorchNetwork:
    """A network in eval mode that takes (1, H, W, 3) uint8 BGR; see `edge_ocr.engines.CompiledNetwork`.

    Args:
        network: On any device.
        mean: Subtracted from the image in [0, 1], per channel.
        std: Divided by afterwards.
    """

    def __init__(self, network: nn.Module, mean: tuple[float, ...] = (0.5,) * 3, std: tuple[float, ...] = (0.5,) * 3):
        self.network = network
        self.device = next(network.parameters()).device
        self.mean = torch.tensor(mean, device=self.device).view(1, 3, 1, 1)
        self.std = torch.tensor(std, device=self.device).view(1, 3, 1, 1)

    @torch.inference_mode()
    def run(self, input_NHWC: NDArray[np.uint8]) -> Tensor:
        """The network's output on the normalised image."""
        image_NCHW = torch.from_numpy(input_NHWC).to(self.device).permute(0, 3, 1, 2).float() / 255
        output: Tensor = self.network((image_NCHW - self.mean) / self.std)
        return output.float()

    def prepare(self, shape: tuple[int, int, int]) -> None:
        """Nothing: torch takes every shape alike."""

    def head_classes(self) -> int | None:
        """None: a charset travels with its checkpoint and was checked when it was loaded."""
        return None

    def describe(self) -> dict[str, Any]:
        """What runs."""
        return {"engine": "torch", "version": torch.__version__, "device": str(self.device)}


class TorchRecognizer(TorchNetwork):
    """A recogniser: the best class and its probability per time step."""

    def infer(
        self, input_NHWC: NDArray[np.uint8], class_bias: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[Any], ...]:
        """(1, T) int64 classes and (1, T) float32 scores."""
        probs_NTC = self.run(input_NHWC)
        chosen = probs_NTC if class_bias is None else probs_NTC + torch.from_numpy(class_bias).to(self.device)
        classes_NT = chosen.argmax(2)
        scores_NT = probs_NTC.gather(2, classes_NT.unsqueeze(2)).squeeze(2)
        return classes_NT.cpu().numpy(), scores_NT.cpu().numpy()


class TorchDetector(TorchNetwork):
    """A detector: the probability map."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network, IMAGENET_MEAN, IMAGENET_STD)

    def infer(
        self, input_NHWC: NDArray[np.uint8], class_bias: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[Any], ...]:
        """(1, H, W) uint8 probability * 255."""
        assert class_bias is None, "a detector chooses no class"
        prob_N1HW = self.run(input_NHWC)
        return ((prob_N1HW[:, 0] * 255).round().to(torch.uint8).cpu().numpy(),)
