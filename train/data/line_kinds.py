"""The kinds of lines a camera at a counter meets: what they say, in which print, on what, and how they are taken.

A kind is a row of one table, so that what is trained on can be read, and weighed differently, in one place.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from train.data import surfaces
from train.data.surfaces import Levels, Pixels

Ground = Callable[[np.random.Generator, tuple[int, int], Levels], Pixels]
Colours = Callable[[np.random.Generator], tuple[Levels, Levels]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LineKind:
    """One kind of text line."""

    name: str
    weight: float
    """How often it is drawn, beside the others' weights."""
    texts: tuple[str, ...]
    """Kinds of `phrases.TEMPLATES`, `mrz` or `gibberish` too."""
    fonts: tuple[str, ...]
    """Uses of `FontBook`."""
    prints: tuple[str, ...] = ("plain",)
    """plain, spaced, bold, typewriter, dots, worn, thermal, segments."""
    colours: Colours
    """Draws the ground's colour and the ink's."""
    grounds: tuple[Ground, ...]
    height_px: tuple[int, int]
    """Of the whole crop as the reader cuts it from the picture."""
    depth: float = 1.0
    """How bad the conditions are (`lens.photograph`)."""
    scanned: float = 0.0
    """Part that was scanned, copied or faxed rather than photographed."""
    neighbours: float = 0.3
    """Part into which a line above, below or beside intrudes."""
    rules: float = 0.05
    """Part with an underline or the edge of a box."""
    slant: float = 0.3
    """How far from straight, as a part of the margin that a loose quad leaves."""
    bent: float = 0.0
    """Part whose base line is an arc or wave."""
    effects: float = 0.0
    """Part with an outline, a shadow or a second colour."""
    narrow: tuple[float, float] = (0.85, 1.15)
    """Width of the letters beside that of their font."""
    capitals: bool = False
    """Whether all is printed in capitals."""
    seals: float = 0.0
    """Part with a seal or emblem in a gap between the characters, which is no character."""
    bands: float = 0.0
    """Part with a coloured band and a country's sign before the text."""


def _levels(*values: float) -> Levels:
    return np.array(values, np.float32)


def _grey(rng: np.random.Generator, low: float, high: float, tint: float = 0) -> Levels:
    return np.asarray(np.clip(rng.uniform(low, high) + rng.uniform(-tint, tint, 3), 0, 255), np.float32)


def black_on_white(rng: np.random.Generator) -> tuple[Levels, Levels]:
    """Laser print; one cell in eight is highlighted, one text in eight coloured."""
    ground = _grey(rng, 238, 255, 4)
    if rng.random() < 0.12:
        ground[rng.integers(3)] -= rng.uniform(20, 130)
    ink = _grey(rng, 0, 70, 8)
    if rng.random() < 0.12:
        ink[rng.integers(3)] += rng.uniform(50, 160)
    return (ground, ink) if rng.random() < 0.96 else (ink, ground)


def receipt_paper(rng: np.random.Generator) -> tuple[Levels, Levels]:
    """Thermal or ribbon print, from fresh to faded, on paper white to grey."""
    ground = _grey(rng, 165, 255, 5)
    contrast = rng.uniform(0.4, 0.97)
    ink = ground * (1 - contrast)
    if rng.random() < 0.15:
        # Violet ribbon or blue thermal paper.
        ink += _levels(rng.uniform(20, 110), 0, rng.uniform(0, 60))
    return ground, np.minimum(ink, 230)


def sleeve(rng: np.random.Generator) -> tuple[Levels, Levels]:
    """White and yellow plastic under the light of a cabinet."""
    light = rng.uniform(0.45, 1.0)
    white, yellow = _grey(rng, 200, 255, 14), _levels(rng.uniform(10, 90), rng.uniform(180, 225), rng.uniform(210, 250))
    return (white if rng.random() < 0.7 else yellow) * light, _grey(rng, 5, 70, 8)


def plate(rng: np.random.Generator) -> tuple[Levels, Levels]:
    """White, pastel or yellow plates with dark letters; a few the other way round."""
    light = rng.uniform(0.5, 1.0)
    ground = _grey(rng, 205, 250, 14)
    if rng.random() < 0.08:
        ground = _levels(rng.uniform(0, 80), rng.uniform(170, 220), rng.uniform(210, 250))
    ink = _grey(rng, 5, 60, 12)
    if rng.random() < 0.4:
        ink[rng.integers(3)] += rng.uniform(30, 130)
    pair = (ground * light, ink * light)
    return pair if rng.random() < 0.96 else pair[::-1]


def pastel(rng: np.random.Generator) -> tuple[Levels, Levels]:
    """Cards, tickets and certificates."""
    return _grey(rng, 180, 250, 22), _grey(rng, 0, 70, 15)


def display(rng: np.random.Generator) -> tuple[Levels, Levels]:
    """Liquid crystals, dark on grey-green or hardly lit, or lamps on black."""
    choice = rng.random()
    if choice < 0.4:
        ground = _grey(rng, 60, 190, 22)
        return ground, ground * rng.uniform(0.1, 0.6)
    if choice < 0.6:
        ground = _grey(rng, 28, 75, 10)
        return ground, ground * rng.uniform(0.15, 0.55)
    hues = ((40, 50, 255), (60, 255, 60), (20, 170, 255), (255, 160, 40), (230, 240, 180), (255, 255, 255))
    lamp = _levels(*hues[rng.integers(len(hues))]) * rng.uniform(0.55, 1.0)
    return _grey(rng, 4, 50, 10), lamp


def screen(rng: np.random.Generator) -> tuple[Levels, Levels]:
    """Windows and overlays: any two colours far enough apart, often light on dark."""
    pair = black_on_white(rng) if rng.random() < 0.4 else signboard(rng)
    return pair if rng.random() < 0.6 else (_grey(rng, 0, 110, 25), _grey(rng, 200, 255, 15))


def signboard(rng: np.random.Generator) -> tuple[Levels, Levels]:
    """Any two colours that can be told apart, light or dark, strong or dull."""
    while True:
        ground, ink = (np.asarray(rng.uniform(0, 255, 3), np.float32) for _ in range(2))
        if rng.random() < 0.5:
            ink = _grey(rng, 215, 255, 10) if rng.random() < 0.65 else _grey(rng, 0, 50, 10)
        dim = rng.uniform(0.25, 1.0)
        # Weights of the eye, ITU-R BT.601.
        if abs(float((ground - ink) @ _levels(0.114, 0.587, 0.299))) * dim > rng.uniform(22, 90):
            return ground * dim, ink * dim


def nameplate(rng: np.random.Generator) -> tuple[Levels, Levels]:
    """Foil, metal and enamel: black on silver or white, white on black, red or blue."""
    if rng.random() < 0.7:
        return _grey(rng, 120, 250, 14), _grey(rng, 0, 60, 12)
    dark = _grey(rng, 10, 60, 10)
    if rng.random() < 0.6:
        dark[rng.integers(3)] += rng.uniform(60, 150)
    return dark, _grey(rng, 185, 255, 12)


def drum(rng: np.random.Generator) -> tuple[Levels, Levels]:
    """The rolling digits of a counter: white on black, black on white or red."""
    pair = (_grey(rng, 15, 70, 10), _grey(rng, 140, 250, 12))
    return pair if rng.random() < 0.6 else pair[::-1]


_PAPERS = (surfaces.flat, surfaces.flat, surfaces.paper)
_SIGNS = (surfaces.flat, surfaces.gradient, surfaces.gradient, surfaces.paper, surfaces.scene, surfaces.bricks)

KINDS = (
    LineKind(
        name="receipt", weight=15, texts=("receipt", "receipt", "address"), fonts=("mono", "mono", "plain", "office"),
        prints=("plain", "plain", "thermal", "thermal", "dots", "worn", "bold"), colours=receipt_paper, grounds=_PAPERS,
        height_px=(16, 48), depth=0.7, scanned=0.35, neighbours=0.45, narrow=(0.6, 1.3), capitals=False,
    ),
    LineKind(
        name="form", weight=15, texts=("form", "form", "page"), fonts=("office", "plain", "mono"), prints=("plain",
        "plain", "typewriter", "typewriter", "worn", "bold", "dots"), colours=black_on_white, grounds=_PAPERS,
        height_px=(13, 36), depth=0.6, scanned=0.7, neighbours=0.5, rules=0.25,
    ),
    LineKind(
        name="page", weight=15, texts=("page",), fonts=("office", "office", "plain"), prints=("plain", "plain", "plain",
        "bold"), colours=black_on_white, grounds=_PAPERS, height_px=(13, 44), depth=0.5, scanned=0.35, neighbours=0.5,
        rules=0.12,
    ),
    LineKind(
        name="ticket", weight=5, texts=("receipt", "card", "form", "checked_text"), fonts=("plain", "mono", "office"),
        prints=("plain", "thermal", "dots", "bold", "worn"), colours=pastel, height_px=(15, 60),
        grounds=(surfaces.paper, surfaces.guilloche, surfaces.gradient),
    ),
    LineKind(
        name="nameplate", weight=7, texts=("nameplate",), fonts=("office", "plain", "road", "mono"), prints=("plain",
        "plain", "bold", "spaced", "dots", "worn"), colours=nameplate, height_px=(14, 64), rules=0.15,
        grounds=(surfaces.flat, surfaces.brushed, surfaces.paper, surfaces.gradient), effects=0.1, slant=0.5, bent=0.05,
    ),
    LineKind(
        name="wire", weight=7, texts=("wire",), fonts=("office", "plain", "mono", "road", "capitals"), prints=("plain",
        "plain", "spaced", "bold", "worn"), colours=sleeve, capitals=True, slant=0.9, bent=0.25,
        grounds=(surfaces.rounded_sleeve, surfaces.rounded_sleeve, surfaces.paper), height_px=(16, 72), neighbours=0.15,
        narrow=(0.7, 1.3),
    ),
    LineKind(
        name="card", weight=4, texts=("card",), fonts=("office", "plain"), prints=("plain", "bold", "spaced"),
        colours=pastel, grounds=(surfaces.guilloche, surfaces.gradient, surfaces.paper), height_px=(13, 40),
        neighbours=0.4,
    ),
    LineKind(
        name="mrz", weight=4, texts=("mrz",), fonts=("ocr_b", "ocr_b", "ocr_b", "mono"), prints=("plain", "plain",
        "bold", "worn"), colours=pastel, grounds=(surfaces.guilloche, surfaces.paper, surfaces.flat), height_px=(13,
        44), neighbours=0.6, narrow=(0.85, 1.1),
    ),
    LineKind(
        name="plate_us", weight=6, texts=("plate_us",), fonts=("road",), prints=("bold", "plain",
        "spaced"), colours=plate, grounds=(surfaces.flat, surfaces.gradient), height_px=(13, 48),
        depth=1.1, rules=0.3, neighbours=0.5, effects=0.2, slant=0.5, narrow=(0.65, 1.0), capitals=True,
        seals=0.6,
    ),
    LineKind(
        name="plate_eu", weight=6, texts=("plate_eu",), fonts=("road",), prints=("bold", "plain",
        "spaced"), colours=plate, grounds=(surfaces.flat, surfaces.gradient), height_px=(15, 56), depth=1.1, rules=0.3,
        neighbours=0.2, effects=0.15, slant=0.5, narrow=(0.65, 1.1), capitals=True, seals=0.6, bands=0.5,
    ),
    LineKind(
        name="display", weight=8, texts=("display",), fonts=("mono",), prints=("segments",), colours=display, depth=1.0,
        grounds=(surfaces.flat, surfaces.gradient, surfaces.paper), height_px=(20, 110), neighbours=0.0, rules=0.15,
        slant=0.6, narrow=(0.8, 1.3),
    ),
    LineKind(
        name="screen", weight=5, texts=("screen",), fonts=("office", "mono", "plain"), prints=("plain", "plain", "dots",
        "bold"), colours=screen, grounds=(surfaces.flat, surfaces.gradient, surfaces.scene), height_px=(14, 60),
        neighbours=0.2, effects=0.15,
    ),
    LineKind(
        name="sign", weight=18, texts=("sign",), fonts=("plain", "plain", "office", "script", "capitals", "road"),
        prints=("plain", "plain", "bold", "spaced"), colours=signboard, grounds=_SIGNS, height_px=(14, 100), depth=1.3,
        neighbours=0.35, slant=0.9, bent=0.12, effects=0.3, narrow=(0.7, 1.35),
    ),
    LineKind(
        name="counter", weight=2, texts=("counter",), fonts=("office", "road", "plain"), prints=("plain", "bold",
        "spaced"), colours=drum, grounds=(surfaces.rounded_sleeve, surfaces.flat), height_px=(16, 64), neighbours=0.5,
    ),
    LineKind(
        name="rare", weight=5, texts=("gibberish",), fonts=("plain", "mono", "office"), prints=("plain", "bold",
        "worn"), colours=black_on_white, grounds=_PAPERS, height_px=(16, 60), depth=0.8, scanned=0.2,
    ),
)  # fmt: skip
