import string
from pathlib import Path

import cv2
import numpy as np
import pytest

from train.data import pages
from train.data.fonts import load_font
from train.data.pages import render_page
from train.data.paper import Paper, laid_lines, lay, laying
from train.data.text import random_text

SEEDS = range(4)


def test_random_texts_are_printable_ascii_without_outer_spaces() -> None:
    rng = np.random.default_rng(0)
    texts = [random_text(rng) for _ in range(500)]
    assert all(text and text == text.strip() for text in texts)
    assert {char for text in texts for char in text} <= set(string.printable[:95])
    assert any(" " in text for text in texts)


def test_a_page_is_the_same_for_the_same_seed(fonts: tuple[Path, ...]) -> None:
    (first, lines), (again, same_lines) = (render_page(np.random.default_rng(5), fonts) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert [line.text for line in lines] == [line.text for line in same_lines]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_pages_lines_lie_inside_the_picture_clockwise(fonts: tuple[Path, ...], seed: int) -> None:
    image, lines = render_page(np.random.default_rng(seed), fonts)
    height, width = image.shape[:2]
    for line in lines:
        assert line.text
        assert line.quad.dtype == np.float32
        assert (line.quad >= 0).all()
        assert (line.quad <= (width, height)).all()
        # In image coordinates, y down, a positive area by this formula means clockwise.
        assert cv2.contourArea(line.quad, oriented=True) > 0


def test_a_page_without_text_has_no_lines(fonts: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "_TEXT_FREE", 1.0)
    image, lines = render_page(np.random.default_rng(0), fonts)
    assert lines == []
    assert image.std() > 0


class TestPaper:
    def test_refuses_a_line_that_would_leave_it_or_touch_another(self, fonts: tuple[Path, ...]) -> None:
        paper, font = Paper(np.full((60, 200, 3), 255, np.uint8)), load_font(fonts[0], 20)
        assert paper.write("TOTAL", (10, 40), font, (0, 0, 0))
        assert not paper.write("6.25", (30, 45), font, (0, 0, 0))
        assert not paper.write("TOTAL", (190, 40), font, (0, 0, 0))
        assert [line.text for line in paper.lines] == ["TOTAL"]

    def test_lines_lie_where_the_ink_is_once_laid(self, fonts: tuple[Path, ...]) -> None:
        paper = Paper(np.full((60, 200, 3), 255, np.uint8))
        paper.write("TOTAL", (10, 40), load_font(fonts[0], 30), (0, 0, 0))
        scene = np.full((300, 400, 3), 255, np.uint8)
        homography = laying(paper.size_hw, np.array([[100, 90], [300, 110], [296, 170], [96, 150]]))
        picture = lay(scene, paper.pixels, homography, shadow=0)
        (line,) = laid_lines(paper.lines, homography)
        ys, xs = np.nonzero(picture[..., 0] < 128)
        np.testing.assert_allclose((xs.min(), xs.max()), (line.quad[:, 0].min(), line.quad[:, 0].max()), atol=5)
        np.testing.assert_allclose((ys.min(), ys.max()), (line.quad[:, 1].min(), line.quad[:, 1].max()), atol=5)
