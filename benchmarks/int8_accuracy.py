"""What INT8 costs every network of a pack, on every labelled set by the network's own measure, and what it saves.

    python -m benchmarks.int8_accuracy DATA --pack latin --keep int8.jsonl --isa AVX512_CORE

Detector: Hmean above an intersection over union of 0.5; recogniser: word accuracy of crops, and of lines cut out by the
labels of pages; classifier of upside-down lines: accuracy on these, upright and turned. `network_scores.py` has the
rule. --isa adds the kernels of older CPUs (oneDNN's ONEDNN_MAX_CPU_ISA), each in a process of its own.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.int8_tables import print_costs, print_not_run, print_verdicts
from benchmarks.kept import Kept
from benchmarks.network_scores import NATIVE, Score, judge_sets
from benchmarks.peers import PeerError, System, Worker
from benchmarks.report import code, run_script
from benchmarks.systems import OUR_PATH, cpu_list, python_module
from edge_ocr.cpu import host_cpu
from edge_ocr.errors import ConfigError
from edge_ocr.pack import OrientationSpec, Pack, RecognizerSpec, load_pack
from train.datasets.formats import OURS as LABELS
from train.datasets.formats import fingerprints

NETWORKS = ("detector", "recognizer", "orientation")
MEASURES = {"detector": "detection Hmean", "recognizer": "word accuracy", "orientation": "accuracy"}
DETECTOR_SIZE = (736, 1280)
RECOGNIZER_HEIGHT, RECOGNIZER_WIDTH = 48, 320
"""Where recognisers are compared, whatever height a pack has."""
PRECISIONS = {"FP32": ("fp", "f32"), "BF16": ("fp", "bf16"), "INT8": ("int8", "f32")}
"""Per name the file, and what float layers are computed in."""
CALLS = 5
"""Calls a turn when timing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One network in one precision on one kind of CPU."""

    network: str
    precision: str
    isa: str = NATIVE

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.network} {self.precision}" + ("" if self.isa == NATIVE else f" {self.isa}")


def main() -> dict[str, Any]:
    """Score and time every variant, and print the tables."""
    options = _parse()
    pack = load_pack(options.pack)
    bench = Bench(pack, options)
    results = {network: bench.measure(network) for network in options.network or list(pack.networks)}
    print_verdicts(results)
    print_costs(results)
    print_not_run(results)
    return {
        "benchmark": "int8_accuracy",
        "pack": {"name": pack.name, "version": pack.version, "sha256": pack.sha256},
        "settings": {key: getattr(options, key) for key in ("cpus", "limit", "rounds", "isa")},
        "timed": f"batch 1, the detector on {options.cpus} threads, lines on one; medians of interleaved turns",
        "rule": "loss at most 0.003 over all sets together; on each set at most 0.01 or one image",
        "networks": results,
        "passed": all(row["passed"] for result in results.values() for row in result["verdicts"]),
    }


class Bench:
    """Measures one pack."""

    def __init__(self, pack: Pack, options: argparse.Namespace) -> None:
        self._pack = pack
        self._options = options
        self._cpus = cpu_list(options.cpus)
        self._sets = chosen_sets(options.data, options.set)
        self._labels = fingerprints(self._sets)
        self._kept = Kept(options.keep)

    def measure(self, network: str) -> dict[str, Any]:
        """All that the tables say of one network."""
        has_int8 = self._pack.networks[network].files.int8 is not None
        names = [name for name in PRECISIONS if has_int8 or name != "INT8"]
        variants = [Variant(network=network, precision=name) for name in names]
        for isa in self._options.isa:
            variants += [Variant(network=network, precision=name, isa=isa) for name in names if name != "BF16"]
        not_run = [] if has_int8 else [f"{network} INT8: not in the pack"]
        scores: dict[Variant, dict[str, Score]] = {}
        for variant in variants:
            try:
                scores[variant] = self._score(variant)
            except PeerError as error:
                if variant.isa == NATIVE and variant.precision != "BF16":
                    raise
                not_run.append(str(error))
        times = {}
        for isa in (NATIVE, *self._options.isa):
            times.update(self._time([variant for variant in scores if variant.isa == isa]))
        return {
            "measure": MEASURES[network],
            "verdicts": [row for isa in (NATIVE, *self._options.isa) for row in _verdict_rows(scores, isa)],
            "costs": [self._cost(variant, scores[variant], times[variant]) for variant in scores],
            "not_run": not_run,
        }

    def _score(self, variant: Variant) -> dict[str, Score]:
        """Score per set, of those that are not known yet by a worker."""
        scores = {}
        with ExitStack() as stack:
            worker = None
            for folder in self._sets:
                key = self._key(variant, folder)
                counts = self._kept.find(key)
                if counts is None:
                    worker = worker or stack.enter_context(Worker(self._system(variant)))
                    counts = worker.ask({"score": str(folder), "limit": self._options.limit})
                    self._kept.add(key, counts)
                one = scores[folder.name] = Score(**counts)
                if one.labelled:
                    print(f"{variant.name}: {folder.name}: {one.value:.4f}, {one.images} images", file=sys.stderr)
        return scores

    def _time(self, variants: Sequence[Variant]) -> dict[Variant, dict[str, float]]:
        """Median milliseconds per size, the variants taking turns."""
        times: dict[Variant, dict[str, float]] = {variant: {} for variant in variants}
        with ExitStack() as stack:
            workers = {variant: stack.enter_context(Worker(self._system(variant))) for variant in variants}
            for size in timed_sizes(self._pack, variants[0].network) if variants else ():
                samples: dict[Variant, list[float]] = {variant: [] for variant in variants}
                for _ in range(self._options.rounds):
                    for variant, worker in workers.items():
                        samples[variant] += worker.ask({"time": size, "calls": CALLS}).get("ms", [])
                for variant, found in samples.items():
                    if found:
                        times[variant][f"{size[0]} x {size[1]}"] = round(float(np.median(found)), 3)
        return times

    def _cost(self, variant: Variant, scores: Mapping[str, Score], times_ms: Mapping[str, float]) -> dict[str, Any]:
        return {
            "precision": variant.precision,
            "isa": variant.isa,
            "kib": round(sum(file.stat().st_size for file in self._files(variant)) / 1024),
            "accuracy": round(Score.total(scores.values()).value, 5),
            "ms": dict(times_ms),
        }

    def _system(self, variant: Variant) -> System:
        file, floats = PRECISIONS[variant.precision]
        arguments = [str(self._pack.folder), variant.network, file, "--inference-precision", floats]
        limit = {} if variant.isa == NATIVE else {"ONEDNN_MAX_CPU_ISA": variant.isa}
        command = python_module("benchmarks.network_worker", *arguments, "--cpus", self._cpus)
        return System(variant.name, command, {**OUR_PATH, **limit})

    def _files(self, variant: Variant) -> list[Path]:
        name = getattr(self._pack.networks[variant.network].files, PRECISIONS[variant.precision][0])
        path = self._pack.folder / name
        return [path, path.with_suffix(".bin")] if path.suffix == ".xml" else [path]

    def _key(self, variant: Variant, folder: Path) -> dict[str, Any]:
        """Everything that decides a score."""
        manifest = self._pack.manifest
        return {
            "network": variant.network,
            "precision": variant.precision,
            "isa": variant.isa,
            "files": [manifest.sha256[file.name] for file in self._files(variant)],
            "charset": manifest.sha256[manifest.charset],
            "rules": [
                one.model_dump(mode="json", exclude={"files", "gates"})
                for one in (self._pack.networks[variant.network], manifest.recognizer)
            ],
            "labels": self._labels[str(folder)],
            "limit": self._options.limit,
            "cpu": host_cpu().model,
            "code": code(),
        }


def chosen_sets(data: Path, names: Sequence[str]) -> list[Path]:
    """Folders of the sets that are named, or of all that a folder has.

    Raises:
        ConfigError: There is no such set.
    """
    found = sorted(file.parent for file in data.glob(f"*/{LABELS}"))
    chosen = [data / name for name in names] or found
    missing = [folder for folder in chosen if folder not in found]
    if missing or not chosen:
        raise ConfigError(f"{(missing or [data])[0]}: no {LABELS} there; see benchmarks/README.md for what a set is")
    return chosen


def timed_sizes(pack: Pack, network: str) -> Iterator[tuple[int, int]]:
    """(height, width) at which a network is timed."""
    spec = pack.networks[network]
    if isinstance(spec, RecognizerSpec):
        for height in sorted({RECOGNIZER_HEIGHT, spec.height}):
            yield height, RECOGNIZER_WIDTH
    elif isinstance(spec, OrientationSpec):
        yield spec.height, spec.width
    else:
        yield DETECTOR_SIZE


def _verdict_rows(scores: Mapping[Variant, Mapping[str, Score]], isa: str) -> list[dict[str, Any]]:
    """INT8 against FP32 on one kind of CPU; none where one of them did not run."""
    found = {variant.precision: by_set for variant, by_set in scores.items() if variant.isa == isa}
    if not {"FP32", "INT8"} <= found.keys():
        return []
    return [{"isa": isa, **verdict.to_dict()} for verdict in judge_sets(found["FP32"], found["INT8"])]


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.int8_accuracy",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("data", type=Path, help="folder of the sets, each a folder with images/ and labels.jsonl")
    parser.add_argument("--set", action="append", default=[], metavar="NAME", help="a set, may be repeated (all)")
    parser.add_argument("--pack", default="latin", help="model pack: a name or a folder (default: %(default)s)")
    parser.add_argument("--network", action="append", choices=NETWORKS, help="a network, may be repeated (all)")
    parser.add_argument(
        "--isa",
        action="append",
        default=[],
        choices=("AVX512_CORE_VNNI", "AVX512_CORE", "AVX2_VNNI", "AVX2"),
        help="also as on a CPU with no more than this (oneDNN), may be repeated",
    )
    parser.add_argument("--cpus", type=int, default=2, help="CPUs to use (default: %(default)s)")
    parser.add_argument("--limit", type=int, default=0, help="images of a set, 0 for all (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=20, help="turns when timing (default: %(default)s)")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="keep scores here, and go on from what it holds")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(run_script(main))
