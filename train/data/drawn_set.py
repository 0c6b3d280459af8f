"""Rendered words and pages as labelled sets on disk (`train.datasets.formats`).

Training draws on the fly; where many short runs are compared, drawing would cost each of them more than learning.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_ocr.errors import ConfigError
from train.data.chance import pick
from train.data.crops import draw_crop, make_text
from train.data.font_book import FontBook
from train.data.line_kinds import LineKind
from train.data.samples import choose_kind, draw_scene
from train.task import sample_rng

ASCII = tuple(map(chr, range(32, 127)))
MAX_TRIES = 500
JPEG_QUALITY = 95


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """How easy drawn words are."""

    longest: int
    """Characters at most."""
    singles: float
    """Share that is cut to one character. A network that has learnt nothing yet learns letters from them: in longer
    words it must find out first where in the picture the letters are."""
    max_aspect: float
    """Width per height of the crop at most."""


def write_words(out: Path, n: int, seed: int, fonts: FontBook, words: Words) -> None:
    """Draw words of ASCII letters and digits, each as a crop of its own.

    Args:
        out: The set's folder.
        n: How many.
        seed: Which ones.
        fonts: To write with.
        words: Which may be drawn.

    Raises:
        ConfigError: no such word can be drawn.
    """
    records: list[dict[str, Any]] = []
    (out / "images").mkdir(parents=True, exist_ok=True)
    for number in range(n):
        image, text = _draw_word(sample_rng(seed, number), fonts, words)
        records.append({"image": f"images/{number:06}.png", "text": text})
        cv2.imwrite(str(out / records[-1]["image"]), image)
    _write_labels(out, records)


def write_pages(out: Path, n: int, seed: int, fonts: FontBook) -> None:
    """Draw scenes with the quads of their lines, as the detector is trained on.

    Args:
        out: The set's folder.
        n: How many.
        seed: Which ones.
        fonts: To write with.
    """
    records: list[dict[str, Any]] = []
    (out / "images").mkdir(parents=True, exist_ok=True)
    for number in range(n):
        image, lines = draw_scene(seed, number, fonts)
        name = f"images/{number:06}.jpg"
        cv2.imwrite(str(out / name), image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        labels = [{"polygon": line.quad.tolist(), "text": line.text, "ignore": not line.text} for line in lines]
        records.append({"image": name, "lines": labels})
    _write_labels(out, records)


def _draw_word(rng: np.random.Generator, fonts: FontBook, words: Words) -> tuple[NDArray[np.uint8], str]:
    is_single = rng.random() < words.singles
    for _ in range(MAX_TRIES):
        kind = _easier(choose_kind(rng))
        texts = [word for word in make_text(rng, kind, ASCII).split() if word.isalnum() and len(word) <= words.longest]
        if not texts:
            continue
        text = pick(rng, texts)
        text = pick(rng, text) if is_single else text
        image = draw_crop(rng, kind, text, fonts)
        if image is not None and image.shape[1] <= words.max_aspect * image.shape[0]:
            return image, text
    raise ConfigError(f"no word can be drawn within {words}; allow more, or add fonts")


def _easier(kind: LineKind) -> LineKind:
    """The same kind of line in a dozen common fonts, alone, straight and well taken."""
    prints = kind.prints if "segments" in kind.prints else ("plain", "bold")
    return replace(
        kind, fonts=("office",), prints=prints, depth=0.3 * kind.depth, slant=0.3 * kind.slant, neighbours=0.0,
        rules=0.0, bent=0.0, effects=0.0, scanned=0.0,
    )  # fmt: skip


def _write_labels(out: Path, records: list[dict[str, Any]]) -> None:
    """Last, so that a folder with labels is a complete set."""
    rows = (json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    (out / "labels.jsonl").write_text("".join(rows), encoding="utf-8")
