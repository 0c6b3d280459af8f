"""Accuracy and time of edge-ocr beside its peers, on labelled images, image by image in one run.

    python -m benchmarks.against_peers DATA --set sroie --set funsd --peer rapid4-ov=/opt/peers4/bin/python \
        --also v6=mypacks/ppocr-v6 --plot peers.png

Time is the call from outside: the image is decoded, the result is text; loading, compiling our shapes and
one warm-up image are not in it.
"""

import argparse
import hashlib
import json
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.dataset import LabelledSet, read_set
from benchmarks.kept import Kept
from benchmarks.peer_plot import Point, check_plot, plot_peers
from benchmarks.peers import ReadImage, Worker, read_in_turn, running
from benchmarks.report import print_table, run_script, time_summary
from benchmarks.systems import OURS, SYSTEMS, add_system_options, chosen_systems
from edge_ocr.metrics import PageScore, word_accuracy

Reads = Mapping[str, Sequence[ReadImage]]
"""Per system what it read, in the order of the set."""


def main() -> dict[str, Any]:
    """Measure the sets that the command line names and print a table of each."""
    options = _parse()
    if options.plot:
        check_plot(options.plot)
    kept = Kept(options.keep)
    systems: dict[str, Any] = {}
    sets: dict[str, Any] = {}
    chosen = [read_set(options.data / name, limit=options.limit) for name in options.set]
    for is_crops in (False, True):
        of_kind = [labelled for labelled in chosen if labelled.is_crops == is_crops]
        if not of_kind:
            continue
        with running(chosen_systems(options, line=is_crops), of_kind[0].images[0].path) as workers:
            systems.update({worker.name: worker.about for worker in workers})
            for labelled in of_kind:
                reads = read_all(workers, labelled, repeat=options.repeat, pause_s=options.pause_ms / 1000, kept=kept)
                if options.save:
                    _save(options.save, labelled, reads)
                sets[labelled.name] = {"images": len(labelled.images), "systems": compare(labelled, reads)}
                _print_set(labelled.name, sets[labelled.name])
    if options.plot:
        plot_peers({name: _points(result) for name, result in sets.items()}, options.plot)
    return {
        "benchmark": "against_peers",
        "settings": {key: getattr(options, key) for key in ("cpus", "repeat", "limit", "pause_ms")},
        "warm_up": "one image; our shapes are compiled at the start",
        "systems": systems,
        "sets": sets,
    }


def read_all(workers: Sequence[Worker], labelled: LabelledSet, *, repeat: int, pause_s: float, kept: Kept) -> Reads:
    """Have every image of a set read by every system, in turn.

    Args:
        workers: The running systems.
        labelled: The set.
        repeat: Rounds per image.
        pause_s: Wait before every call.
        kept: What the same systems read before; they read only what it lacks.
    """
    # Hashed: what the systems say about themselves is long.
    abouts = json.dumps({worker.name: worker.about for worker in workers}, sort_keys=True)
    same = {"systems": hashlib.sha256(abouts.encode()).hexdigest(), "repeat": repeat, "pause_s": pause_s}
    reads: dict[str, list[ReadImage]] = defaultdict(list)
    for number, image in enumerate(labelled.images, start=1):
        key = {**same, "image": str(image.path.resolve())}
        found = kept.find(key)
        if found is None:
            by_system = read_in_turn(workers, image.path, repeat=repeat, pause_s=pause_s)
            found = {name: read.to_dict() for name, read in by_system.items()}
            kept.add(key, found)
        for name, read in found.items():
            reads[name].append(ReadImage.from_dict(read))
        if sys.stderr.isatty():
            print(f"\r{labelled.name} {number}/{len(labelled.images)}", end="", file=sys.stderr)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return reads


def compare(labelled: LabelledSet, reads: Reads) -> dict[str, dict[str, Any]]:
    """Accuracy and time of every system on one set.

    Args:
        labelled: The set.
        reads: What every system read, ours among them.

    Returns:
        Per system its measures; `times_ours` says how many times as long as ours it takes, by the sum over the set and
        by the median of the single images.
    """
    ours_ms = np.array([read.elapsed_ms for read in reads[OURS]])
    results = {}
    for name, found in reads.items():
        times_ms = np.array([read.elapsed_ms for read in found])
        results[name] = {
            **accuracy(labelled, found),
            **time_summary(times_ms.tolist()),
            "median_cpu_ms": round(float(np.median([read.cpu_ms for read in found])), 2),
            "times_ours": {
                "total": round(float(times_ms.sum() / ours_ms.sum()), 3),
                "median": round(float(np.median(times_ms / ours_ms)), 3),
            },
        }
    return results


def accuracy(labelled: LabelledSet, reads: Sequence[ReadImage]) -> dict[str, float]:
    """Word accuracy of crops; bag of words, detection and exact pages of pages (see `edge_ocr.metrics`)."""
    pairs = list(zip(labelled.images, reads, strict=True))
    if labelled.is_crops:
        texts = [(read.text, image.text or "") for image, read in pairs]
        return {"word_accuracy": round(word_accuracy(texts), 4)}
    score = PageScore()
    for image, read in pairs:
        score.add(read.lines, image.labels, partial=image.partial)
    return {**score.to_dict(), "n_lines": sum(len(read.lines) for read in reads)}


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.against_peers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("data", type=Path, help="folder of the sets, each a folder with images/ and labels.jsonl")
    parser.add_argument("--set", action="append", required=True, metavar="NAME", help="a set, may be repeated")
    add_system_options(parser)
    parser.add_argument("--repeat", type=int, default=1, help="rounds per image, median taken (default: %(default)s)")
    parser.add_argument(
        "--pause-ms",
        type=float,
        default=20.0,
        help="wait before every call, so that no idle thread of another system still spins (default: %(default)s)",
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw accuracy against time (.png, .svg or .pdf)")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="keep what was read here, and go on from it")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="write what every system read, one file each")
    return parser.parse_args()


def _save(folder: Path, labelled: LabelledSet, reads: Reads) -> None:
    """Write the readings as JSON lines, for a scorer of one's own."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, found in reads.items():
        records = [
            {
                "image": image.name,
                "lines": [
                    {"polygon": line.quad.tolist(), "text": line.text, "score": line.score} for line in read.lines
                ],
                "ms": read.elapsed_ms,
            }
            for image, read in zip(labelled.images, found, strict=True)
        ]
        rows = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        (folder / f"{name}.{labelled.name}.jsonl").write_text(rows, encoding="utf-8")


def _points(result: Mapping[str, Any]) -> list[Point]:
    """The systems of one set in the picture."""
    return [
        Point(name, found["median_ms"], found.get("word_accuracy", found.get("word_f1", 0.0)), name in SYSTEMS)
        for name, found in result["systems"].items()
    ]


def _print_set(name: str, result: Mapping[str, Any]) -> None:
    """The table of one set."""
    systems: Mapping[str, Mapping[str, Any]] = result["systems"]
    measures = ["word_accuracy"] if "word_accuracy" in systems[OURS] else ["word_f1", "detection_hmean", "exact"]
    header = [
        f"{name} ({result['images']})",
        *measures,
        "median ms",
        "p95 ms",
        "CPU ms",
        "total / ours",
        "median / ours",
    ]
    rows = [
        [
            system,
            *(f"{found[measure]:.4f}" for measure in measures),
            f"{found['median_ms']:.1f}",
            f"{found['p95_ms']:.1f}",
            f"{found['median_cpu_ms']:.1f}",
            f"{found['times_ours']['total']:.2f}",
            f"{found['times_ours']['median']:.2f}",
        ]
        for system, found in systems.items()
    ]
    print_table(header, rows)
    print()


if __name__ == "__main__":
    sys.exit(run_script(main))
