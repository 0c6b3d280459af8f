"""The CTC text recogniser: a line image in, the probability of each character per time step out.

Shape suffixes: N lines, C channels or classes, H and W pixels, T time steps, D features.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from train.nets.lcnet import RecognitionLCNet
from train.nets.mobilenetv3 import RecognitionMobileNetV3
from train.nets.necks import BiLSTMNeck, SVTRNeck
from train.nets.ppocrv6 import PUBLISHED, SLIM, V6Backbone, V6Neck

BLANK = 0
"""The class that means no character."""
LSTM_GAIN = 4.0
"""Of each layer of a head behind two BiLSTM layers. These begin with outputs of about 0.1, nearly the same at all time
steps: the logits of the steps differ by 0.03, where SVTR's differ by 0.3; nothing is read for thousands of steps."""


class CTCHead(nn.Module):
    """From features to classes.

    Args:
        in_features: D of the neck.
        n_classes: Characters and the blank.
        hidden: Width of a layer in between, None for none. No activation follows it: it makes the big matrix a product
            of two small ones, and its output is the feature of the centre loss (PP-OCRv2, section 2.2).
        gain: The weights of each layer begin so many times as large as torch's.
    """

    def __init__(self, in_features: int, n_classes: int, hidden: int | None = None, *, gain: float = 1.0) -> None:
        super().__init__()
        self.hidden = nn.Identity() if hidden is None else nn.Linear(in_features, hidden)
        self.classes = nn.Linear(hidden or in_features, n_classes)
        with torch.no_grad():
            for layer in (self.hidden, self.classes):
                if isinstance(layer, nn.Linear):
                    layer.weight.mul_(gain)

    def forward(self, feat_NTD: Tensor) -> Tensor:
        """(N, T, D) to (N, T, n_classes) logits."""
        logits_NTC: Tensor = self.classes(self.hidden(feat_NTD))
        return logits_NTC


class RecognizerParts(NamedTuple):
    """What the losses look at, on the way from the picture to the classes."""

    backbone: Tensor
    """(N, C, 1, T)."""
    feat: Tensor
    """(N, T, D): what the last layer sees: PP-OCRv2's 96 features, or the neck's where the head has one layer."""
    logits: Tensor
    """(N, T, classes)."""


class Recognizer(nn.Module):
    """Backbone, neck and CTC head."""

    def __init__(
        self,
        backbone: RecognitionLCNet | RecognitionMobileNetV3 | V6Backbone,
        neck: BiLSTMNeck | SVTRNeck | V6Neck,
        head: CTCHead,
    ) -> None:
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

    def parts(self, image_NCHW: Tensor, *, guided: bool = False) -> RecognizerParts:
        """Read lines and keep what lies between, in either mode.

        Args:
            image_NCHW: As for `forward`.
            guided: The backbone learns nothing from neck and head: another branch guides it (GTC).
        """
        backbone_NC1T: Tensor = self.backbone(image_NCHW)
        seen_NC1T = backbone_NC1T.detach() if guided else backbone_NC1T
        feat_NTD: Tensor = self.head.hidden(self.neck(seen_NC1T))
        return RecognizerParts(backbone_NC1T, feat_NTD, self.head.classes(feat_NTD))


def ppocrv1_recognizer(n_classes: int) -> Recognizer:
    """MobileNetV3, BiLSTM of 48 and a one-layer head for lines of height 32, randomly initialised: the paper's base."""
    backbone = RecognitionMobileNetV3()
    neck = BiLSTMNeck(backbone.out_channels, hidden=48)
    return Recognizer(backbone, neck, CTCHead(neck.out_features, n_classes, gain=LSTM_GAIN))


def ppocrv2_recognizer(n_classes: int) -> Recognizer:
    """LCNet, BiLSTM and a two-layer head for lines of height 32, randomly initialised."""
    backbone = RecognitionLCNet()
    neck = BiLSTMNeck(backbone.out_channels)
    return Recognizer(backbone, neck, CTCHead(neck.out_features, n_classes, hidden=96, gain=LSTM_GAIN))


def ppocrv3_recognizer(n_classes: int) -> Recognizer:
    """LCNet, light SVTR and a one-layer head for lines of height 48, randomly initialised."""
    backbone = RecognitionLCNet(last_stride=(1, 2), pool="mean")
    neck = SVTRNeck(backbone.out_channels)
    return Recognizer(backbone, neck, CTCHead(neck.out_features, n_classes))


def ppocrv6_recognizer(n_classes: int, hidden: Sequence[int] = PUBLISHED) -> Recognizer:
    """PP-OCRv6 small, randomly initialised; its blocks' `hidden` channels may be fewer than published."""
    backbone = V6Backbone(hidden)
    neck = V6Neck(backbone.out_channels)
    return Recognizer(backbone, neck, CTCHead(neck.out_features, n_classes))


class RecognizerForm(NamedTuple):
    """A network by name, and the lines it takes."""

    make: Callable[[int], Recognizer]
    """From the number of classes."""
    height: int
    stride: int
    """Columns of the picture per time step."""


FORMS = {
    "ppocrv1": RecognizerForm(ppocrv1_recognizer, 32, 4),
    "ppocrv2": RecognizerForm(ppocrv2_recognizer, 32, 4),
    "ppocrv3": RecognizerForm(ppocrv3_recognizer, 48, 8),
    "ppocrv6": RecognizerForm(ppocrv6_recognizer, 48, 8),
    "ppocrv6_slim": RecognizerForm(lambda n_classes: ppocrv6_recognizer(n_classes, SLIM), 48, 8),
}
