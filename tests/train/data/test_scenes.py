from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_ocr.errors import ConfigError
from train.data.documents import BY_NAME
from train.data.font_book import FontBook
from train.data.samples import draw_scene
from train.data.scenes import LAYOUTS, draw_empty, draw_layout
from train.data.sheet import Sheet
from train.data.surfaces import photo


@pytest.fixture(scope="module")
def book(font_folder: Path) -> FontBook:
    return FontBook.from_folder(font_folder)


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layouts_lines_lie_inside_the_picture_clockwise(book: FontBook, name: str) -> None:
    image, lines = draw_layout(np.random.default_rng(4), name, book)
    assert image.dtype == np.uint8
    for line in lines:
        assert line.quad.shape == (4, 2)
        assert (line.quad >= 0).all()
        assert (line.quad <= image.shape[1::-1]).all()
        (x0, y0), (x1, y1), _, (x3, y3) = line.quad
        assert (x1 - x0) * (y3 - y0) - (y1 - y0) * (x3 - x0) > 0
        assert line.text == " ".join(line.text.split())


def test_most_layouts_have_lines_to_read(book: FontBook) -> None:
    for name in ("receipt", "form", "page", "card"):
        _, lines = draw_layout(np.random.default_rng(6), name, book)
        assert sum(bool(line.text) for line in lines) >= 5


def test_a_scene_is_the_same_wherever_it_is_drawn(book: FontBook) -> None:
    (image, lines), (again, lines_again) = (draw_scene(3, 5, book) for _ in range(2))
    np.testing.assert_array_equal(image, again)
    assert [line.text for line in lines] == [line.text for line in lines_again]


def test_an_empty_scene_is_a_picture() -> None:
    assert draw_empty(np.random.default_rng(1)).ndim == 3


def test_backdrops_may_come_from_files(book: FontBook, tmp_path: Path) -> None:
    path = tmp_path / "red.png"
    cv2.imwrite(str(path), np.full((30, 50, 3), (0, 0, 200), np.uint8))
    means = [draw_layout(np.random.default_rng(seed), "sleeve", book, [path])[0].mean(axis=(0, 1)) for seed in range(4)]
    assert sum(red > 1.5 * blue for blue, _, red in means) >= 1


def test_a_backdrop_that_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_text("no picture")
    with pytest.raises(ConfigError, match=r"x\.jpg: cannot be read"):
        photo(np.random.default_rng(1), (8, 8), [tmp_path / "x.jpg"])


def test_a_sheet_prints_only_where_there_is_room(book: FontBook) -> None:
    sheet = Sheet(np.random.default_rng(2), BY_NAME["form"], book, (60, 200))
    how = sheet.type(16)
    assert sheet.print("abc", (20, 30), how) > 0
    assert sheet.print("abc", (22, 31), how) == 0
    assert sheet.print("abc", (195, 55), how) == 0
    assert sheet.print("\u4e00", (20, 55), how) == 0
    assert [line.text for line in sheet.lines] == ["abc"]


def test_a_lines_quad_bounds_its_ink(book: FontBook) -> None:
    sheet = Sheet(np.random.default_rng(2), BY_NAME["form"], book, (60, 200))
    sheet.pixels[...] = 255
    sheet.tone = np.zeros(3, np.float32)
    mask = np.zeros((20, 40), np.float32)
    mask[5:15, 10:30] = 1
    assert sheet.stamp(mask, "x", 50, 20)
    rows, columns = np.nonzero(sheet.pixels[..., 0] < 128)
    quad = sheet.lines[0].quad
    assert [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] == [*quad[0], *quad[2]]
