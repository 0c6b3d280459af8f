"""How much of a read is not inference: (wall time of `Reader.read(array)` - its `infer`) / wall time.

    python -m benchmarks.outside_inference DATA/sroie

`infer` of lines read side by side is how long the streams had work, a mean over them (`edge_ocr.clock.busy_ms`): a
stream that waits at the end of a page counts as outside; so does what is done between the networks while no request
waits, and the hand-over between threads.
"""

import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.dataset import image_files, parse_folder_run
from benchmarks.report import print_table, run_script
from edge_ocr import Reader
from edge_ocr.images import load_image
from edge_ocr.page import STAGES

COLUMNS = ("wall", *STAGES)
"""Of a read's times in milliseconds."""
INFER = COLUMNS.index("infer")


def main() -> dict[str, Any]:
    """Read every image, all of them in turn, and say where the time went."""
    options = parse_folder_run("outside_inference", __doc__, repeat="rounds over all images")
    files = image_files(options.folder, limit=options.limit)
    images = [load_image(path) for path in files]
    reader = Reader(pack=options.pack, profile=options.profile)
    n_lines = sum(len(reader.read(image).lines) for image in images)  # compiles what will be needed
    rounds_ms = [[time_read(reader, image) for image in images] for _ in range(options.repeat)]
    times_ms = np.array(rounds_ms, dtype=np.float64)
    median_ms = np.median(times_ms, axis=0).mean(axis=0)
    shares = outside_shares(times_ms)
    print_table(["mean of an image", "ms"], [[name, f"{ms:.1f}"] for name, ms in zip(COLUMNS, median_ms, strict=True)])
    print(f"outside inference: {shares['median']:.1%} of a read (median image), {shares['worst']:.1%} at worst")
    return {
        "benchmark": "outside_inference",
        "folder": options.folder.name,
        "images": len(images),
        "lines_per_image": round(n_lines / len(images), 1),
        "repeat": options.repeat,
        "outside_share": shares,
        "mean_of_medians_ms": dict(zip(COLUMNS, median_ms.round(2).tolist(), strict=True)),
        "reader": reader.describe(),
    }


def time_read(reader: Reader, image: NDArray[np.uint8]) -> list[float]:
    """Read once; milliseconds as in `COLUMNS`."""
    start = time.perf_counter()
    page = reader.read(image)
    wall_ms = (time.perf_counter() - start) * 1e3
    return [wall_ms, *(page.timings_ms[stage] for stage in STAGES)]


def outside_shares(times_ms: NDArray[np.float64]) -> dict[str, float]:
    """The share of a read outside of inference.

    Args:
        times_ms: (rounds, images, columns) as `COLUMNS`, at least one of each.

    Returns:
        Of the images' medians over the rounds the `median`, the 95th percentile and the `worst`; `of_sum` is all time
        outside over all time.
    """
    wall_ms, infer_ms = times_ms[:, :, 0], times_ms[:, :, INFER]
    per_image = np.median((wall_ms - infer_ms) / wall_ms, axis=0)
    shares = {
        "median": np.median(per_image),
        "p95": np.percentile(per_image, 95),
        "worst": per_image.max(),
        "of_sum": (wall_ms - infer_ms).sum() / wall_ms.sum(),
    }
    return {name: round(float(share), 4) for name, share in shares.items()}


if __name__ == "__main__":
    sys.exit(run_script(main))
