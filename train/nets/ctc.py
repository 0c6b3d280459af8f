"""The CTC text recogniser: a line image in, the probability of each character per time step out.

Shape suffixes: N lines, C channels or classes, H and W pixels, T time steps, D features.
"""

import torch
from torch import Tensor, nn

from train.nets.lcnet import RecognitionLCNet
from train.nets.necks import BiLSTMNeck, SVTRNeck

BLANK = 0
"""The class that means no character."""


class CTCHead(nn.Module):
    """From features to classes.

    Args:
        in_features: D of the neck.
        n_classes: Characters and the blank.
        hidden: Width of a layer in between, None for none. No activation follows it: it makes the big matrix a product
            of two small ones, and its output is the feature of the centre loss (PP-OCRv2, section 2.2).
    """

    def __init__(self, in_features: int, n_classes: int, hidden: int | None = None) -> None:
        super().__init__()
        self.hidden = nn.Identity() if hidden is None else nn.Linear(in_features, hidden)
        self.classes = nn.Linear(hidden or in_features, n_classes)

    def forward(self, feat_NTD: Tensor) -> Tensor:
        """(N, T, D) to (N, T, n_classes) logits."""
        logits_NTC: Tensor = self.classes(self.hidden(feat_NTD))
        return logits_NTC


class Recognizer(nn.Module):
    """Backbone, neck and CTC head."""

    def __init__(self, backbone: RecognitionLCNet, neck: BiLSTMNeck | SVTRNeck, head: CTCHead) -> None:
        super().__init__()
        self.backbone = backbone
        self.neck = neck
        self.head = head

    def forward(self, image_NCHW: Tensor) -> Tensor:
        """Read lines.

        Args:
            image_NCHW: (N, 3, H, W) BGR lines, (x / 255 - 0.5) / 0.5; H is 32 for PP-OCRv2 and 48 for PP-OCRv3, W a
                multiple of 4 and of 8.

        Returns:
            (N, T, C) probs, in training mode logits; class 0 is the blank. T is W/4 for PP-OCRv2, W/8 for PP-OCRv3.
        """
        logits_NTC: Tensor = self.head(self.neck(self.backbone(image_NCHW)))
        return logits_NTC if self.training else torch.softmax(logits_NTC, dim=2)


def ppocrv2_recognizer(n_classes: int) -> Recognizer:
    """LCNet, BiLSTM and a two-layer head for lines of height 32, randomly initialised."""
    backbone = RecognitionLCNet()
    neck = BiLSTMNeck(backbone.out_channels)
    return Recognizer(backbone, neck, CTCHead(neck.out_features, n_classes, hidden=96))


def ppocrv3_recognizer(n_classes: int) -> Recognizer:
    """LCNet, light SVTR and a one-layer head for lines of height 48, randomly initialised."""
    backbone = RecognitionLCNet(last_stride=(1, 2), pool="mean")
    neck = SVTRNeck(backbone.out_channels)
    return Recognizer(backbone, neck, CTCHead(neck.out_features, n_classes))
