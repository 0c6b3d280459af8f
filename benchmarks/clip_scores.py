"""What was published of a clip, against what it shows: recall, wrong texts, begins a line, time to the event."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.clip_matching import finders, fold, is_right, is_token_run
from benchmarks.clips import ClipTruth, Document, TruthLine

MIN_HEIGHT_PX = 16.0
"""Lines of this height and more count for recall."""


@dataclass(frozen=True, slots=True, eq=False)
class Published:
    """A text as it was told: a begin or an update. Times in seconds from the clip's start."""

    text: str
    quad: NDArray[np.float32]
    shown_s: float
    """When its frame was captured."""
    told_s: float
    """When a subscriber had it."""
    is_begin: bool = True


@dataclass(frozen=True, slots=True)
class LineResult:
    """What became of one labelled line."""

    document: int
    text: str
    height_px: float
    delay_s: float | None
    """From the document lying still to the text being told; negative while it still slid in; None: not found."""
    begins: float
    """How many times over it was begun; a begin of a piece counts by its share of the letters."""


@dataclass(frozen=True, slots=True)
class ClipScore:
    """The figures of one run over a clip. Lines without letters and digits are left out, and texts likewise."""

    lines: tuple[LineResult, ...]
    wrong: tuple[tuple[str, float], ...]
    """Published texts of documents that are not partial, or of none, that no label explains; with their times."""
    n_judged: int
    """Published texts of documents that are not partial, or of none."""
    n_judged_lines: int
    """Labelled lines of documents that are not partial."""
    n_begins: int

    @property
    def recall(self) -> float:
        """Share of the lines of `MIN_HEIGHT_PX` and more that were found; 1 without any."""
        return _share([line.delay_s is not None for line in self.lines if line.height_px >= MIN_HEIGHT_PX])

    @property
    def delays_s(self) -> list[float]:
        """Delays of the found lines of `MIN_HEIGHT_PX` and more."""
        return [one.delay_s for one in self.lines if one.delay_s is not None and one.height_px >= MIN_HEIGHT_PX]

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain data."""
        delays = self.delays_s
        begun = [line.begins for line in self.lines if line.begins > 0]
        return {
            "recall": round(self.recall, 4),
            "recall_all_heights": round(_share([line.delay_s is not None for line in self.lines]), 4),
            "lines": len(self.lines),
            "published": self.n_judged,
            "precision": round(1 - len(self.wrong) / max(self.n_judged, 1), 4),
            "wrong": len(self.wrong),
            "wrong_per_100_lines": round(100 * len(self.wrong) / max(self.n_judged_lines, 1), 2),
            "begins": self.n_begins,
            "begins_per_line": round(float(np.mean(begun)), 4) if begun else None,
            "begun_more_than_once": sum(one > 1.0 for one in begun),
            "delay_p50_s": round(float(np.percentile(delays, 50)), 3) if delays else None,
            "delay_p90_s": round(float(np.percentile(delays, 90)), 3) if delays else None,
        }

    def details(self) -> dict[str, Any]:
        """Every line and every wrong text."""
        return {"lines": [asdict(line) for line in self.lines], "wrong": [list(one) for one in self.wrong]}


def score_clip(truth: ClipTruth, published: Sequence[Published]) -> ClipScore:
    """Hold what was published of a clip against its labels, each document against the texts of its time."""
    texts = [one for one in published if fold(one.text)]
    owners = [truth.document_at(one.shown_s) for one in texts]
    lines: list[LineResult] = []
    wrong = [one for one, owner in zip(texts, owners, strict=True) if owner is None]
    n_judged, n_judged_lines = len(wrong), 0
    for i, document in enumerate(truth.documents):
        labels = legible_lines(document)
        own = [one for one, owner in zip(texts, owners, strict=True) if owner == i]
        lines += _line_results(i, document, labels, own)
        if not document.partial:
            wrong += [one for one in own if not is_right(one, labels)]
            n_judged += len(own)
            n_judged_lines += len(labels)
    wrong.sort(key=lambda one: one.shown_s)
    n_begins = sum(one.is_begin for one in published)
    told = tuple((one.text, round(one.shown_s, 3)) for one in wrong)
    return ClipScore(tuple(lines), told, n_judged, n_judged_lines, n_begins)


def legible_lines(document: Document) -> list[TruthLine]:
    """The labelled lines that can be matched at all."""
    return [line for line in document.lines if fold(line.text)]


def _line_results(
    number: int, document: Document, labels: Sequence[TruthLine], texts: Sequence[Published]
) -> list[LineResult]:
    begins = _begins([one for one in texts if one.is_begin], labels)
    results = []
    for label, n_begins in zip(labels, begins, strict=True):
        # All the pieces that spell it must have been told.
        told = [max(texts[i].told_s for i in way) for way in finders(label, texts)]
        delay_s = round(min(told) - document.still_s[0], 3) if told else None
        results.append(LineResult(number, label.text, label.height_px, delay_s, round(n_begins, 3)))
    return results


def _begins(begins: Sequence[Published], labels: Sequence[TruthLine]) -> list[float]:
    """How many times over each label was begun."""
    counts = [0.0] * len(labels)
    for begin in begins:
        for i in _labels_of(begin, labels):
            counts[i] += min(1.0, len(fold(begin.text)) / len(fold(labels[i].text)))
    return counts


def _labels_of(begin: Published, labels: Sequence[TruthLine]) -> list[int]:
    """The labels that a begin tells of: those it holds, else the nearest it is a piece of, else where it lies."""
    held = [i for i, label in enumerate(labels) if is_token_run(label.text, begin.text)]
    if held:
        return _nearest_of_each(begin, labels, held)
    pieces = [i for i, label in enumerate(labels) if is_token_run(begin.text, label.text)]
    if pieces:
        return [min(pieces, key=lambda i: _distance(begin, labels[i]))]
    return [i for i, label in enumerate(labels) if _lies_on(begin, label)]


def _nearest_of_each(begin: Published, labels: Sequence[TruthLine], held: Sequence[int]) -> list[int]:
    """One label of those that say the same: a document may show a text more than once."""
    by_text: dict[str, int] = {}
    for i in sorted(held, key=lambda i: _distance(begin, labels[i])):
        by_text.setdefault(fold(labels[i].text), i)
    # A short label may only look like a token of this one: "2" is in "2 x 3.50" wherever "2" itself stands.
    on_it = [i for i in by_text.values() if _lies_on(begin, labels[i])]
    return on_it or [min(held, key=lambda i: (-len(fold(labels[i].text)), _distance(begin, labels[i])))]


def _distance(begin: Published, label: TruthLine) -> float:
    return float(np.linalg.norm(begin.quad.mean(axis=0) - label.quad.mean(axis=0)))


def _lies_on(begin: Published, label: TruthLine) -> bool:
    """Whether the middle of one is within the other."""
    return _holds(begin.quad, label.quad.mean(axis=0)) or _holds(label.quad, begin.quad.mean(axis=0))


def _holds(quad: NDArray[np.float32], point: NDArray[np.float32]) -> bool:
    sides = np.roll(quad, -1, axis=0) - quad
    to_point = point - quad
    return bool(np.all(sides[:, 0] * to_point[:, 1] - sides[:, 1] * to_point[:, 0] >= 0))


def _share(claims: Sequence[bool]) -> float:
    return sum(claims) / len(claims) if claims else 1.0
