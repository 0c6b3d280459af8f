"""Labelled images on disk: a folder with `images/` and a `labels.jsonl`; its format is in `train.datasets.formats`."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_ocr.errors import ConfigError
from edge_ocr.images import SUFFIXES
from edge_ocr.metrics import Label
from train.datasets.formats import read_labels


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
        ConfigError: There is no such set, or it is empty.
        LabelError: A record is not one, or its image is missing.
    """
    found = read_labels(folder, limit=limit)
    images = [
        LabelledImage(page.path, _name(page.path, folder), labels=page.labels, partial=page.partial)
        for page in found.pages
    ]
    images += [LabelledImage(line.path, _name(line.path, folder), text=line.text) for line in found.lines]
    return LabelledSet(folder.name, images)


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


def _name(path: Path, folder: Path) -> str:
    """An image as the labels name it."""
    return os.path.relpath(path, folder)


def parse_folder_run(name: str, description: str | None, *, repeat: str) -> argparse.Namespace:
    """The options of a benchmark over the images of one folder.

    Args:
        name: Of its module.
        description: For the help.
        repeat: What its repetitions are, for the help.

    Returns:
        `folder`, `limit`, `repeat`, `pack` and `profile`.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="folder of images, or of a set of them")
    parser.add_argument("--limit", type=int, default=20, help="take the first so many images (default: %(default)s)")
    parser.add_argument("--repeat", type=int, default=5, help=f"{repeat} (default: %(default)s)")
    parser.add_argument("--pack", default="latin", help="model pack: a name or a folder (default: %(default)s)")
    parser.add_argument("--profile", default="auto", help="profile: a name or a YAML file (default: %(default)s)")
    options = parser.parse_args()
    if min(options.limit, options.repeat) < 1:
        parser.error("needs --limit and --repeat of at least 1")
    return options
