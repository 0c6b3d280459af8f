"""Packs beside each other, as the paper's Table 5: accuracy, size, CPU time a page, memory, time to the first text.

    python -m benchmarks.packs DATA --set sroie --set funsd --set docs --pack latin --pack v6=mypacks/ppocr-v6

Each pack is read with in a process of its own, image by image in turn. The first text is that of `edge-ocr read` on one
image, from the start of its process, with a warm model cache. The table is Markdown.
"""

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.against_peers import accuracy, read_all
from benchmarks.dataset import LabelledSet, read_set
from benchmarks.kept import Kept
from benchmarks.peers import ReadImage, running
from benchmarks.report import print_markdown, run_script
from benchmarks.systems import OUR_PATH, cpu_list, named_packs, our_system, python_module
from edge_ocr.errors import ConfigError, EdgeOcrError
from edge_ocr.pack import Pack, load_pack

MIB = 2**20


def main() -> dict[str, Any]:
    """Measure the packs and print the table."""
    options = _parse()
    packs = {name: load_pack(pack) for name, pack in _named(options.pack).items()}
    sets = [read_set(options.data / name, limit=options.limit) for name in options.set]
    for labelled in sets:
        if labelled.is_crops:
            raise ConfigError(f"--set {labelled.name}: crops, not pages; use benchmarks.against_peers")
    systems = [our_system(name, str(pack.folder), options) for name, pack in packs.items()]
    kept = Kept(options.keep)
    with running(systems, sets[0].images[0].path) as workers:
        abouts = {worker.name: worker.about for worker in workers}
        reads = [
            read_all(workers, one, repeat=options.repeat, pause_s=options.pause_ms / 1000, kept=kept) for one in sets
        ]
    starts = first_texts(packs, sets[0].images[0].path, options)
    results = {
        name: {
            **pack_facts(pack, abouts[name]["settings"]["networks"]),
            **reading_facts(sets, [by_system[name] for by_system in reads]),
            **starts[name],
        }
        for name, pack in packs.items()
    }
    print_packs(results)
    return {
        "benchmark": "packs",
        "settings": {key: getattr(options, key) for key in ("cpus", "profile", "repeat", "starts", "limit")},
        "sets": {one.name: len(one.images) for one in sets},
        "systems": abouts,
        "packs": results,
    }


def pack_facts(pack: Pack, networks: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What a pack is, and how much disk it takes.

    Args:
        pack: The pack.
        networks: What the reader loaded, by network.
    """
    files = [pack.folder / network["file"] for network in networks.values()]
    used = [*files, *(file.with_suffix(".bin") for file in files if file.suffix == ".xml")]
    return {
        "pack": f"{pack.name} {pack.version}",
        "sha256": pack.sha256,
        "precision": {name: network["precision"] for name, network in networks.items()},
        "disk_mib": round(sum(file.stat().st_size for file in pack.folder.iterdir()) / MIB, 2),
        "used_mib": round(sum(file.stat().st_size for file in used) / MIB, 2),
    }


def reading_facts(sets: Sequence[LabelledSet], reads: Sequence[Sequence[ReadImage]]) -> dict[str, Any]:
    """Accuracy per set, and what a page cost over all of them.

    Args:
        sets: The sets.
        reads: What one pack read of each, in the order of its images.
    """
    pages = [read for of_set in reads for read in of_set]
    return {
        "word_f1": {one.name: accuracy(one, of_set)["word_f1"] for one, of_set in zip(sets, reads, strict=True)},
        "cpu_ms_a_page": round(float(np.mean([page.cpu_ms for page in pages])), 1),
        "median_ms": round(float(np.median([page.elapsed_ms for page in pages])), 1),
        "resident_mib": round(max(page.resident_mib for page in pages), 1),
    }


def first_texts(packs: Mapping[str, Pack], image: Path, options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Median seconds from the start of `edge-ocr read` to its first text, and of its CPU, the packs in turn.

    Args:
        packs: By name.
        image: An image with text.
        options: Says profile, CPUs and how often.

    Raises:
        EdgeOcrError: The command failed, or read no text.
    """
    starts: dict[str, list[tuple[float, float]]] = {name: [] for name in packs}
    cpus = {int(cpu) for cpu in cpu_list(options.cpus).split(",")}
    for number in range(1 + options.starts):
        for name, pack in packs.items():
            arguments = ["read", "--pack", str(pack.folder), "--profile", options.profile, str(image)]
            start = _start_s(python_module("runtime.cli", *arguments), cpus)
            if number:  # the first one fills the model cache
                starts[name].append(start)
    medians = {name: np.median(found, axis=0).tolist() for name, found in starts.items()}
    return {
        name: {"first_text_s": round(wall, 3), "start_cpu_s": round(cpu, 3)} for name, (wall, cpu) in medians.items()
    }


def print_packs(results: Mapping[str, Mapping[str, Any]]) -> None:
    """The table, a row a pack."""
    sets = next(iter(results.values()))["word_f1"]
    header = ["pack", *(f"word F1, {name}" for name in sets), "precision", "on disk, MiB", "of it used, MiB"]
    header += ["CPU a page, ms", "median page, ms", "resident, MiB", "first text, s", "CPU of it, s"]
    rows = []
    for name, one in results.items():
        precision = ", ".join(dict.fromkeys(one["precision"].values()))
        scores = [f"{value:.3f}" for value in one["word_f1"].values()]
        sizes = [f"{one['disk_mib']:.1f}", f"{one['used_mib']:.1f}"]
        costs = [f"{one['cpu_ms_a_page']:.0f}", f"{one['median_ms']:.0f}", f"{one['resident_mib']:.0f}"]
        start = [f"{one['first_text_s']:.2f}", f"{one['start_cpu_s']:.2f}"]
        rows.append([name, *scores, precision, *sizes, *costs, *start])
    print_markdown(header, rows)
    print()


def _start_s(command: Sequence[str], cpus: set[int]) -> tuple[float, float]:
    """Seconds until a command's first line, and of its CPU until its end."""
    allowed, cpu_before_s = os.sched_getaffinity(0), _cpu_of_children_s()
    os.sched_setaffinity(0, cpus)  # the process inherits it
    try:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, **OUR_PATH}, encoding="utf-8")
    finally:
        os.sched_setaffinity(0, allowed)
    assert process.stdout is not None
    with process:
        line = process.stdout.readline()
        elapsed_s = time.perf_counter() - start
        process.stdout.read()
    if process.returncode or not line:
        raise EdgeOcrError(f"{' '.join(command)}: status {process.returncode}, and no text; see its message above")
    return elapsed_s, _cpu_of_children_s() - cpu_before_s


def _cpu_of_children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _named(options: Sequence[str]) -> dict[str, str]:
    """Packs by name: NAME=PACK, or a pack by its own name."""
    return named_packs([option if "=" in option else f"{Path(option).name}={option}" for option in options])


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.packs", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder of the sets, each a folder with images/ and labels.jsonl")
    parser.add_argument("--set", action="append", required=True, metavar="NAME", help="a set of pages, may be repeated")
    parser.add_argument(
        "--pack", action="append", required=True, metavar="[NAME=]PACK", help="a name or a folder, may be repeated"
    )
    parser.add_argument("--profile", default="auto", help="a name or a YAML file (default: %(default)s)")
    parser.add_argument("--cpus", type=int, default=2, help="CPUs to use (default: %(default)s)")
    parser.add_argument("--limit", type=int, default=0, help="images of a set, 0 for all (default: %(default)s)")
    parser.add_argument("--repeat", type=int, default=1, help="rounds per image, median taken (default: %(default)s)")
    parser.add_argument("--pause-ms", type=float, default=20.0, help="wait before every call (default: %(default)s)")
    parser.add_argument("--starts", type=int, default=5, help="starts of `edge-ocr read` (default: %(default)s)")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="keep what was read here, and go on from it")
    options = parser.parse_args()
    if options.starts < 1:
        parser.error("--starts must be 1 or more")
    return options


if __name__ == "__main__":
    sys.exit(run_script(main))
