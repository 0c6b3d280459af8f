import string
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from edge_ocr.errors import ConfigError
from train.data import ink, lens, segments, surfaces
from train.data.font_book import FontBook
from train.data.line_kinds import KINDS, LineKind
from train.data.samples import draw_line, draw_line_of

CHARSET: Sequence[str] = string.digits + string.ascii_letters + string.punctuation + " éü"


@pytest.fixture(scope="module")
def book(font_folder: Path) -> FontBook:
    return FontBook.from_folder(font_folder)


def test_a_sample_is_the_same_wherever_it_is_drawn(book: FontBook) -> None:
    draw_line(3, 6, book, CHARSET)
    (image, text), (again, text_again) = (draw_line(3, 7, book, CHARSET) for _ in range(2))
    assert text == text_again
    np.testing.assert_array_equal(image, again)
    assert draw_line(4, 7, book, CHARSET)[1] != text or draw_line(3, 8, book, CHARSET)[1] != text


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_line_of_every_kind_is_a_crop_with_its_text(book: FontBook, kind: LineKind) -> None:
    for seed in range(3):
        image, text = draw_line_of(np.random.default_rng(seed), kind, book, CHARSET)
        assert image.dtype == np.uint8
        assert image.shape[2] == 3
        assert kind.height_px[0] <= image.shape[0] <= kind.height_px[1]
        assert text == " ".join(text.split())
        assert text
        assert set(text) <= set(CHARSET)


def test_a_charset_without_the_space_gives_texts_without(book: FontBook) -> None:
    for seed in range(8):
        assert " " not in draw_line(seed, 0, book, string.digits + string.ascii_letters)[1]


def test_a_display_prints_what_its_segments_cannot_show(book: FontBook) -> None:
    (display,) = (kind for kind in KINDS if kind.name == "display")
    image, text = draw_line_of(np.random.default_rng(1), display, book, "mw")
    assert set(text) <= set("mw")
    assert np.ptp(image) > 20


def test_a_folder_without_fonts_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="apt-get install"):
        FontBook.from_folder(tmp_path)


def test_a_book_of_one_font_has_it_for_every_use(book: FontBook) -> None:
    assert len(book) == 1
    chosen = {book.choose(np.random.default_rng(1), use, "A1") for use in ("plain", "mono", "ocr_b", "road")}
    assert chosen == {book.plain[0][0]}
    assert book.choose(np.random.default_rng(1), "plain", "\u4e00") is None


def test_a_dash_has_the_room_of_a_small_letter(book: FontBook) -> None:
    assert ink.plain("-", book.plain[0][0], 40).shape[0] >= 0.4 * 40


@pytest.mark.parametrize("print_it", [ink.typewriter, ink.dot_matrix])
def test_printers_leave_ink_and_no_margin(book: FontBook, print_it: "ink.Printer") -> None:
    mask = print_it(np.random.default_rng(2), "Hg7", book.plain[0][0], 33)
    assert 0 <= mask.min() < 0.1
    assert 0.5 < mask.max() <= 1
    assert mask[:, 0].max() > 0.05


@pytest.mark.parametrize(
    ("text", "shown"),
    [("-12.50", True), ("12:05", True), (".5", False), ("1..2", False), ("12K", False), ("Err 8", True)],
)
def test_segments_show_numbers_and_a_few_letters(text: str, shown: bool) -> None:
    assert segments.can_show(text) is shown


def test_a_one_lights_two_segments_of_seven_and_a_point_takes_no_place() -> None:
    shape = segments.SegmentShape.by_chance(np.random.default_rng(1))
    one, everything = segments.draw("1", 60, shape)
    eight, _ = segments.draw("8", 60, shape)
    assert one.shape == everything.shape
    assert 0.2 < one.sum() / eight.sum() < 0.4
    assert segments.draw("1.1", 60, shape)[0].shape == segments.draw("11", 60, shape)[0].shape


@pytest.mark.parametrize("size_hw", [(2, 3), (20, 31), (33, 70)])
def test_every_ground_and_every_fault_of_a_camera_keeps_the_size(size_hw: tuple[int, int]) -> None:
    rng, colour = np.random.default_rng(3), np.array([90, 120, 200], np.float32)
    grounds = (
        surfaces.flat, surfaces.paper, surfaces.gradient, surfaces.guilloche, surfaces.brushed, surfaces.rounded_sleeve,
        surfaces.scene, surfaces.bricks,
    )  # fmt: skip
    for ground in grounds:
        image = ground(rng, size_hw, colour)
        assert image.shape == (*size_hw, 3)
        assert image.dtype == np.uint8
    for seed in range(8):
        rng = np.random.default_rng(seed)
        taken = [
            lens.photograph(rng, image, text_px=8), lens.scan(rng, image, stroke_px=2), lens.moire(rng, image),
            lens.video(image, 20), lens.glare(rng, image), lens.shadow(rng, image), lens.resample(rng, image, 3),
            lens.disk_blur(image, 2.5),
        ]  # fmt: skip
        assert {(each.shape, each.dtype) for each in taken} == {((*size_hw, 3), np.dtype(np.uint8))}


def test_video_with_fine_steps_keeps_the_picture() -> None:
    image = surfaces.gradient(np.random.default_rng(1), (40, 56), np.array([90, 120, 200], np.float32))
    assert np.abs(lens.video(image, 1.0).astype(int) - image).mean() < 3
    assert np.abs(lens.video(image, 60.0).astype(int) - image).mean() < 25
