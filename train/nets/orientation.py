"""The 0/180 degree classifier of text lines.

Shape suffixes: N lines, C channels, H and W pixels.

Reference:
    PP-OCR (Du et al. 2020), section 2.2.
"""

import torch
from torch import Tensor, nn

from train.nets.mobilenetv3 import OrientationMobileNetV3

N_CLASSES = 2
"""Class 0 is upright, class 1 is turned by 180 degrees."""


class OrientationClassifier(nn.Module):
    """MobileNetV3-small x 0.35 with SE, mean over the line, two classes."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = OrientationMobileNetV3()
        self.classes = nn.Linear(self.backbone.out_channels, N_CLASSES)

    def forward(self, image_NCHW: Tensor) -> Tensor:
        """(N, 3, 48, 192) BGR lines, (x / 255 - 0.5) / 0.5, to (N, 2) probs; in training mode logits."""
        feat_NC: Tensor = self.backbone(image_NCHW).mean((2, 3))
        logits_NC: Tensor = self.classes(feat_NC)
        return logits_NC if self.training else torch.softmax(logits_NC, dim=1)
