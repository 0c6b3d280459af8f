"""Fonts to draw training text with: what a folder holds, less what cannot show plain Latin text.

Nothing is bundled; the fonts come from the machine. What we render with, by package of Debian 12 and licence as
its copyright file says (`fonts-` is left out). `train.data.font_book` sorts them by use.

    SIL Open Font License 1.1: liberation, lato, courier-prime, inconsolata, noto-core, noto-mono, crosextra-carlito,
        allerta, averia-sans-gwf, averia-serif-gwf, b612, bebas-neue, cabin, cantarell, cmu, comfortaa, comic-neue,
        dancingscript, dosis, ebgaramond, essays1743, fantasque-sans, firacode, gfs-didot, gfs-neohellenic,
        gnutypewriter, hermit, inter, junicode, jura, karla, kaushanscript, league-mono, league-spartan, linuxlibertine,
        lobster, lobstertwo, manrope, monofur, mononoki, mplus, national-park, oldstandard, opendin, oxygen, play,
        proggy, quattrocento, quicksand, sil-andika, sil-charis, sil-gentium-basic, sora, stix, vollkorn,
        yanone-kaffeesatz
    Apache-2.0: roboto, roboto-slab, open-sans, crosextra-caladea, clear-sans, jetbrains-mono
    MIT: agave, monoid, roadgeek, routed-gothic; with the Bitstream Vera licence: hack
    BSD: go (3 clauses), spleen (2 clauses)
    Bitstream Vera licence and public domain: dejavu-core, dejavu-extra
    Public domain or as free: ocr-a, ocr-b, prociono, tuffy, glasstty
    GUST Font License (LPPL): lmodern, texgyre
    ParaType Free Font License: paratype
    GPL with the font exception: freefont-ttf, adf-accanthis, -baskervald, -berenis, -gillius, -ikarius, -irianis,
        -libris, -romande, -solothurn, -switzera, -tribun, -universalis, -verana, osifont, tlwg-loma-ttf
    AGPL-3 with the font exception: urw-base35
    GPL-3: beteckna
"""

import string
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

from edge_ocr.errors import ConfigError

DEBIAN_FONTS = Path("/usr/share/fonts")
INSTALL_HINT = "apt-get install fonts-liberation fonts-dejavu-core fonts-courier-prime fonts-roboto fonts-lato"

_SUFFIXES = frozenset({".ttf", ".otf"})
_TOO_THIN = ("Hairline", "Thin", "ExtraLight")


def find_fonts(folder: Path | None = None) -> tuple[Path, ...]:
    """List the fonts below a folder that can show printable ASCII, upper and lower case told apart.

    Args:
        folder: Searched with its sub-folders; Debian's font folder when it is None.

    Returns:
        Paths sorted by file name, so that a seed picks the same font wherever the folder lies; never empty.

    Raises:
        ConfigError: There is no such folder, or no such font in it.
    """
    root = DEBIAN_FONTS if folder is None else folder
    files = root.rglob("*") if root.is_dir() else ()
    # Several packages hold Liberation and Roboto: one file of a name is enough.
    by_name = {path.name: path for path in sorted(files) if path.suffix.lower() in _SUFFIXES}
    fonts = tuple(path for _, path in sorted(by_name.items()) if _shows_ascii(path))
    if not fonts:
        raise ConfigError(f"{root}: no font that shows Latin text; name another folder, or: {INSTALL_HINT}")
    return fonts


@lru_cache(maxsize=512)
def load_font(path: Path, size_px: int) -> ImageFont.FreeTypeFont:
    """Open a font at a size (pixels per em); the last few hundred stay open."""
    return ImageFont.truetype(path, size_px)


def _shows_ascii(path: Path) -> bool:
    if any(word in path.stem for word in _TOO_THIN):
        return False
    try:
        font = ImageFont.truetype(path, 24)
    except OSError:
        return False
    missing = _glyph(font, "\uffff")
    if any(_glyph(font, char) == missing for char in string.printable.strip()):
        return False
    # Segment displays and small capitals draw "a" as "A": the label could not be read off the picture.
    return all(_glyph(font, char) != _glyph(font, char.upper()) for char in "abdeghnqr")


def _glyph(font: ImageFont.FreeTypeFont, char: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(char)
    return mask.size, bytes(mask)
