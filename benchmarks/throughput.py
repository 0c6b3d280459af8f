"""Images a second of a folder: `Reader.read_many` beside one `Reader.read` after the other, decoding included.

python -m benchmarks.throughput DATA/sroie
"""

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.dataset import image_files, parse_folder_run
from benchmarks.report import print_table, run_script
from edge_ocr import ConfigError, ImageError, Page, Reader

Ways = dict[str, Callable[[Sequence[Path]], list[Page]]]
Run = tuple[float, float]
"""Seconds on the clock, and of the CPU."""


def main() -> dict[str, Any]:
    """Read the folder in both ways in turn, several times, and compare."""
    options = parse_folder_run("throughput", __doc__, repeat="runs of each way")
    files = image_files(options.folder, limit=options.limit)
    reader = Reader(pack=options.pack, profile=options.profile)
    ways: Ways = {
        "one after the other": lambda paths: [reader.read(path) for path in paths],
        "read_many": lambda paths: [_page(found) for found in reader.read_many(paths)],
    }
    n_different = count_different(*(way(files) for way in ways.values()))  # also compiles what will be needed
    runs: dict[str, list[Run]] = {name: [] for name in ways}
    for _ in range(options.repeat):
        for name, way in ways.items():
            runs[name].append(_timed(way, files))
    results = {name: _summary(found, len(files)) for name, found in runs.items()}
    serial, many = (np.array(found) for found in runs.values())
    wall, cpu = (float(np.median(serial[:, part] / many[:, part])) for part in (0, 1))
    header = [f"{options.folder.name} ({len(files)})", "images/s", "CPU s/image", "cores busy"]
    print_table(header, [[name, *figures.values()] for name, figures in results.items()])
    print(f"read_many: {wall:.2f} times the throughput, CPU time / {cpu:.2f}; {n_different} pages read otherwise")
    return {
        "benchmark": "throughput",
        "folder": options.folder.name,
        "images": len(files),
        "repeat": options.repeat,
        "throughput_ratio": round(wall, 3),
        "cpu_ratio": round(cpu, 3),
        "pages_read_otherwise": n_different,
        "results": results,
        "reader": reader.describe(),
    }


def count_different(serial: Sequence[Page], many: Sequence[Page]) -> int:
    """Pages whose lines differ in text, score or place."""
    return sum(_lines(a) != _lines(b) for a, b in zip(serial, many, strict=True))


def _lines(page: Page) -> list[tuple[str, float, Any]]:
    return [(line.text, line.score, line.quad.tolist()) for line in page.lines]


def _page(found: Page | ImageError) -> Page:
    if isinstance(found, ImageError):
        raise ConfigError(f"{found}; take it out of the folder")
    return found


def _timed(way: Callable[[Sequence[Path]], list[Page]], files: Sequence[Path]) -> Run:
    start_s, start_cpu_s = time.perf_counter(), time.process_time()
    way(files)
    return time.perf_counter() - start_s, time.process_time() - start_cpu_s


def _summary(runs: Sequence[Run], n_images: int) -> dict[str, float]:
    """Medians over the runs."""
    seconds = np.array(runs)
    return {
        "images_per_s": round(float(n_images / np.median(seconds[:, 0])), 2),
        "cpu_s_per_image": round(float(np.median(seconds[:, 1]) / n_images), 4),
        "cores_busy": round(float(np.median(seconds[:, 1] / seconds[:, 0])), 2),
    }


if __name__ == "__main__":
    sys.exit(run_script(main))
