"""What a pack reads becomes labels to correct."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from edge_ocr.errors import ConfigError, ImageError
from edge_ocr.page import Detection, Line, Recognition
from train.__main__ import main
from train.datasets.first_labels import write_first_labels
from train.datasets.formats import read_labels

QUADS = tuple(np.array([[0, y], [60, y], [60, y + 10], [0, y + 10]], np.float32) for y in (5, 25))


class FakeReader:
    """Reads `</script>` in the first line and nothing for sure in the second."""

    def __init__(self, pack: str, profile: str) -> None:
        assert (pack, profile) == ("latin", "auto")

    def detect(self, image: Any) -> Detection:
        return Detection(image.shape[1], image.shape[0], QUADS, {})

    def recognize(self, image: Any, quads: Any) -> Recognition:
        return Recognition((Line("</script>", 0.9, quads[0]), Line("", 0.0, quads[1])), {})


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("edge_ocr.reader.Reader", FakeReader)
    folder = tmp_path / "photos"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), np.full((40, 80, 3), 200, np.uint8))
    return folder


def test_all_that_was_found_is_labelled_and_counts_once_it_has_a_text(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "own" / "labels.jsonl"
    assert write_first_labels([str(photos)], out) == (1, 2)
    (page,) = read_labels(out).pages
    assert page.path.samefile(photos / "a.png")
    assert [(label.text, label.counts) for label in page.labels] == [("</script>", True), ("", False)]
    np.testing.assert_array_equal(page.labels[1].polygon, QUADS[1])


def test_the_page_shows_every_line_and_ends_where_it_should(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["labels", str(photos), "--out", str(tmp_path / "labels.jsonl")]) == 0
    assert capsys.readouterr().err.endswith(f"in a browser: {tmp_path / 'labels.html'}\n")
    page = (tmp_path / "labels.html").read_text()
    assert page.count("</script>") == 1
    data = page.split("const pages=")[1].split(",crops=")
    assert json.loads(data[0])[0]["lines"][0]["text"] == "</script>"
    assert len(json.loads(data[1].split(",rows=")[0])[0]) == 2


def test_labels_that_are_there_are_not_overwritten(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "labels.jsonl"
    out.write_text("an afternoon's work")
    with pytest.raises(ConfigError, match="is there already"):
        write_first_labels([str(photos)], out)
    assert out.read_text() == "an afternoon's work"


def test_a_file_of_several_pages_is_refused(photos: Path, tmp_path: Path) -> None:
    pages = [Image.new("RGB", (80, 40)) for _ in range(2)]
    pages[0].save(photos / "b.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(ImageError, match=r"b\.tif#2: a page of several"):
        write_first_labels([str(photos)], tmp_path / "labels.jsonl")
    assert not (tmp_path / "labels.jsonl").exists()
