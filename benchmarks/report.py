"""What every benchmark states: the machine, times as median and p95, and one JSON line at the end."""

import datetime
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge_ocr import __version__
from edge_ocr.cpu import host_cpu
from edge_ocr.errors import ConfigError, EdgeOcrError


def run_script(main: Callable[[], Mapping[str, Any]]) -> int:
    """Run a benchmark and print its result as the last line of stdout.

    Args:
        main: Measures and returns the result.

    Returns:
        Exit status: 0 done, 1 failed, 2 wrong usage.
    """
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    try:
        result = main()
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except EdgeOcrError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps({**result, "started": started, "code": code(), "machine": machine()}, ensure_ascii=False))
    return 0


def code() -> dict[str, str | None]:
    """Version of edge-ocr and the commit of this checkout, with `-dirty` where it was changed since."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=Path(__file__).parent,
            capture_output=True,
            check=True,
            encoding="utf-8",
        )
        commit = described.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        commit = None
    return {"version": __version__, "commit": commit}


def machine() -> dict[str, Any]:
    """The machine as a record needs it: CPU, its instruction sets, the CPUs we may use, and how busy it is."""
    cpu = host_cpu()
    return {
        "cpu": cpu.model,
        "instruction_sets": list(cpu.instruction_sets),
        "logical_cpus": cpu.logical_cpus,
        "usable_threads": cpu.usable_threads,
        "load_1min": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def time_summary(times_ms: Sequence[float]) -> dict[str, float]:
    """Median, p95, mean and sum of times in milliseconds; empty without a time."""
    if not times_ms:
        return {}
    values = np.asarray(times_ms, np.float64)
    return {
        "median_ms": round(float(np.median(values)), 2),
        "p95_ms": round(float(np.percentile(values, 95)), 2),
        "mean_ms": round(float(values.mean()), 2),
        "total_s": round(float(values.sum()) / 1000, 2),
    }


def print_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under a header, the first column to the left and numbers to the right."""
    cells = [[str(value) for value in row] for row in [header, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    for row in cells:
        first, *others = (
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join([first, *others]).rstrip())


def print_markdown(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under a header as a Markdown table, the first column to the left and numbers to the right."""
    for row in (header, ["---", *["---:"] * (len(header) - 1)], *rows):
        print(f"| {' | '.join(str(value) for value in row)} |")
