"""One network of a pack in one precision, in an interpreter of its own: scored on labelled sets, and timed.

Started by `benchmarks.int8_accuracy`: oneDNN's limit of instruction sets is read when a process starts, and may end it;
and compiled networks of one process disturb each other's times. JSON lines over stdin and stdout:

    worker: {"network", "precision", "file", ...}                            or {"error": "..."}, and it ends
    driver: {"score": "/data/sroie", "limit": 0}
    worker: {"images": 96, "hits": 4711, "predicted": 5200, "labelled": 5317}
    driver: {"time": [48, 320], "calls": 10}
    worker: {"ms": [1.5, 1.4, ...]}                                           or {"refused": "..."}: not at this size
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.network_scores import FoundLine, Score, is_spellable, turns
from edge_ocr.errors import EdgeOcrError, ModelError
from edge_ocr.images import load_image
from edge_ocr.metrics import PageScore, alphanumeric
from edge_ocr.pack import DetectorSpec, OrientationSpec, Pack, RecognizerSpec, load_pack
from optimize.evaluate import WIDTHS, line_finder, line_reader, open_engine, orientation_judge, turned
from train.datasets.formats import read_labels
from train.datasets.labelled import LabelledLine, LabelledSet, lines_of_pages

CHUNK = 256
"""Crops held in memory at a time."""

ScoreSet = Callable[[LabelledSet], Score]


def main() -> None:
    """Load the network, say so, then answer until stdin ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack", help="a name or a folder")
    parser.add_argument("network", choices=("detector", "recognizer", "orientation"))
    parser.add_argument("precision", choices=("fp", "int8"))
    parser.add_argument("--inference-precision", default="f32")
    parser.add_argument("--cpus", required=True, help="CPUs to use, comma-separated")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {int(cpu) for cpu in options.cpus.split(",")})
    try:
        subject = Subject(load_pack(options.pack), options)
    except EdgeOcrError as error:
        _tell({"error": str(error)})
        sys.exit(1)
    _tell(subject.about)
    for row in sys.stdin:
        try:
            _tell(subject.answer(json.loads(row)))
        except EdgeOcrError as error:
            _tell({"error": str(error)})


class Subject:
    """The network, ready to be scored and timed."""

    def __init__(self, pack: Pack, options: argparse.Namespace) -> None:
        """Load it.

        Raises:
            ModelError: The pack lacks the network, or the CPU the precision.
        """
        self._pack = pack
        self._spec = pack.networks[options.network]
        name = getattr(self._spec.files, options.precision)
        path: Path = pack.folder / name
        self._threads = len(options.cpus.split(","))
        widths = WIDTHS if options.network == "recognizer" else None
        # As the reader has it: a picture on all threads, lines side by side on a thread each.
        streams = 1 if options.network == "detector" else self._threads
        self._network = open_engine(path, options.inference_precision).load(path, streams=streams, widths=widths)
        self._score = self._scorer()
        self._warm: set[tuple[int, int]] = set()
        self.about = {"network": options.network, "precision": options.precision, "file": name}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer one request; see the head of this file.

        Raises:
            EdgeOcrError: A set cannot be read.
        """
        if "score" in request:
            score = self._score(read_labels(Path(request["score"]), limit=request["limit"]))
            return score.to_dict()
        height, width = request["time"]
        try:
            return {"ms": self._time((height, width), request["calls"])}
        except ModelError as error:
            return {"refused": str(error)}

    def _scorer(self) -> ScoreSet:
        if isinstance(self._spec, DetectorSpec):
            return self._detector_scorer(self._spec)
        if isinstance(self._spec, RecognizerSpec):
            return self._recognizer_scorer(self._spec)
        assert isinstance(self._spec, OrientationSpec)
        return self._orientation_scorer(self._spec)

    def _detector_scorer(self, spec: DetectorSpec) -> ScoreSet:
        finder = line_finder(self._network, spec)

        def score(labelled: LabelledSet) -> Score:
            page_score = PageScore()
            if any(label.counts for page in labelled.pages for label in page.labels):
                for page in labelled.pages:
                    found = [FoundLine(quad) for quad in finder.find(load_image(page.path)).quads]
                    page_score.add(found, page.labels, partial=page.partial)
            return Score.of(page_score.detection, page_score.n_pages)

        return score

    def _recognizer_scorer(self, spec: RecognizerSpec) -> ScoreSet:
        lines = line_reader(self._network, spec, self._pack.charset)

        def is_right(crop: NDArray[np.uint8], line: LabelledLine) -> list[bool]:
            return [alphanumeric(lines.read(crop).reading.text) == alphanumeric(line.text)]

        return self._crops_scorer(is_right)

    def _orientation_scorer(self, spec: OrientationSpec) -> ScoreSet:
        judge = orientation_judge(self._network, spec)

        def is_right(crop: NDArray[np.uint8], line: LabelledLine) -> list[bool]:
            if not turns(line.text):
                return []
            return [not judge.judge_crop(crop).upside_down, judge.judge_crop(turned(crop)).upside_down]

        return self._crops_scorer(is_right)

    def _crops_scorer(self, is_right: Callable[[NDArray[np.uint8], LabelledLine], Sequence[bool]]) -> ScoreSet:
        """Score crops, each cut out as the reader cuts it, side by side on the threads we have."""
        spec, charset = self._pack.manifest.recognizer, self._pack.charset

        def score(labelled: LabelledSet) -> Score:
            lines = [*labelled.lines, *lines_of_pages(labelled.pages)]
            lines = [line for line in lines if is_spellable(line.text, charset)]
            right: list[bool] = []
            with ThreadPoolExecutor(self._threads) as pool:
                for start in range(0, len(lines), CHUNK):
                    part = lines[start : start + CHUNK]
                    crops = [line.load(spec.height, spec.width_scale) for line in part]
                    for judged in pool.map(is_right, crops, part):
                        right += judged
            return Score(hits=sum(right), predicted=len(right), labelled=len(right), images=len(right))

        return score

    def _time(self, size: tuple[int, int], calls: int) -> list[float]:
        """Milliseconds of calls at one size, batch 1, on the threads that a call has on a device."""
        image = np.random.default_rng(0).integers(0, 256, (1, *size, 3), dtype=np.uint8)
        if size not in self._warm:
            self._network.infer(image)
            self._warm.add(size)
        times_ms = []
        for _ in range(calls):
            start = time.perf_counter()
            self._network.infer(image)
            times_ms.append((time.perf_counter() - start) * 1e3)
        return times_ms


def _tell(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
