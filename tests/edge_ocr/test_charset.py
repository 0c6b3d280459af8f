from pathlib import Path

import pytest

from edge_ocr.charset import Charset
from edge_ocr.errors import ModelError


def test_a_head_has_a_class_per_character_and_the_blank() -> None:
    assert Charset("ab ").n_classes == 4


def test_a_charset_is_a_sequence_of_its_characters() -> None:
    charset = Charset(["a", "€", " "])
    assert list(charset) == ["a", "€", " "]
    assert charset[1] == "€"
    assert "€" in charset
    assert "b" not in charset


def test_a_file_keeps_order_spaces_and_signs_that_look_like_line_ends(tmp_path: Path) -> None:
    charset = Charset(["b", " ", "a", "é", "\u2028", "#", "\u3000"])
    charset.to_file(tmp_path / "charset.txt")
    assert list(Charset.from_file(tmp_path / "charset.txt")) == list(charset)


@pytest.mark.parametrize(
    ("content", "characters"),
    [
        pytest.param(b"a\nb\n", ["a", "b"], id="with a last line end"),
        pytest.param(b"a\nb", ["a", "b"], id="without a last line end"),
        pytest.param(b"a\n \n", ["a", " "], id="the space is a line with one space"),
        pytest.param(b"", [], id="an empty file has no characters"),
    ],
)
def test_a_file_has_one_character_a_line(tmp_path: Path, content: bytes, characters: list[str]) -> None:
    (tmp_path / "charset.txt").write_bytes(content)
    assert list(Charset.from_file(tmp_path / "charset.txt")) == characters


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"a\nb\na\n", r"\['a'\] occur more than once", id="a repeated character"),
        pytest.param(b"a\n\nb\n", "an empty character; write the space as a line with one space", id="an empty line"),
        pytest.param(b"a\n\xff\n", "charset.txt: not UTF-8 at byte 2", id="another encoding"),
        pytest.param(None, "charset.txt: cannot be read", id="no file"),
    ],
)
def test_a_file_that_is_no_charset_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "charset.txt").write_bytes(content)
    with pytest.raises(ModelError, match=message):
        Charset.from_file(tmp_path / "charset.txt")
