"""`edge-ocr demo` end to end on a clip made here, with a reader that knows its colours."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_ocr import Line, Page
from edge_ocr.errors import EdgeOcrError
from runtime.commands import demo
from runtime.mqtt import broker
from tests.runtime.test_appliance import FakeReader

FPS = 15


class ColourReader(FakeReader):
    """Reads HELLO in bright frames."""

    def read(self, image: NDArray[np.uint8]) -> Page:
        quad = np.array([[20, 20], [100, 20], [100, 50], [20, 50]], dtype=np.float32)
        lines = (Line("HELLO", 0.9, quad),) if image.mean() > 128 else ()
        return Page(image.shape[1], image.shape[0], lines, {"detect": 1.0, "recognize": 1.0, "total": 2.0})


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (160, 120))
    for code in [0] * 3 + [255] * 12 + [0] * 15:
        writer.write(np.full((120, 160, 3), code, dtype=np.uint8))
    writer.release()
    return path


def play(clip: Path) -> int:
    import argparse

    parser = argparse.ArgumentParser()
    demo.add_arguments(parser)
    return demo.run(parser.parse_args(["--clip", str(clip)]), load_reader=lambda pack, profile: ColourReader())


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
    path = tmp_path / "dark.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (160, 120))
    for _ in range(5):
        writer.write(np.zeros((120, 160, 3), dtype=np.uint8))
    writer.release()
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
