"""Which characters of two texts belong together."""

import pytest

from runtime.texts.alignment import MAX_KEPT, _align_others, align


@pytest.mark.parametrize(
    ("pivot", "text", "slots"),
    [
        pytest.param("", "", ("",), id="nothing"),
        pytest.param("AB", "AB", ("", "A", "", "B", ""), id="equal texts stand on each other"),
        pytest.param("AB", "XB", ("", "X", "", "B", ""), id="a misread character takes its place"),
        pytest.param("AB", "B", ("", "", "", "B", ""), id="a missed character leaves its place empty"),
        pytest.param("AB", "A-B", ("", "A", "-", "B", ""), id="an extra one stands in the gap"),
        pytest.param("AB", "A--B", ("", "A", "--", "B", ""), id="several extra ones are one piece"),
        pytest.param("", "AB", ("AB",), id="all is extra to nothing"),
    ],
)
def test_texts_are_aligned(pivot: str, text: str, slots: tuple[str, ...]) -> None:
    assert align(pivot, text) == slots


@pytest.mark.parametrize("text", ["kitten", "sitting", "", "kitte", "xkittenx", "nettik"])
def test_the_pieces_together_are_the_text(text: str) -> None:
    assert "".join(align("kitten", text)) == text
    assert len(align("kitten", text)) == 2 * len("kitten") + 1


def test_no_more_alignments_are_kept_than_stated_and_those_of_equal_texts_not_at_all() -> None:
    for number in range(MAX_KEPT + 10):
        align(f"TICKET {number}", f"TICKET {number + 1}")
    kept = _align_others.cache_info()
    assert kept.currsize == MAX_KEPT
    align("LINDQVIST", "LINDQVIST")
    assert _align_others.cache_info() == kept
