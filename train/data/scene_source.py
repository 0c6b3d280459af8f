"""Where the detector's scenes come from: rendered on the fly, or pages of label files."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from edge_ocr.errors import ConfigError
from edge_ocr.images import load_image
from edge_ocr.metrics import Label
from train.data.chance import pick
from train.data.font_book import FontBook
from train.data.samples import draw_scene
from train.data.scene import Scene
from train.datasets.formats import read_labels
from train.datasets.labelled import LabelledPage
from train.errors import LabelError

_KEPT = 32
"""Drawn scenes kept in each process, some 3 MB each: CopyPaste and the next steps ask for them again."""


@dataclass(frozen=True)
class SceneSource:
    """Scenes by number. Picklable, and the same number gives the same scene in every process."""

    seed: int
    fonts: FontBook | None
    """What rendered scenes are written with; None where there are none."""
    pages: tuple[LabelledPage, ...] = ()
    rendered_share: float = 1.0
    """Share of the scenes that are rendered; the others are pages of label files."""

    def scene(self, index: int) -> Scene:
        """Draw or load a scene; not to be changed.

        Args:
            index: Its number, from 0.
        """
        return _scene(self, index)


@lru_cache(maxsize=_KEPT)
def _scene(source: SceneSource, index: int) -> Scene:
    # Numbers beside those of the augmentation, so that its chance tells nothing about the scene's.
    rng = np.random.default_rng([source.seed, index, 0])
    if source.pages and rng.random() >= source.rendered_share:
        return load_scene(pick(rng, source.pages))
    assert source.fonts is not None, "rendering needs fonts"
    image, lines = draw_scene(source.seed, index, source.fonts)
    return Scene(image, tuple(Label(line.quad, line.text) for line in lines))


def read_pages(paths: Sequence[Path]) -> tuple[LabelledPage, ...]:
    """Read label files to learn from.

    Args:
        paths: Label files or folders in any format of `train.datasets.formats`, of pages.

    Raises:
        ConfigError: a file cannot be used, or has lines, not pages.
        LabelError: a row is wrong, or its page is not fully labelled.
    """
    pages = tuple(page for path in paths for page in pages_of(path))
    for page in pages:
        if page.partial:
            raise LabelError(f"{page.where}: a page of `partial` labels: its other texts would be learnt as background")
    return pages


def pages_of(path: Path) -> Sequence[LabelledPage]:
    """The pages of one label file or folder."""
    pages = read_labels(path).pages
    if not pages:
        raise ConfigError(f"{path}: single lines of text; a detector needs pages with the outlines of their lines")
    return pages


def load_scene(page: LabelledPage) -> Scene:
    """Read a page's picture."""
    return Scene(load_image(page.path), page.labels)
