"""The page of an ablation, from the run folders of `python -m train ablation`.

    python -m benchmarks.ablation runs/ablation --data DATA --out docs/ablation.md

Every row is exported as a device gets it and judged by `train.evaluation` on real sets. What was measured stays in its
run folder, so that a page with one row more costs that row. Times are CPU time on one thread, the networks in turns.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

import train
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
from train.ablation import RECORD, Record, recipe_of, runs_of
from train.data.drawn_set import write_pages
from train.data.font_book import FontBook
from train.evaluation.run import evaluate
from train.recipe import Recipe, task_class
from train.released import Released, load_released
from train.run_folder import RunFolder
from train.task import HELD_OUT_SEED
from train.tasks.detection import DetectionRecipe, DetectorSettings
from train.tasks.recognition_recipe import LearnSettings, RecognitionRecipe

NOWHERE = {"runs": "runs", "published": "published"}
"""What paths in recipes stand for where nothing is trained."""
PLANS = Path(train.__file__).parent
"""Folder of train/ablation.yaml, from which it names its recipes."""
SETS = {"recognizer": ("iiit5k_words", "icdar15_words"), "detector": ("icdar15", "sroie", "funsd")}
"""Real sets by table."""
NORMALIZATION = {"recognizer": CENTRED, "detector": IMAGENET}
BOX_THRESHOLDS = (0.2, 0.25, 0.3, 0.4, 0.5, 0.6)
N_CALIBRATION, N_HELD_OUT = 24, 16
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
            if is_done(options.runs / run.name):
                print(f"{run.name} ...", file=sys.stderr)
                measured[run.name] = scores(options.runs / run.name, options.data, options.limit, Path(folder))
        networks = {name: untrained(recipe) for name, recipe in recipes_of(record).items()}
        costs = costs_of(networks.values(), options.runs / "costs.json", Path(folder))
    by_row = {name: costs[network_name(network)] for name, network in networks.items()}
    records = {name: RunFolder(options.runs / name).records() for name in measured}
    notes = options.runs / "notes.md"
    page = Page(record, measured, by_row, records, notes.read_text(encoding="utf-8") if notes.exists() else "")
    picture = options.out.with_suffix(".png")
    draw_curves(page, picture)
    options.out.write_text(markdown(page, picture.name, options.limit), encoding="utf-8")
    return {"benchmark": "ablation", "scale": record.scale, "limit": options.limit, "rows": measured, "costs": costs}


def recipes_of(record: Record) -> dict[str, Recipe]:
    """The recipe of each row, at its first seed."""
    scale = record.plan.scales[record.scale]
    first = (run for run in runs_of(record.plan.rows) if not run.is_repeat)
    return {run.row: recipe_of(PLANS, record.plan, scale, run, NOWHERE) for run in first}


def scores(run: Path, data: Path, limit: int, scratch: Path) -> dict[str, Any]:
    """Figures of a run's last weights on held-out data and on the real sets of its table, kept in its folder.

    Args:
        run: Its folder, beside that of the held-out pages.
        data: Folder of the sets.
        limit: First so many images of a set, 0 for all.
        scratch: For its IR.
    """
    # Not the best: that is chosen by evaluations of which some rows could have more luck than others.
    last, kept = RunFolder(run).last, run / "real_sets.json"
    key = {"sha256": file_sha256(last), "limit": limit}
    if kept.exists() and (known := json.loads(kept.read_text(encoding="utf-8")))["of"] == key:
        return dict(known)
    released = load_released(last)
    xml = exported(released, scratch / f"{run.name}.xml")
    if released.kind == "detector":
        reader, held_out = page_reader(released, xml, _held_out_pages(run.parent))
    else:
        reader, held_out = line_reader(released, xml), released.about["figures"]["line_accuracy_folded"]
    judged = evaluate(reader, [data / name for name in SETS[released.kind]], limit=limit)
    found = {
        "of": key,
        "kind": released.kind,
        "steps": released.about["recipe"]["steps"],
        "held_out": held_out,
        "sets": {score.name: {"images": score.n_images, **score.figures} for score in judged},
    }
    kept.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return found


def line_reader(released: Released, xml: Path) -> IRReader:
    """What reads with the IR of a recogniser."""
    height = released.details["height"]
    network = _engine().load(xml, streams=1, widths=WIDTHS)
    lines = LineReader(network, height=height, widths=WIDTHS, charset=released.charset)
    return IRReader(xml.stem, lines=lines, line_height=height)


def page_reader(released: Released, xml: Path, held_out: Path) -> tuple[IRReader, float]:
    """What finds with the IR of a detector, at the thresholds with the highest Hmean on held-out pages; and that Hmean.

    A detector that was trained for an hour says .4 where one that was trained for a day says .9; it finds lines all the
    same.
    """
    network, rule = _engine().load(xml, streams=1), ScaleRule(**released.details["scale"])
    usual = DetectorThresholds(**released.details["thresholds"])
    found = []
    for box in BOX_THRESHOLDS:
        thresholds = replace(usual, bin=min(usual.bin, box), box=box)
        reader = IRReader(xml.stem, finder=LineFinder(network, rule=rule, thresholds=thresholds, sizes=SIZES))
        found.append((evaluate(reader, [held_out])[0].figures["detection_hmean"], reader))
    hmean, best = max(found, key=lambda one: one[0])
    return best, hmean


def costs_of(networks: Collection[Released], kept: Path, scratch: Path) -> dict[str, dict[str, Any]]:
    """Parameters, size and time by network; weights do not matter.

    Args:
        networks: Any number of each.
        kept: File that keeps them; delete it to measure anew.
        scratch: For the IRs.
    """
    costs: dict[str, dict[str, Any]] = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    if {network_name(released) for released in networks} <= set(costs):
        return costs
    costs = {}
    calls: dict[tuple[str, str], Callable[[], Any]] = {}
    for released in networks:
        name = network_name(released)
        if name in costs:
            continue
        costs[name] = {"parameters": n_parameters(released.network)}
        for precision in ("fp", "int8"):
            xml = exported(released, scratch / f"{name}.{precision}.xml", is_int8=precision == "int8")
            files = (xml, xml.with_suffix(".bin"))
            costs[name][f"{precision}_bytes"] = sum(file.stat().st_size for file in files)
            calls[name, precision] = _call(released, xml)
    for (name, precision), times_ms in in_turns(calls).items():
        costs[name][f"{precision}_ms"] = round(float(np.median(times_ms)), 2)
    kept.write_text(json.dumps(costs, indent=2) + "\n", encoding="utf-8")
    return costs


def untrained(recipe: Recipe) -> Released:
    """The network that a recipe releases, with random weights, without what helps it in training."""
    if isinstance(recipe, RecognitionRecipe):
        recipe = recipe.model_copy(update={"learn": LearnSettings()})
    elif isinstance(recipe, DetectionRecipe):
        recipe = recipe.model_copy(update={"model": DetectorSettings(network=recipe.model.network)})
    torch.manual_seed(0)
    task = task_class(recipe.task)(recipe)
    for parameter in task.networks.parameters():
        if parameter.ndim == 1:
            # Biases that are all 0 become one number in an IR, which NNCF 3.4 cannot correct channel by channel.
            nn.init.normal_(parameter)
    return Released(task.networks[task.released].eval(), task.kind, {"details": task.details()})


def network_name(released: Released) -> str:
    """Kind and form."""
    return f"{released.kind}-{released.details['network']}"


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


def _held_out_pages(runs: Path) -> Path:
    """Rendered pages to choose thresholds by; drawn where the scale draws none."""
    folder = runs / "pages_held_out"
    if not (folder / "labels.jsonl").exists():
        write_pages(folder, N_HELD_OUT, HELD_OUT_SEED, FontBook.from_folder())
    return folder


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
