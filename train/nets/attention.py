"""The attention branch of a recogniser in training: it guides the backbone and is left behind at export.

Shape suffixes: N lines, C channels or classes, T time steps, L characters of the longest label, D features.

Reference:
    Hu et al. 2020 (GTC): a decoder with attention learns better features than CTC, and CTC reads faster. PP-OCRv3
    guided with SAR; PP-OCRv4 with a small transformer decoder (NRTR, Sheng et al. 2019), whose characters are all
    learnt at once under teacher forcing. This is the latter, smaller.
"""

import math

import torch
from torch import Tensor, nn

EDGE = 0
"""Class before the first character and after the last one: the blank's, which no label has."""


class AttentionBranch(nn.Module):
    """Spells a label from the backbone's map, each character given those before it.

    Args:
        in_channels: C of the backbone.
        n_classes: Those of the CTC head; class 0 stands for the end.
        width: D.
        n_layers: Of the decoder.
        dropout: In the decoder.
    """

    def __init__(
        self, in_channels: int, n_classes: int, *, width: int = 192, n_layers: int = 2, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.width = width
        self.reduce = nn.Linear(in_channels, width)
        self.embed = nn.Embedding(n_classes, width)
        layer = nn.TransformerDecoderLayer(width, 4, 2 * width, dropout, batch_first=True, norm_first=True)
        self.decoder = nn.TransformerDecoder(layer, n_layers, nn.LayerNorm(width))
        self.classes = nn.Linear(width, n_classes)
        nn.init.normal_(self.embed.weight, std=width**-0.5)

    def forward(self, feat_NC1T: Tensor, targets_NL: Tensor) -> Tensor:
        """Predict the characters of labels and their end.

        Args:
            feat_NC1T: The backbone's map.
            targets_NL: (N, L) classes, padded with 0.

        Returns:
            (N, L + 1, C) logits: at l those of character l, or of the end.
        """
        memory_NTD: Tensor = self.reduce(feat_NC1T.squeeze(2).transpose(1, 2))
        memory_NTD = memory_NTD + self._positions(memory_NTD)
        known_NL = nn.functional.pad(targets_NL, (1, 0), value=EDGE)
        known_NLD = self.embed(known_NL) * math.sqrt(self.width)
        known_NLD = known_NLD + self._positions(known_NLD)
        later = torch.ones(known_NL.shape[1], known_NL.shape[1], dtype=torch.bool, device=known_NL.device).triu(1)
        logits_NLC: Tensor = self.classes(self.decoder(known_NLD, memory_NTD, tgt_mask=later))
        return logits_NLC

    def _positions(self, feat_NTD: Tensor) -> Tensor:
        """(T, D) sines and cosines (Vaswani et al. 2017, section 3.5)."""
        steps = torch.arange(feat_NTD.shape[1], device=feat_NTD.device, dtype=torch.float32)
        rates = torch.exp(torch.arange(0, self.width, 2, device=feat_NTD.device) * (-math.log(10_000.0) / self.width))
        angles = steps[:, None] * rates
        return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1).to(feat_NTD.dtype)
