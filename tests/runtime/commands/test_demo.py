"""`edge-ocr demo` end to end on a clip made here, with a reader that knows how bright it is."""

import json
import sys
from pathlib import Path

import pytest

from edge_ocr.errors import EdgeOcrError
from runtime.commands import demo
from runtime.mqtt import broker
from tests.runtime.clips import SHOWN_FOR_A_WHILE, BrightReader, write_clip

FPS = 15


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.mp4", SHOWN_FOR_A_WHILE, fps=FPS)


def play(clip: Path) -> int:
    import argparse

    parser = argparse.ArgumentParser()
    demo.add_arguments(parser)
    return demo.run(parser.parse_args(["--clip", str(clip)]), load_reader=lambda pack, profile: BrightReader())


def test_the_demo_prints_events_the_comparison_and_the_latencies(
    clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [{"text": "HELLO"}, {"text": "MISSED"}]
    clip.with_suffix(".json").write_text(json.dumps({"documents": [{"lines": lines}]}))
    assert play(clip) == 0
    printed = capsys.readouterr().out
    begin = next(line for line in printed.splitlines() if "begin" in line)
    assert begin.split()[1:4] == ["s", "begin", "0.90"]
    assert begin.endswith("ms  HELLO")
    assert "(gone)" in printed or "(stopped)" in printed
    assert "1 of 2 lines of the clip published exactly (50.0 %), 1 begin events (0.50 a line)." in printed
    assert "  missing  MISSED" in printed
    assert "capture_to_publish" in printed


def test_the_demo_fails_when_no_event_arrives(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_clip(tmp_path / "dark.mp4", [0] * 5, fps=FPS)
    assert play(path) == 1
    assert "No event arrived." in capsys.readouterr().out


def test_a_missing_or_broken_clip_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(EdgeOcrError, match="no such clip"):
        play(tmp_path / "missing.mp4")
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    with pytest.raises(EdgeOcrError, match=r"broken\.mp4"):
        demo._frame_hw(tmp_path / "broken.mp4")


def test_a_missing_extra_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "amqtt.broker", None)
    with pytest.raises(EdgeOcrError, match=r"pip install 'edge-ocr\[demo\]'"):
        broker.EmbeddedBroker()
