"""Labelled pages of folders and clips."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge_ocr import ConfigError, SourceError
from runtime.tuning.pages import FRAMES_PER_DOCUMENT, read_pages, size_of
from tests.runtime.clips import write_clip

SQUARE = [[0, 0], [9, 0], [9, 9], [0, 9]]


def folder_with(folder: Path, *rows: Any) -> Path:
    cv2.imwrite(str(folder / "a.png"), np.zeros((12, 34, 3), np.uint8))
    (folder / "labels.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return folder


def page(**changes: Any) -> dict[str, Any]:
    return {"image": "a.png", "lines": [{"polygon": SQUARE, "text": "A", "ignore": False}], **changes}


def test_a_folder_of_labelled_pages_is_read(tmp_path: Path) -> None:
    read = read_pages(folder_with(tmp_path, page(partial=True), page(lines=[])))
    one = next(found for found in read.pages if found.partial)
    assert (one.name, one.labels[0].text, size_of(one)) == ("a.png", "A", (12, 34))
    assert len(read.pages) == 2


def test_the_order_is_of_chance_and_always_the_same(tmp_path: Path) -> None:
    rows = [page(lines=[{"polygon": SQUARE, "text": str(number)}]) for number in range(30)]
    folder = folder_with(tmp_path, *rows)
    texts = [found.labels[0].text for found in read_pages(folder).pages]
    assert texts != sorted(texts, key=int)
    assert [found.labels[0].text for found in read_pages(folder, limit=5).pages] == texts[:5]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        pytest.param({"image": "a.png", "text": "A"}, r"labels\.jsonl:1: lines: field required", id="a crop"),
        pytest.param(page(image="none.png"), r"labels\.jsonl:1: no such image", id="an image that is not there"),
        pytest.param(page(lines=[{"polygon": [[0, 0]]}]), r"labels\.jsonl:1: lines\.0\.polygon", id="no outline"),
    ],
)
def test_a_wrong_record_is_named_by_its_line(tmp_path: Path, row: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as refused:
        read_pages(folder_with(tmp_path, row))
    assert "\n" not in str(refused.value)


def test_what_is_no_labelled_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder or clip"):
        read_pages(tmp_path / "none")
    with pytest.raises(ConfigError, match=r"labels\.jsonl: cannot be read"):
        read_pages(tmp_path)
    with pytest.raises(ConfigError, match="no page in it"):
        read_pages(folder_with(tmp_path))
    (tmp_path / "labels.jsonl").write_text("{not JSON\n")
    with pytest.raises(ConfigError, match=r"labels\.jsonl:1: not valid JSON"):
        read_pages(tmp_path)


def clip_with(folder: Path, n_frames: int, *documents: Any) -> Path:
    levels = [10 * number for number in range(n_frames)]
    clip = write_clip(folder / "counter.mp4", levels, fps=10.0)
    clip.with_suffix(".json").write_text(json.dumps({"fps": 10, "documents": documents}))
    return clip


def document(begin_s: float, end_s: float, **changes: Any) -> dict[str, Any]:
    return {"still_s": [begin_s, end_s], "partial": False, "lines": [{"text": "A", "quad": SQUARE}], **changes}


def test_documents_of_a_clip_are_looked_at_while_they_lie_still(tmp_path: Path) -> None:
    clip = clip_with(tmp_path, 20, document(0.4, 0.8), document(1.2, 1.6, partial=True))
    read = read_pages(clip)
    assert sorted(found.name for found in read.pages) == sorted([
        "frame 5",
        "frame 6",
        "frame 7",
        "frame 13",
        "frame 14",
        "frame 15",
    ])
    assert len(read.pages) == 2 * FRAMES_PER_DOCUMENT
    for found in read.pages:
        number = int(found.name.split()[1])
        assert abs(float(found.load().mean()) - 10 * number) < 5
        assert found.partial == (number > 10)


def test_a_clip_that_ends_too_soon_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="ends before frame"):
        read_pages(clip_with(tmp_path, 5, document(3.0, 4.0)))


def test_a_clip_without_ground_truth_is_refused(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "bare.mp4", [0, 10], fps=10.0)
    with pytest.raises(ConfigError, match=r"bare\.json: cannot be read"):
        read_pages(clip)
