"""Fonts sorted by what they are used for, one family as likely as another however many cuts it has."""

import re
import string
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import cache, lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ImageFont

from edge_ocr.errors import ConfigError
from train.data.chance import pick
from train.data.fonts import DEBIAN_FONTS, INSTALL_HINT

Family = tuple[Path, ...]

_SUFFIXES = frozenset({".ttf", ".otf"})
_UNSUITED = re.compile(
    # Greek or pictures in place of letters, white on black, swashes nobody reads, strokes that vanish when small.
    r"Symbol|Biolinum_K|OCRBE|OCRBX|OCRBF|StyleStd|Libertine_I|Monoisome|^dkg|Integrals|NonUni|Variants|SizeO|SizeT"
    r"|SizeF|D0500|TrainOne|Ubuntu-Title|Nushu|Hairline|Thin|ExtraLight|UltraLight|DSEG|NotoMusic|NotoColor|^NotoSans[A-Z](?!isplay|ono)|^NotoSerif[A-Z](?!isplay)"
)
_SCRIPT = re.compile(r"Dancing|Kaushan|Z003|[Ll]obster|chorus|Script|Humor|Comic|handwriting", re.IGNORECASE)
_ROAD = re.compile(
    r"DIN|RG20|osifont|routed|NationalPark|Bebas|Roadgeek|Play-B|Yanone|Cond.*Bold|Bold.*Cond|Narrow.*B|B612-B",
    re.IGNORECASE,
)
_OFFICE = re.compile(
    r"Liberation(Sans|Serif)|Nimbus(Sans|Roman)|DejaVu(Sans|Serif)|Carlito|Roboto|OpenSans|heros|termes"
)
_SMALL_CAPITALS = re.compile(r"caps|csc", re.IGNORECASE)
_CAPITALS = string.ascii_uppercase + string.digits
_SAME_SHAPE = 0.85
"""Overlap above which a small letter is drawn as a small capital."""


@dataclass(frozen=True, slots=True)
class FontBook:
    """Font files by use; every use has at least one family. Small and cheap to send to a worker process."""

    plain: tuple[Family, ...]
    """Upper and lower case, upright or slanted."""
    office: tuple[Family, ...]
    """Those of them, or like them, that most documents are set in."""
    mono: tuple[Family, ...]
    """The same, all characters of one width: printers, typewriters, terminals."""
    script: tuple[Family, ...]
    """Handwriting and brush: shop signs."""
    ocr_b: tuple[Family, ...]
    """The machine-readable zone."""
    road: tuple[Family, ...]
    """Upright narrow and technical letters: plates, road signs, nameplates. Some have capitals and digits only."""
    capitals: tuple[Family, ...]
    """For text in capitals: whatever has A to Z and the digits, small-capital fonts among them."""

    @classmethod
    def from_folder(cls, folder: Path | None = None) -> "FontBook":
        """Sort the fonts below a folder; Debian's font folder when it is None.

        Raises:
            ConfigError: There is no such folder, or no font in it that shows Latin text.
        """
        root = DEBIAN_FONTS if folder is None else folder
        files = sorted(root.rglob("*")) if root.is_dir() else []
        by_name = {path.name: path for path in files if path.suffix.lower() in _SUFFIXES}
        uses: dict[str, list[Path]] = {field.name: [] for field in fields(cls)}
        for _, path in sorted(by_name.items()):
            for use in _uses(path):
                uses[use].append(path)
        if not uses["plain"] + uses["mono"]:
            raise ConfigError(f"{root}: no font that shows Latin text; name another folder, or: {INSTALL_HINT}")
        uses["plain"] = uses["plain"] or uses["mono"]
        for use in ("office", "mono", "script", "road", "capitals"):
            uses[use] = uses[use] or uses["plain"]
        uses["ocr_b"] = uses["ocr_b"] or uses["mono"]
        return cls(**{use: _families(paths) for use, paths in uses.items()})

    def choose(self, rng: np.random.Generator, use: str, text: str) -> Path | None:
        """Pick a file of this use that has every character of a text; None after a dozen that have not."""
        families: tuple[Family, ...] = getattr(self, use)
        for _ in range(12):
            path = pick(rng, pick(rng, families))
            if all(has_glyph(path, char) for char in set(text)):
                return path
        return None

    def __len__(self) -> int:
        """How many files there are."""
        return len({path for field in fields(self) for family in getattr(self, field.name) for path in family})


@cache
def has_glyph(path: Path, char: str) -> bool:
    """Whether a font file has this character; every one has a space."""
    if char == " ":
        return True
    mask = _glyph(path, char)
    return bool(mask.size and mask.any()) and not np.array_equal(mask, _glyph(path, "\uffff"))


def _uses(path: Path) -> Iterable[str]:
    if _UNSUITED.search(path.name) or not _has_all(path, _CAPITALS):
        return
    is_upright = not re.search(r"Ital|Obl|OCRBL", path.stem, re.IGNORECASE)
    if is_upright and path.stem.upper().replace("-", "").startswith("OCRB"):
        yield "ocr_b"
    if is_upright and _ROAD.search(path.stem):
        yield "road"
    yield "capitals"
    has_case = not _SMALL_CAPITALS.search(path.stem) and _has_all(path, string.printable.strip())
    if has_case and not _is_small_capitals(path):
        yield from _uses_of_text(path)


def _uses_of_text(path: Path) -> Iterable[str]:
    font = _sample_font(path)
    if _SCRIPT.search(path.stem):
        yield "script"
    elif font.getlength("i") == font.getlength("M"):
        yield "mono"
    else:
        yield "plain"
        if _OFFICE.search(path.stem):
            yield "office"


def _has_all(path: Path, chars: str) -> bool:
    try:
        return all(has_glyph(path, char) for char in chars)
    except OSError:
        return False


def _families(paths: Iterable[Path]) -> tuple[Family, ...]:
    families: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        computer_modern = re.match(r"cmun|lm", path.stem)
        families[computer_modern[0] if computer_modern else re.split(r"[-_ \d]", path.stem)[0][:8].lower()].append(path)
    return tuple(tuple(family) for family in families.values())


def _is_small_capitals(path: Path) -> bool:
    """Compare small letters with capitals blown up or down to one size."""
    overlaps = []
    for char in "aegr":
        small, capital = (
            cv2.resize(_glyph(path, each), (24, 24), interpolation=cv2.INTER_AREA) > 96 for each in (char, char.upper())
        )
        overlaps.append((small & capital).sum() / max(1, (small | capital).sum()))
    return bool(np.mean(overlaps) > _SAME_SHAPE)


@lru_cache(maxsize=4096)
def _sample_font(path: Path) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, 24, layout_engine=ImageFont.Layout.BASIC)


def _glyph(path: Path, char: str) -> NDArray[np.uint8]:
    mask = _sample_font(path).getmask(char)
    return np.array(mask, np.uint8).reshape(mask.size[::-1])
