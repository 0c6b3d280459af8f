"""Labelled pages to tune with: a folder with labels.jsonl, or a clip with its ground truth beside it.

The formats are those of benchmarks/README.md. Of a clip each document is looked at while it lies still.
"""

import hashlib
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError

from edge_ocr.errors import ConfigError, SourceError
from edge_ocr.images import load_image
from edge_ocr.metrics import Label
from runtime.sources.video import VideoSource

LABELS = "labels.jsonl"
FRAMES_PER_DOCUMENT = 3
"""Frames of a clip that are taken of each document, spread over the time for which it lies still."""
SEED = 0
"""Of the order of the pages: the first few are to be like all of them."""

Load = Callable[[], NDArray[np.uint8]]
Point = tuple[float, float]
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True, eq=False)
class LabelledPage:
    """A picture and what is on it."""

    name: str
    load: Load
    """Gives (H, W, 3) uint8 BGR; raises ImageError."""
    labels: tuple[Label, ...]
    partial: bool
    """It shows more text than is labelled."""


@dataclass(frozen=True, slots=True)
class LabelledPages:
    """What is tuned with."""

    source: str
    pages: Sequence[LabelledPage]
    """In an order of chance that is always the same."""
    sha256: str
    """Of the labels."""


class _Text(BaseModel):
    polygon: Annotated[list[Point], Field(min_length=3)]
    text: str = ""
    ignore: bool = False


class _Page(BaseModel):
    image: str
    lines: list[_Text]
    partial: bool = False


class _ClipLine(BaseModel):
    text: str
    quad: Annotated[list[Point], Field(min_length=4, max_length=4)]


class _Document(BaseModel):
    still_s: tuple[float, float]
    lines: list[_ClipLine]
    partial: bool = False


class _Clip(BaseModel):
    fps: Annotated[float, Field(gt=0)]
    documents: Annotated[list[_Document], Field(min_length=1)]


def read_pages(path: Path, *, limit: int | None = None) -> LabelledPages:
    """Read the labels of a folder or clip; pictures are loaded when they are needed.

    Args:
        path: A folder with labels.jsonl, or a video with a JSON file of the same name.
        limit: Take so many pages, chosen by chance but always the same.

    Raises:
        ConfigError: there is no such thing, or its labels are not what they should be.
        SourceError: the clip cannot be played.
    """
    if path.is_dir():
        pages, labels = list(_pages_of_folder(path)), path / LABELS
    elif path.is_file():
        labels = path.with_suffix(".json")
        pages = list(_pages_of_clip(path, labels))
    else:
        raise ConfigError(
            f"{path}: no such folder or clip; name a folder with {LABELS}, or a video with a .json beside it"
        )
    if not pages:
        raise ConfigError(f"{labels}: no page in it")
    random.Random(SEED).shuffle(pages)
    digest = hashlib.sha256(labels.read_bytes()).hexdigest()
    return LabelledPages(str(path), pages[:limit], digest)


def size_of(page: LabelledPage) -> tuple[int, int]:
    """(height, width) of a page's picture.

    Raises:
        ImageError: it cannot be read.
    """
    height, width = page.load().shape[:2]
    return height, width


def _pages_of_folder(folder: Path) -> Iterator[LabelledPage]:
    for number, row in enumerate(_text_of(folder / LABELS).split("\n"), start=1):
        if not row.strip():
            continue
        where = f"{folder / LABELS}:{number}"
        record = _parse(row, _Page, where)
        image = folder / record.image
        if not image.is_file():
            raise ConfigError(f"{where}: no such image: {image}")
        labels = tuple(Label(_outline(one.polygon), one.text, one.ignore) for one in record.lines)
        yield LabelledPage(record.image, lambda image=image: load_image(image), labels, record.partial)  # type: ignore[misc]


def _pages_of_clip(clip: Path, truth: Path) -> Iterator[LabelledPage]:
    """Still frames of every document, decoded once: seeking in a video is slow and not exact."""
    known = _parse(_text_of(truth), _Clip, str(truth))
    wanted: dict[int, _Document] = {}
    for document in known.documents:
        begin_s, end_s = document.still_s
        for part in range(1, FRAMES_PER_DOCUMENT + 1):
            at_s = begin_s + (end_s - begin_s) * part / (FRAMES_PER_DOCUMENT + 1)
            wanted[round(at_s * known.fps)] = document
    for index, pixels in _frames(clip, set(wanted)):
        document = wanted[index]
        labels = tuple(Label(_outline(line.quad), line.text) for line in document.lines)
        yield LabelledPage(f"frame {index}", lambda pixels=pixels: pixels, labels, document.partial)  # type: ignore[misc]


def _frames(clip: Path, indexes: set[int]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    source = VideoSource(str(clip))
    source.open()
    try:
        last = max(indexes)
        for index in range(last + 1):
            frame = source.read() if index in indexes else None
            if frame is None and (index in indexes or not source.skip()):
                raise SourceError(f"{clip}: ends before frame {last}, which its ground truth tells of; copy it again")
            if frame is not None:
                yield index, frame.image
    finally:
        source.close()


def _outline(points: Sequence[Point]) -> NDArray[np.float32]:
    return np.array(points, np.float32)


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror}); labels are told in benchmarks/README.md"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a text file in UTF-8") from error


def _parse(text: str, model: type[Model], where: str) -> Model:
    try:
        return model.model_validate(json.loads(text))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ConfigError(f"{where}: {place}: {first['msg'].lower()}") from None
    except ValueError as error:
        raise ConfigError(f"{where}: not valid JSON ({error})") from None
