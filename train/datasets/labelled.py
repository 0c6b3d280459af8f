"""What a label file says: pages with their texts, or pictures of one line each."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from edge_ocr.errors import ImageError
from edge_ocr.geometry import Quad, is_vertical, order_corners, quad_size, turn_quad
from edge_ocr.images import load_image
from edge_ocr.metrics import Label
from edge_ocr.recognition import cut_line, scale_line


@dataclass(frozen=True, slots=True)
class LabelledPage:
    """An image and the texts on it."""

    path: Path
    labels: tuple[Label, ...]
    where: str
    """File and line of the label, for messages."""
    partial: bool = False
    """The image shows more text than is labelled: what is not labelled is no background to learn from."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelledLine:
    """One line of text: a picture of its own, or a quad in one."""

    path: Path
    text: str
    where: str
    quad: Quad | None = None

    def load(self, height: int, width_scale: float = 1.0) -> NDArray[np.uint8]:
        """The line at a height: (height, w, 3) uint8 BGR.

        Args:
            height: Rows.
            width_scale: Columns beside those that would keep the aspect.

        Raises:
            ImageError: the picture cannot be read.
        """
        image = _loaded(self.path)
        if self.quad is None:
            return scale_line(image, height, width_scale)
        return cut_line(image, self.quad, height, width_scale)

    def aspect(self) -> float:
        """Width per height, from the file's header alone where there is no quad.

        Raises:
            ImageError: the picture cannot be read.
        """
        if self.quad is not None:
            width, height = quad_size(self.quad)
            return width / max(height, 1.0)
        try:
            with Image.open(self.path) as file:
                # Values 5 to 8 of EXIF's orientation (tag 0x0112) turn a picture on its side.
                return file.height / file.width if file.getexif().get(0x0112, 1) > 4 else file.width / file.height
        except (UnidentifiedImageError, OSError) as error:
            raise ImageError(f"{self.where}: {self.path}: not an image that can be read") from error


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """A set: pages, or lines, not both."""

    name: str
    pages: Sequence[LabelledPage] = ()
    lines: Sequence[LabelledLine] = ()


def lines_of_pages(pages: Sequence[LabelledPage]) -> list[LabelledLine]:
    """The lines that a recogniser can learn from pages: every text that counts, cut out by its quad."""
    return [
        LabelledLine(page.path, label.text, f"{page.where}, text {number}", _line_quad(label.polygon))
        for page in pages
        for number, label in enumerate(page.labels, start=1)
        if label.counts
    ]


@lru_cache(maxsize=1)
def _loaded(path: Path) -> NDArray[np.uint8]:
    """The last picture is kept: the lines of a page mostly come one after the other."""
    return load_image(path)


def _line_quad(polygon: NDArray[np.float32]) -> Quad:
    """The quad of an outline, as a detector would hand it to the recogniser."""
    if len(polygon) == 4:
        return polygon.astype(np.float32)
    quad = order_corners(cv2.boxPoints(cv2.minAreaRect(polygon)).astype(np.float32))
    return turn_quad(quad) if is_vertical(quad) else quad
