"""Sharp lines and smeared ones."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from runtime.texts.sharpness import sharpness

QUAD = np.array([[10, 10], [190, 10], [190, 50], [10, 50]], dtype=np.float32)


def line(*, ink: int = 30, light: int = 220, blur: int = 0) -> NDArray[np.uint8]:
    image = np.full((60, 200, 3), light, dtype=np.uint8)
    cv2.putText(image, "TOTAL 12.50", (12, 42), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (ink, ink, ink), 2, cv2.LINE_AA)
    return np.asarray(cv2.blur(image, (blur, 1)), dtype=np.uint8) if blur else image


def test_a_printed_line_is_sharp_whatever_its_light() -> None:
    assert sharpness(line(), QUAD) == 1.0
    assert sharpness(line(ink=90, light=130), QUAD) > 0.9


def test_motion_makes_a_line_less_sharp() -> None:
    still, slow, fast = (sharpness(line(blur=blur), QUAD) for blur in (0, 15, 41))
    assert still > slow > fast
    assert fast < 0.7


@pytest.mark.parametrize(
    "quad",
    [
        pytest.param(QUAD + 1000, id="outside of the image"),
        pytest.param(QUAD * 0.001, id="smaller than three pixels"),
    ],
)
def test_what_cannot_be_seen_is_not_sharp(quad: NDArray[np.float32]) -> None:
    assert sharpness(line(), quad) == 0.0


def test_plain_paper_is_not_sharp() -> None:
    assert sharpness(np.full((60, 200, 3), 200, dtype=np.uint8), QUAD) == 0.0
