import pytest
import torch
from torch import nn

from train.nets.layers import ConvBN, HardSigmoid, SqueezeExcite, scaled_width


@pytest.mark.parametrize(
    ("width", "scale", "expected"),
    [
        pytest.param(64, 1.0, 64, id="a multiple of 8 stays"),
        pytest.param(16, 0.25, 8, id="never under 8"),
        pytest.param(24, 0.5, 16, id="half way goes up"),
        pytest.param(240, 0.35, 88, id="to the nearest multiple"),
        pytest.param(28, 0.65, 24, id="16 would be under 90 % of 18.2"),
    ],
)
def test_scaled_width(width: int, scale: float, expected: int) -> None:
    assert scaled_width(width, scale) == expected


@pytest.mark.parametrize(
    ("slope", "value", "expected"),
    [(0.2, 1.0, 0.7), (0.2, 2.6, 1.0), (0.2, -2.6, 0.0), (1 / 6, 2.6, 0.5 + 2.6 / 6)],
)
def test_hard_sigmoid_saturates_by_its_slope(slope: float, value: float, expected: float) -> None:
    assert HardSigmoid(slope)(torch.tensor(value)).item() == pytest.approx(expected)


def test_hard_sigmoid_of_slope_one_sixth_is_the_one_of_torch() -> None:
    values = torch.linspace(-4, 4, 33)
    torch.testing.assert_close(HardSigmoid(1 / 6)(values), nn.Hardsigmoid()(values))


def test_squeeze_excite_with_closed_gates_halves_the_map() -> None:
    layer = SqueezeExcite(8, HardSigmoid(0.2))
    nn.init.zeros_(layer.weigh[3].weight)  # type: ignore[arg-type]
    nn.init.zeros_(layer.weigh[3].bias)  # type: ignore[arg-type]
    feat = torch.rand(2, 8, 3, 5)
    torch.testing.assert_close(layer(feat), 0.5 * feat)


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_conv_bn_keeps_the_size_at_stride_one(kernel: int) -> None:
    assert ConvBN(3, 8, kernel)(torch.rand(2, 3, 7, 9)).shape == (2, 8, 7, 9)
