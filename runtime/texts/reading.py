"""What reads frames, and how it keeps to the characters that each zone allows."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge_ocr import Detection, Recognition
from runtime.rules.zones import Zones

Image = NDArray[np.uint8]
Quad = NDArray[np.float32]


class StepReader(Protocol):
    """Finds lines and reads them as steps of their own."""

    def detect(self, image: Image) -> Detection:
        """Where the lines of an image are."""
        ...

    def recognize(self, image: Image, quads: Sequence[Quad], *, closely: bool = False) -> Recognition:
        """What some lines say, one for each quad; `closely` takes more time for each."""
        ...


class LimitedReader(StepReader, Protocol):
    """One that can be held to certain characters: `edge_ocr.Reader`."""

    def recognize(
        self,
        image: Image,
        quads: Sequence[Quad],
        *,
        allowed: Sequence[frozenset[str] | None] | None = None,
        closely: bool = False,
    ) -> Recognition:
        """What some lines say, each decoded from the characters it may hold."""
        ...


class ZonedReader:
    """A reader that keeps to the characters that the zones allow."""

    def __init__(self, reader: LimitedReader, zones: Zones) -> None:
        self._reader = reader
        self._zones = zones

    def detect(self, image: Image) -> Detection:
        """Where the lines of an image are."""
        return self._reader.detect(image)

    def recognize(self, image: Image, quads: Sequence[Quad], *, closely: bool = False) -> Recognition:
        """What some lines say, each decoded from the characters its zone allows."""
        sets = [self._zones.allowed(quad) for quad in quads] if self._zones.limits_characters else None
        return self._reader.recognize(image, quads, allowed=sets, closely=closely)
