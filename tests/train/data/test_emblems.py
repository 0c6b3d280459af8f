"""What stands among the characters of plates."""

import numpy as np
import pytest

from train.data.emblems import banded, sealed, with_gap

SEEDS = range(6)


def printed(gap: int) -> np.ndarray:
    """Three letters of 20 rows: a gap of 1 column, and one of `gap`."""
    mask = np.zeros((20, 21 + gap), np.float32)
    for start in (0, 7, 13 + gap):
        mask[:, start : start + 6] = 1
    return mask


@pytest.mark.parametrize("seed", SEEDS)
def test_the_widest_gap_makes_room(seed: int) -> None:
    mask, gap = with_gap(np.random.default_rng(seed), printed(6))
    assert gap is not None
    start, stop = gap
    assert start == 13
    assert 6 <= stop - start <= 6 + 9
    assert not mask[:, start:stop].any()
    np.testing.assert_array_equal(np.delete(mask, range(start, stop), axis=1), np.delete(printed(6), range(13, 19), 1))


def test_a_text_without_a_gap_stays_as_it_is() -> None:
    mask, gap = with_gap(np.random.default_rng(1), printed(1))
    assert gap is None
    np.testing.assert_array_equal(mask, printed(1))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_seal_is_painted_about_the_gap_and_nowhere_else(seed: int) -> None:
    plain = np.full((40, 60, 3), 200, np.float32)
    drawn = sealed(np.random.default_rng(seed), plain.copy(), (20, 40), (8, 32))
    changed = np.abs(drawn - plain).max(axis=2) > 1
    assert changed.any()
    assert not changed[:, :14].any()
    assert not changed[:, 46:].any()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_band_goes_in_front_and_moves_the_text(seed: int) -> None:
    plain, mask = np.full((20, 28, 3), 200, np.float32), printed(6)
    drawn, moved, more = banded(np.random.default_rng(seed), plain, mask)
    assert more > 0
    np.testing.assert_array_equal(moved[:, more:], mask)
    np.testing.assert_array_equal(drawn[:, more + 2 :], plain[:, 2:])
    assert np.abs(drawn[:, : max(1, more // 3)] - 200).max() > 50
