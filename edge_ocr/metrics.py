"""How right a reading is: words and pages against their labels.

Three measures, each with its rule about case and punctuation:

    word accuracy   share of crops read right; letters and digits only, no case
    bag of words    precision, recall and F1 of whitespace-separated words per page, as in ICDAR 2019 SROIE task 2 but
                    without case and without punctuation around a word; the order of words does not matter
    detection       precision, recall and their harmonic mean, one to one, hit above an intersection over union of 0.5

A label with `ignore` marks text that nobody could transcribe: what is read on it counts neither way.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

HIT_IOU = 0.5
"""Intersection over union above which a predicted polygon is a labelled one, as in the ICDAR evaluation."""
IGNORED_SHARE = 0.5
"""A prediction with more than this share of its area on an ignored label is left out."""
LONG_LABEL = 3
"""Characters from which `PageScore.exact` finds a label inside other text; a shorter one must stand alone."""

_NOT_ALPHANUMERIC = re.compile("[^0-9A-Z\u4e00-\u9fff]")
_WORD_CORE = re.compile(r"\w(?:.*\w)?", re.DOTALL)

Point = tuple[float, float]
Line = TypeVar("Line", bound="TextLine")


class TextLine(Protocol):
    """What a page's line needs to be scored; `edge_ocr.Line` is one."""

    @property
    def text(self) -> str:
        """The reading."""

    @property
    def quad(self) -> NDArray[np.float32]:
        """(4, 2) corners in pixels; any convex (K, 2) outline will do."""


@dataclass(frozen=True, slots=True, eq=False)
class Label:
    """One text that a page is known to carry."""

    polygon: NDArray[np.float32]
    """(K, 2), K >= 3, outline in pixels of the image."""
    text: str = ""
    ignore: bool = False
    """The text could not be transcribed: neither a hit nor a miss here counts. So is a label without text."""

    @property
    def counts(self) -> bool:
        """Whether a hit or a miss here counts."""
        return bool(self.text) and not self.ignore


@dataclass(slots=True)
class Tally:
    """Hits among predictions and labels, added up over pages."""

    hits: int = 0
    predicted: int = 0
    labelled: int = 0

    def add(self, hits: int, predicted: int, labelled: int) -> None:
        """Add one page's counts."""
        self.hits += hits
        self.predicted += predicted
        self.labelled += labelled

    @property
    def precision(self) -> float:
        """Share of the predictions that are right; 0 without predictions."""
        return self.hits / max(self.predicted, 1)

    @property
    def recall(self) -> float:
        """Share of the labels that were found; 0 without labels."""
        return self.hits / max(self.labelled, 1)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 without both."""
        return 2 * self.hits / max(self.predicted + self.labelled, 1)


class PageScore:
    """Score of a set of pages, built up page by page with `add`."""

    def __init__(self) -> None:
        self.n_pages = 0
        self.n_exact = 0
        self.words = Tally()
        self.detection = Tally()

    def add(self, predicted: Sequence[TextLine], labels: Sequence[Label], *, partial: bool = False) -> None:
        """Compare one page with its labels.

        Args:
            predicted: The lines that were read; may be empty.
            labels: What is on the page; with no label every prediction is false.
            partial: The page shows more text than is labelled: what was read elsewhere is left out.
        """
        counted = [label for label in labels if label.counts]
        kept = judged_lines(predicted, labels, partial=partial)
        self.n_pages += 1
        self.detection.add(
            _n_hits([line.quad for line in kept], [label.polygon for label in counted]), len(kept), len(counted)
        )
        texts, wanted = [line.text for line in kept], [label.text for label in counted]
        _add_words(self.words, texts, wanted)
        self.n_exact += all_found(texts, wanted)

    @property
    def precision(self) -> float:
        """Share of the predicted words that are on the page."""
        return self.words.precision

    @property
    def recall(self) -> float:
        """Share of the labelled words that were predicted."""
        return self.words.recall

    @property
    def f1(self) -> float:
        """Bag-of-words F1 over all pages."""
        return self.words.f1

    @property
    def detection_hmean(self) -> float:
        """Harmonic mean of detection precision and recall above an intersection over union of 0.5."""
        return self.detection.f1

    @property
    def exact(self) -> float:
        """Share of the pages whose every label was read (see `all_found`)."""
        return self.n_exact / max(self.n_pages, 1)

    def to_dict(self) -> dict[str, float]:
        """The measures by name, rounded to four places."""
        measures = {
            "word_precision": self.precision,
            "word_recall": self.recall,
            "word_f1": self.f1,
            "detection_precision": self.detection.precision,
            "detection_recall": self.detection.recall,
            "detection_hmean": self.detection_hmean,
            "exact": self.exact,
        }
        return {"n_pages": self.n_pages, **{name: round(value, 4) for name, value in measures.items()}}


def word_accuracy(pairs: Iterable[tuple[str, str]]) -> float:
    """Share of (predicted, labelled) texts that agree in letters and digits, without case; 0 for no pair."""
    agree = [alphanumeric(predicted) == alphanumeric(label) for predicted, label in pairs]
    return sum(agree) / max(len(agree), 1)


def word_tally(predicted: Sequence[TextLine], labels: Sequence[Label], *, partial: bool = False) -> Tally:
    """One page's words, each as often as it occurs: what `PageScore` adds up, without the detection."""
    tally = Tally()
    kept = judged_lines(predicted, labels, partial=partial)
    _add_words(tally, [line.text for line in kept], [label.text for label in labels if label.counts])
    return tally


def bag_of_words_f1(pages: Iterable[tuple[Sequence[str], Sequence[str]]]) -> float:
    """F1 of words over pages, each page the (predicted, labelled) texts of its lines; 0 for no word at all."""
    tally = Tally()
    for predicted, labelled in pages:
        _add_words(tally, predicted, labelled)
    return tally.f1


def detection_tally(predicted: Sequence[ArrayLike], labelled: Sequence[ArrayLike]) -> Tally:
    """Labels of a page that a prediction hits, one to one; `f1` of it or of several is the detection Hmean.

    Args:
        predicted: Outlines, convex, (K, 2) in pixels each.
        labelled: Outlines, (K, 2) in pixels each.
    """
    return Tally(_n_hits(predicted, labelled), len(predicted), len(labelled))


def all_found(predicted: Sequence[str], labelled: Sequence[str]) -> bool:
    """Whether every labelled text was read, by letters and digits and without case.

    A label of `LONG_LABEL` characters or more may stand inside a predicted line or run across neighbouring ones; a
    shorter one must be a whole line or a whole word, since two characters are found anywhere.
    """
    run = alphanumeric("".join(predicted))
    whole = {alphanumeric(part) for text in predicted for part in (text, *text.split())}
    wanted = [alphanumeric(text) for text in labelled]
    return all(text in run if len(text) >= LONG_LABEL else text in whole for text in wanted if text)


def alphanumeric(text: str) -> str:
    """Digits, A to Z and Chinese characters of a text in upper case; all else is dropped."""
    return _NOT_ALPHANUMERIC.sub("", text.upper())


def words(text: str) -> list[str]:
    """Words of a text in lower case, without the punctuation around them."""
    cores = (_WORD_CORE.search(word) for word in text.lower().split())
    return [core.group() for core in cores if core]


def polygon_iou(convex: ArrayLike, polygon: ArrayLike) -> float:
    """Intersection over union of a convex outline (its hull is taken) and any simple one, both (K, 2)."""
    hull, points = _hull(convex), _points(polygon)
    shared = _area(_clip(points, hull))
    union = _area(hull) + _area(points) - shared
    return shared / union if union > 0 else 0.0


def _add_words(tally: Tally, predicted: Sequence[str], labelled: Sequence[str]) -> None:
    """Count one page's words, each as often as it occurs."""
    found, wanted = (Counter(word for text in texts for word in words(text)) for texts in (predicted, labelled))
    tally.add((found & wanted).total(), found.total(), wanted.total())


def judged_lines(predicted: Sequence[Line], labels: Sequence[Label], *, partial: bool) -> list[Line]:
    """The predictions that count: none on ignored text, and on a partly labelled page only those at a label."""
    counted = [label for label in labels if label.counts]
    ignored = [label.polygon for label in labels if not label.counts]
    kept = [line for line in predicted if not any(_covers(polygon, line.quad) for polygon in ignored)]
    if partial:
        kept = [line for line in kept if any(boxes_touch(line.quad, label.polygon) for label in counted)]
    return kept


def _n_hits(predicted: Sequence[ArrayLike], labelled: Sequence[ArrayLike]) -> int:
    """Labels hit by a prediction, each prediction given to the first label that it hits."""
    free = list(predicted)
    hits = 0
    for polygon in labelled:
        for index, outline in enumerate(free):
            if boxes_touch(outline, polygon) and polygon_iou(outline, polygon) > HIT_IOU:
                del free[index]
                hits += 1
                break
    return hits


def _covers(polygon: ArrayLike, convex: ArrayLike) -> bool:
    """Whether an ignored polygon lies under more than `IGNORED_SHARE` of a prediction."""
    if not boxes_touch(convex, polygon):
        return False
    hull = _hull(convex)
    area = _area(hull)
    return area > 0 and _area(_clip(_points(polygon), hull)) / area > IGNORED_SHARE


def boxes_touch(one: ArrayLike, other: ArrayLike) -> bool:
    """Whether the axis-aligned boxes of two outlines share a point."""
    a, b = np.asarray(one, np.float64), np.asarray(other, np.float64)
    return bool(np.all(a.max(axis=0) >= b.min(axis=0)) and np.all(b.max(axis=0) >= a.min(axis=0)))


def _hull(outline: ArrayLike) -> list[Point]:
    """Convex hull of an outline, its inside to the left of every edge in the sense of `_clip`."""
    hull = _points(cv2.convexHull(np.asarray(outline, np.float32).reshape(-1, 1, 2)))
    return hull if _signed_area(hull) >= 0 else hull[::-1]


def _points(outline: ArrayLike) -> list[Point]:
    """Vertices of an outline as pairs of floats, which small loops handle faster than arrays."""
    return [(float(x), float(y)) for x, y in np.asarray(outline, np.float64).reshape(-1, 2)]


def _clip(subject: list[Point], hull: list[Point]) -> list[Point]:
    """The part of a simple polygon inside a convex hull; cv2.intersectConvexConvex cannot take concave ones.

    Reference:
        Sutherland and Hodgman 1974, "Reentrant Polygon Clipping".
    """
    for start, end in zip(hull, hull[1:] + hull[:1], strict=True):
        subject = _clip_half_plane(subject, start, end)
    return subject


def _clip_half_plane(subject: list[Point], start: Point, end: Point) -> list[Point]:
    """The part of a polygon on the inner side of the line through start and end."""
    along = (end[0] - start[0], end[1] - start[1])
    sides = [along[0] * (y - start[1]) - along[1] * (x - start[0]) for x, y in subject]
    kept: list[Point] = []
    for index, (point, side) in enumerate(zip(subject, sides, strict=True)):
        previous, side_before = subject[index - 1], sides[index - 1]
        if (side >= 0) != (side_before >= 0):
            share = side_before / (side_before - side)
            kept.append((
                previous[0] + share * (point[0] - previous[0]),
                previous[1] + share * (point[1] - previous[1]),
            ))
        if side >= 0:
            kept.append(point)
    return kept


def _area(polygon: list[Point]) -> float:
    return abs(_signed_area(polygon))


def _signed_area(polygon: list[Point]) -> float:
    """Shoelace formula; positive where the inside lies to the left of the edges in the sense of `_clip`."""
    edges = zip(polygon, polygon[1:] + polygon[:1], strict=True)
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in edges) / 2
