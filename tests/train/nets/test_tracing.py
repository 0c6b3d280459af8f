"""Conversion to IR traces the networks at one size and uses them at others."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from train.nets.ctc import ppocrv2_recognizer, ppocrv3_recognizer
from train.nets.db import ppocrv2_detector, ppocrv3_detector
from train.nets.orientation import OrientationClassifier

Shape = tuple[int, int, int, int]


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace:DeprecationWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")  # nn.LSTM compares sizes
@pytest.mark.parametrize(
    ("build", "traced", "used"),
    [
        pytest.param(ppocrv2_detector, (1, 3, 32, 64), (2, 3, 96, 32), id="detector v2"),
        pytest.param(ppocrv3_detector, (1, 3, 32, 64), (2, 3, 96, 32), id="detector v3"),
        pytest.param(lambda: ppocrv2_recognizer(7), (1, 3, 32, 64), (3, 3, 32, 72), id="recogniser v2"),
        pytest.param(lambda: ppocrv3_recognizer(7), (1, 3, 48, 64), (3, 3, 48, 72), id="recogniser v3"),
        pytest.param(OrientationClassifier, (1, 3, 48, 192), (3, 3, 48, 192), id="orientation"),
    ],
)
def test_a_traced_network_takes_other_sizes(
    build: Callable[[], nn.Module], traced: Shape, used: Shape, settle: Callable[[nn.Module, Tensor], nn.Module]
) -> None:
    image = torch.randn(used)
    net = settle(build(), image)
    trace = torch.jit.trace(net, torch.randn(traced), check_trace=False)  # type: ignore[no-untyped-call]
    torch.testing.assert_close(trace(image), net(image))
