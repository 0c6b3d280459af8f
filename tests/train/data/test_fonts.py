from pathlib import Path

import pytest

from edge_ocr.errors import ConfigError
from train.data.fonts import find_fonts


def test_find_fonts_lists_the_fonts_of_a_folder(font_folder: Path) -> None:
    assert find_fonts(font_folder) == (font_folder / "Bundled.ttf",)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("notes.txt", id="a file that is no font by name"),
        pytest.param("broken.ttf", id="a font that cannot be opened"),
    ],
)
def test_find_fonts_says_what_to_install_where_nothing_fits(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("no font")
    with pytest.raises(ConfigError, match=r"no font that shows Latin text.*apt-get install fonts-liberation"):
        find_fonts(tmp_path)


def test_find_fonts_names_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        find_fonts(tmp_path / "nowhere")
