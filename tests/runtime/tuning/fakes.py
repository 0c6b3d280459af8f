"""Readers whose speed and accuracy follow from their profile, and pages for them to read."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from edge_ocr import Line, ModelError
from edge_ocr.cpu import HostCpu
from edge_ocr.metrics import Label
from edge_ocr.profile import DeviceProfile
from runtime.tuning.pages import LabelledPage
from runtime.tuning.scores import Read

BASE = DeviceProfile.model_validate({
    "name": "base",
    "description": "a test",
    "verified": True,
    "threads": 2,
    "streams": 1,
    "detector": {"sizes": [[736, 1280]]},
    "recognizer": {"widths": [160, 320, 640]},
})
CPU = HostCpu(model="a test's CPU", flags=frozenset({"avx2", "avx512_bf16"}), logical_cpus=4, usable_threads=4)
WORDS = 10
"""On every page."""

Cost = Callable[[DeviceProfile], tuple[float, int]]
"""Milliseconds of a page, and how many of its words are read."""


def label(word: int) -> Label:
    return Label(quad(word), f"word{word}")


def quad(word: int) -> NDArray[np.float32]:
    return np.array([[0, 20 * word], [90, 20 * word], [90, 20 * word + 9], [0, 20 * word + 9]], np.float32)


def pages(count: int) -> list[LabelledPage]:
    """A page of so many words each; the pixel tells the page's number."""
    return [
        LabelledPage(
            f"page {number}",
            lambda number=number: np.full((720, 1280, 3), number, np.uint8),  # type: ignore[misc]
            tuple(label(word) for word in range(WORDS)),
            partial=False,
        )
        for number in range(count)
    ]


def read(page: str, ms: float, *, hits: int = WORDS) -> Read:
    return Read(page=page, ms=ms, cpu_ms=ms, hits=hits, predicted=WORDS, labelled=WORDS)


class FakeReaders:
    """Opens readers by a cost model, and remembers what was asked of them."""

    def __init__(self, cost: Cost, *, stop_after: int | None = None) -> None:
        self.cost = cost
        self.stop_after = stop_after
        self.n_reads = 0
        self.n_open = 0
        self.refused: list[str] = []

    def __call__(self, profile: DeviceProfile, pack: str, sizes_hw: Sequence[tuple[int, int]]) -> "FakeReader":
        if profile.inference_precision in self.refused:
            raise ModelError(f"inference_precision {profile.inference_precision}: not on this CPU")
        self.n_open += 1
        return FakeReader(self, profile)


class FakeReader:
    """Takes as long as the model says, a little more on later pages."""

    def __init__(self, readers: FakeReaders, profile: DeviceProfile) -> None:
        self.readers = readers
        self.profile = profile

    def read(self, pixels: NDArray[np.uint8]) -> tuple[float, float, Sequence[Line]]:
        if self.readers.n_reads == self.readers.stop_after:
            raise KeyboardInterrupt
        self.readers.n_reads += 1
        ms, n_words = self.readers.cost(self.profile)
        number = int(pixels[0, 0, 0])
        lines = [Line(f"word{word}", 0.9, quad(word)) for word in range(n_words)]
        return ms * (1 + number / 10), 2 * ms, lines

    def close(self) -> None:
        self.readers.n_open -= 1
