"""Labelled images on disk: a folder with `images/` and a `labels.jsonl`.

A record of a page: {"image": "images/x.jpg", "lines": [{"polygon": [[x, y], ...], "text", "ignore"}], "partial": false}
A record of a crop: {"image": "images/x.png", "text": "..."}
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_ocr.errors import ConfigError
from edge_ocr.images import SUFFIXES
from edge_ocr.metrics import Label


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """An image and what is on it."""

    path: Path
    name: str
    """The image as the labels name it."""
    text: str | None = None
    """The one text of a crop; None for a page."""
    labels: Sequence[Label] = ()
    """The texts of a page."""
    partial: bool = False
    """The page shows more text than is labelled."""


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """A labelled set: pages, or crops of one line each."""

    name: str
    images: Sequence[LabelledImage]

    @property
    def is_crops(self) -> bool:
        """Whether every image is one line of text."""
        return self.images[0].text is not None


def read_set(folder: Path, *, limit: int = 0) -> LabelledSet:
    """Read the labels of one set.

    Args:
        folder: The set's folder.
        limit: Take the first so many images, 0 for all.

    Raises:
        ConfigError: There is no such set, it is empty, or a record is not one.
    """
    labels = folder / "labels.jsonl"
    if not labels.is_file():
        raise ConfigError(f"{labels}: no such file; a set is a folder with images/ and labels.jsonl")
    rows = [row for row in labels.read_text(encoding="utf-8").splitlines() if row.strip()]
    if not rows:
        raise ConfigError(f"{labels}: no record in it")
    chosen = rows[:limit] if limit else rows
    return LabelledSet(folder.name, [_image(folder, row, number) for number, row in enumerate(chosen, start=1)])


def image_files(folder: Path, *, limit: int = 0) -> list[Path]:
    """Image files of a folder, or of its `images/`, by name.

    Args:
        folder: A folder of images, or of a set.
        limit: Take the first so many, 0 for all.

    Raises:
        ConfigError: There is no image.
    """
    place = folder / "images" if (folder / "images").is_dir() else folder
    if not place.is_dir():
        raise ConfigError(f"{folder}: no such folder")
    files = sorted(path for path in place.iterdir() if path.suffix.lower() in SUFFIXES)
    if not files:
        raise ConfigError(f"{place}: no image in it")
    return files[:limit] if limit else files


def _image(folder: Path, row: str, number: int) -> LabelledImage:
    """One record of labels.jsonl."""
    try:
        record = json.loads(row)
        name = record["image"]
        if "text" in record:
            return LabelledImage(folder / name, name, text=record["text"])
        labels = [Label.from_dict(line) for line in record["lines"]]
        return LabelledImage(folder / name, name, labels=labels, partial=bool(record.get("partial", False)))
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{folder / 'labels.jsonl'}: line {number}: not a record of a page or crop") from error
