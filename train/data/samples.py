"""Training samples by number: the i-th of a seed is the same in whichever process it is drawn."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_ocr.errors import ConfigError
from train.data.crops import draw_crop, make_text
from train.data.font_book import FontBook
from train.data.line_kinds import KINDS, LineKind
from train.data.paper import LabelledQuad
from train.data.scenes import choose_layout, draw_empty, draw_layout

Emphasis = tuple[tuple[str, float], ...]
"""Names of kinds and how many times as often as their weight says they come."""

_LINES, _SCENES = 1, 2
_TRIES = 24


def draw_line(seed: int, index: int, fonts: FontBook, charset: Sequence[str]) -> tuple[NDArray[np.uint8], str]:
    """Draw a line of text for the recogniser.

    Args:
        seed: Of the whole run.
        index: Number of the sample, from 0.
        fonts: What to write with.
        charset: Characters a transcript may hold; the space is one of them if spaces are to be learnt.

    Returns:
        A crop (H, W, 3) uint8 BGR as the reader cuts it, 13 to 110 pixels high, and what it says.
    """
    rng = np.random.default_rng([seed, index, _LINES])
    return draw_line_of(rng, choose_kind(rng), fonts, charset)


def draw_scene(
    seed: int, index: int, fonts: FontBook, backdrops: Sequence[Path] = ()
) -> tuple[NDArray[np.uint8], list[LabelledQuad]]:
    """Draw a whole picture for the detector.

    Args:
        seed: Of the whole run.
        index: Number of the sample, from 0.
        fonts: What to write with.
        backdrops: Pictures without text to put things before; without them all backdrops are made up.

    Returns:
        A picture (H, W, 3) uint8 BGR with sides of 480 to 1120 pixels, and its lines, inside the picture: corners of
        the ink, clockwise from the text's top left, and what it says. A line with text "" is too small to be read:
        neither a hit nor a miss there counts.
    """
    rng = np.random.default_rng([seed, index, _SCENES])
    layout = choose_layout(rng)
    return (draw_empty(rng, backdrops), []) if layout is None else draw_layout(rng, layout, fonts, backdrops)


def draw_line_of(
    rng: np.random.Generator, kind: LineKind, fonts: FontBook, charset: Sequence[str]
) -> tuple[NDArray[np.uint8], str]:
    """Draw a line of one kind; see `draw_line`.

    Raises:
        ConfigError: No font shows the characters of the charset.
    """
    chars = tuple(charset)
    for attempt in range(_TRIES):
        if attempt == _TRIES // 2:
            # Every font has these.
            chars = tuple(char for char in charset if char.isascii()) or chars
        text = make_text(rng, kind, chars)
        image = draw_crop(rng, kind, text, fonts)
        if image is not None:
            return image, text
    raise ConfigError(f"{kind.name}: no font of {len(fonts)} shows {text!r}, nor {_TRIES - 1} texts before; add fonts")


def choose_kind(rng: np.random.Generator, emphasis: Emphasis = ()) -> LineKind:
    """Draw one of `KINDS` by its weight, those named in `emphasis` that many times as often."""
    return KINDS[int(np.searchsorted(_cumulated(emphasis), rng.random(), side="right"))]


@lru_cache(maxsize=8)
def _cumulated(emphasis: Emphasis) -> NDArray[np.float64]:
    factors = dict(emphasis)
    weights = np.array([kind.weight * factors.get(kind.name, 1.0) for kind in KINDS])
    return np.asarray(np.cumsum(weights) / weights.sum())
