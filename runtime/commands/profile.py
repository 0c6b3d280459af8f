"""`edge-ocr profile`: what the reader and the stream cost on this machine, per stage and per device profile."""

import argparse
import logging
import math
import sys
from importlib.resources import files
from pathlib import Path

from edge_ocr.cpu import host_cpu
from edge_ocr.errors import ConfigError, EdgeOcrError
from edge_ocr.pack import load_pack
from runtime.files import check_writable, write_file
from runtime.profiling.fits import look_at_fits
from runtime.profiling.html import check_html, write_html
from runtime.profiling.input import Job, input_facts
from runtime.profiling.measure import OpenSubject, RunStream, log_to_stderr, open_subject
from runtime.profiling.own_process import measure_in_subprocess
from runtime.profiling.plots import check_plot, plot_profile
from runtime.profiling.report import (
    VALID_SINGLE_STREAM_S,
    ProfileReport,
    ProfileRun,
    look_at_host,
    look_at_versions,
    now,
    read_report,
)
from runtime.profiling.stream import run_stream
from runtime.profiling.text import fits_text, report_text

SECONDS = 60.0
"""Default duration of each part."""

_log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--profile",
        action="append",
        metavar="P",
        help="device profile: a name, a YAML file or auto; several are compared side by side (default: auto)",
    )
    parser.add_argument(
        "--all",
        action="store_true",
        dest="is_overview",
        help="measure nothing: which of the shipped profiles fit this host, which one auto takes, and why",
    )
    parser.add_argument("--pack", default="latin", metavar="P", help="model pack: a name or a folder (default: latin)")
    parser.add_argument("--clip", metavar="FILE", help="video to read (default: the bundled clip)")
    parser.add_argument(
        "--images",
        action="append",
        metavar="PATH",
        help="images to read instead: a file, a folder or a glob; the reader only, as they have no rate of their own",
    )
    parser.add_argument(
        "--seconds",
        type=_positive,
        metavar="S",
        help=f"duration of each part, reader and stream (default: {SECONDS:g} s; a p99 needs 662 frames)",
    )
    parser.add_argument(
        "--single-stream",
        action="store_true",
        help="MLPerf's single-stream figure: the reader only, one frame after the other, "
        f"{VALID_SINGLE_STREAM_S:g} s; shorter with --seconds, which is then marked as not a valid duration",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report as JSON")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the report, for example profile.png")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the report as one HTML file, to hand on")
    parser.add_argument(
        "--beside",
        action="append",
        type=Path,
        metavar="JSON",
        help="lay an earlier report, as --json wrote it, beside this one in --html; may be repeated",
    )
    parser.add_argument(
        "--from",
        type=Path,
        dest="source",
        metavar="JSON",
        help="measure nothing: show, draw and write the report that --json wrote",
    )


def run(
    args: argparse.Namespace, *, open_subject: OpenSubject = open_subject, run_stream: RunStream = run_stream
) -> int:
    """Measure every profile in a process of its own and report.

    Returns:
        0, or 1 when one of several profiles could not be measured.

    Raises:
        EdgeOcrError: the only profile cannot be measured, the input cannot be read, or the report not be written.
    """
    if args.is_overview:
        return _run_overview(args)
    log_to_stderr()
    beside = _check_outputs(args)
    if args.source is not None:
        report = _read_source(args)
    else:
        report = measure_profiles(args, open_subject=open_subject, run_stream=run_stream)
    sys.stdout.write(report_text(report) + "\n")
    if args.json is not None:
        write_file(args.json, f"{report.to_json()}\n".encode())
    if args.plot is not None and report.runs:
        plot_profile(report, args.plot)
    if args.html is not None and report.runs:
        write_html(args.html, report, *beside)
    return 1 if report.failed else 0


def measure_profiles(args: argparse.Namespace, *, open_subject: OpenSubject, run_stream: RunStream) -> ProfileReport:
    """Measure what the options name, each profile in a process of its own.

    Raises:
        EdgeOcrError: the only profile cannot be measured, or the input cannot be read.
    """
    job = job_of(args)
    host, facts, created = look_at_host(), input_facts(job), now()
    profiles = list(dict.fromkeys(args.profile or ["auto"]))
    runs: list[ProfileRun] = []
    failed: dict[str, str] = {}
    for profile in profiles:
        try:
            runs.append(measure_in_subprocess(profile, job, open_subject=open_subject, run_stream=run_stream))
        except EdgeOcrError as error:
            if len(profiles) == 1:
                raise
            _log.warning("profile %s: %s", profile, error)
            failed[profile] = str(error)
    return ProfileReport(
        created=created,
        mode="single-stream" if job.is_single_stream else "reader and stream",
        host=host,
        versions=look_at_versions(),
        input=facts,
        runs=tuple(runs),
        failed=failed,
    )


def _check_outputs(args: argparse.Namespace) -> list[ProfileReport]:
    """Refuse before minutes of measuring what could not be written after them; read what is laid beside."""
    for output in (args.json, args.plot, args.html):
        if output is not None:
            check_writable(output)
    if args.plot is not None:
        check_plot(args.plot)
    if args.html is not None:
        check_html()
    elif args.beside:
        raise ConfigError("--beside: reports are laid side by side in --html; name a file for it")
    return [read_report(path) for path in args.beside or ()]


def _read_source(args: argparse.Namespace) -> ProfileReport:
    given = ("profile", "clip", "images", "seconds")
    if args.single_stream or any(getattr(args, name) for name in given):
        raise ConfigError("--from measures nothing: it goes with --html, --plot, --json and --beside only")
    return read_report(args.source)


def _run_overview(args: argparse.Namespace) -> int:
    """Judge the shipped profiles without measuring any."""
    given = ("profile", "clip", "images", "seconds", "plot", "html", "beside", "source")
    if args.single_stream or any(getattr(args, name) for name in given):
        raise ConfigError("--all measures nothing: it goes with --pack and --json only")
    if args.json is not None:
        check_writable(args.json)
    report = look_at_fits(host_cpu(), look_at_host(), load_pack(args.pack))
    sys.stdout.write(fits_text(report) + "\n")
    if args.json is not None:
        write_file(args.json, f"{report.to_json()}\n".encode())
    return 0


def job_of(args: argparse.Namespace) -> Job:
    """What the options ask for.

    Raises:
        ConfigError: options that contradict each other, or no clip.
    """
    if args.clip and args.images:
        raise ConfigError("--clip and --images: give one of them")
    return Job(
        pack=args.pack,
        clip=None if args.images else args.clip or _bundled_clip(),
        images=tuple(args.images or ()),
        seconds=args.seconds or (VALID_SINGLE_STREAM_S if args.single_stream else SECONDS),
        is_single_stream=args.single_stream,
    )


def _bundled_clip() -> str:
    clip = Path(str(files("runtime") / "assets" / "kiosk.mp4"))
    if not clip.exists():
        raise ConfigError(f"{clip}: the bundled clip is missing; name a clip with --clip or images with --images")
    return str(clip)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text}: must be a number above 0")
    return value
