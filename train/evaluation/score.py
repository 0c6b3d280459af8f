"""One reader against one labelled set: figures, and the cases that went worst."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from edge_ocr.errors import ConfigError
from edge_ocr.images import load_image
from edge_ocr.metrics import PageScore, Tally, TextLine, words
from train.datasets.labelled import LabelledPage, LabelledSet, lines_of_pages
from train.evaluation.measures import add_end_to_end, line_figures, similarity
from train.evaluation.readers import TextReader

SHOWN_HEIGHT = 64
"""Pixels of a line in the gallery."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One image and how well it was read."""

    name: str
    goodness: float
    """In [0, 1]; the gallery shows the lowest."""
    load: Callable[[], NDArray[np.uint8]]
    """Its picture, (H, W, 3) uint8 BGR; loaded only if it is shown."""
    read: str = ""
    label: str = ""
    lines: tuple[TextLine, ...] = ()
    """What was found on a page."""
    page: LabelledPage | None = None


@dataclass(frozen=True, slots=True)
class SetScore:
    """Figures of one reader on one set."""

    name: str
    level: str
    """What was judged: `pages`, `lines`, or `lines of pages`, cut out by their labels."""
    n_images: int
    figures: dict[str, float]
    """By the names of `train.evaluation.measures.PROTOCOLS`."""
    cases: list[Case] = field(default_factory=list, repr=False)


def score_set(
    reader: TextReader, labelled: LabelledSet, progress: Callable[[int, int], None] | None = None
) -> SetScore:
    """Have a set read and compare it with its labels.

    Args:
        reader: What reads.
        labelled: Pages or lines. Of pages, a reader that cannot find lines gets the labelled ones cut out.
        progress: Called with the number of images done and of all.

    Raises:
        ConfigError: the reader cannot do what the set asks for.
        ImageError: a picture cannot be read.
    """
    tell = progress or (lambda done, total: None)
    if labelled.pages and reader.finds:
        return _score_pages(reader, labelled, tell)
    if not reader.reads:
        raise ConfigError(
            f"{labelled.name}: a set of lines, and {reader.name} cannot read: add a recogniser's checkpoint"
        )
    return _score_lines(reader, labelled, tell)


def _score_lines(reader: TextReader, labelled: LabelledSet, tell: Callable[[int, int], None]) -> SetScore:
    lines = labelled.lines or lines_of_pages(labelled.pages)
    pairs, cases = [], []
    for number, line in enumerate(lines, start=1):
        read = reader.read_line(line.load(reader.line_height))
        pairs.append((read, line.text))
        cases.append(Case(line.where, similarity(read, line.text), partial(line.load, SHOWN_HEIGHT), read, line.text))
        tell(number, len(lines))
    level = "lines" if labelled.lines else "lines of pages"
    return SetScore(labelled.name, level, len(lines), line_figures(pairs), cases)


def _score_pages(reader: TextReader, labelled: LabelledSet, tell: Callable[[int, int], None]) -> SetScore:
    score, end_to_end, cases = PageScore(), Tally(), []
    for number, page in enumerate(labelled.pages, start=1):
        lines = reader.read_page(load_image(page.path))
        alone, alone_end = PageScore(), Tally()
        alone.add(lines, page.labels, partial=page.partial)
        add_end_to_end(alone_end, lines, page.labels, partial=page.partial)
        _add_up(score, alone)
        end_to_end.add(alone_end.hits, alone_end.predicted, alone_end.labelled)
        tally = alone.words if reader.reads else alone.detection
        goodness = tally.f1 if tally.predicted + tally.labelled else 1.0
        read, label = _missed_and_false(lines, page)
        cases.append(Case(page.where, goodness, partial(load_image, page.path), read, label, tuple(lines), page))
        tell(number, len(labelled.pages))
    figures = {
        "detection_precision": score.detection.precision,
        "detection_recall": score.detection.recall,
        "detection_hmean": score.detection_hmean,
    }
    if reader.reads:
        figures |= {"end_to_end_hmean": end_to_end.f1, "word_f1": score.f1, "exact": score.exact}
    return SetScore(labelled.name, "pages", len(labelled.pages), figures, cases)


def _add_up(score: PageScore, page: PageScore) -> None:
    score.n_pages += page.n_pages
    score.n_exact += page.n_exact
    for total, part in ((score.words, page.words), (score.detection, page.detection)):
        total.add(part.hits, part.predicted, part.labelled)


def _missed_and_false(lines: Sequence[TextLine], page: LabelledPage) -> tuple[str, str]:
    """Words that were read and are not there, and words that are there and were not read."""
    found = [word for line in lines for word in words(line.text)]
    wanted = [word for label in page.labels if label.counts for word in words(label.text)]
    return " ".join(_without(found, wanted)), " ".join(_without(wanted, found))


def _without(some: list[str], others: list[str]) -> Iterator[str]:
    left = list(others)
    for word in some:
        if word in left:
            left.remove(word)
        else:
            yield word
