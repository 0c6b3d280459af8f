"""Measures the reader and the stream under one device profile."""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_ocr import Page
from edge_ocr.cpu import host_cpu
from edge_ocr.pack import Pack
from edge_ocr.profile import Match, load_profile, profile_matches
from runtime.frame_loop import PageReader
from runtime.frames import Frame
from runtime.monitoring.latency import LatencyRecorder, single_stream_estimate
from runtime.profiling.analysis import (
    FrameCost,
    Histogram,
    cost_by_lines,
    drift,
    fit_lines,
    histogram,
    queue_points,
)
from runtime.profiling.host_watch import Disturbance, HostWatch
from runtime.profiling.input import Job, open_feed
from runtime.profiling.report import (
    VALID_SINGLE_STREAM_S,
    GateFacts,
    ProfileRun,
    ReaderPart,
    Series,
    SingleStream,
    StreamPart,
    judge_budget,
)
from runtime.profiling.usage import Usage, UsageMeter

CAPACITY = 1_000_000
"""Samples kept per stage, so that the percentiles of a run are those of all of it."""
WARM_UP_S = 5.0
"""How long the reader is warmed up, at most a quarter of the measurement."""
MIN_WARM_UP_READS = 3
PROGRESS_S = 10.0
"""Time between two lines of progress."""
MAX_POINTS = 1_000
"""Points of a latency-over-time series; of several frames in one the slowest stays."""

_log = logging.getLogger(__name__)


class MeasuredReader(PageReader, Protocol):
    """What is measured; `edge_ocr.Reader` is one."""

    def read(self, image: NDArray[np.uint8]) -> Page:
        """The lines of an image."""
        ...

    def warm_up(self) -> None:
        """Compile what every image needs."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An open reader with what the report says about it."""

    reader: MeasuredReader
    name: str
    profile: dict[str, Any]
    verified: bool
    is_its_device: bool
    match: str
    budget_ms: float | None
    pack: dict[str, Any]
    accuracy: tuple[GateFacts, ...]
    describe: Callable[[], dict[str, Any]]
    """`Reader.describe`: threads, streams and networks; asked after the measurement, when all is compiled."""


OpenSubject = Callable[[str, Job], Subject]
"""Opens a profile's reader. Pickled by name for the other process, so a function of a module."""
RunStream = Callable[[Subject, Job], StreamPart]
"""Runs the appliance around a reader; pickled by name too."""


def open_subject(profile_name: str, job: Job) -> Subject:
    """Open a reader under a profile of the device library.

    Raises:
        ConfigError: no such profile, or it is wrong.
        ModelError: no such pack, or it is damaged or does not fit.
    """
    from edge_ocr.reader import Reader

    profile = load_profile(profile_name)
    reader = Reader(pack=job.pack, profile=profile)
    match = profile.match
    is_for_any = not (match.model or match.needs)
    pack = {**reader.describe()["pack"], "files": reader.pack.manifest.sha256}
    return Subject(
        reader=reader,
        name=profile.name,
        profile=profile.model_dump(mode="json"),
        verified=profile.verified,
        is_its_device=is_for_any or profile_matches(profile, host_cpu()),
        match=_match_text(match),
        budget_ms=profile.latency_budget_ms,
        pack=pack,
        accuracy=gate_facts(reader.pack),
        describe=reader.describe,
    )


def gate_facts(pack: Pack) -> tuple[GateFacts, ...]:
    """INT8 against FP of a pack's networks on every set that a gate looked at."""
    return tuple(
        GateFacts(network=name, passed=gate.passed, **gate.model_dump())
        for name, network in pack.networks.items()
        for gate in network.gates
    )


def measure(profile: str, job: Job, *, open_subject: OpenSubject, run_stream: RunStream) -> ProfileRun:
    """Measure one profile in this process: open, warm up, the reader alone, then the stream.

    Raises:
        EdgeOcrError: the profile, pack or input cannot be used.
    """
    started_s = time.perf_counter()
    subject = open_subject(profile, job)
    load_ms = _ms_since(started_s)
    started_s = time.perf_counter()
    subject.reader.warm_up()
    compile_ms = _ms_since(started_s)
    feed = open_feed(job)
    first_read_ms, warm_up_reads = warm_up(subject.reader, feed, seconds=min(WARM_UP_S, job.seconds / 4))
    reader_part, totals_ms = measure_reader(subject.reader, feed, seconds=job.seconds, label=profile)
    stream_note = _why_no_stream(job)
    stream_part = run_stream(subject, job) if stream_note is None else None
    facts = subject.describe()
    return ProfileRun(
        name=subject.name,
        profile=subject.profile,
        verified=subject.verified,
        is_its_device=subject.is_its_device,
        match=subject.match,
        pack=subject.pack,
        threads=facts.get("threads"),
        streams=facts.get("streams"),
        networks=facts["networks"],
        load_ms=load_ms,
        compile_ms=compile_ms,
        first_read_ms=first_read_ms,
        warm_up_reads=warm_up_reads,
        reader=reader_part,
        budget=judge_budget(subject.budget_ms, reader_part.stages.get("total")),
        accuracy=subject.accuracy,
        stream=stream_part,
        stream_note=stream_note,
        single_stream=judge_single_stream(totals_ms, reader_part.duration_s) if job.is_single_stream else None,
    )


def warm_up(reader: MeasuredReader, feed: Iterator[Frame], *, seconds: float) -> tuple[float, int]:
    """Read until caches, clocks and lazily compiled shapes have settled.

    Returns:
        Milliseconds of the very first read, and the number of reads.
    """
    started_s = time.perf_counter()
    first = next(feed)
    first_started_s = time.perf_counter()
    reader.read(first.image)
    first_read_ms = _ms_since(first_started_s)
    n_reads = 1
    while n_reads < MIN_WARM_UP_READS or time.perf_counter() - started_s < seconds:
        reader.read(next(feed).image)
        n_reads += 1
    return first_read_ms, n_reads


def measure_reader(
    reader: MeasuredReader, feed: Iterator[Frame], *, seconds: float, label: str
) -> tuple[ReaderPart, list[float]]:
    """Read one frame after the other: the next when the last is done.

    Args:
        reader: Warm.
        feed: Frames; decoding happens in it, between two reads. The measurement ends with it.
        seconds: Duration.
        label: Name for the progress.

    Returns:
        The measurement, and the totals of all frames in milliseconds.
    """
    recorder = LatencyRecorder(CAPACITY)
    frames: list[FrameCost] = []
    with HostWatch() as watch:
        meter = UsageMeter()
        started_s = time.perf_counter()
        progress = Progress(f"profile {label}: reader", seconds)
        while (elapsed_s := time.perf_counter() - started_s) < seconds and (frame := next(feed, None)) is not None:
            page = reader.read(frame.image)
            recorder.add_all({**page.timings_ms, "decode": frame.decode_ms})
            frames.append(FrameCost(elapsed_s, frame.index, page.timings_ms["total"], len(page.lines)))
            progress.tell(elapsed_s, len(frames))
        usage = meter.read()
    return _reader_part(recorder, frames, usage, watch.disturbance), recorder.samples("total")


def _reader_part(
    recorder: LatencyRecorder, frames: list[FrameCost], usage: Usage, disturbance: Disturbance
) -> ReaderPart:
    """The closed loop's figures."""
    n_lines = [frame.n_lines for frame in frames]
    return ReaderPart(
        frames=len(frames),
        duration_s=usage.wall_s,
        fps=len(frames) / usage.wall_s,
        lines_per_frame=sum(n_lines) / max(len(n_lines), 1),
        max_lines=max(n_lines, default=0),
        stages=recorder.summary(),
        histograms=histograms_of(recorder),
        by_lines=cost_by_lines(frames),
        lines_fit=fit_lines(frames),
        drift=drift(frames, usage.wall_s),
        queue=queue_points([frame.total_ms for frame in frames]),
        usage=usage,
        disturbance=disturbance,
        series_ms=thin_out([(frame.at_s, frame.total_ms) for frame in frames]),
    )


def histograms_of(recorder: LatencyRecorder) -> dict[str, Histogram]:
    """A histogram per stage that took any time at all."""
    return {
        stage: histogram(recorder.samples(stage)) for stage, summary in recorder.summary().items() if summary.max > 0
    }


def judge_single_stream(totals_ms: list[float], duration_s: float) -> SingleStream:
    """MLPerf's single-stream figure of a closed loop."""
    return SingleStream(
        estimate_ms=single_stream_estimate(totals_ms),
        n_samples=len(totals_ms),
        duration_s=duration_s,
        is_valid_duration=duration_s >= VALID_SINGLE_STREAM_S,
    )


def thin_out(series: Series, max_points: int = MAX_POINTS) -> Series:
    """At most so many points: of neighbours the slowest stays, so that no spike is lost."""
    step = -(-len(series) // max_points) or 1
    return [max(series[start : start + step], key=lambda point: point[1]) for start in range(0, len(series), step)]


class Progress:
    """One line every few seconds, as a log message."""

    def __init__(self, label: str, seconds: float) -> None:
        self._label = label
        self._seconds = seconds
        self._next_s = 0.0

    def tell(self, elapsed_s: float, n_frames: int) -> None:
        """Say how far it is, when it is time."""
        if elapsed_s >= self._next_s:
            _log.info("%s: %.0f of %.0f s, %d frames", self._label, elapsed_s, self._seconds, n_frames)
            self._next_s = elapsed_s + PROGRESS_S


def log_to_stderr() -> None:
    """Show progress on stderr; the report alone goes to stdout."""
    logging.basicConfig(format="%(message)s")
    for name in ("runtime.profiling.measure", "runtime.profiling.stream"):
        logging.getLogger(name).setLevel(logging.INFO)


def _match_text(match: Match) -> str:
    """What a profile is made for, in words."""
    parts = [f"a CPU named /{match.model}/" if match.model else ""]
    parts += [f"with {' '.join(match.needs)}" if match.needs else ""]
    parts += [f"without {' '.join(match.lacks)}" if match.lacks else ""]
    return " ".join(part for part in parts if part) or "any CPU"


def _why_no_stream(job: Job) -> str | None:
    if job.is_single_stream:
        return "the single-stream mode measures the reader only"
    if job.images:
        return "images have no rate of their own; give a clip"
    return None


def _ms_since(started_s: float) -> float:
    return (time.perf_counter() - started_s) * 1000
