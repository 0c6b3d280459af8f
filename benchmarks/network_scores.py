"""What INT8 may cost a network, judged set by set and over all sets together.

The rule: over all sets together at most 0.3 point of the network's own measure; on each set 1 point or one image,
whichever is larger. An image is what is judged at once: a page for the detector, a crop for the others.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from edge_ocr.charset import Charset
from edge_ocr.geometry import Quad
from edge_ocr.metrics import Tally, alphanumeric

ALL_SETS = "all sets together"
NATIVE = "native"
"""The kernels that oneDNN takes of itself."""
ALL_SETS_MARGIN = 0.003
SET_MARGIN = 0.01
SAME_TURNED = frozenset("0689HINOSXZ")
"""Letters and digits that are others, or themselves, on their head."""


@dataclass(frozen=True, slots=True)
class FoundLine:
    """A line that was found and not read."""

    quad: Quad
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What one network got right on a set; of crops, every one counts as predicted and as labelled."""

    hits: int
    predicted: int
    labelled: int
    images: int
    """Pages or crops with something to judge."""

    @classmethod
    def of(cls, tally: Tally, images: int) -> Self:
        """From the counts of a page measure."""
        return cls(hits=tally.hits, predicted=tally.predicted, labelled=tally.labelled, images=images)

    @classmethod
    def total(cls, scores: Iterable[Self]) -> Self:
        """All together, every page and crop with the weight that it has in its set."""
        rows = [(one.hits, one.predicted, one.labelled, one.images) for one in scores]
        hits, predicted, labelled, images = (sum(column) for column in zip(*rows, strict=True)) if rows else (0,) * 4
        return cls(hits=hits, predicted=predicted, labelled=labelled, images=images)

    @property
    def value(self) -> float:
        """Hmean of pages, accuracy of crops; 0 where nothing is labelled."""
        return Tally(self.hits, self.predicted, self.labelled).f1

    def to_dict(self) -> dict[str, int]:
        """The counts by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """INT8 beside FP on one set, or on all."""

    name: str
    images: int
    fp: float
    int8: float
    margin: float
    """Largest loss that the rule lets pass."""

    @property
    def loss(self) -> float:
        """What INT8 costs; negative where it gains."""
        return self.fp - self.int8

    @property
    def passed(self) -> bool:
        """Whether INT8 loses no more than the margin."""
        return self.loss <= self.margin + 1e-9

    def to_dict(self) -> dict[str, Any]:
        """By name, rounded; with the verdict."""
        figures = {key: round(getattr(self, key), 5) for key in ("fp", "int8", "loss", "margin")}
        return {"set": self.name, "images": self.images, **figures, "passed": self.passed}


def judge_sets(fp: Mapping[str, Score], int8: Mapping[str, Score]) -> list[Verdict]:
    """Hold INT8 against FP on every set that has something to judge, and last on all together.

    Args:
        fp: Score per set.
        int8: Score per set, of the same sets.

    Returns:
        Verdicts in the order of the sets; none where nothing is labelled.
    """
    judged = [name for name in fp if fp[name].labelled]
    if not judged:
        return []
    verdicts = [_verdict(name, fp[name], int8[name], max(SET_MARGIN, 1 / fp[name].images)) for name in judged]
    fp_total, int8_total = (Score.total(scores[name] for name in judged) for scores in (fp, int8))
    return [*verdicts, _verdict(ALL_SETS, fp_total, int8_total, ALL_SETS_MARGIN)]


def is_spellable(text: str, charset: Charset) -> bool:
    """Whether a recogniser could get a text right: it has letters or digits, and the charset has all of them."""
    wanted = alphanumeric(text)
    return bool(wanted) and set(wanted) <= set(alphanumeric("".join(charset)))


def turns(text: str) -> bool:
    """Whether a text on its head is another one: of `0` nobody could say how it stands."""
    return not set(alphanumeric(text)) <= SAME_TURNED


def _verdict(name: str, fp: Score, int8: Score, margin: float) -> Verdict:
    return Verdict(name=name, images=fp.images, fp=fp.value, int8=int8.value, margin=margin)
