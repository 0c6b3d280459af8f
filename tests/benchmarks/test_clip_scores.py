"""The figures of a run over a clip, on a clip of two documents."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.clip_scores import Published, score_clip
from benchmarks.clips import ClipTruth, load_truth
from benchmarks.every_frame import FrameLines, settled_texts, single_frame_recall
from edge_ocr import ConfigError, Line

ROWS = {"TOTAL": 0, "NET 9.90": 60, "TINY": 120}


def quad(y: float, x: float = 0, width: float = 100) -> NDArray[np.float32]:
    return np.array([[x, y], [x + width, y], [x + width, y + 20], [x, y + 20]], np.float32)


@pytest.fixture
def truth(tmp_path: Path) -> ClipTruth:
    path = tmp_path / "clip.json"
    lines = [
        {"text": text, "height_px": 10 if text == "TINY" else 20, "quad": quad(y).tolist()} for text, y in ROWS.items()
    ]
    times = [{"enter_s": at, "still_s": [at + 1, at + 3], "leave_s": at + 4} for at in (1.0, 6.0)]
    documents = [
        {"set": "a", "partial": False, "lines": [*lines, {"text": "%", "height_px": 20, "quad": quad(180).tolist()}]},
        {"set": "b", "partial": True, "lines": lines[:1]},
    ]
    both = [{**document, **time} for document, time in zip(documents, times, strict=True)]
    path.write_text(json.dumps({"fps": 10, "frames": 110, "size": [640, 480], "documents": both}))
    return load_truth(path)


def told(text: str, at_s: float, y: float = 0, *, is_begin: bool = True) -> Published:
    return Published(text, quad(y), at_s, at_s + 0.1, is_begin)


def test_recall_counts_tall_lines_of_their_own_document(truth: ClipTruth) -> None:
    score = score_clip(truth, [told("TOTAL", 2.2), told("NET 9.90", 6.5), told("TINY", 2.5)])
    figures = score.to_dict()
    assert (figures["lines"], figures["recall"], figures["recall_all_heights"]) == (4, 0.3333, 0.5)


def test_delay_runs_from_lying_still_to_the_subscriber(truth: ClipTruth) -> None:
    score = score_clip(truth, [told("TOTAL", 2.2), told("NET", 1.5, y=60), told("9.90", 2.4, y=60)])
    by_text = {line.text: line.delay_s for line in score.lines[:3]}
    assert by_text["TOTAL"] == pytest.approx(0.3)
    assert by_text["NET 9.90"] is None  # the pieces lie on each other here: no neighbours
    assert score.lines[3].delay_s is None


def test_a_text_is_wrong_only_where_all_is_labelled(truth: ClipTruth) -> None:
    texts = [told("T0TAL", 2.2), told("FREE", 7.0), told("%", 2.3), told("EARLY", 0.5), told("TOTAL", 2.9)]
    score = score_clip(truth, texts)
    assert score.wrong == (("EARLY", 0.5), ("T0TAL", 2.2))
    assert score.to_dict()["wrong_per_100_lines"] == pytest.approx(100 * 2 / 3, abs=0.01)
    assert score.to_dict()["precision"] == pytest.approx(1 / 3, abs=0.001)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        pytest.param([told("TOTAL", 2.2)], 1.0, id="once"),
        pytest.param([told("TOTAL", 2.2), told("TOTAL", 3.2)], 2.0, id="again"),
        pytest.param([told("T0TAL", 2.2), told("TOTAL", 3.2)], 2.0, id="misread at its place, then again"),
        pytest.param([told("NET", 2.2, 60), told("9.90", 2.2, 60)], 1.0, id="in two pieces"),
        pytest.param([told("TOTAL", 2.2), told("T0TAL", 3.2, is_begin=False)], 1.0, id="an update is no begin"),
    ],
)
def test_begins_a_line(truth: ClipTruth, texts: list[Published], expected: float) -> None:
    assert score_clip(truth, texts).to_dict()["begins_per_line"] == pytest.approx(expected)


def frame(at_s: float, *texts: str) -> FrameLines:
    return FrameLines(at_s, 0.1, tuple(Line(text, 0.9, quad(60.0 * i)) for i, text in enumerate(texts)))


def test_a_text_of_the_every_frame_run_counts_once_it_stands_on_two_frames(truth: ClipTruth) -> None:
    frames = [frame(1.1, "A", "B"), frame(1.2, "a."), frame(1.3, "A", "A"), frame(1.4, "A", "A"), frame(1.5, "B")]
    assert [(one.text, one.told_s) for one in settled_texts(truth, frames)] == [("a.", 1.2), ("A", 1.4)]


def test_single_frame_recall_is_the_median_over_the_still_frames(truth: ClipTruth) -> None:
    frames = [frame(1.5, "TOTAL", "NET 9.90"), frame(2.1), frame(2.2, "TOTAL"), frame(2.3, "TOTAL"), frame(7.5)]
    assert single_frame_recall(truth, frames) == pytest.approx(1 / 3)


def test_a_file_that_is_no_ground_truth_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"x\.json: not the ground truth of a clip"):
        load_truth(tmp_path / "x.json")
