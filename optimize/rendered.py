"""Rendered data for calibrating and judging: drawn by our own code, so that nothing of a licensed set is in a pack."""

from pathlib import Path

import numpy as np

from optimize.evaluate import Crop, LabelledPage
from train.data.fonts import find_fonts
from train.data.lines import render_line
from train.data.pages import render_page

CALIBRATION_SEED = 1
GATE_SEED = 2
"""Judged on other pictures than it was calibrated with."""


def rendered_lines(n: int, seed: int, fonts: Path | None) -> list[Crop]:
    """Draw `n` lines with their texts; the same for the same seed and fonts."""
    files, rng = find_fonts(fonts), np.random.default_rng(seed)
    return [render_line(rng, files) for _ in range(n)]


def rendered_pages(n: int, seed: int, fonts: Path | None) -> list[LabelledPage]:
    """Draw `n` pages with their line quads; the same for the same seed and fonts."""
    files, rng = find_fonts(fonts), np.random.default_rng(seed)
    pages = [render_page(rng, files) for _ in range(n)]
    return [(image, [line.quad for line in lines]) for image, lines in pages]
