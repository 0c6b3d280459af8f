"""The every-frame run: what one gets without gate, tracks and votes. Offline, unpaced, a plain `read` of every frame.

Slow, so every frame's lines are kept in a file beside (`--cache FOLDER`): an interrupted run goes on where it stopped,
and a finished one is only loaded.
"""

import hashlib
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.clip_matching import finders, fold
from benchmarks.clip_scores import MIN_HEIGHT_PX, Published, legible_lines
from benchmarks.clips import ClipTruth, Document
from edge_ocr import Reader
from edge_ocr.errors import ConfigError
from edge_ocr.page import Line
from runtime.sources import open_source

PROGRESS_EVERY = 30
"""Frames."""


@dataclass(frozen=True, slots=True, eq=False)
class FrameLines:
    """What was read in one frame."""

    at_s: float
    """Its time in the clip."""
    cpu_s: float
    """CPU time of this process for decoding and reading it."""
    lines: tuple[Line, ...]


def read_every_frame(clip: Path, reader: Reader, fps: float, cache: Path | None) -> list[FrameLines]:
    """Read all frames of a clip, or load what an earlier run read.

    Args:
        clip: The video.
        reader: Warmed up.
        fps: Its frames a second.
        cache: Folder for the file of what was read; None: none is kept.

    Raises:
        SourceError: the clip cannot be played.
        ConfigError: the file of an earlier run is damaged.
    """
    kept = None if cache is None else cache / _cache_name(clip, reader)
    frames = _load(kept) if kept is not None else []
    n_kept = len(frames)
    source = open_source(str(clip))
    source.open()
    try:
        for index in range(n_kept):
            if source.read() is None:
                raise ConfigError(f"{kept}: holds more than the clip's {index} frames; delete it")
        for one in _read_on(source.read, reader, fps, n_kept):
            frames.append(one)
            _keep(kept, one)
            if len(frames) % PROGRESS_EVERY == 0:
                print(f"every frame: {len(frames)} read", file=sys.stderr, flush=True)
    finally:
        source.close()
    return frames


def settled_texts(truth: ClipTruth, frames: Sequence[FrameLines]) -> list[Published]:
    """The texts of a run: each counts once it stands on two consecutive frames, as often as it stands on both."""
    published = []
    counted: Counter[tuple[int | None, str]] = Counter()
    before: Counter[str] = Counter()
    for frame in frames:
        owner = truth.document_at(frame.at_s)
        now = Counter(fold(line.text) for line in frame.lines)
        for line in frame.lines:
            text = fold(line.text)
            if text and counted[owner, text] < min(before[text], now[text]):
                counted[owner, text] += 1
                published.append(Published(line.text, line.quad, frame.at_s, frame.at_s))
        before = now
    return published


def single_frame_recall(truth: ClipTruth, frames: Sequence[FrameLines]) -> float:
    """Recall of one frame: per document the median over its still frames, weighted by its lines.

    Lines of `MIN_HEIGHT_PX` and more, against the lines of that frame alone.
    """
    found = total = 0.0
    for document in truth.documents:
        total += sum(line.height_px >= MIN_HEIGHT_PX for line in legible_lines(document))
        begin_s, end_s = document.still_s
        counts = [_n_found(document, frame) for frame in frames if begin_s <= frame.at_s <= end_s]
        found += median(counts) if counts else 0
    return found / total if total else 1.0


def _n_found(document: Document, frame: FrameLines) -> int:
    tall = [line for line in legible_lines(document) if line.height_px >= MIN_HEIGHT_PX]
    return sum(any(True for _ in finders(line, frame.lines)) for line in tall)


def _read_on(read: Any, reader: Reader, fps: float, first: int) -> Iterator[FrameLines]:
    index, before_s = first, time.process_time()
    while (frame := read()) is not None:
        lines = reader.read(frame.image).lines
        now_s = time.process_time()
        yield FrameLines(index / fps, now_s - before_s, lines)
        index, before_s = index + 1, time.process_time()


def _cache_name(clip: Path, reader: Reader) -> str:
    """Everything that decides what is read."""
    pixels = hashlib.sha256(clip.read_bytes()).hexdigest()[:12]
    profile = hashlib.sha256(reader.profile.model_dump_json().encode()).hexdigest()[:8]
    pack = f"{reader.pack.name}-{reader.pack.sha256[:12]}"
    return f"every-frame_{clip.stem}-{pixels}_{pack}_{reader.profile.name}-{profile}.jsonl"


def _load(path: Path) -> list[FrameLines]:
    if not path.exists():
        return []
    frames = []
    try:
        for row in path.read_text(encoding="utf-8").splitlines():
            data = json.loads(row)
            lines = tuple(Line(one["text"], one["score"], np.array(one["quad"], np.float32)) for one in data["lines"])
            frames.append(FrameLines(data["at_s"], data["cpu_s"], lines))
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{path}: line {len(frames) + 1} is damaged; delete the file") from error
    return frames


def _keep(path: Path | None, frame: FrameLines) -> None:
    if path is None:
        return
    row = {"at_s": round(frame.at_s, 4), "cpu_s": round(frame.cpu_s, 4), "lines": [x.to_dict() for x in frame.lines]}
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")
