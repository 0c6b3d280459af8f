"""Label files: ours, PaddleOCR's and ICDAR's. Every error names file and line.

    ours     labels.jsonl: {"image", "lines": [{"polygon", "text", "ignore"}], "partial"} a page,
             {"image", "text"} a line; `ignore` marks text that nobody could transcribe
    paddle   one image a row: PATH<tab>[{"transcription", "points"}, ...] for pages, PATH<tab>TEXT for lines; `###`
             and `*` mark text that nobody could transcribe (PaddleOCR, doc/doc_en/dataset)
    icdar    a folder of images and gt_NAME.txt or NAME.txt, one text a row: x1,y1,x2,y2,x3,y3,x4,y4,TEXT; `###` as
             above (ICDAR 2015 Robust Reading, challenge 4)

Paths of images are relative to the folder of the label file, or to one that is named.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge_ocr.errors import ConfigError
from edge_ocr.images import SUFFIXES
from edge_ocr.metrics import Label
from train.datasets.labelled import LabelledLine, LabelledPage, LabelledSet
from train.errors import LabelError

Format = Literal["ours", "paddle", "icdar"]
UNREADABLE = ("###", "*")
"""Transcriptions that mean: there is text here, but nobody could tell which."""
OURS = "labels.jsonl"

Record = LabelledPage | LabelledLine


def read_labels(path: Path, *, images: Path | None = None, limit: int = 0) -> LabelledSet:
    """Read a label file, or a folder with one, in any of the formats.

    Args:
        path: A `.jsonl` file or a folder with `labels.jsonl` (ours), a text file with tabs (paddle), a folder with a
            text file per image (icdar).
        images: What paths of images are relative to; for icdar the folder of the images.
        limit: Take the first so many images, 0 for all.

    Returns:
        A set named after the folder or file; it has pages or lines, at least one.

    Raises:
        ConfigError: there is no such file, or its format is none of these.
        LabelError: a row is not what its format asks for, or its image is missing.
    """
    kind = format_of(path)
    readers: dict[Format, Callable[[Path, Path | None], Iterator[Record]]] = {
        "ours": _read_ours,
        "paddle": _read_paddle,
        "icdar": _read_icdar,
    }
    records = []
    for record in readers[kind](path, images):
        if not record.path.is_file():
            raise LabelError(f"{record.where}: no such image: {record.path}")
        records.append(record)
        if len(records) == limit:
            break
    pages = [record for record in records if isinstance(record, LabelledPage)]
    lines = [record for record in records if isinstance(record, LabelledLine)]
    if pages and lines:
        raise LabelError(f"{lines[0].where}: a line among pages; keep lines and pages in files of their own")
    if not records:
        raise ConfigError(f"{path}: no labelled image in it")
    return LabelledSet(_set_name(path.resolve()), pages, lines)


def fingerprints(paths: Iterable[Path]) -> dict[str, str]:
    """The sha256 of label files by name; of a folder, that of all its label files together."""
    found = {}
    for path in paths:
        files = [path] if path.is_file() else [path / OURS] if (path / OURS).is_file() else sorted(path.glob("*.txt"))
        found[str(path)] = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    return found


def format_of(path: Path) -> Format:
    """Tell the format of a label file or folder.

    Raises:
        ConfigError: it is none that is known.
    """
    if path.suffix == ".jsonl" or (path / OURS).is_file():
        found: Format = "ours"
    elif path.is_dir() and any(path.glob("*.txt")):
        found = "icdar"
    elif path.is_file():
        found = "paddle"
    else:
        what = "no labels in this folder" if path.is_dir() else "no such file or folder"
        raise ConfigError(f"{path}: {what}; give labels.jsonl, a PaddleOCR label file or a folder of ICDAR text files")
    return found


def _set_name(path: Path) -> str:
    """A folder's name; a file's too, unless all are called so."""
    if path.is_file():
        return path.parent.name if path.name == OURS else path.stem
    return path.name


def _read_ours(path: Path, images: Path | None) -> Iterator[Record]:
    file = path / OURS if path.is_dir() else path
    root = images or file.parent
    for where, row in _rows(file):
        record = _json(row, where)
        if not isinstance(record, dict) or not isinstance(record.get("image"), str):
            raise LabelError(
                f'{where}: not a record: write {{"image": ..., "text": ...}} or {{"image": ..., "lines": [...]}}'
            )
        if isinstance(record.get("text"), str):
            yield LabelledLine(root / record["image"], record["text"], where)
            continue
        texts = record.get("lines")
        if not isinstance(texts, list):
            raise LabelError(f"{where}: neither `text` nor a list of `lines`")
        labels = [_our_label(text, f"{where}, text {n}") for n, text in enumerate(texts, start=1)]
        yield LabelledPage(root / record["image"], tuple(labels), where, bool(record.get("partial", False)))


def _read_paddle(path: Path, images: Path | None) -> Iterator[Record]:
    root = images or path.parent
    for where, row in _rows(path):
        name, tab, rest = row.partition("\t")
        if not tab:
            raise LabelError(f"{where}: no tab between the image's path and its label")
        if not rest.lstrip().startswith("[{") and rest.strip() != "[]":
            yield LabelledLine(root / name, rest, where)
            continue
        texts = _json(rest, where)
        labels = [_paddle_label(text, f"{where}, text {n}") for n, text in enumerate(texts, start=1)]
        yield LabelledPage(root / name, tuple(labels), where)


def _read_icdar(folder: Path, images: Path | None) -> Iterator[Record]:
    root = images or folder
    by_stem = {path.stem: path for path in sorted(root.iterdir()) if path.suffix.lower() in SUFFIXES}
    for file in sorted(folder.glob("*.txt")):
        stem = file.stem.removeprefix("gt_")
        if stem not in by_stem:
            raise LabelError(f"{file}: no image {stem}.* in {root}")
        labels = [_icdar_label(row, where) for where, row in _rows(file)]
        yield LabelledPage(by_stem[stem], tuple(labels), str(file))


def _icdar_label(row: str, where: str) -> Label:
    parts = row.split(",", 8)
    if len(parts) < 9:
        raise LabelError(f"{where}: {len(parts)} fields; write x1,y1,x2,y2,x3,y3,x4,y4,text")
    polygon = _polygon([parts[i : i + 2] for i in range(0, 8, 2)], where)
    return _transcribed(polygon, parts[8])


def _our_label(record: Any, where: str) -> Label:
    """What `ignore` says alone: a text `*` is a star, of a form's field that must be filled in."""
    polygon, text = _outlined(record, "polygon", "text", where)
    return Label(polygon, "", ignore=True) if record.get("ignore") else Label(polygon, text)


def _paddle_label(record: Any, where: str) -> Label:
    return _transcribed(*_outlined(record, "points", "transcription", where))


def _outlined(record: Any, outline_key: str, text_key: str, where: str) -> tuple[NDArray[np.float32], str]:
    """Outline and text of one text of a page in JSON."""
    if not isinstance(record, dict) or outline_key not in record:
        raise LabelError(f"{where}: no `{outline_key}`")
    polygon = _polygon(record[outline_key], where)
    text = record.get(text_key, "")
    if not isinstance(text, str):
        raise LabelError(f"{where}: `{text_key}` is {text!r}; put it in quotes")
    return polygon, text


def _transcribed(polygon: NDArray[np.float32], text: str) -> Label:
    return Label(polygon, "", ignore=True) if text in UNREADABLE else Label(polygon, text)


def _polygon(points: Any, where: str) -> NDArray[np.float32]:
    try:
        polygon = np.array([[float(x), float(y)] for x, y in points], np.float32)
    except (TypeError, ValueError):
        raise LabelError(f"{where}: the outline {points!r} is not a list of x, y pairs") from None
    if len(polygon) < 3 or not all(map(math.isfinite, polygon.ravel().tolist())):
        raise LabelError(f"{where}: the outline {points!r} needs three points or more, all of them finite")
    return polygon


def _rows(file: Path) -> Iterator[tuple[str, str]]:
    """The rows of a text file that are not empty, each with its place."""
    try:
        # Not splitlines(): a label may hold characters that it takes for an end of line.
        rows = file.read_text(encoding="utf-8-sig").replace("\r\n", "\n").split("\n")
    except UnicodeDecodeError as error:
        raise LabelError(f"{file}: not a text file in UTF-8") from error
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror})") from error
    for number, row in enumerate(rows, start=1):
        if row.strip():
            yield f"{file}:{number}", row


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise LabelError(f"{where}: not valid JSON at column {error.colno}: {error.msg}") from None
