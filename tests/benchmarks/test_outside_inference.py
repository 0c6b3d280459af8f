"""What the share outside of inference is made of."""

import numpy as np
import pytest

from benchmarks.outside_inference import COLUMNS, INFER, outside_shares


def times_ms(*rounds: list[tuple[float, float]]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Rounds of (wall, infer) per image."""
    filled = np.zeros((len(rounds), len(rounds[0]), len(COLUMNS)))
    for number, images in enumerate(rounds):
        for image, (wall, infer) in enumerate(images):
            filled[number, image, 0], filled[number, image, INFER] = wall, infer
    return filled


def test_a_disturbed_round_does_not_count_in_an_images_share() -> None:
    shares = outside_shares(times_ms([(100, 90), (200, 190)], [(100, 90), (200, 190)], [(1000, 90), (200, 190)]))
    assert shares["worst"] == pytest.approx(0.1)
    assert shares["median"] == pytest.approx(0.075)
    assert shares["of_sum"] == pytest.approx(960 / 1800, abs=1e-4)
