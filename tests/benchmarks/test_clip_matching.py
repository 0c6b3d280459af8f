"""When a labelled line counts as found and a published text as wrong."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.clip_matching import finders, fold, is_right, is_token_run


@dataclass(frozen=True)
class At:
    text: str
    x: float = 0
    y: float = 0
    width: float = 100

    @property
    def quad(self) -> NDArray[np.float32]:
        x, y, right = self.x, self.y, self.x + self.width
        return np.array([[x, y], [right, y], [right, y + 20], [x, y + 20]], np.float32)


def is_found(label: At, texts: list[At]) -> bool:
    return any(True for _ in finders(label, texts))


def test_fold_keeps_letters_and_digits_without_case() -> None:
    assert fold("TOTAL: 6 % Größe.") == "total6grösse"


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [
        pytest.param("Total:", "TOTAL", True, id="the same but for case and punctuation"),
        pytest.param("174.90", "TOTAL SALES : 174.90", True, id="one token"),
        pytest.param("GST ID", "the GST I D no.", True, id="tokens joined differently"),
        pytest.param("74.90", "TOTAL 174.90", False, id="a part of a token"),
        pytest.param("SALES 174", "TOTAL SALES 174.90", False, id="ends inside a token"),
        pytest.param("a b", "a x b", False, id="tokens that do not follow each other"),
        pytest.param("b c", "ab b c", True, id="a later occurrence"),
        pytest.param("%", "6 %", False, id="without letters and digits nothing can be matched"),
    ],
)
def test_is_token_run(part: str, whole: str, expected: bool) -> None:
    assert is_token_run(part, whole) == expected


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        pytest.param([At("NET TOTAL 9.90")], True, id="within a text of two joined lines"),
        pytest.param([At("NET"), At("TOTAL", x=110)], True, id="spelled by neighbours"),
        pytest.param([At("TOTAL", x=110), At("NET")], True, id="in whatever order they were published"),
        pytest.param([At("NET", x=110), At("TOTAL")], False, id="neighbours in the wrong order"),
        pytest.param([At("NET"), At("TOTAL", x=110, y=60)], False, id="in another row"),
        pytest.param([At("NET"), At("TOTAL", x=400)], False, id="too far apart"),
        pytest.param([At("NET")], False, id="only a piece"),
        pytest.param([], False, id="nothing published"),
    ],
)
def test_a_label_is_found(texts: list[At], expected: bool) -> None:
    assert is_found(At("NET TOTAL"), texts) == expected


def test_three_neighbours_spell_a_label() -> None:
    texts = [At("26", x=100, width=30), At("14.", width=40), At("03.", x=50, width=40)]
    assert list(finders(At("14.03.26"), texts)) == [(1, 2, 0)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("total", True, id="a label"),
        pytest.param("cash", True, id="whole tokens of a label"),
        pytest.param("TOTAL 9.90", True, id="made of neighbouring labels"),
        pytest.param("TOTAL 9.9", False, id="a label and a half"),
        pytest.param("TOTAL CASH PAID", False, id="made of labels of different rows"),
        pytest.param("T0TAL", False, id="misread"),
    ],
)
def test_a_published_text_is_right_or_wrong(text: str, expected: bool) -> None:
    labels = [At("TOTAL"), At("9.90", x=120), At("CASH PAID", y=60)]
    assert is_right(At(text), labels) == expected
