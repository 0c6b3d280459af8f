"""How well one network reads or finds, run exactly as the device runs it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_ocr.charset import Charset
from edge_ocr.cpu import host_cpu
from edge_ocr.detection import LineFinder
from edge_ocr.engines import CompiledNetwork, Engine
from edge_ocr.engines.openvino import OpenVinoEngine
from edge_ocr.errors import ConfigError
from edge_ocr.geometry import Quad, image_quad, quad_size
from edge_ocr.images import load_image
from edge_ocr.metrics import Tally, alphanumeric, detection_tally
from edge_ocr.orientation import OrientationJudge
from edge_ocr.pack import DetectorSpec, OrientationSpec, RecognizerSpec, SecondLook
from edge_ocr.recognition import LineReader
from train.datasets.formats import read_labels
from train.datasets.labelled import LabelledLine, lines_of_pages

WIDTHS = (160, 192, 256, 320, 400, 480, 640, 800, 960, 1280)
SIZES = ((544, 1280), (1280, 544), (736, 1280), (1280, 736), (960, 1280), (1280, 960), (1280, 1280))
LABEL_UNCLIP = 1.6
"""Unclip ratio at which quads are as tight as labels (PP-OCR's own)."""
MIN_CUT_PX = 8
"""Rows of a line that is cut out of a page, however low its label."""

Crop = tuple[NDArray[np.uint8], str]
LabelledPage = tuple[NDArray[np.uint8], Sequence[Quad]]


@dataclass(frozen=True, slots=True)
class CropSet:
    """Labelled crops of one line each."""

    name: str
    crops: Sequence[Crop]


def load_crops(path: Path) -> CropSet:
    """Load a crop set: labels (`train.datasets.formats`) of pictures of one line each, or of pages.

    Raises:
        ConfigError: there are no labels, or none of them counts.
        LabelError: a label is not one, or its image is missing.
        ImageError: a crop cannot be read.
    """
    labelled = read_labels(path)
    lines = labelled.lines or lines_of_pages(labelled.pages)
    if not lines:
        raise ConfigError(f"{path}: no text in these labels to judge by")
    return CropSet(labelled.name, [(_picture(line), line.text) for line in lines])


def recognizer_hits(
    xml: Path, look: RecognizerSpec | SecondLook, charset: Charset, crops: Iterable[Crop]
) -> NDArray[np.bool_]:
    """Which crops a recogniser's IR reads right in letters and digits, without case: (N,) bool."""
    lines = line_reader(open_engine(xml).load(xml, streams=1, widths=WIDTHS), look, charset)
    cut = ((lines.cut(image, image_quad(image)), text) for image, text in crops)
    return np.array([alphanumeric(lines.read(line).reading.text) == alphanumeric(text) for line, text in cut], bool)


def detector_tallies(xml: Path, spec: DetectorSpec, pages: Iterable[LabelledPage]) -> list[Tally]:
    """What a detector's IR finds (IoU 0.5, one to one) on each page with line quads."""
    finder = line_finder(open_engine(xml).load(xml, streams=1), spec)
    return [detection_tally(finder.find(image).quads, quads) for image, quads in pages]


def line_reader(network: CompiledNetwork, look: RecognizerSpec | SecondLook, charset: Charset) -> LineReader:
    """What reads crops with a recogniser, loaded for `WIDTHS`."""
    least = look.min_width if isinstance(look, RecognizerSpec) else 0
    widths = [width for width in WIDTHS if width >= least]
    return LineReader(network, height=look.height, width_scale=look.width_scale, widths=widths, charset=charset)


def line_finder(network: CompiledNetwork, spec: DetectorSpec) -> LineFinder:
    """What finds lines with a detector, at quads as tight as labels.

    A pack may unclip further, for the sake of reading; against labels that would put the overlap near its limit.
    """
    thresholds = replace(spec.thresholds, unclip=LABEL_UNCLIP)
    return LineFinder(network, rule=spec.scale, thresholds=thresholds, sizes=SIZES)


def orientation_judge(network: CompiledNetwork, spec: OrientationSpec) -> OrientationJudge:
    """What tells with a classifier whether a line stands on its head."""
    return OrientationJudge(network, height=spec.height, width=spec.width, threshold=spec.threshold)


def open_engine(path: Path, inference_precision: str = "f32") -> Engine:
    """The engine for a network's file on this CPU, whatever the network is for.

    Args:
        path: The file.
        inference_precision: f32, bf16 or f16: what float layers are computed in.

    Raises:
        ModelError: the CPU cannot compute in that precision natively.
    """
    threads = host_cpu().usable_threads
    if path.suffix == ".onnx":
        from edge_ocr.engines.onnxruntime import OnnxRuntimeEngine

        return OnnxRuntimeEngine(provider="cpu", threads=threads, inference_precision=inference_precision)
    return OpenVinoEngine(threads=threads, inference_precision=inference_precision, hint="latency", pinning=False)


def turned(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An image turned by 180 degrees."""
    return np.ascontiguousarray(image[::-1, ::-1])


def _picture(line: LabelledLine) -> NDArray[np.uint8]:
    """A line at its own size."""
    return load_image(line.path) if line.quad is None else line.load(max(MIN_CUT_PX, round(quad_size(line.quad)[1])))
