"""A contact sheet of what is rendered, every kind of line and scene, to be looked at beside real pictures."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_ocr.errors import ConfigError
from train.data.font_book import FontBook
from train.data.line_kinds import KINDS
from train.data.paper import LabelledQuad
from train.data.samples import draw_line_of
from train.data.scenes import LAYOUTS, draw_layout
from train.data.words import BUILT_IN

_LINES_PER_KIND = 6
_LINE_HW, _SCENE_HW = (48, 330), (330, 330)
_NAME_PX = 110
_IMAGES = frozenset({".png", ".jpg", ".jpeg"})
_ACCENTED = {char for words in BUILT_IN.values() for char in "".join(words)}
_CHARSET = tuple(sorted(_ACCENTED | set(map(chr, range(32, 127)))))


def write_contact_sheet(out: Path, *, fonts_folder: Path | None, seed: int, real: Path | None = None) -> None:
    """Draw a row of every kind of line, then of every layout of scenes with their quads, into one picture file.

    Args:
        out: The picture.
        fonts_folder: Where the fonts are (`FontBook.from_folder`).
        seed: Of everything random.
        real: A folder of real crops, shown beside the lines in columns of their own; none of it is used otherwise.

    Raises:
        ConfigError: There are no fonts, or no pictures in the folder of real crops.
    """
    fonts, rng = FontBook.from_folder(fonts_folder), np.random.default_rng(seed)
    crops = _crops(rng, real, 3 * len(KINDS)) if real is not None else []
    rows = []
    for i, kind in enumerate(KINDS):
        lines = [draw_line_of(rng, kind, fonts, _CHARSET)[0] for _ in range(_LINES_PER_KIND)]
        rows.append(_row(kind.name, [*lines, *crops[3 * i : 3 * i + 3]], _LINE_HW))
    for name in LAYOUTS:
        n = _LINES_PER_KIND + (3 if crops else 0)
        scenes = [_outlined(*draw_layout(rng, name, fonts)) for _ in range(n)]
        rows.append(_row(name, scenes, _SCENE_HW))
    out.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(out), np.vstack(rows))


def _crops(rng: np.random.Generator, folder: Path, n: int) -> list[NDArray[np.uint8]]:
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _IMAGES)
    if not files:
        raise ConfigError(f"{folder}: no .png or .jpg files; name a folder of crops")
    crops = (cv2.imread(str(files[i])) for i in rng.integers(len(files), size=n))
    return [np.asarray(crop, np.uint8) if crop is not None else np.zeros((8, 8, 3), np.uint8) for crop in crops]


def _outlined(image: NDArray[np.uint8], lines: Sequence[LabelledQuad]) -> NDArray[np.uint8]:
    image = image.copy()
    for line in lines:
        colour = (0, 0, 255) if line.text else (255, 0, 0)
        cv2.polylines(image, [np.rint(line.quad).astype(np.int32)], True, colour, 1, cv2.LINE_AA)
    return image


def _row(name: str, images: Sequence[NDArray[np.uint8]], cell_hw: tuple[int, int]) -> NDArray[np.uint8]:
    title = np.full((cell_hw[0], _NAME_PX, 3), 40, np.uint8)
    cv2.putText(title, name, (6, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)
    return np.hstack([title, *(_fitted(image, cell_hw) for image in images)])


def _fitted(image: NDArray[np.uint8], size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    """Scale a picture into a cell; a line that is too long is cut off."""
    scale = size_hw[0] / image.shape[0]
    if image.shape[0] > size_hw[0]:
        scale = min(scale, size_hw[1] / image.shape[1])
    area = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    scaled = cv2.resize(image, None, fx=scale, fy=scale, interpolation=area)[: size_hw[0] - 2, : size_hw[1] - 2]
    cell = np.full((*size_hw, 3), 90, np.uint8)
    cell[: scaled.shape[0], : scaled.shape[1]] = scaled
    return cell
