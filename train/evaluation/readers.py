"""What is evaluated: a pack, read by `edge_ocr`, or the checkpoints of a detector and of a recogniser, in torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge_ocr.detection import DetectorThresholds, LineFinder, ScaleRule
from edge_ocr.errors import ConfigError
from edge_ocr.page import Line
from edge_ocr.recognition import LineReader, cut_line, scale_line
from train.evaluation.torch_networks import TorchDetector, TorchRecognizer
from train.released import Released, load_released

MIN_SCORE = 0.7
"""Readings below this are left out of a page, as a pack does by default."""
WIDTHS = (160, 240, 320, 480, 640, 960, 1280)
"""Static widths of the recogniser."""
SIDES = range(64, 1537, 64)
"""Sides of the detector's input: torch needs no compiling, so an image gets the next larger size."""


class TextReader(Protocol):
    """Something that finds and reads text."""

    @property
    def name(self) -> str:
        """For tables."""
        ...

    @property
    def finds(self) -> bool:
        """Whether it can find lines on a page."""
        ...

    @property
    def reads(self) -> bool:
        """Whether it can read lines."""
        ...

    @property
    def line_height(self) -> int:
        """Rows that a line is best cut out with."""
        ...

    def read_page(self, image: NDArray[np.uint8]) -> Sequence[Line]:
        """The lines of a page, with text "" where it only finds."""
        ...

    def read_line(self, image: NDArray[np.uint8]) -> str:
        """The text of a picture of one line."""
        ...


class PackReader:
    """A model pack as a device runs it; needs openvino.

    Args:
        pack: Name or folder.
        profile: Name or file.
    """

    finds = True
    reads = True

    def __init__(self, pack: str | Path, profile: str | Path = "auto") -> None:
        from edge_ocr.reader import Reader

        self.reader = Reader(pack, profile)
        self.line_height = self.reader.pack.manifest.recognizer.tallest
        self.name = f"pack {self.reader.pack.name} ({self.reader.profile.name})"

    def read_page(self, image: NDArray[np.uint8]) -> Sequence[Line]:
        """The lines of a page."""
        return self.reader.read(image).lines

    def read_line(self, image: NDArray[np.uint8]) -> str:
        """The text of a picture of one line."""
        return self.reader.read_line(image).text


class CheckpointReader:
    """The released networks of checkpoints: a detector, a recogniser, or one of each.

    Args:
        paths: One or two checkpoints.
        device: Where torch runs them.

    Raises:
        ConfigError: two of a kind, or one that neither finds nor reads.
        ModelError: one cannot be loaded.
    """

    def __init__(self, paths: Sequence[Path], device: str = "cpu") -> None:
        self.name = "checkpoint " + " + ".join(f"{path.parent.name}/{path.stem}" for path in paths)
        self._finder: LineFinder | None = None
        self._lines: LineReader | None = None
        self.line_height = 0
        for path in paths:
            released = load_released(path, device)
            if released.kind == "detector" and self._finder is None:
                self._finder = _line_finder(released)
            elif released.kind == "recognizer" and self._lines is None:
                self._lines, self.line_height = _line_reader(released), released.details["height"]
            else:
                raise ConfigError(f"{path}: a {released.kind}; give one detector, one recogniser, or both")

    @property
    def finds(self) -> bool:
        """Whether there is a detector."""
        return self._finder is not None

    @property
    def reads(self) -> bool:
        """Whether there is a recogniser."""
        return self._lines is not None

    def read_page(self, image: NDArray[np.uint8]) -> Sequence[Line]:
        """The lines of a page, with text "" where there is no recogniser."""
        assert self._finder is not None, "no detector"
        quads = self._finder.find(image).quads
        if self._lines is None:
            return [Line("", 1.0, quad) for quad in quads]
        readings = [self._lines.read(cut_line(image, quad, self.line_height)).reading for quad in quads]
        return [
            Line(reading.text, reading.score, quad, reading.char_scores)
            for quad, reading in zip(quads, readings, strict=True)
            if reading.text.strip() and reading.score >= MIN_SCORE
        ]

    def read_line(self, image: NDArray[np.uint8]) -> str:
        """The text of a picture of one line."""
        assert self._lines is not None, "no recogniser"
        return self._lines.read(scale_line(image, self.line_height)).reading.text


def _line_finder(released: Released) -> LineFinder:
    details = released.details
    return LineFinder(
        TorchDetector(released.network),
        rule=ScaleRule(**details.get("scale", {})),
        thresholds=DetectorThresholds(**details.get("thresholds", {})),
        sizes=[(height, width) for height in SIDES for width in SIDES],
    )


def _line_reader(released: Released) -> LineReader:
    network = TorchRecognizer(released.network)
    return LineReader(network, height=released.details["height"], widths=WIDTHS, charset=released.charset)
