"""A folder, glob or file of images, one frame each."""

import logging
import time
from collections.abc import Iterator

from edge_ocr.errors import ImageError, SourceError
from edge_ocr.images import LoadedImage, iter_images
from runtime.frames import Frame
from runtime.sources.opencv import ms_since

log = logging.getLogger(__name__)


class ImageSource:
    """Images in the order of their names. One that cannot be read is logged, counted and passed over."""

    is_live = False
    nominal_fps: float | None = None

    def __init__(self, spec: str) -> None:
        self._spec = spec
        self._images: Iterator[LoadedImage | ImageError] = iter(())
        self._first: Frame | None = None
        self._next_index = 0
        self.n_bad = 0
        """Images that could not be read since `open`."""

    @property
    def description(self) -> str:
        """The folder, glob or file."""
        return self._spec

    def open(self) -> None:
        """Load the first image.

        Raises:
            SourceError: there is none that can be read.
        """
        self._images = iter_images([self._spec])
        self._next_index = self.n_bad = 0
        errors: list[ImageError] = []
        self._first = self._load(errors)
        if self._first is None:
            others = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
            raise SourceError(f"{errors[0]}{others}")
        self._report(errors)

    def read(self) -> Frame | None:
        """The next image; None after the last."""
        if self._first is not None:
            frame, self._first = self._first, None
            return frame
        errors: list[ImageError] = []
        following = self._load(errors)
        self._report(errors)
        return following

    def skip(self) -> bool:
        """Pass over one image; False after the last."""
        return self.read() is not None

    def losses(self) -> dict[str, int]:
        """Images that could not be read."""
        return {"damaged": self.n_bad} if self.n_bad else {}

    def close(self) -> None:
        """Forget the images."""
        self._images = iter(())
        self._first = None

    def _load(self, errors: list[ImageError]) -> Frame | None:
        """The next image that can be read; those that cannot are added to `errors`."""
        started_s = time.monotonic()
        for image in self._images:
            if isinstance(image, ImageError):
                errors.append(image)
                continue
            self._next_index += 1
            decode_ms = ms_since(started_s)
            return Frame(image.pixels, self._next_index - 1, time.time(), time.monotonic(), decode_ms)
        return None

    def _report(self, errors: list[ImageError]) -> None:
        self.n_bad += len(errors)
        for error in errors:
            log.warning("image left out: %s", error)
