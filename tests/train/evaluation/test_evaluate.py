"""Evaluation of a reader on sets."""

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_ocr.errors import ConfigError
from edge_ocr.page import Line
from train.evaluation.measures import PROTOCOLS
from train.evaluation.run import as_json, as_table, evaluate

QUAD = [[10, 10], [90, 10], [90, 30], [10, 30]]


class FakeReader:
    """Knows one text and one place."""

    name = "fake <reader>"
    line_height = 16

    def __init__(self, *, finds: bool = True, reads: bool = True) -> None:
        self.finds = finds
        self.reads = reads

    def read_page(self, image: NDArray[np.uint8]) -> Sequence[Line]:
        assert image.shape == (40, 100, 3)
        return [Line("AB 12" if self.reads else "", 1.0, np.array(QUAD, np.float32))]

    def read_line(self, image: NDArray[np.uint8]) -> str:
        assert image.shape[0] == 16
        return "AB 12"


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """Two pages: one that the fake reader reads right, and one with another text."""
    folder = tmp_path / "pages"
    folder.mkdir()
    records = []
    for name, text in (("a.png", "AB 12"), ("b.png", "ab <12>")):
        cv2.imwrite(str(folder / name), np.full((40, 100, 3), 200, np.uint8))
        records.append({"image": name, "lines": [{"polygon": QUAD, "text": text}]})
    (folder / "labels.jsonl").write_text("\n".join(map(json.dumps, records)))
    return folder


def test_pages_are_judged_by_finding_and_reading(pages: Path) -> None:
    (score,) = evaluate(FakeReader(), [pages])
    assert (score.name, score.level, score.n_images) == ("pages", "pages", 2)
    assert score.figures == {
        "detection_precision": 1.0, "detection_recall": 1.0, "detection_hmean": 1.0,
        "end_to_end_hmean": 0.5, "word_f1": 1.0, "exact": 1.0,
    }  # fmt: skip


def test_a_detector_alone_is_judged_by_finding(pages: Path) -> None:
    (score,) = evaluate(FakeReader(reads=False), [pages])
    assert set(score.figures) == {"detection_precision", "detection_recall", "detection_hmean"}


def test_a_recogniser_alone_gets_the_labelled_lines_of_pages(pages: Path) -> None:
    (score,) = evaluate(FakeReader(finds=False), [pages])
    assert (score.level, score.n_images) == ("lines of pages", 2)
    assert score.figures["line_accuracy"] == 0.5
    assert score.figures["line_accuracy_folded"] == 1.0


def test_a_detector_alone_cannot_read_lines(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((16, 40, 3), np.uint8))
    (tmp_path / "labels.jsonl").write_text('{"image": "a.png", "text": "AB"}')
    with pytest.raises(ConfigError, match="cannot read: add a recogniser's checkpoint"):
        evaluate(FakeReader(reads=False), [tmp_path])


def test_the_gallery_is_one_page_of_what_went_wrong(pages: Path, tmp_path: Path) -> None:
    gallery = tmp_path / "gallery.html"
    evaluate(FakeReader(finds=False), [pages], gallery=gallery)
    text = gallery.read_text(encoding="utf-8")
    assert text.count("<img src='data:image/jpeg;base64,") == 1
    assert "fake &lt;reader&gt;" in text
    assert "ab &lt;12&gt;" in text
    assert "http" not in text


def test_every_figure_is_printed_with_its_protocol(pages: Path) -> None:
    scores = evaluate(FakeReader(), [pages])
    table, document = as_table(scores, "r"), json.loads(as_json(scores, "r"))
    for name in scores[0].figures:
        assert PROTOCOLS[name] in table
        assert document["protocols"][name] == PROTOCOLS[name]
    assert document["sets"]["pages"]["end_to_end_hmean"] == 0.5
