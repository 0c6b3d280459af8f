"""What reads a frame, and a frame read with the characters that each zone allows."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edge_ocr import Detection, Page, Recognition
from runtime.zones import Zones

Image = NDArray[np.uint8]
Quad = NDArray[np.float32]


class WholeReader(Protocol):
    """Reads an image in one go."""

    def read(self, image: Image) -> Page:
        """The lines of an image."""
        ...


@runtime_checkable
class StepReader(Protocol):
    """Finds lines and reads them as steps of their own: `edge_ocr.Reader`."""

    def detect(self, image: Image) -> Detection:
        """Where the lines of an image are."""
        ...

    def recognize(
        self, image: Image, quads: Sequence[Quad], *, allowed: Sequence[frozenset[str] | None] | None = None
    ) -> Recognition:
        """What some lines say, each decoded from the characters it may hold."""
        ...


def read_zones(reader: WholeReader, image: Image, zones: Zones) -> Page:
    """Read a frame; where zones allow certain characters only, decoding chooses from these.

    Raises:
        TypeError: there are such zones, and the reader has no steps; `Appliance` refuses that at the start.
    """
    if not zones.limits_characters:
        return reader.read(image)
    if not isinstance(reader, StepReader):
        raise TypeError(f"{type(reader).__name__} cannot keep to allowed characters")
    detection = reader.detect(image)
    recognition = reader.recognize(image, detection.quads, allowed=[zones.allowed(quad) for quad in detection.quads])
    timings_ms = {stage: ms + recognition.timings_ms.get(stage, 0.0) for stage, ms in detection.timings_ms.items()}
    lines = tuple(line for line in recognition.lines if line.text)
    return Page(detection.width, detection.height, lines, timings_ms)
