"""Images in: files, folders, globs and multi-page TIFFs become BGR arrays."""

import glob
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError

from edge_ocr.errors import ImageError

MAX_PIXELS = 100_000_000
"""Images above this are refused before they are decoded."""
SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".pgm", ".tif", ".tiff", ".webp"})
"""What a folder is searched for; a file named on the command line may have any name."""


@dataclass(frozen=True, slots=True, eq=False)
class LoadedImage:
    """One decoded image."""

    name: str
    """The path as the user wrote it; further pages of a TIFF carry `#2`, `#3`, ..."""
    pixels: NDArray[np.uint8]
    """(H, W, 3) BGR, upright by its EXIF tag."""


def iter_images(paths: Sequence[str]) -> Iterator[LoadedImage | ImageError]:
    """Load files, folders (not their sub-folders) and globs in order.

    What cannot be read is yielded as the error it is, so that the others are still read.
    """
    for path in paths:
        files = _files_of(path)
        if not files:
            yield ImageError(f"{path}: no image there; name a file, a folder with images, or a glob that matches some")
        for file in files:
            try:
                yield from load_pages(file)
            except ImageError as error:
                yield error


def load_image(path: str | Path) -> NDArray[np.uint8]:
    """Load the first page of an image file.

    Returns:
        (H, W, 3) uint8 BGR.

    Raises:
        ImageError: not an image, damaged, truncated, or larger than `MAX_PIXELS`.
    """
    return next(load_pages(path)).pixels


def load_pages(path: str | Path) -> Iterator[LoadedImage]:
    """Load every page of an image file: one, or several of a TIFF. Of an animation only the first frame counts.

    Raises:
        ImageError: not an image, damaged, truncated, or larger than `MAX_PIXELS`.
    """
    name = str(path)
    try:
        with _open(path) as file:
            pages = ImageSequence.Iterator(file) if file.format == "TIFF" else [file]
            for number, page in enumerate(pages, start=1):
                yield LoadedImage(name if number == 1 else f"{name}#{number}", _decode(page, name))
    except UnidentifiedImageError as error:
        raise ImageError(f"{name}: not an image that can be read; convert it to PNG, JPEG or TIFF") from error
    except Image.DecompressionBombError as error:
        raise ImageError(_too_large(name, str(error))) from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ImageError(f"{name}: cannot be read ({reason}); check the file or save it anew") from error


def _open(path: str | Path) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd tags and of large images; we have our own limit
        return Image.open(path)


def _files_of(path: str) -> list[Path]:
    if Path(path).is_dir():
        return sorted(file for file in Path(path).iterdir() if file.suffix.lower() in SUFFIXES)
    if Path(path).exists() or not glob.has_magic(path):
        return [Path(path)]
    return sorted(file for file in map(Path, glob.glob(path, recursive=True)) if file.is_file())  # noqa: PTH207


def _decode(page: Image.Image, name: str) -> NDArray[np.uint8]:
    if page.width * page.height > MAX_PIXELS:
        raise ImageError(_too_large(name, f"{page.width} x {page.height}"))
    page = ImageOps.exif_transpose(page)
    if page.mode.startswith("I") or page.mode == "F":
        # 16-bit greys are cut by Pillow's own conversion; scale them by what their mode can hold.
        grey = np.asarray(page, dtype=np.float32)
        grey = np.clip(grey / 257 if grey.max(initial=0) > 255 else grey, 0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if page.mode in {"RGBA", "LA", "PA"} or "transparency" in page.info:
        paper = Image.new("RGBA", page.size, "white")  # what a viewer shows behind transparent parts
        page = Image.alpha_composite(paper, page.convert("RGBA"))
    return np.ascontiguousarray(np.asarray(page.convert("RGB"))[:, :, ::-1])


def _too_large(name: str, size: str) -> str:
    return f"{name}: too large ({size}); at most {MAX_PIXELS // 1_000_000} million pixels are read, scale it down first"
