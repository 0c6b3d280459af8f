"""How lines of two frames relate: where they overlap, how far they moved, whether one text holds the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PARALLEL_COS = 0.9
"""Two long lines whose directions differ by more than about 25 degrees have nothing in common."""
LONG = 2.0
"""A quad this many times as wide as high has a direction worth comparing."""


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where lines are: parallel arrays, one row a line."""

    centres: Floats
    """(N, 2) pixels."""
    directions: Floats
    """(N, 2) unit vectors along the text."""
    widths: Floats
    """(N,) pixels along the text."""
    heights: Floats
    """(N,) pixels across it."""

    @classmethod
    def of(cls, quads: Sequence[NDArray[np.float32]]) -> "Places":
        """Places of N quads; N may be 0."""
        corners = np.asarray(quads, dtype=np.float64).reshape(-1, 4, 2)
        along = (corners[:, 1] + corners[:, 2] - corners[:, 0] - corners[:, 3]) / 2
        across = (corners[:, 3] + corners[:, 2] - corners[:, 0] - corners[:, 1]) / 2
        widths = np.maximum(np.linalg.norm(along, axis=1), 1.0)
        heights = np.maximum(np.linalg.norm(across, axis=1), 1.0)
        return cls(corners.mean(axis=1), along / widths[:, None], widths, heights)

    def some(self, rows: Sequence[int]) -> "Places":
        """Some of the lines."""
        index = np.asarray(rows, dtype=np.intp)
        return Places(self.centres[index], self.directions[index], self.widths[index], self.heights[index])

    def moved(self, shift: Floats) -> "Places":
        """The same lines `shift` (2,) pixels further."""
        return Places(self.centres + shift, self.directions, self.widths, self.heights)


def intersections(a: Places, b: Places) -> Floats:
    """(A, B) areas in which lines overlap, in square pixels, taking each pair as parallel along `a`'s direction."""
    offsets = b.centres[None] - a.centres[:, None]
    directions = a.directions[:, None]
    along = np.abs((offsets * directions).sum(axis=2))
    across = np.abs(offsets[..., 0] * directions[..., 1] - offsets[..., 1] * directions[..., 0])
    wide = _common(along, a.widths, b.widths)
    high = _common(across, a.heights, b.heights)
    long_a, long_b = a.widths > LONG * a.heights, b.widths > LONG * b.heights
    crossed = (np.abs(a.directions @ b.directions.T) < PARALLEL_COS) & long_a[:, None] & long_b[None]
    areas: Floats = np.where(crossed, 0.0, wide * high)
    return areas


def ious(a: Places, b: Places) -> Floats:
    """(A, B) intersection over union."""
    common = intersections(a, b)
    areas_a, areas_b = a.widths * a.heights, b.widths * b.heights
    result: Floats = common / (areas_a[:, None] + areas_b[None] - common)
    return result


def ratios(a: Floats, b: Floats) -> Floats:
    """(A, B) smaller over larger of two positive lengths."""
    result: Floats = np.minimum(a[:, None], b[None]) / np.maximum(a[:, None], b[None])
    return result


def displacement(before: NDArray[np.float32], after: NDArray[np.float32]) -> float:
    """How far a line moved, in pixels: the least of its two ends and its middle.

    A detector that finds a line a little longer or shorter moves one end, a line that moves takes both along.
    """
    ends_before = np.array([before[[0, 3]].mean(axis=0), before.mean(axis=0), before[[1, 2]].mean(axis=0)])
    ends_after = np.array([after[[0, 3]].mean(axis=0), after.mean(axis=0), after[[1, 2]].mean(axis=0)])
    return float(np.linalg.norm(ends_after - ends_before, axis=1).min())


@lru_cache(maxsize=4096)
def similarity(a: str, b: str) -> float:
    """1 for equal texts down to 0 for texts without anything in common: 1 - edit distance / longer length."""
    if a == b:
        return 1.0
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = _next_row(row, i, x, b)
    return 1.0 - row[-1] / max(len(a), len(b))


@lru_cache(maxsize=4096)
def holds(whole: str, part: str) -> bool:
    """Whether `part` stands somewhere in `whole`, spaces aside and with a misread in every four characters at most."""
    whole, part = "".join(whole.split()).casefold(), "".join(part.split()).casefold()
    if part in whole:
        return True
    row = [0] * (len(whole) + 1)  # 0: the part may begin anywhere
    for i, x in enumerate(part, 1):
        row = _next_row(row, i, x, whole)
    return min(row) <= len(part) // 4


def _common(distance: Floats, a: Floats, b: Floats) -> Floats:
    """(A, B) length that intervals of lengths `a` and `b` share when their centres are `distance` apart."""
    lengths_a, lengths_b = a[:, None], b[None]
    shared = np.minimum((lengths_a + lengths_b) / 2 - distance, np.minimum(lengths_a, lengths_b))
    result: Floats = np.maximum(shared, 0.0)
    return result


def _next_row(row: list[int], first: int, x: str, text: str) -> list[int]:
    """The next row of the edit distance table."""
    following = [first]
    for j, y in enumerate(text, 1):
        following.append(min(row[j] + 1, following[-1] + 1, row[j - 1] + (x != y)))
    return following
