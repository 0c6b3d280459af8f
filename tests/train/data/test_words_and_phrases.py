from pathlib import Path

import numpy as np
import pytest

from edge_ocr.errors import ConfigError
from train.data.phrases import TEMPLATES, Writer
from train.data.words import BUILT_IN, load_words, spell

ASCII = frozenset(chr(code) for code in range(32, 127))


@pytest.mark.parametrize(
    ("text", "charset", "spelt"),
    [
        pytest.param("Straße 5", ASCII, "Strasse 5", id="a ligature is spelt out"),
        pytest.param("café", ASCII, "cafe", id="an accent is dropped where it must be"),
        pytest.param("cafe\u0301", ASCII | {"é"}, "café", id="and kept where it may be, in one piece"),
        pytest.param("a  b \u4e00", ASCII, "a b", id="what cannot be written is left out, and no space doubled"),
        pytest.param("a b", frozenset("ab"), "ab", id="a charset without the space"),
        pytest.param("\u4e00", ASCII, "", id="nothing left"),
    ],
)
def test_spell_writes_with_the_characters_there_are(text: str, charset: frozenset[str], spelt: str) -> None:
    assert spell(text, charset) == spelt


def test_plates_that_go_without_letters_like_digits_have_none() -> None:
    writer = Writer(np.random.default_rng(1))
    assert not set("IOQ") & set("".join(writer.make("plate_us") for _ in range(200)))
    assert set("IOQ") <= set("".join(writer.make("plate_eu") for _ in range(200)))


def test_words_of_the_machine_are_added_to_ours(tmp_path: Path) -> None:
    (tmp_path / "french").write_text("œuf\nabaissement\n", encoding="utf-8")
    words = load_words(tmp_path)
    assert set(BUILT_IN["fr"]) | {"œuf", "abaissement"} == set(words["fr"])
    assert words["en"] == BUILT_IN["en"]


def test_a_folder_without_word_lists_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="apt-get install wamerican-small"):
        load_words(tmp_path)


@pytest.mark.parametrize("kind", TEMPLATES)
def test_every_template_can_be_filled(kind: str) -> None:
    writer = Writer(np.random.default_rng(3))
    for template in TEMPLATES[kind]:
        text = writer.fill(template)
        assert text.strip()
        assert "{" not in text or kind == "page" or "sentence" in template


def test_texts_are_the_same_for_the_same_seed() -> None:
    first, again = ([Writer(np.random.default_rng(5)).make(kind) for kind in TEMPLATES] for _ in range(2))
    assert first == again
