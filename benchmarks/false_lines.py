"""Lines that are published for photographs without text: every one of them is false.

python -m benchmarks.false_lines DATA/backgrounds --peer rapid4-ov=/opt/peers4/bin/python
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.dataset import image_files
from benchmarks.peers import ReadImage, read_in_turn, running
from benchmarks.report import print_table, run_script, time_summary
from benchmarks.systems import add_system_options, chosen_systems


def main() -> dict[str, Any]:
    """Read every photograph with every system and count the lines."""
    options = _parse()
    files = image_files(options.folder, limit=options.limit)
    reads: dict[str, list[ReadImage]] = {}
    with running(chosen_systems(options), files[0]) as workers:
        systems = {worker.name: worker.about for worker in workers}
        for path in files:
            for name, read in read_in_turn(workers, path).items():
                reads.setdefault(name, []).append(read)
    results = {name: count_lines(found) for name, found in reads.items()}
    _print_lines(files, reads)
    header = [f"false lines ({len(files)})", "lines", "images with any", "median ms"]
    print_table(header, [[name, r["n_lines"], r["n_images"], f"{r['median_ms']:.1f}"] for name, r in results.items()])
    return {
        "benchmark": "false_lines",
        "images": len(files),
        "systems": systems,
        "results": results,
    }


def count_lines(reads: Sequence[ReadImage]) -> dict[str, Any]:
    """Lines in all, images with at least one, and the time of images without text."""
    return {
        "n_lines": sum(len(read.lines) for read in reads),
        "n_images": sum(bool(read.lines) for read in reads),
        **time_summary([read.elapsed_ms for read in reads]),
    }


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.false_lines",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="folder of photographs without text, or of a set of them")
    add_system_options(parser)
    return parser.parse_args()


def _print_lines(files: Sequence[Path], reads: dict[str, list[ReadImage]]) -> None:
    """Every false line, so that one can see what was taken for text."""
    for name, found in reads.items():
        for path, read in zip(files, found, strict=True):
            for line in read.lines:
                print(f"{name}  {path.name}  {line.score:.2f}  {line.text!r}")


if __name__ == "__main__":
    sys.exit(run_script(main))
