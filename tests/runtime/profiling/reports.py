"""Small profile reports to show, draw and compare."""

from typing import Any

from runtime.monitoring.latency import summarize
from runtime.profiling.analysis import FrameCost, cost_by_lines, drift, fit_lines, histogram, queue_points
from runtime.profiling.host_watch import Disturbance, Look
from runtime.profiling.measure import judge_single_stream
from runtime.profiling.report import (
    GateFacts,
    Host,
    InputFacts,
    ProfileReport,
    ProfileRun,
    ReaderPart,
    StreamPart,
    judge_budget,
)
from runtime.profiling.usage import Usage


def disturbance(**changes: Any) -> Disturbance:
    quiet: dict[str, Any] = {"others_cores": 0.0, "stolen_share": 0.0, "throttled_s": None, "hot_throttles": None}
    return Disturbance(**{**quiet, "looks": (Look(at_s=0.0, mhz=2400.0, celsius=None),), **changes})


def gate() -> GateFacts:
    figures: dict[str, Any] = {"fp": 0.9004, "int8": 0.8987, "margin": 0.003, "passed": True}
    return GateFacts(network="detector", measure="detection Hmean", dataset="rendered", **figures)


def describe() -> dict[str, Any]:
    detector = {"precision": "int8", "file": "det.int8.xml", "inference_precision": "f32", "shapes": [[1, 640, 640, 3]]}
    return {"threads": 2, "streams": 1, "networks": {"detector": detector}}


def stream_part() -> StreamPart:
    return StreamPart(
        broker="a null publisher",
        duration_s=1.0,
        frames_in=12,
        frames_read=10,
        fps=10.0,
        dropped={"overwritten": 2},
        events=3,
        stages={"capture_to_publish": summarize([20.0] * 5)},
        histograms={"capture_to_publish": histogram([20.0] * 5)},
        usage=Usage(1.0, 0.5, 100.0),
        disturbance=disturbance(),
        series_ms=[(0.0, 20.0)],
    )


def run_of(name: str, totals_ms: list[float], *, with_stream: bool = True) -> ProfileRun:
    stages = {"decode": summarize([2.0] * len(totals_ms)), "total": summarize(totals_ms)}
    frames = [FrameCost(index / 10, index % 20, ms, index % 3) for index, ms in enumerate(totals_ms)]
    part = ReaderPart(
        frames=len(totals_ms),
        duration_s=10.0,
        fps=len(totals_ms) / 10,
        lines_per_frame=1.5,
        max_lines=3,
        stages=stages,
        histograms={"total": histogram(totals_ms)},
        by_lines=cost_by_lines(frames),
        lines_fit=fit_lines(frames),
        drift=drift(frames, 10.0),
        queue=queue_points(totals_ms[:5]),
        usage=Usage(10.0, 15.0, 200.0),
        disturbance=disturbance(),
        series_ms=[(index / 10, ms) for index, ms in enumerate(totals_ms)],
    )
    return ProfileRun(
        name=name,
        profile={"name": name},
        verified=name == "generic-cpu",
        is_its_device=name == "generic-cpu",
        match="any CPU" if name == "generic-cpu" else "a CPU named /Xeon.*6148/",
        pack={"name": "toy", "version": "1", "files": {"det.int8.bin": "0123456789abcdef"}},
        threads=2,
        streams=1,
        networks=describe()["networks"],
        load_ms=10.0,
        compile_ms=100.0,
        first_read_ms=50.0,
        warm_up_reads=5,
        reader=part,
        budget=judge_budget(100.0, stages["total"]),
        accuracy=(gate(),),
        stream=stream_part() if with_stream else None,
        stream_note=None if with_stream else "images have no rate of their own; give a clip",
        single_stream=None if with_stream else judge_single_stream(totals_ms, 10.0),
    )


def report_of(*runs: ProfileRun, **changes: Any) -> ProfileReport:
    host = Host(
        cpu="AMD EPYC",
        instruction_sets=("avx2", "avx512f"),
        logical_cpus=8,
        affinity_cpus=8,
        cpu_quota=1.5,
        usable_threads=1,
        governor=None,
        load_average_1min=0.25,
        system="Linux",
    )
    facts = InputFacts(kind="clip", path="kiosk.mp4", fps=10.0)
    known: dict[str, Any] = {"created": "2026-01-01T00:00:00Z", "mode": "reader and stream", "host": host}
    return ProfileReport(**{**known, "versions": {"numpy": "2"}, "input": facts, "runs": runs, **changes})
