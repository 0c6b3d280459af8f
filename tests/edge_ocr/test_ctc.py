import numpy as np
import pytest
from numpy.typing import NDArray

from edge_ocr.ctc import decode_best_path, decode_probs
from edge_ocr.errors import ModelError


def steps(classes: list[int]) -> NDArray[np.int32]:
    return np.array([classes], dtype=np.int32)


def sure(classes: list[int]) -> NDArray[np.float32]:
    return np.ones((1, len(classes)), dtype=np.float32)


@pytest.mark.parametrize(
    ("classes", "text"),
    [
        pytest.param([1, 1, 2], "ab", id="repeats merge"),
        pytest.param([1, 0, 1], "aa", id="a blank keeps a doubled letter"),
        pytest.param([0, 0, 0], "", id="only blanks read as nothing"),
        pytest.param([], "", id="no time step reads as nothing"),
        pytest.param([3], " ", id="a single step is a character"),
        pytest.param([0, 2, 2, 0, 0, 3, 1, 1], "b a", id="blanks at both ends of a character are dropped"),
    ],
)
def test_best_path_reads(classes: list[int], text: str) -> None:
    assert decode_best_path(steps(classes), sure(classes), "ab ")[0].text == text


def test_a_score_is_the_mean_of_the_characters_first_steps() -> None:
    scores = np.array([[0.5, 0.1, 0.99, 1.0]], dtype=np.float32)
    assert decode_best_path(steps([1, 1, 0, 2]), scores, "ab")[0].score == pytest.approx(0.75)


def test_a_line_without_characters_has_score_0() -> None:
    assert decode_best_path(steps([0, 0]), sure([0, 0]), "ab")[0].score == 0


@pytest.mark.parametrize(
    ("given", "score"),
    [
        pytest.param(1.0000002, 1.0, id="rounding does not lift a score above 1"),
        pytest.param(np.nan, 0.0, id="NaN is no confidence"),
    ],
)
def test_scores_stay_between_0_and_1(given: float, score: float) -> None:
    assert decode_best_path(steps([1]), np.array([[given]], dtype=np.float32), "a")[0].score == score


def test_lines_of_a_batch_are_read_apart() -> None:
    classes = np.array([[1, 1], [1, 2], [0, 0]])
    readings = decode_best_path(classes, np.ones((3, 2)), "ab")
    assert [reading.text for reading in readings] == ["a", "ab", ""]
    assert decode_best_path(np.zeros((0, 5), dtype=np.int64), np.zeros((0, 5)), "ab") == []


def test_a_class_beyond_the_charset_is_refused() -> None:
    with pytest.raises(ModelError, match="gave class 3, the charset has 2 characters"):
        decode_best_path(steps([0, 3]), sure([0, 3]), "ab")


def test_probs_and_best_path_agree() -> None:
    probs = np.random.default_rng(0).dirichlet(np.ones(4), size=(3, 9)).astype(np.float32)
    assert decode_probs(probs, "abc") == decode_best_path(probs.argmax(-1), probs.max(-1), "abc")


def test_probs_of_another_head_are_refused() -> None:
    with pytest.raises(ModelError, match="has 4 classes, the charset needs 3"):
        decode_probs(np.zeros((1, 2, 4)), "ab")
