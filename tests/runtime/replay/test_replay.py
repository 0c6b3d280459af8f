"""`edge-ocr replay` on a clip made here, with a reader that knows how bright it is."""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_ocr import ConfigError, EdgeOcrError, Page, SourceError
from edge_ocr.profile import load_profile
from runtime.commands import replay as command
from runtime.replay.golden import Plain, differences
from runtime.replay.replay import replay_profile
from tests.runtime.clips import SHOWN_FOR_A_WHILE, BrightReader, write_clip
from tests.runtime.test_appliance import FakeReader

FPS = 10


class BrokenReader(FakeReader):
    def read(self, image: NDArray[np.uint8]) -> Page:
        raise RuntimeError("no such kernel")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.mp4", SHOWN_FOR_A_WHILE, fps=FPS)


def replay(*arguments: object, reader: FakeReader | None = None) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    args = parser.parse_args([str(argument) for argument in arguments])
    return command.run(args, load_reader=lambda pack, profile: reader or BrightReader())


def test_events_are_printed_with_their_place_in_the_clip(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert replay(clip) == 0
    printed = capsys.readouterr()
    begin, end = (json.loads(row) for row in printed.out.splitlines())
    assert (begin["type"], begin["seq"], begin["text"], begin["first_seen_s"]) == ("begin", 1, "HELLO", 0.4)
    assert 0.4 <= begin["at_s"] < 1.5  # it is bright from 0.3 s on, and stands still from the frame after it
    assert (end["type"], end["last_seen_s"], end["reason"]) == ("end", 1.4, "gone")
    assert "2 events from 30 frames, 3.0 s in " in printed.err


def test_a_replay_gives_the_same_events_again(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [(replay(clip), capsys.readouterr().out)[1] for _ in range(2)]
    assert rows[0] == rows[1]


def test_update_writes_what_expect_then_finds(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    golden = tmp_path / "golden.jsonl"
    assert replay(clip, "--expect", golden, "--update") == 0
    assert json.loads(golden.read_text().splitlines()[0])["frames"] == 30
    assert replay(clip, "--expect", golden) == 0
    assert capsys.readouterr().out == ""


def test_other_events_are_told_and_the_command_fails(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    golden = tmp_path / "golden.jsonl"
    replay(clip, "--expect", golden, "--update")
    assert replay(clip, "--expect", golden, reader=BrightReader("HELL0")) == 1
    rows = capsys.readouterr().out.splitlines()
    assert [row[0] for row in rows] == ["-", "-", "+", "+"]
    assert "begin 'HELLO'" in rows[0]
    assert "begin 'HELL0'" in rows[2]


def test_scores_may_differ_a_little(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    golden = tmp_path / "golden.jsonl"
    replay(clip, "--expect", golden, "--update")
    assert replay(clip, "--expect", golden, reader=BrightReader(score=0.905)) == 0
    assert replay(clip, "--expect", golden, reader=BrightReader(score=0.8)) == 1
    assert "begin 'HELLO': score 0.8, expected 0.9" in capsys.readouterr().out


def test_thresholds_of_a_configuration_hold(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kiosk = tmp_path / "kiosk.yaml"
    kiosk.write_text("cameras: {door: {source: 0, min_score: 0.95}, desk: {source: 1}}")
    assert replay(clip, "--config", kiosk, "--camera", "door") == 0
    assert capsys.readouterr().out == ""
    assert replay(clip, "--config", kiosk, "--camera", "desk") == 0
    assert '"camera": "desk"' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--update"], "--update: name the file", id="update without a file"),
        pytest.param(["--expect", "missing.jsonl"], "no such file; --update makes it", id="no golden file"),
        pytest.param(["--expect", "clip.mp4"], "not events that edge-ocr replay", id="another file"),
        pytest.param(["--camera", "door"], "goes with --config", id="a camera of nothing"),
        pytest.param(["--config", "kiosk.yaml"], "with --camera: door, desk", id="which camera"),
        pytest.param(["--config", "kiosk.yaml", "--camera", "x"], "no camera 'x'", id="a camera that is not there"),
    ],
)
def test_wrong_usage_is_one_line(
    clip: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(clip.parent)
    Path("kiosk.yaml").write_text("cameras: {door: {source: 0}, desk: {source: 1}}")
    with pytest.raises(ConfigError, match=message):
        replay(clip, *arguments)


def test_a_golden_file_of_another_clip_is_refused(clip: Path, tmp_path: Path) -> None:
    golden = tmp_path / "golden.jsonl"
    replay(clip, "--expect", golden, "--update")
    other = tmp_path / "other.mp4"
    other.write_bytes(clip.read_bytes() + b"\0")
    with pytest.raises(ConfigError, match=r"was made from another clip \(clip\.mp4\)"):
        replay(other, "--expect", golden)


def test_what_cannot_be_replayed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="only a video file or a folder"):
        replay("rtsp://camera/stream")
    with pytest.raises(SourceError, match="no such file"):
        replay(tmp_path / "missing.mp4")


def test_an_unreadable_frame_fails_the_replay(clip: Path) -> None:
    with pytest.raises(EdgeOcrError, match=r"\d+ frames could not be read, the last one: no such kernel"):
        replay(clip, reader=BrokenReader())


def test_the_profile_leaves_nothing_to_the_machine() -> None:
    profile = replay_profile(load_profile("generic-cpu"))
    assert set(profile.precision.model_dump().values()) == {"fp"}
    assert (profile.inference_precision, profile.threads, profile.streams) == ("f32", 2, 2)


def event(seq: int, text: str, **values: Any) -> Plain:
    return {"seq": seq, "track_id": seq, "type": "begin", "text": text, "at_s": 1.0, "score": 0.9, **values}


@pytest.mark.parametrize(
    ("got", "expected_rows"),
    [
        pytest.param([event(1, "A"), event(2, "B")], [], id="the same"),
        pytest.param([event(1, "A", at_s=1.05), event(2, "B", quad=[[1, 2]])], ["~"], id="a field more"),
        pytest.param([event(1, "A", at_s=1.2), event(2, "B")], ["~"], id="later"),
        pytest.param([event(1, "A"), event(3, "B")], ["~"], id="a gap in seq"),
        pytest.param([event(1, "B")], ["-"], id="one missing, which shifts the numbers of the others"),
        pytest.param([event(1, "A"), event(2, "X"), event(3, "B")], ["+"], id="one too many"),
        pytest.param([], ["-", "-"], id="nothing came"),
    ],
)
def test_differences_are_told_in_a_line_each(got: list[Plain], expected_rows: list[str]) -> None:
    rows = differences([event(1, "A"), event(2, "B")], got)
    assert [row[0] for row in rows] == expected_rows


def test_a_difference_names_event_field_and_both_values() -> None:
    rows = differences([event(1, "A", zone="x")], [event(1, "A", zone="x", score=0.5)])
    assert rows == ["~   1.000 s  #1 begin 'A': score 0.5, expected 0.9"]
