"""Measures of reading."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_ocr.metrics import Label, Tally
from train.evaluation.measures import add_end_to_end, edit_distance, line_accuracy, one_minus_ned


@dataclass(frozen=True)
class FakeLine:
    text: str
    quad: NDArray[np.float32]


def square(x: float) -> NDArray[np.float32]:
    return np.array([[x, 0], [x + 10, 0], [x + 10, 10], [x, 10]], np.float32)


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("ab", "ba", 2), ("a b", "ab", 1)],
)
def test_edit_distance(one: str, other: str, distance: int) -> None:
    assert edit_distance(one, other) == distance
    assert edit_distance(other, one) == distance


def test_strict_accuracy_counts_case_and_inner_spaces_but_not_outer_ones() -> None:
    assert line_accuracy([("a b ", "a b"), ("A b", "a b"), ("ab", "a b"), ("", "x")]) == 0.25


def test_one_minus_ned_is_a_mean_over_lines() -> None:
    assert one_minus_ned([("abcd", "abcx"), ("", "")]) == pytest.approx((0.75 + 1) / 2)


@pytest.mark.parametrize("measure", [line_accuracy, one_minus_ned])
def test_no_line_scores_zero(measure: object) -> None:
    assert callable(measure)
    assert measure([]) == 0.0


@pytest.mark.parametrize(
    ("read", "hits"),
    [
        pytest.param([FakeLine("ab", square(1))], 1, id="found and read"),
        pytest.param([FakeLine("Ab", square(1))], 0, id="found and misread"),
        pytest.param([FakeLine("ab", square(8))], 0, id="read elsewhere"),
        pytest.param([FakeLine("x", square(0)), FakeLine("ab", square(2))], 0, id="the better overlap is taken"),
        pytest.param([], 0, id="nothing found"),
    ],
)
def test_end_to_end_needs_place_and_text(read: list[FakeLine], hits: int) -> None:
    tally = Tally()
    add_end_to_end(tally, read, [Label(square(0), "ab")], partial=False)
    assert (tally.hits, tally.predicted, tally.labelled) == (hits, len(read), 1)


def test_end_to_end_leaves_out_what_was_read_on_ignored_text() -> None:
    tally = Tally()
    add_end_to_end(tally, [FakeLine("ab", square(1))], [Label(square(0), "", ignore=True)], partial=False)
    assert (tally.hits, tally.predicted, tally.labelled) == (0, 0, 0)
