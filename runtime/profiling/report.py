"""What `edge-ocr profile` reports, as data and as JSON."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from edge_ocr import __version__
from edge_ocr.cpu import host_cpu
from edge_ocr.errors import ConfigError
from runtime.monitoring.latency import CONFIDENCE, StageSummary
from runtime.profiling.analysis import Drift, Histogram, LinesCost, LinesFit, QueuePoint
from runtime.profiling.host_watch import Disturbance
from runtime.profiling.record import Record
from runtime.profiling.usage import Usage

VALID_SINGLE_STREAM_S = 600.0
"""Shortest run whose single-stream figure MLPerf Inference accepts by its current rules."""

Series = list[tuple[float, float]]
"""(seconds since the start, milliseconds) of single frames."""


class Host(Record):
    """The machine and the state it was in when the measurement began."""

    cpu: str
    instruction_sets: tuple[str, ...]
    logical_cpus: int
    affinity_cpus: int | None
    cpu_quota: float | None
    """CPUs that the control group allows; null without a quota."""
    usable_threads: int
    fast_cpus: int | None = None
    """Of a hybrid processor; null where all cores are of one kind."""
    memory_mb: int | None = None
    """The host's, or the control group's limit where that is less."""
    governor: str | None
    """CPU frequency governor; null where the system does not say, as in most virtual machines."""
    load_average_1min: float | None
    system: str


class InputFacts(Record):
    """What was read."""

    kind: Literal["clip", "images"]
    path: str
    fps: float | None = None
    """Frames a second as the clip states them."""


class ReaderPart(Record):
    """The reader alone, one frame after the other: a closed loop."""

    frames: int
    duration_s: float
    fps: float
    """Frames read per second of wall time, decoding included."""
    lines_per_frame: float
    max_lines: int
    stages: dict[str, StageSummary]
    """Of the warm reader only. `decode` is the frame's decoding, `total` all that the reader does with it."""
    histograms: dict[str, Histogram]
    """Per stage, of all samples."""
    by_lines: tuple[LinesCost, ...]
    """The total by the number of lines in the frame."""
    lines_fit: LinesFit | None
    """Null where all frames have equally many lines."""
    drift: Drift | None
    """Null where too few pictures were read in both halves of the measurement."""
    queue: tuple[QueuePoint, ...]
    """What cameras of several rates would see of a reader that takes as long as this one did: computed."""
    usage: Usage
    """CPU time and memory with the decoding."""
    disturbance: Disturbance
    series_ms: Series
    """The total over time; of neighbours the slowest, where there are more frames than are kept."""


class StreamPart(Record):
    """The whole appliance, fed at the clip's own rate: an open loop."""

    broker: str
    """Where the events went."""
    duration_s: float
    frames_in: int
    frames_read: int
    fps: float
    """Frames read per second of wall time."""
    dropped: dict[str, int]
    """Frames that were not read, by cause."""
    events: int
    stages: dict[str, StageSummary]
    histograms: dict[str, Histogram]
    usage: Usage
    disturbance: Disturbance
    series_ms: Series
    """Capture to publish over time, as in the reader's part."""


class SingleStream(Record):
    """MLPerf Inference's single-stream figure, by its rules but not a submission."""

    percentile: float = 0.9
    confidence: float = CONFIDENCE
    estimate_ms: float | None
    """Early-stopping estimate of the percentile of the reader's total; null with too few samples."""
    n_samples: int
    duration_s: float
    is_valid_duration: bool
    """Whether the run lasted the 600 s that the rules ask for."""


class Budget(Record):
    """The profile's latency budget against what was measured."""

    budget_ms: float
    p95_ms: float | None
    """95th percentile of the reader's total."""
    passed: bool | None
    """Null when there are too few samples for the percentile."""


class GateFacts(Record):
    """What INT8 costs one network on one labelled set, as the pack states it; its gate decided whether it may ship."""

    network: str
    measure: str
    dataset: str
    fp: float
    int8: float
    margin: float
    """Largest loss that the gate lets pass."""
    standard_error: float = 0.0
    """Of the loss; 0 where it is not known."""
    passed: bool


class ProfileRun(Record):
    """One profile, measured in a process of its own."""

    name: str
    profile: dict[str, Any]
    """Every value of the profile as it was in effect."""
    verified: bool
    """Whether the profile was ever run on its device."""
    is_its_device: bool
    """Whether this host is one that the profile is made for."""
    match: str
    """What the profile is made for."""
    pack: dict[str, Any]
    threads: int | None
    """Threads for inference that the profile came to on this host."""
    streams: int | None
    """Lines read side by side."""
    networks: dict[str, dict[str, Any]]
    """Per network, as compiled: file, precision, precision of the inference, threads, streams, ISA, shapes."""
    load_ms: float
    """Checking and opening the pack."""
    compile_ms: float
    """Compiling what every image needs, faster where an earlier run left it in the model cache."""
    first_read_ms: float
    """The first read, with what is compiled only then."""
    warm_up_reads: int
    """Reads before the measurement, the first one included."""
    reader: ReaderPart
    budget: Budget | None
    """Null when the profile states none."""
    accuracy: tuple[GateFacts, ...]
    """INT8 against FP of the pack's networks; empty where it holds FP only."""
    stream: StreamPart | None = None
    stream_note: str | None = None
    """Why the stream was not run."""
    single_stream: SingleStream | None = None


class ProfileReport(Record):
    """All profiles of one call of `edge-ocr profile`."""

    schema_version: Literal["edge-ocr.profile/2"] = Field(default="edge-ocr.profile/2", alias="schema")
    created: str
    mode: Literal["reader and stream", "single-stream"]
    host: Host
    versions: dict[str, str | None]
    input: InputFacts
    runs: tuple[ProfileRun, ...]
    failed: dict[str, str] = Field(default={})
    """Profiles that could not be measured, with the reason."""


def read_report(path: Path) -> ProfileReport:
    """Read a report that an earlier call wrote with --json.

    Raises:
        ConfigError: it cannot be read, or is not such a report.
    """
    try:
        return ProfileReport.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); name a file that --json wrote") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise ConfigError(
            f"{path}: not a report of this version's edge-ocr profile --json ({place}: {first['msg']}); measure anew"
        ) from None


def look_at_host() -> Host:
    """The machine and its state now."""
    cpu = host_cpu()
    return Host(
        cpu=cpu.model,
        instruction_sets=cpu.instruction_sets,
        logical_cpus=cpu.logical_cpus,
        affinity_cpus=cpu.affinity_cpus,
        cpu_quota=cpu.cpu_quota,
        usable_threads=cpu.usable_threads,
        fast_cpus=cpu.fast_cpus,
        memory_mb=cpu.memory_mb,
        governor=_governor(),
        load_average_1min=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
    )


def look_at_versions() -> dict[str, str | None]:
    """Versions of what the figures depend on; None for what is not installed."""
    names = ("openvino", "numpy", "opencv-python-headless", "tensorrt", "amqtt")
    installed = {name: _version(name) for name in names}
    return {"edge-ocr": __version__, "python": platform.python_version(), **installed}


def now() -> str:
    """The time as RFC 3339 in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def judge_budget(budget_ms: float | None, total: StageSummary | None) -> Budget | None:
    """The verdict on a budget: the 95th percentile of the reader's total must not exceed it."""
    if budget_ms is None:
        return None
    p95_ms = None if total is None else total.p95
    return Budget(budget_ms=budget_ms, p95_ms=p95_ms, passed=None if p95_ms is None else p95_ms <= budget_ms)


def _governor() -> str | None:
    try:
        return Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").read_text(encoding="ascii").strip()
    except OSError:
        return None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
