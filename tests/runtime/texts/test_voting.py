"""What the reads of one text agree on."""

from collections.abc import Sequence

import pytest

from runtime.texts.voting import TextVote


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
        pytest.param(["A", "A", "B", "B"], "A", id="an update takes one read more than a begin"),
        pytest.param(["A", "A", "B", "B", "B"], "B", id="a text that was hardly read gives way sooner"),
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
    result = vote(["FROM", "FROM"], score=0.8)
    result.add("FR0M", 0.6)
    result.add("FROM", 1.0)
    settled = result.settled
    assert settled is not None
    assert (settled.text, settled.reads, settled.agreeing_reads) == ("FROM", 4, 3)
    assert settled.score == pytest.approx((0.8 + 0.8 + 1.0) / 3)


@pytest.mark.parametrize(
    ("text", "score", "n_reads"),
    [
        pytest.param("7", 0.97, 1, id="a clear digit at once"),
        pytest.param("7", 0.92, 2, id="a fair one like any text"),
        pytest.param("MS", 0.83, 5, id="a doubtful end of a word only after five reads"),
        pytest.param("ITEMS", 0.83, 1, id="a word has more to contradict it"),
    ],
)
def test_short_texts_need_more_evidence(text: str, score: float, n_reads: int) -> None:
    result = TextVote(min_reads=2, sure_score=0.8)
    count = 0
    while result.settled is None:
        result.add(text, score, (score,) * len(text))
        count += 1
    assert count == n_reads


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


# -- characters


def test_characters_that_were_read_well_make_a_text_that_no_read_had() -> None:
    result = vote(["T0TAL 12.50", "TOTAL l2.50", "TOTAL 12.5O"])
    settled = result.settled
    assert settled is not None
    assert (settled.text, settled.reads, settled.agreeing_reads) == ("TOTAL 12.50", 3, 0)


def test_a_character_counts_by_its_own_confidence() -> None:
    result = TextVote(min_reads=2)
    for _ in range(2):
        result.add("S295", 0.8, (0.35, 0.95, 0.95, 0.95))
        result.add("$295", 0.95, (0.95, 0.95, 0.95, 0.95))
    result.add("S295", 0.8, (0.35, 0.95, 0.95, 0.95))
    assert result.settled is not None
    assert result.settled.text == "$295"


def test_a_sharp_read_outweighs_blurred_ones() -> None:
    result = TextVote(min_reads=2)
    for text, sharpness in (("GATE 8", 0.2), ("GATE B", 1.0), ("GATE 8", 0.2), ("GATE B", 1.0), ("GATE 8", 0.2)):
        result.add(text, 0.9, sharpness=sharpness)
    assert result.settled is not None
    assert result.settled.text == "GATE B"


def test_a_space_that_was_seen_once_stays() -> None:
    settled = vote(["QTY:3", "QTY: 3", "QTY:3"]).settled
    assert settled is not None
    assert settled.text == "QTY: 3"


def test_a_text_that_gives_way_to_another_is_never_mixed_with_it() -> None:
    result = vote(["OPEN TODAY"] * 6)
    said = set()
    for _ in range(8):
        result.add("WELCOME IN", 0.9)
        assert result.settled is not None
        said.add(result.settled.text)
    assert said == {"OPEN TODAY", "WELCOME IN"}


# -- when one read is enough, and when another one is wanted


def sure(text: str, score: float = 0.95) -> TextVote:
    result = TextVote(min_reads=2, sure_score=0.8)
    result.add(text, score, (score,) * len(text))
    return result


def test_a_single_read_settles_if_every_character_is_sure_and_sharp() -> None:
    settled = sure("GATE 7").settled
    assert settled is not None
    assert (settled.text, settled.reads) == ("GATE 7", 1)
    assert sure("GATE 7", 0.79).settled is None
    blurred = TextVote(min_reads=2, sure_score=0.8)
    blurred.add("GATE 7", 0.95, (0.95,) * 6, sharpness=0.3)
    assert blurred.settled is None


def test_one_doubtful_character_needs_a_second_read() -> None:
    result = TextVote(min_reads=2, sure_score=0.8)
    scores = (0.99, 0.99, 0.99, 0.99, 0.99, 0.6)
    result.add("GATE 7", 0.92, scores)
    assert result.settled is None
    result.add("GATE 7", 0.92, scores)
    assert result.settled is not None


def wants(result: TextVote) -> bool:
    """Asked anew each time: a type checker takes a property for a constant."""
    return result.wants_reads


def test_reads_are_wanted_until_the_text_is_sure() -> None:
    result = sure("GATE 7")
    assert wants(result)
    result.add("GATE 7", 0.95, (0.95,) * 6)
    assert not wants(result)


def test_reads_are_wanted_until_the_text_is_hopeless() -> None:
    hopeless = TextVote(min_reads=2)
    for i in range(8):
        assert wants(hopeless)
        hopeless.add("ABCDEFGH"[i] * 4, 0.9)
    assert not wants(hopeless)


def test_illegible_reads_are_attempts_too() -> None:
    result = TextVote(min_reads=2)
    for _ in range(8):
        assert wants(result)
        result.skip()
    assert not wants(result)
    assert result.settled is None


def test_changed_pixels_open_a_vote_again_and_let_a_new_text_through_sooner() -> None:
    result = vote(["146.00"] * 6)
    assert not wants(result)
    result.doubt()
    assert wants(result)
    result.add("146.53", 0.9)
    result.add("146.53", 0.9)
    assert result.settled is not None
    assert result.settled.text == "146.53"


def test_other_texts_are_candidates_with_their_shares() -> None:
    settled = vote(["12.50"] * 5 + ["12.60", "12.50"]).settled
    assert settled is not None
    assert [text for text, _ in settled.candidates] == ["12.60"]
    assert 0 < settled.candidates[0][1] < 0.5


def test_reads_that_all_agree_leave_no_candidates() -> None:
    settled = vote(["A", "A"]).settled
    assert settled is not None
    assert settled.candidates == ()
