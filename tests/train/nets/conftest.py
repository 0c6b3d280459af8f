from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

Settle = Callable[[nn.Module, Tensor], nn.Module]


@pytest.fixture
def settle() -> Settle:
    """Let batch norms measure an input, so that signals of a random network neither vanish nor explode; eval mode."""

    def settle_on(net: nn.Module, image: Tensor) -> nn.Module:
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 1.0
        with torch.no_grad():
            net.train()(image)
        return net.eval()

    return settle_on
