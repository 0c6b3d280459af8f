"""`edge-ocr read`: print the text of images."""

import argparse
import json
import sys
from collections.abc import Generator, Iterator
from contextlib import closing
from itertools import chain, islice, tee
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edge_ocr import ImageError, Page
from edge_ocr.images import LoadedImage, iter_images
from runtime.redact import redact

if TYPE_CHECKING:
    from edge_ocr.reader import Reader


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="image file, multi-page TIFF, folder or glob")
    parser.add_argument("--pack", default="latin", metavar="P", help="model pack: a name or a folder (default: latin)")
    parser.add_argument(
        "--profile", default="auto", metavar="P", help="device profile: a name, a YAML file or auto (default: auto)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line instead of plain text")
    parser.add_argument("--line", action="store_true", help="every image is one line of text; do not look for lines")


def run(args: argparse.Namespace) -> int:
    """Read every image in turn; one that cannot be read does not stop the others.

    Returns:
        0, or 1 when an image could not be read.

    Raises:
        EdgeOcrError: pack or profile cannot be used.
    """
    from edge_ocr.reader import Reader

    reader = Reader(pack=args.pack, profile=args.profile)
    images = iter_images(args.images)
    first_two = list(islice(images, 2))
    is_many = len(first_two) > 1
    progress = _Progress(wanted=is_many and sys.stderr.isatty() and not sys.stdout.isatty())
    n_failed = 0
    with closing(_read(reader, chain(first_two, images), is_line=args.line, is_many=is_many)) as pages:
        for name, page in pages:
            if isinstance(page, ImageError):
                n_failed += 1
                progress.clear()
                sys.stderr.write(f"edge-ocr: {redact(' '.join(str(page).split()))}\n")
            else:
                rows = _json_rows(page, name) if args.json else _text_rows(page, name, titled=is_many)
                sys.stdout.writelines(f"{row}\n" for row in rows)
                sys.stdout.flush()
            progress.step()
    progress.clear()
    return 1 if n_failed else 0


def _read(
    reader: "Reader", images: Iterator[LoadedImage | ImageError], *, is_line: bool, is_many: bool
) -> Generator[tuple[str, Page | ImageError]]:
    """Every image's name and its page, or the error that kept it from being read."""
    images, named = tee(images)
    pixels = (image if isinstance(image, ImageError) else image.pixels for image in images)
    pages = reader.read_many(pixels, find_lines=not is_line) if is_many or is_line else _read_one(reader, pixels)
    for image, page in zip(named, pages, strict=True):
        yield (str(image) if isinstance(image, ImageError) else image.name), page


def _read_one(reader: "Reader", images: Iterator[NDArray[np.uint8] | ImageError]) -> Iterator[Page | ImageError]:
    """A single image is read as fast as can be, with all threads at work on it."""
    for image in images:
        yield image if isinstance(image, ImageError) else reader.read(image)


def _text_rows(page: Page, name: str, *, titled: bool) -> Iterator[str]:
    if titled:
        yield f"== {name}"
    for line in page.lines:
        yield line.text


def _json_rows(page: Page, name: str) -> Iterator[str]:
    yield json.dumps(page.to_dict(name), ensure_ascii=False)


class _Progress:
    """How many images are done, on one line of a terminal."""

    def __init__(self, *, wanted: bool) -> None:
        self._wanted = wanted
        self._n_done = 0

    def step(self) -> None:
        """One more image is done."""
        self._n_done += 1
        self._show(f"{self._n_done} images")

    def clear(self) -> None:
        """Make room for other output."""
        self._show("")

    def _show(self, text: str) -> None:
        if self._wanted:
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()
