"""A contact sheet of rendered lines and pages, to see what the networks are shown."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from train.data.fonts import find_fonts
from train.data.lines import render_line
from train.data.pages import render_page

_LINES, _PAGES, _COLUMNS, _CELL_HW = 48, 9, 3, (480, 640)


def write_contact_sheet(out: Path, *, fonts_folder: Path | None, seed: int) -> None:
    """Draw 48 lines and 9 pages, the pages' quads outlined, into one picture file."""
    rng = np.random.default_rng(seed)
    fonts = find_fonts(fonts_folder)
    cells = [_fitted(render_line(rng, fonts)[0], (_CELL_HW[0] // 8, _CELL_HW[1])) for _ in range(_LINES)]
    for _ in range(_PAGES):
        page, lines = render_page(rng, fonts)
        for line in lines:
            cv2.polylines(page, [np.rint(line.quad).astype(np.int32)], True, (0, 0, 255), 1, cv2.LINE_AA)
        cells.append(_fitted(page, _CELL_HW))
    columns = [np.vstack(cells[i::_COLUMNS]) for i in range(_COLUMNS)]
    out.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(out), np.hstack(columns))


def _fitted(image: NDArray[np.uint8], size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    """Shrink a picture where it is too large and centre it on grey."""
    scale = min(1.0, size_hw[0] / image.shape[0], size_hw[1] / image.shape[1])
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)[: size_hw[0], : size_hw[1]]
    cell = np.full((*size_hw, 3), 90, np.uint8)
    top, left = (size_hw[0] - small.shape[0]) // 2, (size_hw[1] - small.shape[1]) // 2
    cell[top : top + small.shape[0], left : left + small.shape[1]] = small
    return cell
