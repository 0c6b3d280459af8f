"""Averaged weights: an exponential moving average over the steps (EMA)."""

import copy

import torch
from torch import nn


class WeightAverage:
    """A copy of networks that follows them slowly.

    Early on it follows faster, by (1 + step) / (10 + step): else the random start would weigh for thousands of steps.

    Args:
        networks: What to follow.
        decay: Share of the old average that a step keeps, in (0, 1).
    """

    def __init__(self, networks: nn.ModuleDict, decay: float) -> None:
        self.networks = copy.deepcopy(networks).requires_grad_(requires_grad=False).eval()
        self.decay = decay

    @torch.no_grad()
    def update(self, networks: nn.ModuleDict, step: int) -> None:
        """Follow the networks after a step (its number, from 0). Counters are copied."""
        weight = 1 - min(self.decay, (1 + step) / (10 + step))
        current = networks.state_dict()
        for name, mean in self.networks.state_dict().items():
            if mean.is_floating_point():
                mean.lerp_(current[name], weight)
            else:
                mean.copy_(current[name])
