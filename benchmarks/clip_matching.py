"""When a labelled line counts as found, and a published text as wrong.

Both are folded to letters and digits without case. A label is found when it equals a published text of its time, is a
run of whole tokens of one (detectors join neighbours), or is spelled by neighbouring published texts. A published text
is right when it equals a label, is a run of whole tokens of one, or is made of neighbouring labels.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

ROW_HEIGHTS = 0.5
"""How far the ends of neighbours may be off one line, in heights of the larger one."""
GAP_HEIGHTS = 3.0
"""Widest gap between neighbours, in the same unit."""
OVERLAP_HEIGHTS = 1.0
"""How far neighbours may overlap: detected quads have a margin."""


class Placed(Protocol):
    """A text at a place."""

    @property
    def text(self) -> str:
        """What it says."""
        ...

    @property
    def quad(self) -> NDArray[np.float32]:
        """(4, 2) px, clockwise from the text's top-left."""
        ...


def fold(text: str) -> str:
    """Letters and digits only, without case; "" where there is none."""
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def is_token_run(part: str, whole: str) -> bool:
    """Whether `part` is one or more successive whole tokens of `whole`, or all of it. An empty part is none."""
    wanted = fold(part)
    tokens = [folded for token in whole.split() if (folded := fold(token))]
    ends = [0]
    for token in tokens:
        ends.append(ends[-1] + len(token))
    joined = "".join(tokens)
    at = joined.find(wanted) if wanted else -1
    while at >= 0:
        if at in ends and at + len(wanted) in ends:
            return True
        at = joined.find(wanted, at + 1)
    return False


def is_right(text: Placed, labels: Sequence[Placed]) -> bool:
    """Whether a published text is what the labels of its document say."""
    if any(is_token_run(text.text, label.text) for label in labels):
        return True
    return any(True for _ in spelled_by(text.text, labels))


def finders(label: Placed, texts: Sequence[Placed]) -> Iterator[tuple[int, ...]]:
    """Every way in which a label is found: the texts, by index, that together show it."""
    for i, text in enumerate(texts):
        if is_token_run(label.text, text.text):
            yield (i,)
    yield from spelled_by(label.text, texts)


def spelled_by(wanted: str, parts: Sequence[Placed]) -> Iterator[tuple[int, ...]]:
    """The runs of two and more neighbouring parts, by index, that one after the other spell a text."""
    target = fold(wanted)
    folded = [fold(part.text) for part in parts]
    for first in range(len(parts)):
        if folded[first] and target.startswith(folded[first]):
            yield from _continue((first,), len(folded[first]), target, folded, parts)


def _continue(
    run: tuple[int, ...], done: int, target: str, folded: Sequence[str], parts: Sequence[Placed]
) -> Iterator[tuple[int, ...]]:
    """Runs that go on with a right neighbour of their last part."""
    if done == len(target):
        if len(run) > 1:
            yield run
        return
    for j, text in enumerate(folded):
        if text and j not in run and target.startswith(text, done) and _follows(parts[run[-1]].quad, parts[j].quad):
            yield from _continue((*run, j), done + len(text), target, folded, parts)


def _follows(quad: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    """Whether `other` begins where `quad` ends, in one row."""
    start, end = (quad[0] + quad[3]) / 2, (quad[1] + quad[2]) / 2
    direction = (end - start) / max(float(np.linalg.norm(end - start)), 1e-6)
    height = max(float(np.linalg.norm(one[3] - one[0]) + np.linalg.norm(one[2] - one[1])) / 2 for one in (quad, other))
    gap = (other[0] + other[3]) / 2 - end
    along = float(gap @ direction)
    across = abs(float(direction[0] * gap[1] - direction[1] * gap[0]))
    return across <= ROW_HEIGHTS * height and -OVERLAP_HEIGHTS * height <= along <= GAP_HEIGHTS * height
