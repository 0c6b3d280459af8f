import numpy as np
import pytest
from numpy.typing import NDArray

from edge_ocr.engines import Arrays
from edge_ocr.orientation import OrientationJudge, fit_crop
from edge_ocr.recognition import PAD
from tests.edge_ocr.fakes import FakeNetwork


def judge(upside_down: float, *, threshold: float = 0.5) -> OrientationJudge:
    def answer(tensor: NDArray[np.uint8]) -> Arrays:
        assert tensor.shape == (1, 48, 192, 3)
        return (np.array([[1 - upside_down, upside_down]], dtype=np.float32),)

    return OrientationJudge(FakeNetwork(answer), height=48, width=192, threshold=threshold)


@pytest.mark.parametrize(
    ("probability", "threshold", "turned"),
    [
        pytest.param(0.9, 0.5, True, id="surely on its head"),
        pytest.param(0.1, 0.5, False, id="surely upright"),
        pytest.param(0.9, 0.95, False, id="not sure enough"),
        pytest.param(0.5, 0.5, False, id="undecided counts as upright"),
        pytest.param(float("nan"), 0.5, False, id="NaN counts as upright"),
    ],
)
def test_a_line_is_judged(probability: float, threshold: float, turned: bool) -> None:
    assert judge(probability, threshold=threshold).judge_crop(np.zeros((48, 100, 3), np.uint8)).upside_down is turned


@pytest.mark.parametrize(
    ("size", "filled"),
    [
        pytest.param((48, 100), 100, id="a short line keeps its aspect"),
        pytest.param((24, 50), 100, id="a low line is enlarged"),
        pytest.param((48, 192), 192, id="exactly the input"),
        pytest.param((48, 900), 192, id="a long line is squeezed"),
        pytest.param((1, 1), 48, id="one pixel"),
        pytest.param((500, 1), 1, id="a hair"),
    ],
)
def test_a_crop_is_fitted_into_the_input(size: tuple[int, int], filled: int) -> None:
    tensor = fit_crop(np.full((*size, 3), 9, dtype=np.uint8), 48, 192)
    assert tensor.shape == (1, 48, 192, 3)
    assert (tensor[0, :, :filled] == 9).all()
    assert (tensor[0, :, filled:] == PAD).all()
