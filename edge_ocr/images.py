"""Images in: files, folders, globs and multi-page TIFFs become BGR arrays."""

import glob
import io
import itertools
import re
import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError

from edge_ocr.errors import ImageError, ImageTooLargeError

MAX_PIXELS = 100_000_000
"""Images above this are refused before they are decoded."""
SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".pgm", ".tif", ".tiff", ".webp"})
"""What a folder is searched for; a file named on the command line may have any name."""
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP", "JPEG2000")
"""What is tried, whatever the file's name. Not all that Pillow knows: for EPS it starts Ghostscript on the file. JPEG
is first: at one that is not loaded yet Pillow loads all its plugins."""
DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    EOFError,
    struct.error,
    zlib.error,
)
"""What Pillow's decoders raise over damaged files."""


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
        try:
            files = _files_of(path)
        except OSError as error:
            yield ImageError(f"{path}: cannot be read ({error.strerror}); check the name and its permissions")
            continue
        if not files:
            where = path or "''"
            yield ImageError(f"{where}: no image there; name a file, a folder with images, or a glob that matches some")
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
    yield from _pages(path, str(path), FORMATS)


def decode_image(data: bytes, name: str, formats: tuple[str, ...] = FORMATS) -> NDArray[np.uint8]:
    """Decode the first page of an image that is in memory.

    Args:
        data: The file's content.
        name: What to call it in messages.
        formats: Those of `FORMATS` that may be tried.

    Returns:
        (H, W, 3) uint8 BGR.

    Raises:
        ImageError: not an image of these formats, damaged, truncated, or larger than `MAX_PIXELS`.
    """
    return next(_pages(io.BytesIO(data), name, formats)).pixels


def _pages(file_or_path: str | Path | IO[bytes], name: str, formats: tuple[str, ...]) -> Iterator[LoadedImage]:
    try:
        with _quietly():
            file = Image.open(file_or_path, formats=formats)
        with file:
            pages = iter(ImageSequence.Iterator(file) if file.format == "TIFF" else [file])
            for number in itertools.count(1):
                with _quietly():
                    page = next(pages, None)
                    pixels = None if page is None else _decode(page, name)
                if pixels is None:
                    return
                yield LoadedImage(name if number == 1 else f"{name}#{number}", pixels)
    except UnidentifiedImageError as error:
        raise ImageError(f"{name}: not an image that can be read; convert it to PNG, JPEG or TIFF") from error
    except Image.DecompressionBombError as error:
        n_pixels = re.search(r"\d+", str(error))  # Pillow goes on to name a limit of its own
        raise ImageTooLargeError(_too_large(name, f"{n_pixels[0] if n_pixels else 'far more'} pixels")) from error
    except DAMAGED as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise ImageError(f"{name}: cannot be read ({reason}); check the file or save it anew") from error


@contextmanager
def _quietly() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd tags and of large images; we have our own limit
        yield


def _files_of(path: str) -> list[Path]:
    if not path:
        return []  # an empty variable of a script; to Path it is the current folder
    if Path(path).is_dir():
        return sorted(file for file in Path(path).iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())
    if Path(path).exists() or not glob.has_magic(path):
        return [Path(path)]
    return sorted(file for file in map(Path, glob.glob(path, recursive=True)) if file.is_file())  # noqa: PTH207


def _decode(page: Image.Image, name: str) -> NDArray[np.uint8]:
    if page.width * page.height > MAX_PIXELS:
        raise ImageTooLargeError(_too_large(name, f"{page.width} x {page.height}"))
    page = ImageOps.exif_transpose(page)
    if page.mode.startswith("I") or page.mode == "F":
        # 16-bit greys are cut by Pillow's own conversion; scale them by what their mode can hold.
        grey = np.nan_to_num(np.asarray(page, dtype=np.float32), posinf=0.0, neginf=0.0)
        levels = np.clip(grey * _grey_scale(grey, page.mode), 0, 255).astype(np.uint8)
        return np.repeat(levels[:, :, None], 3, axis=2)
    if page.mode in {"RGBA", "LA", "PA"} or "transparency" in page.info:
        paper = Image.new("RGBA", page.size, "white")  # what a viewer shows behind transparent parts
        page = Image.alpha_composite(paper, page.convert("RGBA"))
    return np.ascontiguousarray(np.asarray(page.convert("RGB"))[:, :, ::-1])


def _grey_scale(grey: NDArray[np.float32], mode: str) -> float:
    brightest = grey.max(initial=0)
    if brightest > 255:
        return 1 / 257
    return 255.0 if mode == "F" and brightest <= 1 else 1.0


def _too_large(name: str, size: str) -> str:
    return f"{name}: too large ({size}); at most {MAX_PIXELS // 1_000_000} million pixels are read, scale it down first"
