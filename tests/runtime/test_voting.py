"""What the reads of one text agree on."""

from collections.abc import Sequence

import pytest

from runtime.voting import TextVote


def vote(reads: Sequence[str], score: float = 0.9, min_reads: int = 2) -> TextVote:
    result = TextVote(min_reads=min_reads)
    for text in reads:
        result.add(text, score)
    return result


@pytest.mark.parametrize(
    ("reads", "text"),
    [
        pytest.param([], None, id="no reads"),
        pytest.param(["A"], None, id="one read is none"),
        pytest.param(["A", "A"], "A", id="two agree"),
        pytest.param(["A", "B"], None, id="two disagree"),
        pytest.param(["A", "B", "A"], "A", id="two of three"),
        pytest.param(["A", "B", "C", "A"], "A", id="half of the weight is enough"),
        pytest.param(["A", "B", "C", "D", "A"], None, id="less is flicker"),
        pytest.param(["A"] * 10 + ["B"] * 3, "A", id="three misreads change nothing"),
        pytest.param(["A"] * 10 + ["B"] * 4, "B", id="four are a change"),
        pytest.param(["A", "A", "B", "B"], "B", id="a text that was hardly read gives way sooner"),
        pytest.param((["A"] * 10 + ["B"] * 4) + ["A"] * 7, "B", id="a return takes longer"),
        pytest.param((["A"] * 10 + ["B"] * 4) + ["A"] * 8, "A", id="and comes"),
    ],
)
def test_reads_settle(reads: Sequence[str], text: str | None) -> None:
    settled = vote(reads).settled
    assert (settled and settled.text) == text


def test_a_confident_read_weighs_more() -> None:
    result = vote(["A", "A"], score=0.5)
    for _ in range(2):
        result.add("B", 1.0)
    assert result.settled is not None
    assert result.settled.text == "B"


def test_counts_and_score_are_those_of_the_settled_text() -> None:
    result = vote(["A", "A"], score=0.8)
    result.add("B", 0.6)
    result.add("A", 1.0)
    settled = result.settled
    assert settled is not None
    assert (settled.text, settled.reads, settled.agreeing_reads) == ("A", 4, 3)
    assert settled.score == pytest.approx((0.8 + 0.8 + 1.0) / 3)


def test_a_cleared_vote_knows_nothing() -> None:
    result = vote(["A"] * 5)
    result.clear()
    assert result.settled is None
    result.add("A", 0.9)
    assert result.settled is None


def test_after_a_replacement_only_the_new_text_counts() -> None:
    result = vote(["A"] * 10 + ["B"] * 4)
    result.forget_others()
    settled = result.settled
    assert settled is not None
    assert (settled.text, settled.reads, settled.agreeing_reads) == ("B", 4, 4)
    for _ in range(5):
        result.add("A", 0.9)
    assert result.settled is not None
    assert result.settled.text == "A"
