"""Rendered data for calibrating and judging: drawn by our own code, so that nothing of a licensed set is in a pack."""

from collections.abc import Collection
from pathlib import Path

import numpy as np

from edge_ocr.charset import Charset
from optimize.evaluate import Crop, LabelledPage
from train.data.font_book import FontBook
from train.data.fonts import find_fonts
from train.data.pages import render_page
from train.data.samples import draw_line
from train.tasks.recognition_recipe import LATIN_CHARSET

CALIBRATION_SEED = 1
GATE_SEED = 2
"""Judged on other pictures than it was calibrated with."""


def rendered_lines(n: int, seed: int, fonts: Path | None, charset: Collection[str]) -> list[Crop]:
    """Draw `n` lines with their texts, as the recogniser is trained on; the same for the same seed and fonts.

    Args:
        n: How many.
        seed: Which ones.
        fonts: Folder of fonts; None for the system's.
        charset: Characters that may occur; beyond Latin script nothing is drawn.
    """
    book = FontBook.from_folder(fonts)
    characters = [character for character in Charset.from_file(LATIN_CHARSET) if character in charset]
    return [draw_line(seed, number, book, characters) for number in range(n)]


def rendered_pages(n: int, seed: int, fonts: Path | None) -> list[LabelledPage]:
    """Draw `n` pages with their line quads; the same for the same seed and fonts."""
    files, rng = find_fonts(fonts), np.random.default_rng(seed)
    pages = [render_page(rng, files) for _ in range(n)]
    return [(image, [line.quad for line in lines]) for image, lines in pages]
