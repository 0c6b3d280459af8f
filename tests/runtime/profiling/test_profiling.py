"""What `edge-ocr profile` measures and reports, with a reader that only pretends."""

import argparse
import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_ocr import ConfigError, EdgeOcrError, ImageError, Line, ModelError, Page, SourceError
from runtime.commands import profile as command
from runtime.frames import Frame
from runtime.monitoring.latency import StageSummary, summarize
from runtime.profiling.input import Job, input_facts, iterate_images, iterate_source, open_feed
from runtime.profiling.measure import (
    Subject,
    judge_single_stream,
    measure,
    measure_reader,
    thin_out,
    warm_up,
)
from runtime.profiling.own_process import measure_in_subprocess
from runtime.profiling.plots import check_plot, plot_profile
from runtime.profiling.report import (
    StreamPart,
    judge_budget,
    look_at_host,
    look_at_versions,
)
from runtime.profiling.stream import LoopedRecording, run_stream
from runtime.profiling.text import report_text
from tests.runtime.clips import write_clip
from tests.runtime.fake_readers import PageSteps
from tests.runtime.profiling.reports import describe, report_of, run_of, stream_part

QUAD = np.array([[0, 0], [9, 0], [9, 4], [0, 4]], np.float32)


@dataclass(frozen=True)
class Named:
    name: str
    latency_budget_ms: float | None = None


class FakeReader(PageSteps):
    """Finds one line in every picture; the n-th read takes n ms, it says."""

    pack = Named("toy")
    profile = Named("skylake")

    def __init__(self) -> None:
        self.n_reads = 0

    def warm_up(self) -> None:
        return

    def read(self, image: NDArray[np.uint8]) -> Page:
        self.n_reads += 1
        total = float(self.n_reads)
        height, width = image.shape[:2]
        timings_ms = {"detect": total / 2, "recognize": total / 4, "total": total}
        return Page(width, height, (Line("GATE 7", 0.9, QUAD),), timings_ms)


class FakeSource:
    """A clip of so many frames."""

    description = "a fake clip"
    is_live = False
    nominal_fps = 10.0

    def __init__(self, n_frames: int) -> None:
        self.n_frames = n_frames
        self.n_opened = 0
        self.is_open = False
        self._index = 0

    def open(self) -> None:
        self.n_opened += 1
        self.is_open = True
        self._index = 0

    def read(self) -> Frame | None:
        if self._index == self.n_frames:
            return None
        self._index += 1
        return frame(self._index - 1)

    def skip(self) -> bool:
        return self.read() is not None

    def close(self) -> None:
        self.is_open = False


def frame(index: int = 0) -> Frame:
    return Frame(np.zeros((8, 16, 3), np.uint8), index, ts=0.0, arrival_s=0.0, decode_ms=2.0)


def open_fake(profile: str, job: Job) -> Subject:
    if profile == "broken":
        raise ModelError(f"pack {job.pack!r}: damaged")
    return Subject(
        reader=FakeReader(),
        name=profile,
        profile={"name": profile, "threads": "auto"},
        verified=False,
        is_its_device=False,
        match="a CPU named /Xeon.*6148/",
        budget_ms=500.0,
        pack={"name": "toy", "version": "1", "files": {"det.int8.bin": "0123456789abcdef"}},
        accuracy=(),
        describe=describe,
    )


def die(profile: str, job: Job) -> Subject:
    raise SystemExit(7)


def run_no_stream(subject: Subject, job: Job) -> StreamPart:
    return stream_part()


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(folder / name), np.full((8, 16, 3), 255, np.uint8))
    return folder


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.avi", range(0, 250, 50), fps=30, width=64, height=32)


def job_for(images: Path, **changes: Any) -> Job:
    return Job(**{"pack": "toy", "clip": None, "images": (str(images),), "seconds": 0.05, **changes})


def row_of(text: str, label: str) -> list[str]:
    return next(line.split() for line in text.splitlines() if line.startswith(label))


def test_a_source_starts_again_at_its_end() -> None:
    source = FakeSource(3)
    frames = iterate_source(source)
    assert [one.index for one in islice(frames, 7)] == [0, 1, 2, 0, 1, 2, 0]
    assert source.n_opened == 3


def test_a_clip_without_a_frame_is_refused_and_closed() -> None:
    source = FakeSource(0)
    with pytest.raises(SourceError, match="no frame in it"):
        next(iterate_source(source))
    assert not source.is_open


def test_a_looped_recording_lasts_as_long_as_asked_for() -> None:
    source = FakeSource(4)
    looped = LoopedRecording(source, seconds=1.0)
    looped.open()
    assert [one.index for one in iter(looped.read, None)] == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]
    assert source.n_opened == 3
    looped.close()
    assert not source.is_open


def test_frames_passed_over_count_for_the_length_of_a_looped_recording() -> None:
    looped = LoopedRecording(FakeSource(4), seconds=1.0)
    looped.open()
    assert [looped.skip() for _ in range(9)] == [True] * 9
    assert looped.read() is not None
    assert looped.read() is None
    assert not looped.skip()


def test_images_are_frames_without_end(images: Path) -> None:
    frames = list(islice(iterate_images([str(images)]), 5))
    assert [one.index for one in frames] == [0, 1, 0, 1, 0]
    assert frames[0].image.shape == (8, 16, 3)
    assert frames[0].decode_ms > 0


def test_an_image_that_is_none_stops_the_measurement(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(ImageError, match=r"text\.png"):
        next(open_feed(job_for(tmp_path / "text.png")))


def test_the_warm_up_reads_a_few_frames_at_least() -> None:
    reader = FakeReader()
    _, n_reads = warm_up(reader, iterate_source(FakeSource(2)), seconds=0.0)
    assert n_reads == reader.n_reads == 3


def test_the_closed_loop_records_every_stage_of_every_frame() -> None:
    feed: Iterator[Frame] = (frame(index) for index in range(70))
    part, totals_ms = measure_reader(FakeReader(), feed, seconds=1000.0, label="toy")
    assert part.frames == 70
    assert totals_ms == [float(ms) for ms in range(1, 71)]
    assert list(part.stages) == ["decode", "detect", "recognize", "total"]
    assert part.stages["total"] == StageSummary(count=70, mean=35.5, p50=35.0, p90=63.0, p95=None, p99=None, max=70.0)
    assert part.stages["decode"].mean == 2.0
    assert (part.lines_per_frame, part.max_lines) == (1.0, 1)
    assert len(part.series_ms) == 70


def test_a_thinned_series_keeps_its_spikes() -> None:
    series = [(float(second), 900.0 if second == 777 else 1.0) for second in range(1000)]
    thin = thin_out(series, max_points=10)
    assert len(thin) == 10
    assert (777.0, 900.0) in thin
    assert thin_out([]) == []


@pytest.mark.parametrize(
    ("budget_ms", "n_samples", "passed"),
    [
        pytest.param(100.0, 200, True, id="within"),
        pytest.param(9.9, 200, False, id="over"),
        pytest.param(100.0, 129, None, id="too few samples to say"),
    ],
)
def test_the_budget_is_judged_by_p95(budget_ms: float, n_samples: int, passed: bool | None) -> None:
    budget = judge_budget(budget_ms, summarize([10.0] * n_samples))
    assert budget is not None
    assert budget.passed is passed


def test_a_profile_without_a_budget_has_no_verdict() -> None:
    assert judge_budget(None, summarize([1.0])) is None


@pytest.mark.parametrize(("duration_s", "is_valid"), [(599.9, False), (600.0, True)])
def test_a_single_stream_figure_needs_ten_minutes(duration_s: float, is_valid: bool) -> None:
    figure = judge_single_stream([float(ms) for ms in range(64)], duration_s)
    assert figure.is_valid_duration is is_valid
    assert figure.estimate_ms == 63.0
    assert judge_single_stream([1.0] * 63, duration_s).estimate_ms is None


def test_a_measurement_says_what_ran(images: Path) -> None:
    run = measure("skylake", job_for(images), open_subject=open_fake, run_stream=run_no_stream)
    assert (run.name, run.verified, run.is_its_device) == ("skylake", False, False)
    assert run.networks["detector"]["precision"] == "int8"
    assert (run.threads, run.streams) == (2, 1)
    assert run.reader.frames > 0
    assert run.warm_up_reads >= 3
    assert run.stream is None
    assert run.stream_note is not None
    assert run.single_stream is None


def test_the_single_stream_mode_leaves_the_stream_out(images: Path) -> None:
    job = job_for(images, is_single_stream=True)
    run = measure("skylake", job, open_subject=open_fake, run_stream=run_no_stream)
    assert run.single_stream is not None
    assert run.single_stream.n_samples == run.reader.frames
    assert not run.single_stream.is_valid_duration
    assert run.stream is None


def test_the_stream_is_the_appliance_at_the_rate_of_the_clip(clip: Path) -> None:
    pytest.importorskip("amqtt")
    job = Job(pack="toy", clip=str(clip), seconds=1.0)
    part = run_stream(open_fake("skylake", job), job)
    assert part.frames_in + part.dropped["came too late"] == 30
    assert part.frames_read + sum(part.dropped.values()) == 30
    assert part.events >= 2
    assert {"decode", "capture_wait", "detect", "total", "track", "spool", "capture_to_spool"} <= part.stages.keys()
    assert part.series_ms
    assert "same process" in part.broker


def test_without_a_broker_the_stream_ends_at_the_outbox(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def not_installed() -> None:
        raise EdgeOcrError("not installed")

    monkeypatch.setattr("runtime.profiling.stream.EmbeddedBroker", not_installed)
    job = Job(pack="toy", clip=str(clip), seconds=1.0)
    part = run_stream(open_fake("skylake", job), job)
    assert part.events >= 2
    assert "capture_to_publish" not in part.stages
    assert "capture_to_spool" in part.stages
    assert part.broker == "nowhere, as amqtt is not installed"


def test_the_rate_of_the_clip_is_stated(clip: Path) -> None:
    assert input_facts(Job(pack="toy", clip=str(clip), seconds=1.0)).fps == 30.0


def test_a_clip_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file"):
        input_facts(Job(pack="toy", clip=str(tmp_path / "none.mp4"), seconds=1.0))


def test_the_report_as_json_has_null_for_what_cannot_be_said() -> None:
    plain = json.loads(report_of(run_of("generic-cpu", [10.123456] * 10)).to_json())
    assert plain["schema"] == "edge-ocr.profile/2"
    assert plain["host"]["cpu"] == "AMD EPYC"
    run = plain["runs"][0]
    assert run["reader"]["stages"]["total"] == {
        "count": 10,
        "mean": 10.1235,
        "p50": 10.1235,
        "p90": None,
        "p95": None,
        "p99": None,
        "max": 10.1235,
    }
    assert run["budget"] == {"budget_ms": 100.0, "p95_ms": None, "passed": None}
    assert run["reader"]["series_ms"][1] == [0.1, 10.1235]
    assert run["stream"]["dropped"] == {"overwritten": 2}


def test_the_report_as_text_has_a_dash_for_what_cannot_be_said() -> None:
    text = report_text(report_of(run_of("generic-cpu", [10.0] * 70)))
    assert row_of(text, "total") == ["total", "70", "10.00", "10.00", "10.00", "-", "-", "10.00"]
    assert "latency budget 100 ms: too few samples to say\n" in text
    assert "AMD EPYC, 1 of 8 CPUs usable (CPU quota 1.5), governor unknown, load 0.25" in text
    assert "pack toy 1 (det.int8.bin 0123456789ab)" in text
    assert "dropped: 2 overwritten" in text
    assert "side by side" not in text


def test_long_facts_of_a_network_are_cut_in_the_text() -> None:
    facts = {
        "isa": "meta=1.0;ov=2026;isa=Intel AVX-512",
        "shapes": [[1, 48, width, 3] for width in (640, 160, 320, 80)],
    }
    run = run_of("generic-cpu", [10.0]).model_copy(update={"networks": {"recognizer": facts}})
    assert "recognizer: isa Intel AVX-512, shapes 4 from 1x48x80x3 to 1x48x640x3" in report_text(report_of(run))


@pytest.mark.parametrize(("load", "is_busy"), [(0.4, False), (0.6, True), (None, False)])
def test_the_report_says_when_the_host_was_busy(load: float | None, is_busy: bool) -> None:
    report = report_of(run_of("generic-cpu", [10.0]))
    host = report.host.model_copy(update={"load_average_1min": load})
    assert ("not those of a quiet machine" in report_text(report_of(*report.runs, host=host))) is is_busy


def test_the_report_says_when_the_host_is_not_the_device() -> None:
    text = report_text(report_of(run_of("xeon-gold-6148", [10.0] * 200)))
    assert "profile xeon-gold-6148 (never verified on its device)" in text
    assert "this host is not the profile's device: xeon-gold-6148 is made for a CPU named /Xeon.*6148/" in text
    assert "latency budget 100 ms: pass (p95 of total 10.00 ms)" in text
    assert "not the profile's device" not in report_text(report_of(run_of("generic-cpu", [10.0])))


def test_a_short_single_stream_run_is_marked() -> None:
    text = report_text(report_of(run_of("generic-cpu", [7.0] * 64, with_stream=False), mode="single-stream"))
    assert "early-stopping estimate: 7.00 ms (64 samples in 10 s, not a valid MLPerf duration (600 s))" in text
    assert "stream not run: images have no rate" in text


def test_several_profiles_are_compared_with_their_ratios() -> None:
    text = report_text(report_of(run_of("generic-cpu", [20.0] * 200), run_of("fast", [5.0] * 100, with_stream=False)))
    assert row_of(text, "side by side") == ["side", "by", "side", "generic-cpu", "fast"]
    assert row_of(text, "reader total p50") == ["reader", "total", "p50", "20.00", "5.00", "(0.25x)"]
    assert row_of(text, "reader total p95") == ["reader", "total", "p95", "20.00", "-", "(-)"]
    assert row_of(text, "stream frames a second") == ["stream", "frames", "a", "second", "10.00", "-", "(-)"]


def test_profiles_that_could_not_be_measured_are_named() -> None:
    text = report_text(report_of(failed={"t4": "no TensorRT here"}))
    assert "profile t4: not measured: no TensorRT here" in text


def test_this_host_and_its_versions_are_stated() -> None:
    assert look_at_host().usable_threads >= 1
    versions = look_at_versions()
    assert versions["edge-ocr"]
    assert versions["numpy"]


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "profile.png"
    plot_profile(report_of(run_of("generic-cpu", [20.0, 30.0] * 50), run_of("fast", [5.0], with_stream=False)), path)
    picture = cv2.imread(str(path))
    assert picture is not None
    assert picture.min() < 128


def test_a_picture_of_unknown_format_is_refused() -> None:
    pytest.importorskip("matplotlib")
    with pytest.raises(ConfigError, match=r"ends in \.png"):
        check_plot(Path("profile.xyz"))


def test_a_missing_matplotlib_is_said_before_measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ConfigError, match=r"pip install 'edge-ocr\[report\]'"):
        check_plot(Path("profile.png"))


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(arguments)


@pytest.mark.parametrize(
    ("arguments", "seconds"),
    [
        pytest.param((), 60.0, id="a minute"),
        pytest.param(("--single-stream",), 600.0, id="ten minutes for MLPerf"),
        pytest.param(("--single-stream", "--seconds", "5"), 5.0, id="shorter on request"),
    ],
)
def test_the_duration(arguments: tuple[str, ...], seconds: float) -> None:
    assert command.job_of(parse("--clip", "a.mp4", *arguments)).seconds == seconds


def test_images_take_the_place_of_the_clip(images: Path) -> None:
    job = command.job_of(parse("--images", str(images)))
    assert (job.clip, job.images) == (None, (str(images),))
    assert input_facts(job).kind == "images"


def test_clip_and_images_contradict_each_other() -> None:
    with pytest.raises(ConfigError, match="give one of them"):
        command.job_of(parse("--clip", "a.mp4", "--images", "b.png"))


@pytest.mark.parametrize("value", ["0", "-1", "inf", "nan", "soon"])
def test_a_duration_is_a_positive_number(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse("--seconds", value)
    assert "--seconds" in capsys.readouterr().err


def test_an_output_that_cannot_be_written_is_refused_before_measuring(images: Path, tmp_path: Path) -> None:
    args = parse("--images", str(images), "--json", str(tmp_path / "none" / "report.json"))
    with pytest.raises(ConfigError, match="folder must exist"):
        command.run(args, open_subject=open_fake, run_stream=run_no_stream)


def test_the_command_compares_profiles_and_goes_on_after_a_bad_one(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "report.json"
    args = parse("--profile", "broken", "--profile", "fast", "--images", str(images), "--seconds", "0.05")
    args.json = path
    assert command.run(args, open_subject=open_fake, run_stream=run_no_stream) == 1
    plain = json.loads(path.read_text())
    assert [run["name"] for run in plain["runs"]] == ["fast"]
    assert plain["failed"] == {"broken": "pack 'latin': damaged"}
    assert "profile broken: not measured: pack 'latin': damaged" in capsys.readouterr().out


def test_the_only_profile_that_fails_is_an_error(images: Path) -> None:
    args = parse("--profile", "broken", "--images", str(images))
    with pytest.raises(ModelError, match="damaged"):
        command.run(args, open_subject=open_fake, run_stream=run_no_stream)


def tell_and_sleep(profile: str, job: Job) -> Subject:
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN, "Ctrl-C would make it print a traceback"
    Path(job.images[0], "measuring").touch()
    time.sleep(60)
    raise AssertionError("nobody ended it")


@pytest.fixture
def heeds_ctrl_c() -> Iterator[None]:
    """A shell starts what runs in its background with Ctrl-C ignored, pytest too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeds_ctrl_c")
@pytest.mark.parametrize(
    ("number", "expected"),
    [(signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)],
    ids=["SIGTERM", "Ctrl-C"],
)
def test_a_signal_leaves_no_measuring_process_behind(
    images: Path, number: signal.Signals, expected: type[BaseException]
) -> None:
    def send() -> None:
        while not (images / "measuring").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    threading.Thread(target=send, daemon=True).start()
    with pytest.raises(expected):
        measure_in_subprocess("fast", job_for(images), open_subject=tell_and_sleep, run_stream=run_no_stream)
    assert not multiprocessing.active_children()
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_a_measuring_process_that_dies_is_reported(images: Path) -> None:
    with pytest.raises(EdgeOcrError, match=r"died \(exit status 7\)"):
        measure_in_subprocess("fast", job_for(images), open_subject=die, run_stream=run_no_stream)
