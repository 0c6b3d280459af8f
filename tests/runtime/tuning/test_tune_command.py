"""`edge-ocr tune`: what it writes, draws and prints, with readers that only pretend."""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_ocr import ConfigError
from edge_ocr.profile import DeviceProfile, load_profile
from runtime.commands import tune as command
from runtime.tuning.contestant import ProcessContestant
from runtime.tuning.front import front_of
from runtime.tuning.writing import profile_name
from tests.runtime.tuning.fakes import WORDS, FakeReaders, label


def by_scale(profile: DeviceProfile) -> tuple[float, int]:
    """Floats are faster; so is a smaller picture, which loses a word."""
    floats = profile.precision.detector == "fp"
    return 100 * profile.detector.scale * (0.7 if floats else 1), WORDS if profile.detector.scale == 1 else WORDS - 1


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.tuning.contest.PAUSE_S", 0.0)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    lines = [{"polygon": label(word).polygon.tolist(), "text": label(word).text} for word in range(WORDS)]
    rows = []
    for number in range(9):
        cv2.imwrite(str(folder / f"{number}.png"), np.full((240, 320, 3), number, np.uint8))
        rows.append(json.dumps({"image": f"{number}.png", "lines": lines}))
    (folder / "labels.jsonl").write_text("\n".join(rows))
    return folder


def parse(*arguments: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args([str(argument) for argument in arguments])


def tune(data: Path, out: Path, *options: object, readers: FakeReaders | None = None) -> int:
    args = parse(data, "--out", out, "--profile", "generic-cpu", *options)
    return command.run(args, open_contestant=readers or FakeReaders(by_scale))


def test_the_profile_that_is_written_loads_and_says_what_was_measured(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "My Kiosk.yaml"
    assert tune(data, out) == 0
    profile = load_profile(out)
    assert (profile.name, profile.verified, profile.precision.detector) == ("my-kiosk", True, "fp")
    assert profile.detector.scale == 1.0
    text = out.read_text(encoding="utf-8")
    assert "# Written by edge-ocr tune" in text
    assert "# pages: 9 of" in text
    assert "# precision detector fp: 0.70 of the time, word F1 1.0000 on 9 pages; taken" in text
    assert "# scale 0.6: 0.60 of the time" in text
    assert "worse on the first 8 pages" in text
    said = capsys.readouterr().out
    assert "It takes 0.70 of the time of generic-cpu, page by page (95 % interval 0.70 to 0.70)." in said
    assert f"written to {out}" in said


def test_hand_written_values_are_written_where_nothing_is_better(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine.yaml"
    assert tune(data, out, readers=FakeReaders(lambda profile: (50.0, WORDS))) == 0
    told, written = load_profile("generic-cpu").model_dump(), load_profile(out).model_dump()
    changed = {name for name, value in written.items() if value != told[name]}
    assert changed <= {"name", "description", "verified"}
    assert "The values are those of generic-cpu: nothing that was tried is better." in capsys.readouterr().out
    assert "# The values are those of generic-cpu" in out.read_text()


def test_a_budget_is_written_and_one_that_is_missed_is_a_failure(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine.yaml"
    assert tune(data, out, "--max-p90-ms", 80, "--min-f1", 0.9) == 0
    assert load_profile(out).latency_budget_ms == 80
    assert load_profile(out).detector.scale < 1
    assert tune(data, out, "--max-p90-ms", 1, "--min-f1", 0.9, "--restart") == 1
    assert "p90 at most 1 ms: MISSED" in capsys.readouterr().out


def test_a_second_call_measures_nothing_anew(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine.yaml"
    tune(data, out)
    first = out.read_text()
    readers = FakeReaders(by_scale)
    tune(data, out, readers=readers)
    assert readers.n_reads == 0
    assert without_time(out.read_text()) == without_time(first)
    with pytest.raises(ConfigError, match=r"was begun with another budget"):
        tune(data, out, "--max-p90-ms", 75)
    tune(data, out, "--restart", readers=readers)
    assert readers.n_reads > 0


def without_time(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("# written: ")]


def test_the_front_is_drawn(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    tune(data, tmp_path / "mine.yaml", "--plot", tmp_path / "front.png", "--max-p90-ms", 100, "--min-f1", 0.5)
    picture = cv2.imread(str(tmp_path / "front.png"))
    assert picture is not None
    assert picture.min() < 128


def test_the_front_is_what_nothing_beats() -> None:
    points = [(1.0, 0.9), (0.5, 0.7), (0.6, 0.6), (0.7, 0.95), (0.5, 0.65)]
    assert front_of(points) == [(0.5, 0.7), (0.7, 0.95)]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param(("--out", "mine.txt"), r"ends in \.yaml", id="a file that is no profile"),
        pytest.param(("--out", "none/mine.yaml"), "folder must exist", id="a folder that is not there"),
        pytest.param(("--out", "mine.yaml", "--profile", "t4-cuda"), "settings of CPUs only", id="a GPU"),
    ],
)
def test_what_cannot_be_done_is_said_before_measuring(
    data: Path, tmp_path: Path, options: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=said):
        command.run(parse(data, *options), open_contestant=FakeReaders(by_scale))


def test_too_few_pages_are_refused(data: Path, tmp_path: Path) -> None:
    rows = (data / "labels.jsonl").read_text().splitlines()
    (data / "labels.jsonl").write_text("\n".join(rows[:5]))
    with pytest.raises(ConfigError, match="5 pages; a comparison takes at least 8"):
        tune(data, tmp_path / "mine.yaml")


@pytest.mark.parametrize(
    ("option", "value"), [("--max-p90-ms", "0"), ("--max-p90-ms", "soon"), ("--min-f1", "1.5"), ("--limit", "3")]
)
def test_a_number_out_of_range_is_refused(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse("data", "--out", "mine.yaml", option, value)
    assert option in capsys.readouterr().err


@pytest.mark.parametrize(("file", "name"), [("mine.yaml", "mine"), ("My Box #2.yaml", "my-box-2"), ("ä.yaml", "tuned")])
def test_a_profile_is_called_like_its_file(file: str, name: str) -> None:
    assert profile_name(Path(file)) == name


@pytest.mark.slow
def test_a_real_reader_answers_from_its_process_and_ends() -> None:
    contestant = ProcessContestant(load_profile("generic-cpu"), "latin", [(64, 200)])
    try:
        ms, cpu_ms, lines = contestant.read(np.full((64, 200, 3), 255, np.uint8))
        assert ms > 0
        assert cpu_ms >= 0
        assert list(lines) == []
    finally:
        contestant.close()
