"""Where the time goes from starting Python to the first text, in an interpreter of its own each time.

python -m benchmarks.start_up IMAGE
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import print_table, run_script
from edge_ocr.errors import ConfigError

PARTS = ("interpreter", "imports", "open", "decode", "read", "again", "total")
"""Of a start: until our first line runs; our modules and their libraries; pack, profile and networks; the image; the
first read, which compiles shapes or loads them from the cache; for comparison a second read, not in `total`."""

CHILD = """
import json, os, sys, time
marks = [(time.time(), time.process_time())]
def mark():
    marks.append((time.time(), time.process_time()))
import runtime.cli, runtime.commands.read
from edge_ocr.reader import Reader
import edge_ocr.engines.openvino
from edge_ocr.images import load_image
mark()
reader = Reader(pack=sys.argv[2], profile=sys.argv[3])
mark()
image = load_image(sys.argv[1])
mark()
reader.read(image)
mark()
reader.read(image)
mark()
print(json.dumps(marks))
"""


def main() -> dict[str, Any]:
    """Start several times after one that fills the model cache, and print the medians of the parts."""
    options = _parse()
    starts = [time_start(options.image, options.pack, options.profile) for _ in range(options.repeat + 1)][1:]
    wall_ms, cpu_ms = (np.median([start[clock] for start in starts], axis=0).round(1).tolist() for clock in (0, 1))
    print_table(["part", "ms", "CPU ms"], [list(row) for row in zip(PARTS, wall_ms, cpu_ms, strict=True)])
    return {
        "benchmark": "start_up",
        "image": options.image.name,
        "pack": options.pack,
        "profile": options.profile,
        "repeat": options.repeat,
        "wall_ms": dict(zip(PARTS, wall_ms, strict=True)),
        "cpu_ms": dict(zip(PARTS, cpu_ms, strict=True)),
    }


def time_start(image: Path, pack: str, profile: str) -> tuple[list[float], list[float]]:
    """Start an interpreter that reads one image.

    Returns:
        Milliseconds on the clock and of the CPU, as `PARTS`.

    Raises:
        ConfigError: It failed.
    """
    started = time.time()
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(image), pack, profile],
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
        check=False,
    )
    if done.returncode:
        raise ConfigError(f"{image}: {(done.stderr.strip() or 'no message').splitlines()[-1]}")
    walls, cpus = zip(*json.loads(done.stdout), strict=True)
    return split(started, walls), split(0.0, cpus)


def split(start_s: float, marks_s: tuple[float, ...]) -> list[float]:
    """Milliseconds between the marks of a start, as `PARTS`: the last mark is the second read, which is in no total."""
    parts = np.diff([start_s, *marks_s]) * 1e3
    return [*parts.tolist(), float(parts[:-1].sum())]


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.start_up", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("image", type=Path, help="the image to read")
    parser.add_argument("--repeat", type=int, default=5, help="starts (default: %(default)s)")
    parser.add_argument("--pack", default="latin", help="model pack: a name or a folder (default: %(default)s)")
    parser.add_argument("--profile", default="auto", help="profile: a name or a YAML file (default: %(default)s)")
    options = parser.parse_args()
    if options.repeat < 1:
        parser.error("needs --repeat of at least 1")
    return options


if __name__ == "__main__":
    sys.exit(run_script(main))
