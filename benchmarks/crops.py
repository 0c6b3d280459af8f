"""Word accuracy of the recogniser on word crops: FP and INT8, natively and as on a CPU without VNNI.

    python -m benchmarks.crops DATA --set icdar15_words --set iiit5k_words --peer rapid3-ort=/opt/peers3/bin/python

INT8 sums overflow on CPUs without VNNI unless the network was quantised for them. ONEDNN_MAX_CPU_ISA=AVX512_CORE has a
newer CPU take the kernels of such a one (Skylake-SP), always with float layers in f32.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from benchmarks.dataset import LabelledSet, read_set
from benchmarks.peers import System, add_system_options, our_system, peer_system, read_in_turn, running
from benchmarks.report import print_table, run_script, time_summary
from edge_ocr.errors import ConfigError, ModelError
from edge_ocr.metrics import word_accuracy
from edge_ocr.pack import load_pack
from edge_ocr.profile import PrecisionChoice, PrecisionPerNetwork, load_profile

OLDER_CPU = {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}
"""Environment under which oneDNN takes the kernels of a CPU without VNNI."""


def main() -> dict[str, Any]:
    """Read the crops with every variant and every peer, and print a table."""
    options = _parse()
    sets = [read_set(options.data / name, limit=options.limit) for name in options.set]
    for labelled in sets:
        if not labelled.is_crops:
            raise ConfigError(f"--set {labelled.name}: pages, not crops; use benchmarks.against_peers")
    with tempfile.TemporaryDirectory() as folder:
        systems = our_variants(options, Path(folder))
        systems += [peer_system(peer, cpus=options.cpus, line=True) for peer in options.peer]
        about, results = measure(systems, sets)
    _print_results(sets, results)
    return {
        "benchmark": "crops",
        "measure": "share of crops read right, letters and digits only, no case",
        "cpus": options.cpus,
        "sets": {labelled.name: len(labelled.images) for labelled in sets},
        "systems": about,
        "results": results,
    }


def our_variants(options: argparse.Namespace, folder: Path) -> list[System]:
    """Our recogniser in each precision that the pack offers, natively and on the kernels of an older CPU.

    Args:
        options: The parsed command line.
        folder: Where to write the profiles.
    """
    precisions: list[PrecisionChoice] = ["fp"]
    try:
        load_pack(options.pack).choose("recognizer", "int8")
        precisions.append("int8")
    except ModelError as error:
        print(f"FP only: {error}", file=sys.stderr)
    variants = []
    for precision in precisions:
        native = _write_profile(folder / f"{precision}.yaml", options.profile, precision, in_f32=False)
        older = _write_profile(folder / f"{precision}-f32.yaml", options.profile, precision, in_f32=True)
        name = f"ours {precision}"
        variants += [
            our_system(options, line=True, name=name, profile=str(native)),
            our_system(options, line=True, name=f"{name} AVX512_CORE", profile=str(older), environment=OLDER_CPU),
        ]
    return variants


def measure(systems: Sequence[System], sets: Sequence[LabelledSet]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Read every crop with every system, in turn.

    Args:
        systems: The systems, set to read single lines.
        sets: Sets of crops.

    Returns:
        What every system says about itself, and per system and set the word accuracy with times.
    """
    results: dict[str, dict[str, Any]] = {system.name: {} for system in systems}
    with running(systems, sets[0].images[0].path) as workers:
        about = {worker.name: worker.about for worker in workers}
        for labelled in sets:
            reads = [(image, read_in_turn(workers, image.path)) for image in labelled.images]
            for name in results:
                found = [(image, by_system[name]) for image, by_system in reads]
                results[name][labelled.name] = {
                    "word_accuracy": round(word_accuracy([(read.text, image.text or "") for image, read in found]), 4),
                    **time_summary([read.elapsed_ms for _, read in found]),
                }
    return about, results


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.crops", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder of the sets, each a folder with images/ and labels.jsonl")
    parser.add_argument("--set", action="append", required=True, metavar="NAME", help="a set of crops, may be repeated")
    add_system_options(parser)
    return parser.parse_args()


def _write_profile(path: Path, base: str, precision: PrecisionChoice, *, in_f32: bool) -> Path:
    """A profile like the base one with the recogniser in one precision, and float layers in f32 if so wished."""
    profile = load_profile(base)
    changes: dict[str, Any] = {"precision": PrecisionPerNetwork(detector="fp", recognizer=precision, orientation="fp")}
    if in_f32:
        changes["inference_precision"] = "f32"
    changed = profile.model_copy(update=changes)
    path.write_text(yaml.safe_dump(changed.model_dump(mode="json"), sort_keys=False), encoding="utf-8")
    return path


def _print_results(sets: Sequence[LabelledSet], results: dict[str, dict[str, Any]]) -> None:
    """One row a system, accuracy and median time per set."""
    header = ["word accuracy", *(title for labelled in sets for title in (labelled.name, "median ms"))]
    rows = []
    for name, by_set in results.items():
        found = [by_set[labelled.name] for labelled in sets]
        cells = [(f"{one['word_accuracy']:.4f}", f"{one['median_ms']:.1f}") for one in found]
        rows.append([name, *(cell for pair in cells for cell in pair)])
    print_table(header, rows)


if __name__ == "__main__":
    sys.exit(run_script(main))
