"""The page of an ablation, from the run folders of `python -m train ablation`.

    python -m benchmarks.ablation runs/ablation --data DATA --out docs/ablation.md

Every row is exported as a device gets it and judged by `train.evaluation` on real sets. What was measured stays in its
run folder, so that a page with one row more costs that row. Times are CPU time on one thread, the networks in turns.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from benchmarks.ablation_page import Page, draw_curves, markdown
from benchmarks.report import run_script
from edge_ocr.detection import DetectorThresholds, LineFinder, ScaleRule
from edge_ocr.engines.openvino import OpenVinoEngine
from edge_ocr.errors import ConfigError
from edge_ocr.pack import file_sha256
from edge_ocr.page import Line
from edge_ocr.recognition import LineReader
from edge_ocr.yamlfile import load_yaml_model
from optimize.build import CENTRED, IMAGENET
from optimize.evaluate import SIZES, WIDTHS
from optimize.formats import IR
from optimize.quantize import detector_inputs, recognizer_inputs
from optimize.rendered import rendered_lines, rendered_pages
from train.ablation import RECORD, Record, runs_of
from train.evaluation.run import evaluate
from train.released import Released, load_released
from train.run_folder import RunFolder

SETS = {"recognizer": ("iiit5k_words", "icdar15_words"), "detector": ("icdar15", "sroie", "funsd")}
"""Real sets by table."""
NORMALIZATION = {"recognizer": CENTRED, "detector": IMAGENET}
N_CALIBRATION = 24
ROUNDS, WARM_UP = 60, 5
PAGE_HW, LINE_WIDTH = (640, 640), 320


@dataclass(frozen=True)
class IRReader:
    """A network's IR, run as the device does; see `train.evaluation.readers.TextReader`."""

    name: str
    finder: LineFinder | None = None
    lines: LineReader | None = None
    line_height: int = 0

    @property
    def finds(self) -> bool:
        """Whether it is a detector."""
        return self.finder is not None

    @property
    def reads(self) -> bool:
        """Whether it is a recogniser."""
        return self.lines is not None

    def read_page(self, image: NDArray[np.uint8]) -> Sequence[Line]:
        """The lines of a page, with text ""."""
        assert self.finder is not None, "a recogniser finds nothing"
        return [Line("", 1.0, quad) for quad in self.finder.find(image).quads]

    def read_line(self, image: NDArray[np.uint8]) -> str:
        """The text of a picture of one line."""
        assert self.lines is not None, "a detector reads nothing"
        return self.lines.read(image).reading.text


def main() -> dict[str, Any]:
    """Measure what is not measured yet and write the page."""
    options = _parse()
    record = load_yaml_model(options.runs / RECORD, Record)
    measured: dict[str, dict[str, Any]] = {}
    with TemporaryDirectory() as folder:
        for run in runs_of(record.plan.rows):
            best = RunFolder(options.runs / run.name).best
            if is_done(options.runs / run.name):
                print(f"{run.name} ...", file=sys.stderr)
                measured[run.name] = scores(best, options.data, options.limit, Path(folder))
        costs = costs_of(options.runs, measured, Path(folder)) if measured else {}
    records = {name: RunFolder(options.runs / name).records() for name in measured}
    notes = options.runs / "notes.md"
    page = Page(record, measured, costs, records, notes.read_text(encoding="utf-8") if notes.exists() else "")
    picture = options.out.with_suffix(".png")
    draw_curves(page, picture)
    options.out.write_text(markdown(page, picture.name, options.limit), encoding="utf-8")
    return {"benchmark": "ablation", "scale": record.scale, "limit": options.limit, "rows": measured, "costs": costs}


def scores(best: Path, data: Path, limit: int, scratch: Path) -> dict[str, Any]:
    """Figures of a checkpoint on the real sets of its table, kept beside it.

    Args:
        best: The checkpoint.
        data: Folder of the sets.
        limit: First so many images of a set, 0 for all.
        scratch: For its IR.
    """
    kept = best.parent / "real_sets.json"
    key = {"sha256": file_sha256(best), "limit": limit}
    if kept.exists() and (known := json.loads(kept.read_text(encoding="utf-8")))["of"] == key:
        return dict(known)
    released = load_released(best)
    reader = ir_reader(released, exported(released, scratch / f"{best.parent.name}.xml"))
    names = SETS[released.kind]
    judged = evaluate(reader, [data / name for name in names], limit=limit)
    found = {
        "of": key,
        "network": released.details["network"],
        "kind": released.kind,
        "steps": released.about["recipe"]["steps"],
        "held_out": released.about["figures"],
        "sets": {score.name: {"images": score.n_images, **score.figures} for score in judged},
    }
    kept.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return found


def ir_reader(released: Released, xml: Path) -> IRReader:
    """What finds or reads with the IR of a checkpoint."""
    network = _engine().load(xml, streams=1, widths=None if released.kind == "detector" else WIDTHS)
    details = released.details
    if released.kind == "detector":
        rule, thresholds = ScaleRule(**details["scale"]), DetectorThresholds(**details["thresholds"])
        return IRReader(xml.stem, finder=LineFinder(network, rule=rule, thresholds=thresholds, sizes=SIZES))
    height = details["height"]
    lines = LineReader(network, height=height, widths=WIDTHS, charset=released.charset)
    return IRReader(xml.stem, lines=lines, line_height=height)


def costs_of(runs: Path, measured: Mapping[str, Mapping[str, Any]], scratch: Path) -> dict[str, dict[str, Any]]:
    """Parameters, size and time by network; they do not depend on the weights.

    Args:
        runs: Folder of the runs.
        measured: Rows by name, each with its `network`.
        scratch: For the IRs.
    """
    first: dict[str, str] = {}
    for name, row in measured.items():
        first.setdefault(f"{row['kind']} {row['network']}", name)
    costs: dict[str, dict[str, Any]] = {}
    calls: dict[tuple[str, str], Callable[[], Any]] = {}
    for network, name in first.items():
        released = load_released(RunFolder(runs / name).best)
        costs[network] = {"parameters": n_parameters(released.network)}
        for precision in ("fp", "int8"):
            xml = exported(released, scratch / f"{name}.{precision}.xml", is_int8=precision == "int8")
            files = (xml, xml.with_suffix(".bin"))
            costs[network][f"{precision}_bytes"] = sum(file.stat().st_size for file in files)
            calls[network, precision] = _call(released, xml)
    for (network, precision), times_ms in in_turns(calls).items():
        costs[network][f"{precision}_ms"] = round(float(np.median(times_ms)), 2)
    return costs


def exported(released: Released, xml: Path, *, is_int8: bool = False) -> Path:
    """Write a checkpoint's network as IR with pre- and post-processing, in FP16 or INT8."""
    kind = released.kind
    model = IR.fold(IR.convert(released.network, kind), kind, NORMALIZATION[kind])
    if is_int8 and kind == "detector":
        model = IR.quantize(model, kind, detector_inputs(rendered_pages(N_CALIBRATION // 4, 1, None), ScaleRule()))
    elif is_int8:
        lines = rendered_lines(N_CALIBRATION, 1, None, released.charset)
        model = IR.quantize(model, kind, recognizer_inputs(lines, released.details["height"]))
    IR.save(model, xml)
    return xml


def n_parameters(network: nn.Module) -> int:
    """Of what a device runs: a detector's threshold map is for training only."""
    named = network.named_parameters()
    return sum(parameter.numel() for name, parameter in named if not name.startswith("head.threshold."))


def in_turns(calls: Mapping[tuple[str, str], Callable[[], Any]]) -> dict[tuple[str, str], list[float]]:
    """CPU milliseconds of every call, one a round."""
    times_ms: dict[tuple[str, str], list[float]] = {key: [] for key in calls}
    for number in range(WARM_UP + ROUNDS):
        for key, call in calls.items():
            start = time.process_time()
            call()
            if number >= WARM_UP:
                times_ms[key].append((time.process_time() - start) * 1e3)
    return times_ms


def _call(released: Released, xml: Path) -> Callable[[], Any]:
    network = _engine().load(xml, streams=1, widths=None if released.kind == "detector" else (LINE_WIDTH,))
    size = PAGE_HW if released.kind == "detector" else (released.details["height"], LINE_WIDTH)
    image = np.random.default_rng(0).integers(0, 256, (1, *size, 3), dtype=np.uint8)
    return lambda: network.infer(image)


def _engine() -> OpenVinoEngine:
    return OpenVinoEngine(threads=1, inference_precision="f32", hint="latency", pinning=False)


def is_done(run: Path) -> bool:
    """Whether the last evaluation, after all steps, was written."""
    last = run / "last.json"
    if not last.exists():
        return False
    about = json.loads(last.read_text(encoding="utf-8"))
    return bool(about["step"] == about["recipe"]["steps"])


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ablation", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path, metavar="RUNS", help="folder of `python -m train ablation --out`")
    parser.add_argument("--data", type=Path, required=True, help="folder of the real sets")
    parser.add_argument("--out", type=Path, required=True, metavar="F.md", help="the page; F.png goes beside it")
    parser.add_argument("--limit", type=int, default=0, help="the first so many images of a set (default: all)")
    options = parser.parse_args()
    if not (options.runs / RECORD).exists():
        raise ConfigError(f"{options.runs}: no {RECORD} in it; name the folder given to `python -m train ablation`")
    return options


if __name__ == "__main__":
    sys.exit(run_script(main))
