"""Necks of the text recogniser: from the backbone's map to one feature vector a time step.

Shape suffixes: N lines, C channels, T time steps, D features, K attention heads.
"""

import torch
from torch import Tensor, nn

from train.nets.layers import ConvBN


class BiLSTMNeck(nn.Module):
    """The neck of PP-OCRv2: two bidirectional LSTM layers.

    Reference:
        Shi et al. 2015 (CRNN), section 2.2.
    """

    def __init__(self, in_channels: int, hidden: int = 64) -> None:
        super().__init__()
        self.out_features = 2 * hidden
        self.lstm = nn.LSTM(in_channels, hidden, num_layers=2, bidirectional=True, batch_first=True)

    def forward(self, feat_NC1T: Tensor) -> Tensor:
        """(N, C, 1, T) to (N, T, 2 * hidden)."""
        feat_NTD: Tensor = self.lstm(feat_NC1T.squeeze(2).transpose(1, 2))[0]
        return feat_NTD


class SVTRNeck(nn.Module):
    """The neck of PP-OCRv3: two blocks of global attention between convolutions, and a shortcut around them.

    Reference:
        Du et al. 2022 (SVTR), section 3.3; PP-OCRv3 (Li et al. 2022), section 2.3, for the light form.
    """

    def __init__(self, in_channels: int, *, width: int = 120, n_blocks: int = 2) -> None:
        super().__init__()
        narrow = in_channels // 8
        self.out_features = narrow
        self.reduce = nn.Sequential(
            ConvBN(in_channels, narrow, 3, activation=nn.SiLU()), ConvBN(narrow, width, 1, activation=nn.SiLU())
        )
        self.blocks = nn.Sequential(*(AttentionBlock(width) for _ in range(n_blocks)))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.restore = ConvBN(width, in_channels, 1, activation=nn.SiLU())
        self.merge = nn.Sequential(
            ConvBN(2 * in_channels, narrow, 3, activation=nn.SiLU()), ConvBN(narrow, narrow, 1, activation=nn.SiLU())
        )
        self.apply(_init_linear)

    def forward(self, feat_NC1T: Tensor) -> Tensor:
        """(N, C, 1, T) to (N, T, C / 8)."""
        feat_NTD = self.reduce(feat_NC1T).squeeze(2).transpose(1, 2)
        feat_NTD = self.norm(self.blocks(feat_NTD))
        restored_NC1T: Tensor = self.restore(feat_NTD.transpose(1, 2).unsqueeze(2))
        merged_NC1T: Tensor = self.merge(torch.cat([feat_NC1T, restored_NC1T], dim=1))
        return merged_NC1T.squeeze(2).transpose(1, 2)


class AttentionBlock(nn.Module):
    """Pre-norm transformer block: (N, T, D) in and out."""

    def __init__(self, width: int, *, mlp_ratio: int = 2, dropout: float = 0.1) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.LayerNorm(width), _Attention(width, dropout=dropout))
        self.mlp = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, width * mlp_ratio),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Linear(width * mlp_ratio, width),
            nn.Dropout(dropout),
        )

    def forward(self, feat_NTD: Tensor) -> Tensor:
        """Mix steps, then features."""
        feat_NTD = feat_NTD + self.attention(feat_NTD)
        mixed: Tensor = self.mlp(feat_NTD)
        return feat_NTD + mixed


class _Attention(nn.Module):
    """Multi-head attention of every time step to every other one.

    Written out instead of torch's fused call: NNCF then sees the two products it can quantise.
    """

    def __init__(self, width: int, *, n_heads: int = 8, dropout: float = 0.1) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.head_width = width // n_heads
        self.scale = self.head_width**-0.5
        self.qkv = nn.Linear(width, 3 * width)
        self.dropout = nn.Dropout(dropout)
        self.project = nn.Sequential(nn.Linear(width, width), nn.Dropout(dropout))

    def forward(self, feat_NTD: Tensor) -> Tensor:
        qkv: Tensor = self.qkv(feat_NTD).unflatten(2, (3, self.n_heads, self.head_width))
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        weights_NKTT = self.dropout(torch.softmax((query * self.scale) @ key.transpose(2, 3), dim=3))
        mixed_NTD: Tensor = self.project((weights_NKTT @ value).transpose(1, 2).flatten(2))
        return mixed_NTD


def _init_linear(module: nn.Module) -> None:
    """Small normal weights, zero biases, as vision transformers start."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
