"""`python -m train evaluate`: one reader, some sets, a table, a gallery."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from train.datasets.formats import read_labels
from train.evaluation.gallery import write_gallery
from train.evaluation.measures import PROTOCOLS
from train.evaluation.readers import TextReader
from train.evaluation.score import SetScore, score_set


def evaluate(
    reader: TextReader, sets: Sequence[Path], *, images: Path | None = None, limit: int = 0, gallery: Path | None = None
) -> list[SetScore]:
    """Have sets read and scored.

    Args:
        reader: What reads.
        sets: Label files or folders in any format of `train.datasets.formats`.
        images: What the paths of images in them are relative to.
        limit: The first so many images of each set, 0 for all.
        gallery: An HTML file to write the worst cases to.
    """
    # All labels first: a mistake in the last set should not cost an hour of reading.
    labelled = [read_labels(path, images=images, limit=limit) for path in sets]
    scores = [score_set(reader, one, _counter(one.name)) for one in labelled]
    if gallery:
        write_gallery(scores, gallery, reader=reader.name)
    return scores


def as_table(scores: Sequence[SetScore], reader: str) -> str:
    """The figures for people, each with its rule below."""
    rows = [f"{reader}\n"]
    for score in scores:
        rows.append(f"{score.name}: {score.n_images} images, judged by {score.level}")
        rows += [f"  {name:22} {value:.4f}" for name, value in score.figures.items()]
    used = {name for score in scores for name in score.figures}
    rows += ["", *(f"{name}: {rule}" for name, rule in PROTOCOLS.items() if name in used)]
    return "\n".join(rows) + "\n"


def as_json(scores: Sequence[SetScore], reader: str) -> str:
    """The figures for machines, with the rules."""
    used = {name for score in scores for name in score.figures}
    document = {
        "reader": reader,
        "sets": {
            score.name: {
                "judged": score.level,
                "images": score.n_images,
                **{name: round(value, 4) for name, value in score.figures.items()},
            }
            for score in scores
        },
        "protocols": {name: rule for name, rule in PROTOCOLS.items() if name in used},
    }
    return json.dumps(document, ensure_ascii=False) + "\n"


def _counter(name: str) -> Callable[[int, int], None]:
    """Shows on a terminal how far a set is."""

    def show(done: int, total: int) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[K{name} {done}/{total}{chr(10) if done == total else ''}")
            sys.stderr.flush()

    return show
