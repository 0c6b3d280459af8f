"""The tuned profile as a YAML file that loads, with what was measured beside the values."""

import math
import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from edge_ocr import __version__
from edge_ocr.profile import DeviceProfile
from edge_ocr.yamlfile import load_yaml_model
from runtime.files import write_file
from runtime.monitoring.latency import align, format_ms
from runtime.tuning.scores import Score
from runtime.tuning.search import Outcome, Tried

WIDTH = 116
DIMENSION_OF = {
    "precision": ("precision",),
    "inference_precision": ("floats",),
    "hint": ("hint",),
    "threads": ("threads",),
    "streams": ("streams",),
    "detector": ("sizes", "scale"),
    "recognizer": ("widths", "batches"),
    "orientation": ("orientation",),
}
"""Which dimensions of the search each key of a profile shows."""


def write_profile(path: Path, outcome: Outcome, *, base: str, facts: Mapping[str, str]) -> None:
    """Write the outcome of a search as a profile.

    Args:
        path: The file; the profile is called like it.
        outcome: What the search came to.
        base: Name of the hand-written profile.
        facts: What it was measured on and with, by name, for the comment above.

    Raises:
        EdgeOcrError: it cannot be written.
    """
    write_file(path, profile_text(outcome, name=profile_name(path), base=base, facts=facts).encode())
    load_yaml_model(path, DeviceProfile)  # what is written loads


def profile_name(path: Path) -> str:
    """A name that a profile may have, of its file's."""
    return re.sub(r"[^a-z0-9_-]+", "-", path.stem.lower()).strip("-") or "tuned"


def profile_text(outcome: Outcome, *, name: str, base: str, facts: Mapping[str, str]) -> str:
    """The file; see `write_profile`."""
    budget_ms = outcome.goal.max_p90_ms
    profile = outcome.profile.model_copy(
        update={
            "name": name,
            "description": f"{base} tuned by edge-ocr tune on {facts['device']}",
            "verified": True,
            "latency_budget_ms": outcome.profile.latency_budget_ms if budget_ms is None else budget_ms,
        }
    )
    lines = [f"# {line}".rstrip() for line in _head(outcome, base, facts)]
    for key, value in profile.model_dump(mode="json", exclude={"match"}).items():
        for dimension in DIMENSION_OF.get(key, ()):
            lines += [f"# {line}" for line in _told(outcome.tried, dimension)]
        lines += _entry(key, value)
    return "\n".join(lines) + "\n"


def result_lines(outcome: Outcome, base: str) -> list[str]:
    """The last comparison as a table, and what it means."""
    titles = ("", "word F1", "p50 ms", "p90 ms", "CPU ms a page", "reads")
    scores = {"this profile": outcome.best} if not outcome.is_base else {}
    lines = align([titles, *(_row(name, score) for name, score in {**scores, base: outcome.base}.items())]).splitlines()
    if outcome.is_base:
        lines.append(f"The values are those of {base}: {outcome.why_base}.")
    else:
        time = outcome.time
        interval = f"95 % interval {time.low:.2f} to {time.high:.2f}"
        lines.append(f"It takes {time.middle:.2f} of the time of {base}, page by page ({interval}).")
    return lines


def goal_text(outcome: Outcome) -> str:
    """What was asked for, and whether it holds."""
    goal, best = outcome.goal, outcome.best
    floor = f"word F1 at least {goal.floor_f1:.4f}: {'holds' if goal.is_accurate(best) else 'MISSED'}"
    if goal.max_p90_ms is None:
        return f"{floor}; as fast as can be"
    verdict = "holds" if goal.is_in_time(best) else "MISSED"
    return f"{floor}; p90 at most {goal.max_p90_ms:g} ms: {verdict}; as accurate as can be"


def tried_text(one: Tried) -> str:
    """One value that was tried, in a line."""
    pages = f"{one.n_pages} page{'s' if one.n_pages != 1 else ''}"
    return f"{one.label}: {one.time.middle:.2f} of the time, word F1 {one.f1:.4f} on {pages}; {one.refused or 'taken'}"


def _head(outcome: Outcome, base: str, facts: Mapping[str, str]) -> Iterator[str]:
    yield f"Written by edge-ocr tune {__version__}, from {base}. Profiles are explained in docs/latency.md."
    for name, value in facts.items():
        yield from textwrap.wrap(f"{name}: {value}", WIDTH, subsequent_indent="  ")
    yield f"goal: {goal_text(outcome)}"
    if outcome.others_cores is not None:
        yield f"meanwhile other processes kept {outcome.others_cores:.1f} cores busy"
    yield ""
    yield from result_lines(outcome, base)
    yield ""


def _told(tried: tuple[Tried, ...], dimension: str) -> Iterator[str]:
    """Every value of a dimension that was tried, in its last comparison, against what it would have replaced."""
    last = {one.label: one for one in tried if one.dimension == dimension}
    for one in last.values():
        yield from textwrap.wrap(f"{dimension} {tried_text(one)}", WIDTH, subsequent_indent="  ")


def _entry(key: str, value: Any) -> list[str]:
    """A key with its value in YAML; lists stand on one line, or as few as they fit on."""
    if isinstance(value, dict):
        return [f"{key}:", *(f"  {line}" for name, inner in value.items() for line in _entry(name, inner))]
    text = yaml.safe_dump(value, default_flow_style=True, width=math.inf, allow_unicode=True)
    line = f"{key}: {text.removesuffix('...' + chr(10)).strip()}"
    return textwrap.wrap(line, WIDTH, subsequent_indent="  ") if isinstance(value, list) else [line]


def _row(name: str, score: Score) -> tuple[str, ...]:
    summary = score.summary
    return (
        name,
        f"{score.f1:.4f}",
        format_ms(summary.p50),
        format_ms(summary.p90),
        format_ms(score.cpu_ms),
        str(summary.count),
    )
