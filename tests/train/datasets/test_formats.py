"""Label files of three makers."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_ocr.errors import ConfigError
from train.datasets.formats import read_labels
from train.datasets.labelled import LabelledPage, lines_of_pages
from train.errors import LabelError

SQUARE = [[1, 2], [31, 2], [31, 12], [1, 12]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one picture, a.png."""
    image = np.full((20, 40, 3), 255, np.uint8)
    image[2:12, 1:31] = (0, 0, 200)
    cv2.imwrite(str(tmp_path / "a.png"), image)
    return tmp_path


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def ours_page(**more: object) -> str:
    lines = [{"polygon": SQUARE, "text": "ab"}, {"polygon": SQUARE, "text": "", "ignore": True}]
    return json.dumps({"image": "a.png", "lines": lines, **more})


PADDLE_PAGE = "a.png\t" + json.dumps([
    {"transcription": "ab", "points": SQUARE},
    {"transcription": "###", "points": SQUARE},
])
ICDAR_PAGE = "\ufeff1,2,31,2,31,12,1,12,ab\r\n1,2,31,2,31,12,1,12,###\r\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("labels.jsonl", ours_page(), id="ours"),
        pytest.param("Label.txt", PADDLE_PAGE, id="PaddleOCR"),
        pytest.param("gt_a.txt", ICDAR_PAGE, id="ICDAR"),
    ],
)
def test_three_formats_say_the_same_of_a_page(name: str, text: str, folder: Path) -> None:
    file = write(folder / name, text)
    found = read_labels(folder if name == "gt_a.txt" else file)
    (page,) = found.pages
    assert (page.path, page.partial, found.lines) == (folder / "a.png", False, [])
    assert [(label.text, label.ignore) for label in page.labels] == [("ab", False), ("", True)]
    assert page.labels[0].polygon.tolist() == SQUARE


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("labels.jsonl", '{"image": "a.png", "text": "a b"}\n\n', id="ours"),
        pytest.param("rec.txt", "a.png\ta b\n", id="PaddleOCR"),
    ],
)
def test_lines_keep_their_spaces(name: str, text: str, folder: Path) -> None:
    (line,) = read_labels(write(folder / name, text)).lines
    assert (line.text, line.aspect()) == ("a b", 2.0)
    assert line.load(10).shape == (10, 20, 3)


def test_a_text_may_hold_commas_in_icdar_and_tabs_nowhere(folder: Path) -> None:
    write(folder / "a.txt", "1,2,31,2,31,12,1,12,1,50 EUR\n")
    assert read_labels(folder).pages[0].labels[0].text == "1,50 EUR"


def test_in_our_own_format_a_star_is_a_star(folder: Path) -> None:
    lines = [{"polygon": SQUARE, "text": "*"}, {"polygon": SQUARE, "text": "*", "ignore": True}]
    (page,) = read_labels(write(folder / "labels.jsonl", ours_page(lines=lines))).pages
    assert [(label.text, label.counts) for label in page.labels] == [("*", True), ("", False)]


def test_images_may_lie_elsewhere(folder: Path) -> None:
    labels = folder / "labels"
    labels.mkdir()
    file = write(labels / "rec.txt", "a.png\tab")
    assert read_labels(file, images=folder).lines[0].path == folder / "a.png"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        pytest.param("labels.jsonl", '{"image": "a.png"', "labels.jsonl:1: not valid JSON at column 18", id="JSON"),
        pytest.param("labels.jsonl", '\n{"image": "a.png"}', "labels.jsonl:2: neither `text` nor", id="no text"),
        pytest.param("labels.jsonl", '{"text": "a"}', "labels.jsonl:1: not a record", id="no image"),
        pytest.param(
            "labels.jsonl", '{"image": "b.png", "text": "a"}', ":1: no such image: .*b.png", id="missing image"
        ),
        pytest.param("labels.jsonl", ours_page(lines=[{"text": "a"}]), ":1, text 1: no `polygon`", id="no polygon"),
        pytest.param(
            "labels.jsonl",
            ours_page(lines=[{"polygon": [[1, 2], [3, 4]], "text": ""}]),
            "three points",
            id="two points",
        ),
        pytest.param(
            "labels.jsonl",
            ours_page(lines=[{"polygon": SQUARE, "text": 5}]),
            "`text` is 5; put it in quotes",
            id="number",
        ),
        pytest.param("rec.txt", "a.png ab", "rec.txt:1: no tab", id="no tab"),
        pytest.param("Label.txt", 'a.png\t[{"transcription": 1', "Label.txt:1: not valid JSON", id="Paddle JSON"),
        pytest.param("gt_b.txt", ICDAR_PAGE, "gt_b.txt: no image b", id="no image of that name"),
        pytest.param("gt_a.txt", "1,2,3,4,ab", "gt_a.txt:1: 5 fields; write x1,y1", id="box"),
        pytest.param("gt_a.txt", "1,2,x,2,31,12,1,12,ab", "gt_a.txt:1: the outline", id="no number"),
    ],
)
def test_a_row_that_is_wrong_is_named(name: str, text: str, message: str, folder: Path) -> None:
    file = write(folder / name, text)
    with pytest.raises(LabelError, match=message):
        read_labels(folder if name.startswith("gt_") else file)


def test_lines_and_pages_in_one_file_are_refused(folder: Path) -> None:
    file = write(folder / "labels.jsonl", ours_page() + '\n{"image": "a.png", "text": "a"}')
    with pytest.raises(LabelError, match=":2: a line among pages"):
        read_labels(file)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("", "no labels in this folder", id="a folder without labels"),
        pytest.param("none.jsonl", "cannot be read", id="no such file"),
        pytest.param("none", "no such file or folder", id="no such thing"),
    ],
)
def test_labels_that_are_not_there(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        read_labels(tmp_path / name)


def test_lines_are_cut_out_of_pages(folder: Path) -> None:
    lines = lines_of_pages(read_labels(write(folder / "labels.jsonl", ours_page())).pages)
    assert [(line.text, line.aspect()) for line in lines] == [("ab", 3.0)]
    assert lines[0].where.endswith("labels.jsonl:1, text 1")
    centre = lines[0].load(10)[5, 15]
    assert centre.tolist() == [0, 0, 200]


def test_an_outline_of_many_points_is_cut_out_by_its_rectangle(folder: Path) -> None:
    hexagon = [[1, 7], [3, 2], [29, 2], [31, 7], [29, 12], [3, 12]]
    text = json.dumps({"image": "a.png", "lines": [{"polygon": hexagon, "text": "ab"}]})
    page: LabelledPage = read_labels(write(folder / "labels.jsonl", text)).pages[0]
    assert lines_of_pages([page])[0].aspect() == pytest.approx(3.0)
