"""Words and pages against their labels."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_ocr.metrics import (
    Label,
    PageScore,
    Tally,
    all_found,
    bag_of_words_f1,
    detection_tally,
    polygon_iou,
    word_accuracy,
    word_tally,
    words,
)


@dataclass(frozen=True)
class FakeLine:
    text: str
    quad: NDArray[np.float32]


def square(x: float, y: float, side: float = 10.0) -> NDArray[np.float32]:
    return np.array([[x, y], [x + side, y], [x + side, y + side], [x, y + side]], np.float32)


@pytest.mark.parametrize(
    ("predicted", "label", "agrees"),
    [
        pytest.param("Total:", "TOTAL", True, id="case and punctuation do not count"),
        pytest.param("A 1", "a1", True, id="spaces do not count"),
        pytest.param("皖A12345", "皖A12345", True, id="Chinese characters count"),
        pytest.param("A12345", "皖A12345", False, id="a missing Chinese character is a miss"),
        pytest.param("0", "O", False, id="a digit is not a letter"),
        pytest.param("", "x", False, id="no reading is a miss"),
    ],
)
def test_word_accuracy_compares_letters_and_digits(predicted: str, label: str, agrees: bool) -> None:
    assert word_accuracy([(predicted, label)]) == float(agrees)


def test_word_accuracy_of_no_pair_is_zero() -> None:
    assert word_accuracy([]) == 0.0


def test_words_lose_outer_punctuation_and_keep_inner() -> None:
    assert words('"Don\'t", -- (12.50) _x_') == ["don't", "12.50", "_x_"]


def test_bag_of_words_counts_every_occurrence_once() -> None:
    # one of two "a" found, one false "b": 2 hits among 3 predicted and 3 labelled words
    assert bag_of_words_f1([(["a c", "b"], ["A, a", "c"])]) == pytest.approx(2 * 2 / 6)


def test_bag_of_words_without_words_is_zero() -> None:
    assert bag_of_words_f1([([], [])]) == 0.0


@pytest.mark.parametrize(
    ("predicted", "labelled", "found"),
    [
        pytest.param(["AB 12", "34 CD"], ["1234"], True, id="a long label may run across lines"),
        pytest.param(["A12"], ["12"], False, id="a short label inside a word is not found"),
        pytest.param(["A 12."], ["12"], True, id="a short label that is a word is found"),
        pytest.param(["other"], ["--"], True, id="a label without letters and digits asks for nothing"),
        pytest.param([], ["a"], False, id="nothing read finds nothing"),
    ],
)
def test_all_found(predicted: list[str], labelled: list[str], found: bool) -> None:
    assert all_found(predicted, labelled) is found


@pytest.mark.parametrize(
    ("other", "iou"),
    [
        pytest.param(square(0, 0), 1.0, id="the same square"),
        pytest.param(square(0, 0)[::-1], 1.0, id="the other way round"),
        pytest.param(square(5, 0), 50 / 150, id="half of it"),
        pytest.param(square(2, 2, 5), 0.25, id="inside"),
        pytest.param(square(20, 0), 0.0, id="apart"),
        pytest.param(square(3, 3, 0), 0.0, id="a point"),
        pytest.param(np.array([[0, 0], [10, 0], [10, 10], [5, 5], [0, 10]]), 0.75, id="a concave label"),
    ],
)
def test_polygon_iou(other: NDArray[np.float32], iou: float) -> None:
    assert polygon_iou(square(0, 0), other) == pytest.approx(iou)


def test_one_prediction_hits_one_label() -> None:
    assert detection_tally([square(0, 0)], [square(0, 0), square(1, 0)]) == Tally(1, 1, 2)


def test_predictions_on_ignored_text_do_not_count() -> None:
    score = PageScore()
    labels = [Label(square(0, 0), "one"), Label(square(100, 0), "", ignore=True)]
    score.add([FakeLine("one", square(0, 0)), FakeLine("blur", square(101, 0))], labels)
    assert (score.precision, score.recall, score.detection_hmean, score.exact) == (1.0, 1.0, 1.0, 1.0)


def test_a_false_line_costs_precision_unless_the_page_is_partly_labelled() -> None:
    predicted = [FakeLine("one", square(0, 0)), FakeLine("logo", square(100, 0))]
    labels = [Label(square(0, 0), "one")]
    full, partial = PageScore(), PageScore()
    full.add(predicted, labels)
    partial.add(predicted, labels, partial=True)
    assert (full.precision, partial.precision) == (0.5, 1.0)


def test_an_empty_score_is_zero_everywhere() -> None:
    assert set(PageScore().to_dict().values()) == {0}


@pytest.mark.parametrize("partial", [False, True])
def test_the_words_of_a_page_are_those_of_its_score(partial: bool) -> None:
    lines = [FakeLine("Total 12", square(0, 0)), FakeLine("far away", square(500, 500)), FakeLine("?", square(0, 50))]
    labels = [Label(square(0, 0), "total 13"), Label(square(0, 50), "x", ignore=True)]
    score = PageScore()
    score.add(lines, labels, partial=partial)
    assert word_tally(lines, labels, partial=partial) == score.words
