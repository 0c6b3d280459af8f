"""Which characters of two texts belong together."""

import pytest

from runtime.texts.alignment import align


@pytest.mark.parametrize(
    ("pivot", "text", "slots"),
    [
        pytest.param("", "", (), id="nothing"),
        pytest.param("AB", "AB", ((1, "A"), (3, "B")), id="equal texts stand on each other"),
        pytest.param("AB", "XB", ((1, "X"), (3, "B")), id="a misread character takes its place"),
        pytest.param("AB", "B", ((3, "B"),), id="a missed character leaves its place empty"),
        pytest.param("AB", "A-B", ((1, "A"), (2, "-"), (3, "B")), id="an extra one stands in the gap"),
        pytest.param("AB", "A--B", ((1, "A"), (2, "--"), (3, "B")), id="several extra ones are one piece"),
        pytest.param("", "AB", ((0, "AB"),), id="all is extra to nothing"),
    ],
)
def test_texts_are_aligned(pivot: str, text: str, slots: tuple[tuple[int, str], ...]) -> None:
    assert align(pivot, text) == slots


@pytest.mark.parametrize("text", ["kitten", "sitting", "", "kitte", "xkittenx", "nettik"])
def test_the_pieces_together_are_the_text_in_rising_slots(text: str) -> None:
    aligned = align("kitten", text)
    assert "".join(piece for _, piece in aligned) == text
    assert [slot for slot, _ in aligned] == sorted({slot for slot, _ in aligned})
