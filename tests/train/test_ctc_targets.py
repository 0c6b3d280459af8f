"""Texts as CTC targets."""

import pytest

from edge_ocr.charset import Charset
from train.ctc_targets import classes_of, pack_targets, steps_needed
from train.errors import LabelError

CHARSET = Charset("ab ")


def test_a_text_becomes_the_classes_of_its_characters() -> None:
    assert classes_of("b a", CHARSET, n_steps=3, where="x") == [2, 3, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "f.txt:3: the label is empty", id="empty"),
        pytest.param("aß€", "f.txt:3: 'aß€' has 'ß' '€', which the charset lacks", id="outside the charset"),
        pytest.param("aab", "f.txt:3: 'aab' needs 4 time steps, its picture gives 3", id="too few time steps"),
    ],
)
def test_what_cannot_be_learnt_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(LabelError, match=message):
        classes_of(text, CHARSET, n_steps=3, where="f.txt:3")


@pytest.mark.parametrize(("text", "steps"), [("", 0), ("ab", 2), ("aa", 3), ("aaab", 6)])
def test_equal_neighbours_need_a_blank_between_them(text: str, steps: int) -> None:
    assert steps_needed(text) == steps


def test_targets_are_padded_to_the_longest() -> None:
    targets, lengths = pack_targets([[1], [2, 3]])
    assert (targets.tolist(), lengths.tolist()) == ([[1, 0], [2, 3]], [1, 2])
