"""`edge-ocr tune`: find the profile that suits this device and these pictures best, and write it."""

import argparse
import logging
import math
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from edge_ocr.cpu import HostCpu, host_cpu
from edge_ocr.errors import ConfigError
from edge_ocr.pack import Pack, load_pack
from edge_ocr.profile import DeviceProfile, load_profile
from runtime.files import check_writable
from runtime.profiling.own_process import sigterm_raises
from runtime.profiling.plots import check_plot
from runtime.profiling.report import look_at_versions, now
from runtime.tuning.contest import Contest
from runtime.tuning.contestant import OpenContestant, ProcessContestant
from runtime.tuning.front import plot_front
from runtime.tuning.journal import Journal
from runtime.tuning.pages import LabelledPages, read_pages, size_of
from runtime.tuning.search import Outcome, Search
from runtime.tuning.space import dimensions, profile_key
from runtime.tuning.writing import goal_text, result_lines, tried_text, write_profile

MIN_PAGES = 8
"""Fewer say nothing about which of two profiles is faster."""
STATE_SUFFIX = ".state.jsonl"

_log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "data",
        type=Path,
        metavar="DATA",
        help="labelled pages: a folder with labels.jsonl, or a clip with a JSON file of the same name beside it",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="the profile to write, such as mine.yaml"
    )
    parser.add_argument("--profile", default="auto", metavar="P", help="profile to start from (default: auto)")
    parser.add_argument("--pack", default="latin", metavar="P", help="model pack: a name or a folder (default: latin)")
    parser.add_argument(
        "--max-p90-ms",
        type=_positive,
        metavar="MS",
        help="latency budget of a page, 90th percentile: the most accurate profile within it instead of the fastest",
    )
    parser.add_argument(
        "--min-f1",
        type=_share,
        metavar="F",
        help="least word F1, 0 to 1 (default: that of the profile to start from, so nothing is lost)",
    )
    parser.add_argument("--limit", type=_pages, metavar="N", help="use so many pages, chosen by chance (default: all)")
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help="draw accuracy against latency, for example front.png"
    )
    parser.add_argument("--restart", action="store_true", help=f"forget what FILE{STATE_SUFFIX} holds of earlier calls")


def run(args: argparse.Namespace, *, open_contestant: OpenContestant = ProcessContestant) -> int:
    """Search, and write the profile.

    Returns:
        0, or 1 when what was written does not keep the budget or the floor.

    Raises:
        EdgeOcrError: the profile to start from cannot be used, the pages cannot be read, or a file not be written.
    """
    _log_to_stderr()
    _check_outputs(args)
    cpu, pack, base = host_cpu(), load_pack(args.pack), load_profile(args.profile)
    if base.engine != "openvino":
        raise ConfigError(f"profile {base.name}: tune knows the settings of CPUs only; name a profile of a CPU")
    data = read_pages(args.data, limit=args.limit)
    if len(data.pages) < MIN_PAGES:
        raise ConfigError(f"{args.data}: {len(data.pages)} pages; a comparison takes at least {MIN_PAGES}")
    sizes_hw = [size_of(page) for page in data.pages]
    facts = _facts(cpu, pack, data)
    state = args.out.with_name(args.out.name + STATE_SUFFIX)
    if args.restart:
        state.unlink(missing_ok=True)
    journal = Journal(state, _header(facts, base, args))
    if journal.n_rounds:
        _log.info("tune: goes on after %d rounds that %s holds", journal.n_rounds, state)
    search = Search(
        base=base,
        dimensions=dimensions(base, cpu, pack, sizes_hw),
        n_pages=len(data.pages),
        open_contest=partial(
            Contest,
            pack=args.pack,
            pages=data.pages,
            journal=journal,
            open_contestant=open_contestant,
            sizes_hw=sizes_hw,
        ),
        max_p90_ms=args.max_p90_ms,
        min_f1=args.min_f1,
    )
    with sigterm_raises():
        outcome = search.run()
    write_profile(args.out, outcome, base=base.name, facts={**facts, "written": now()})
    if args.plot is not None:
        plot_front(outcome, base.name, len(data.pages), args.plot)
    sys.stdout.write(_report(outcome, base.name, args.out) + "\n")
    return 0 if outcome.goal.is_met(outcome.best) else 1


def _check_outputs(args: argparse.Namespace) -> None:
    check_writable(args.out)
    if args.out.suffix not in {".yaml", ".yml"}:
        raise ConfigError(f"--out {args.out}: name a file that ends in .yaml, so that --profile knows it for one")
    if args.plot is not None:
        check_writable(args.plot)
        check_plot(args.plot)


def _facts(cpu: HostCpu, pack: Pack, data: LabelledPages) -> dict[str, str]:
    """What the search is about, by name: with another of these its figures would be others."""
    versions = ", ".join(f"{name} {number}" for name, number in look_at_versions().items() if number)
    return {
        "device": f"{cpu.model}, {cpu.usable_threads} of {cpu.logical_cpus} CPUs usable",
        "pack": f"{pack.name} {pack.version}, sha256 of its manifest {pack.sha256[:12]}",
        "pages": f"{len(data.pages)} of {data.source}, sha256 of their labels {data.sha256[:12]}",
        "versions": versions,
    }


def _header(facts: Mapping[str, str], base: DeviceProfile, args: argparse.Namespace) -> dict[str, object]:
    return {**facts, "profile to start from": profile_key(base), "budget": args.max_p90_ms, "least F1": args.min_f1}


def _report(outcome: Outcome, base: str, out: Path) -> str:
    lines = [f"{one.dimension} {tried_text(one)}" for one in outcome.tried]
    lines += ["", *result_lines(outcome, base), f"goal: {goal_text(outcome)}"]
    if not outcome.goal.is_met(outcome.best):
        lines.append(
            "nothing that was tried meets it: allow more time with --max-p90-ms, or less accuracy with --min-f1"
        )
    lines.append(f"written to {out}: edge-ocr read --profile {out} ..., or profile: {out} in kiosk.yaml")
    return "\n".join(lines)


def _log_to_stderr() -> None:
    """Show progress on stderr, as it is; the report alone goes to stdout."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    for name in (__name__, "runtime.tuning"):
        log = logging.getLogger(name)
        log.handlers = [handler]
        log.propagate = False
        log.setLevel(logging.INFO)


def _positive(text: str) -> float:
    return _number(text, least=math.ulp(0.0), most=math.inf, what="a number above 0")


def _share(text: str) -> float:
    return _number(text, least=0.0, most=1.0, what="between 0 and 1")


def _number(text: str, *, least: float, most: float, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and least <= value <= most):
        raise argparse.ArgumentTypeError(f"{text}: must be {what}")
    return value


def _pages(text: str) -> int:
    if not text.isdigit() or int(text) < MIN_PAGES:
        raise argparse.ArgumentTypeError(f"{text}: must be a whole number of at least {MIN_PAGES}")
    return int(text)
