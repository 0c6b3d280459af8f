"""Resident memory over many reads of images of random sizes: it must be flat once every shape was compiled.

    python -m benchmarks.memory --reads 2000 --plot memory.png

Without --folder the images are drawn: random sizes, a random number of lines. With it they are random cut-outs.
"""

import argparse
import gc
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.dataset import image_files
from benchmarks.report import run_script
from edge_ocr import Reader
from edge_ocr.errors import ConfigError, ImageError

MIB = 1024 * 1024
FONT = cv2.FONT_HERSHEY_SIMPLEX
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 .,:-"
EDGE_SHARE = 0.1
"""Share of the samples at each end whose median is compared."""

Image = NDArray[np.uint8]


def main() -> dict[str, Any]:
    """Read, sample, and say how much the resident memory grew after the warm-up."""
    options = _parse()
    generator = np.random.default_rng(options.seed)
    next_image = _from_folder(options, generator) if options.folder else lambda: draw_page(generator, options.max_side)
    reader = Reader(pack=options.pack, profile=options.profile)
    samples_mib, n_lines = sample_memory(reader, next_image, options)
    n_warm = options.warm_up // options.every
    result = {
        "benchmark": "memory",
        "reads": options.reads,
        "warm_up_reads": options.warm_up,
        "sampled_every": options.every,
        "seed": options.seed,
        "images": str(options.folder or "drawn"),
        "max_side": options.max_side,
        "lines_read": n_lines,
        **growth(samples_mib[n_warm:]),
        "peak_mib": round(max(samples_mib), 1),
        "reader": reader.describe(),
        "samples_mib": [round(value, 1) for value in samples_mib],
    }
    print(
        f"resident memory {result['after_warm_up_mib']} MiB after {options.warm_up} reads, "
        f"{result['end_mib']} MiB after {options.reads}: {result['growth_percent']:+.2f} %"
    )
    if options.plot:
        plot_samples(samples_mib, options)
    return result


def sample_memory(
    reader: Reader, next_image: Callable[[], Image], options: argparse.Namespace
) -> tuple[list[float], int]:
    """Read images one after the other.

    Args:
        reader: The reader under test.
        next_image: Gives the image to read.
        options: The parsed command line: `reads` and `every` are used.

    Returns:
        Resident memory in MiB before the first read and after every so many, and how many lines were read.
    """
    samples_mib = [resident_mib()]
    n_lines = 0
    for number in range(1, options.reads + 1):
        n_lines += len(reader.read(next_image()).lines)
        if number % options.every == 0:
            gc.collect()  # what Python would free at some later read is no leak
            samples_mib.append(resident_mib())
    return samples_mib, n_lines


def growth(samples_mib: Sequence[float]) -> dict[str, float]:
    """How much the samples grow from their first tenth to their last, by medians, and their trend.

    Args:
        samples_mib: At least two samples taken after the warm-up, equally far apart.
    """
    edge = max(1, round(len(samples_mib) * EDGE_SHARE))
    first, last = float(np.median(samples_mib[:edge])), float(np.median(samples_mib[-edge:]))
    slope = float(np.polyfit(np.arange(len(samples_mib)), samples_mib, 1)[0])
    return {
        "after_warm_up_mib": round(first, 1),
        "end_mib": round(last, 1),
        "growth_percent": round((last / first - 1) * 100, 2),
        "slope_mib_per_sample": round(slope, 4),
    }


def resident_mib() -> float:
    """Resident memory of this process in MiB.

    Raises:
        ConfigError: The system has no /proc.
    """
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError as error:
        raise ConfigError("memory is read from /proc/self/statm, which this system lacks; run on Linux") from error
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB


def draw_page(generator: np.random.Generator, max_side: int) -> Image:
    """A light page of random size with a random number of printed lines, perhaps none."""
    height, width = (int(side) for side in generator.integers(16, max_side, size=2, endpoint=True))
    page: Image = np.full((height, width, 3), generator.integers(180, 256), np.uint8)
    for _ in range(generator.integers(0, 12)):
        length = generator.integers(1, 32)
        text = "".join(generator.choice(list(LETTERS), size=length))
        origin = (int(generator.integers(0, width)) // 2, int(generator.integers(0, height)))
        cv2.putText(page, text, origin, FONT, float(generator.uniform(0.4, 2.0)), (20, 20, 20), 2, cv2.LINE_AA)
    return page


def plot_samples(samples_mib: Sequence[float], options: argparse.Namespace) -> None:
    """Draw the samples over the reads into the file named by --plot.

    Args:
        samples_mib: Resident memory, one sample every `options.every` reads.
        options: The parsed command line.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError("--plot needs matplotlib: pip install -e '.[report]'") from error
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(np.arange(len(samples_mib)) * options.every, samples_mib)
    axes.axvline(options.warm_up, linestyle="--", color="grey", label="end of warm-up")
    axes.set(xlabel="reads", ylabel="resident memory, MiB", ylim=(0, None))
    axes.legend()
    figure.savefig(options.plot)


def _from_folder(options: argparse.Namespace, generator: np.random.Generator) -> Callable[[], Image]:
    """Random cut-outs of the images of a folder."""
    files = image_files(options.folder)

    def cut_out() -> Image:
        path = files[generator.integers(len(files))]
        image = cv2.imread(str(path))
        if image is None:
            raise ImageError(f"{path}: not an image")
        height, width = image.shape[:2]
        y, x = int(generator.integers(height)), int(generator.integers(width))
        cut = image[y // 2 : y // 2 + options.max_side, x // 2 : x // 2 + options.max_side]
        shorter = cut[: int(generator.integers(1, cut.shape[0] + 1)), : int(generator.integers(1, cut.shape[1] + 1))]
        return np.ascontiguousarray(shorter, np.uint8)

    return cut_out


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.memory", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--reads", type=int, default=2000, help="images to read (default: %(default)s)")
    parser.add_argument("--warm-up", type=int, default=400, help="reads not judged (default: %(default)s)")
    parser.add_argument("--every", type=int, default=10, help="reads between two samples (default: %(default)s)")
    parser.add_argument("--max-side", type=int, default=1600, help="longest side in px (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="cut the images out of those in this folder")
    parser.add_argument("--pack", default="latin", help="model pack: a name or a folder (default: %(default)s)")
    parser.add_argument("--profile", default="auto", help="profile: a name or a YAML file (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of sizes and texts (default: %(default)s)")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the samples (.png, .svg or .pdf)")
    options = parser.parse_args()
    if not 1 <= options.every <= options.warm_up < options.reads - options.every:
        parser.error("needs 1 <= --every <= --warm-up < --reads - --every")
    return options


if __name__ == "__main__":
    sys.exit(run_script(main))
