"""Which lines of a clip were published exactly."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from edge_ocr.errors import ConfigError
from runtime.events import EventLatency, EventType, TextEvent
from runtime.replay.clip_score import ClipScore, load_labels, score_clip

Said = tuple[EventType, int, str]
CORNERS = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
NOW = "2026-01-02T03:04:05.678Z"


def events(*said: Said) -> Sequence[TextEvent]:
    return [event(seq, *each) for seq, each in enumerate(said, start=1)]


def event(seq: int, kind: EventType, track_id: int, text: str) -> TextEvent:
    return TextEvent(
        type=kind, node="n", camera="c", boot_id="b", seq=seq, track_id=track_id, ts=NOW, text=text, text_raw=text,
        score=1, reads=2, agreeing_reads=2, quad=CORNERS, quad_norm=CORNERS, frame_size=(2, 2), first_seen=NOW,
        last_seen=NOW, latency_ms=EventLatency(total=1), pack="p", profile="p",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("labels", "said", "expected"),
    [
        pytest.param([], [], ClipScore(0, (), (), 0), id="nothing"),
        pytest.param(["A"], [("begin", 1, "A"), ("end", 1, "A")], ClipScore(1, (), (), 1), id="a line"),
        pytest.param(["A"], [("begin", 1, "a")], ClipScore(1, ("A",), ("a",), 1), id="case counts"),
        pytest.param(["A"], [("begin", 1, "B"), ("update", 1, "A")], ClipScore(1, (), (), 1), id="an update counts"),
        pytest.param(["A", "A"], [("begin", 1, "A")], ClipScore(2, ("A",), (), 1), id="one track is one line"),
        pytest.param(
            ["A", "B"],
            [("begin", 1, "A"), ("update", 1, "B"), ("begin", 2, "A")],
            ClipScore(2, (), (), 2),
            id="a track that passed a text by leaves it to the one that stayed with it",
        ),
        pytest.param(["A"], [("begin", 1, "A"), ("begin", 2, "X")], ClipScore(1, (), ("X",), 2), id="a wrong text"),
    ],
)
def test_labels_are_given_to_tracks(labels: list[str], said: list[Said], expected: ClipScore) -> None:
    assert score_clip(labels, events(*said)) == expected


def test_shares() -> None:
    score = ClipScore(10, ("A",), ("B", "C"), 11)
    assert (score.n_exact, score.begins_per_line) == (9, 1.1)


def test_labels_come_from_the_ground_truth(tmp_path: Path) -> None:
    truth = tmp_path / "clip.json"
    truth.write_text('{"documents": [{"lines": [{"text": "A"}, {"text": "B"}]}, {"lines": [{"text": "A"}]}]}')
    assert load_labels(truth) == ["A", "B", "A"]
    truth.write_text("[]")
    with pytest.raises(ConfigError, match="not the ground truth"):
        load_labels(truth)
