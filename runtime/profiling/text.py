"""What `edge-ocr profile` reports, as text for people."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from runtime.monitoring.latency import NOT_ENOUGH, StageSummary, align, format_ms, format_table, stage_rank
from runtime.profiling.fits import FitReport, ProfileFit
from runtime.profiling.remarks import conditions
from runtime.profiling.report import VALID_SINGLE_STREAM_S, Host, ProfileReport, ProfileRun, ReaderPart, StreamPart
from runtime.profiling.usage import Usage

MAX_SHAPES = 3
"""More compiled shapes than these are given as a range."""
FITS_LEGEND = """\
here      auto: what auto takes; fits: made for this host; runs: made for another, but nothing stands in its way; no
networks  precision of detector, recogniser and orientation that pack {pack} gives the profile
MiB       about the memory that it takes with one size of the detector, and with all of them"""
BUSY_SHARE = 0.5
"""Load average per usable CPU above which the host was busy with other work before the measurement began."""


def report_text(report: ProfileReport) -> str:
    """The whole report: the host, each profile, and several profiles side by side.

    A percentile for which there are too few samples is a dash.
    """
    blocks = [_head_text(report), *(_run_text(run, report.host.usable_threads) for run in report.runs)]
    if len(report.runs) > 1:
        blocks.append(_comparison_text(report.runs))
    blocks += [f"profile {name}: not measured: {reason}" for name, reason in report.failed.items()]
    return "\n\n".join(blocks)


def host_lines(host: Host) -> list[str]:
    """The machine in two lines."""
    quota = "no CPU quota" if host.cpu_quota is None else f"CPU quota {host.cpu_quota:g}"
    hybrid = "" if host.fast_cpus is None else f", {host.fast_cpus} of the fast kind"
    memory = "" if host.memory_mb is None else f", {host.memory_mb / 1024:.1f} GiB of memory"
    load = "unknown" if host.load_average_1min is None else f"{host.load_average_1min:.2f}"
    return [
        f"host      {host.cpu}, {host.usable_threads} of {host.logical_cpus} CPUs usable ({quota}{hybrid}){memory}, "
        f"governor {host.governor or 'unknown'}, load {load}, {host.system}",
        f"supports  {' '.join(host.instruction_sets) or 'no known instruction set'}",
    ]


def _head_text(report: ProfileReport) -> str:
    host = report.host
    rate = "" if report.input.fps is None else f", {report.input.fps:g} frames a second"
    lines = [
        *host_lines(host),
        "versions  " + ", ".join(f"{name} {number}" for name, number in report.versions.items() if number),
        f"input     {report.input.kind} {report.input.path}{rate}",
        f"measured  {report.created}, {report.mode}; all times in ms",
    ]
    if (host.load_average_1min or 0.0) > BUSY_SHARE * host.usable_threads:
        lines.append("the host was busy with other work: these figures are not those of a quiet machine")
    return "\n".join(lines)


def fits_text(report: FitReport, *, width: int = 120) -> str:
    """Every shipped profile on this host, as a table; what the machine decides comes first."""
    titles = ("profile", "here", "threads", "streams", "networks", "floats", "MiB")
    header, *lines = align([titles, *map(_fit_row, report.profiles)]).splitlines()
    blocks = ["\n".join([*host_lines(report.host), f"auto      {report.auto}: {report.rule}"]), header]
    for line, fit in zip(lines, report.profiles, strict=True):
        why = "; ".join(fit.reasons)
        blocks[-1] += f"\n{line}\n" + textwrap.fill(why, width, initial_indent="    ", subsequent_indent="    ")
    blocks.append(FITS_LEGEND.format(pack=report.pack))
    return "\n\n".join(blocks)


def _fit_row(fit: ProfileFit) -> tuple[str, ...]:
    least, most = fit.memory_mb
    can_run = fit.verdict != "no"
    return (
        fit.name,
        "auto" if fit.is_auto else fit.verdict,
        str(fit.threads) if can_run else NOT_ENOUGH,
        str(fit.streams) if can_run else NOT_ENOUGH,
        " ".join(fit.precisions.values()) or NOT_ENOUGH,
        fit.inference_precision,
        f"{least} to {most}" if fit.engine == "openvino" else NOT_ENOUGH,
    )


def _run_text(run: ProfileRun, usable_threads: int) -> str:
    lines = [f"=== profile {run.name}{'' if run.verified else ' (never verified on its device)'}"]
    if not run.is_its_device:
        lines.append(f"this host is not the profile's device: {run.name} is made for {run.match}")
    lines.append(f"pack {_pack_text(run)}")
    lines += [_network_text(name, facts) for name, facts in run.networks.items()]
    lines.append(
        f"threads {_plain_text(run.threads)}, streams {_plain_text(run.streams)}; loaded in {run.load_ms:.0f} ms, "
        f"compiled in {run.compile_ms:.0f} ms, first read {run.first_read_ms:.0f} ms, {run.warm_up_reads} warm-up reads"
    )
    lines += ["", _reader_text(run.reader), *_verdict_texts(run)]
    if run.stream is not None:
        lines += ["", _stream_text(run.stream)]
    lines += [f"note: {text}" for text in conditions(run, usable_threads)]
    if run.stream_note is not None:
        lines += [f"stream not run: {run.stream_note}"]
    return "\n".join(lines)


def _pack_text(run: ProfileRun) -> str:
    """Name, version and the hashes of the networks that ran."""
    hashes: Mapping[str, str] = run.pack.get("files", {})
    weights = [str(facts.get("file", "")).replace(".xml", ".bin") for facts in run.networks.values()]
    shown = ", ".join(f"{file} {hashes[file][:12]}" for file in weights if file in hashes)
    return f"{run.pack.get('name', '?')} {run.pack.get('version', '')}".rstrip() + (f" ({shown})" if shown else "")


def _network_text(name: str, facts: Mapping[str, Any]) -> str:
    return f"{name}: " + ", ".join(f"{key} {_fact_text(key, value)}" for key, value in facts.items())


def _fact_text(key: str, value: Any) -> str:
    """A fact of a network, the long ones cut to what people look for; the JSON has them whole."""
    if key == "shapes" and len(value) > MAX_SHAPES:
        ordered = sorted(value)
        return f"{len(value)} from {_plain_text(ordered[0])} to {_plain_text(ordered[-1])}"
    if key == "isa" and value is not None:
        return str(value).rpartition("isa=")[2]
    return _plain_text(value)


def _plain_text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        is_flat = all(isinstance(item, (int, float)) for item in value)
        return ("x" if is_flat else " ").join(_plain_text(item) for item in value) or "none"
    return "none" if value is None else str(value)


def _reader_text(part: ReaderPart) -> str:
    return "\n".join([
        f"reader, closed loop: {part.frames} frames in {part.duration_s:.1f} s, {part.fps:.2f} frames a second, "
        f"{part.lines_per_frame:.1f} lines a frame (at most {part.max_lines}), {_usage_text(part.usage)}",
        format_table(part.stages),
    ])


def _stream_text(part: StreamPart) -> str:
    dropped = ", ".join(f"{count} {cause}" for cause, count in part.dropped.items() if count) or "none"
    return "\n".join([
        f"stream, open loop at the clip's rate: {part.frames_in} frames in {part.duration_s:.1f} s, "
        f"{part.frames_read} read ({part.fps:.2f} a second), dropped: {dropped}; "
        f"{part.events} events to {part.broker}, {_usage_text(part.usage)}",
        format_table(part.stages),
    ])


def _verdict_texts(run: ProfileRun) -> list[str]:
    texts = []
    if run.budget is not None:
        verdict = "too few samples to say" if run.budget.passed is None else "pass" if run.budget.passed else "fail"
        measured = "" if run.budget.p95_ms is None else f" (p95 of total {format_ms(run.budget.p95_ms)} ms)"
        texts.append(f"latency budget {run.budget.budget_ms:g} ms: {verdict}{measured}")
    if run.single_stream is not None:
        figure = run.single_stream
        estimate = "too few samples" if figure.estimate_ms is None else f"{format_ms(figure.estimate_ms)} ms"
        validity = "" if figure.is_valid_duration else f", not a valid MLPerf duration ({VALID_SINGLE_STREAM_S:g} s)"
        texts.append(
            f"single stream, 90th percentile, early-stopping estimate: {estimate} "
            f"({figure.n_samples} samples in {figure.duration_s:.0f} s{validity})"
        )
    return texts


def _usage_text(usage: Usage) -> str:
    memory = "unknown" if usage.peak_rss_mb is None else f"{usage.peak_rss_mb:.0f} MiB"
    return f"{usage.cpu_cores:.2f} cores busy, peak memory {memory}"


def _comparison_text(runs: Sequence[ProfileRun]) -> str:
    """All profiles side by side; in brackets the ratio to the first."""
    rows = [("side by side", *(run.name for run in runs))]
    for part in ("reader", "stream"):
        rows += _stage_rows(runs, part)
        rows += _usage_rows(runs, part)
    if any(run.single_stream for run in runs):
        estimates = [run.single_stream.estimate_ms if run.single_stream else None for run in runs]
        rows.append(_ratio_row("single stream p90", estimates))
    return align(rows)


def _stage_rows(runs: Sequence[ProfileRun], part: str) -> list[tuple[str, ...]]:
    tables: list[dict[str, StageSummary]] = [getattr(getattr(run, part), "stages", {}) for run in runs]
    stages = sorted(dict.fromkeys(stage for table in tables for stage in table), key=stage_rank)
    rows = []
    for stage in stages:
        for name in ("p50", "p95"):
            values = [getattr(table.get(stage), name, None) for table in tables]
            if any(value is not None for value in values):
                rows.append(_ratio_row(f"{part} {stage} {name}", values))
    return rows


def _usage_rows(runs: Sequence[ProfileRun], part: str) -> list[tuple[str, ...]]:
    measured: list[ReaderPart | StreamPart | None] = [getattr(run, part) for run in runs]
    if not any(measured):
        return []
    return [
        _ratio_row(f"{part} frames a second", [p.fps if p else None for p in measured]),
        _ratio_row(f"{part} cores busy", [p.usage.cpu_cores if p else None for p in measured]),
        _ratio_row(f"{part} peak MiB", [p.usage.peak_rss_mb if p else None for p in measured]),
    ]


def _ratio_row(label: str, values: Sequence[float | None]) -> tuple[str, ...]:
    base = values[0]
    return (label, format_ms(base), *(f"{format_ms(value)} ({_ratio_text(value, base)})" for value in values[1:]))


def _ratio_text(value: float | None, base: float | None) -> str:
    return NOT_ENOUGH if value is None or not base else f"{value / base:.2f}x"
