"""What a line says: a crop is padded to a static width or stands in a strip with others, its best path is decoded."""

import math
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_ocr.charset import Charset
from edge_ocr.clock import Call
from edge_ocr.ctc import decode_best_path
from edge_ocr.engines import Arrays, CompiledNetwork
from edge_ocr.errors import ModelError
from edge_ocr.geometry import MAX_WARPED_PX, Quad, clip_quad, cut_crop, image_quad, lengthened, quad_size, trimmed
from edge_ocr.page import Reading
from edge_ocr.strips import columns_in_strip

PAD = 127
"""Fills a crop up to its width: 0 after normalisation, as the published recognisers were trained."""
CUT_SEARCH = 0.25
"""A line too wide for one crop is cut at the emptiest column in this last part of it."""
MIN_CONTENT_PX = 8
MAX_CONTENT_PX = MAX_WARPED_PX
"""Widest crop. A line that would be wider, a thousand letters or a strip one pixel high, is squeezed."""
OWN_AFTER = 32
"""Times that a shape is met before it gets a network of its own unasked: by then as much is lost as compiling takes."""
MAX_KEPT_ALLOWED = 64
"""Sets of allowed characters that are kept ready."""

Allowed = frozenset[str] | None
"""The characters that a line may hold; None: all of the charset."""


@dataclass(frozen=True, slots=True)
class TimedReading:
    """A reading and the calls into the network for it, which other lines of its request may share."""

    reading: Reading
    calls: tuple[Call, ...] = ()


class LineReader:
    """Reads crops with one recogniser. Safe to share between threads."""

    def __init__(
        self,
        network: CompiledNetwork,
        *,
        height: int,
        width_scale: float = 1.0,
        margin: float = 0.0,
        trim: float = 0.0,
        widths: Sequence[int],
        own_up_to: int = 0,
        strip: int | None = None,
        batch: int = 1,
        charset: Charset,
    ) -> None:
        """Keep what reading needs.

        Args:
            network: Takes (1, height, width, 3) uint8, gives classes and scores, (1, T) each.
            height: Rows of a crop.
            width_scale: Columns of a crop beside those that would keep its aspect.
            margin: How much further than a quad to cut at both ends, in heights of it.
            trim: How much less high than a quad to cut, in heights of it.
            widths: Static widths, ascending.
            strip: Columns of a strip of several lines; None where lines stand alone.
            own_up_to: Widths up to this get a network of their own when warmed up or met often; the others share one.
            batch: Most strips that `read_strips` gets.
            charset: The characters of its classes.
        """
        self.strip = strip
        self.batch = batch
        self._network = network
        self._height = height
        self._width_scale = width_scale
        self._margin = margin
        self._trim = trim
        self._widths = list(widths)
        self._own_up_to = own_up_to
        self._times_met: Counter[tuple[int, int, int]] = Counter()
        self._own: set[tuple[int, int, int]] = set()
        self._charset = charset
        self._class_bias = lru_cache(MAX_KEPT_ALLOWED)(charset.class_bias)

    def cut(self, image: NDArray[np.uint8], quad: Quad) -> NDArray[np.uint8]:
        """Cut a line out of an image (H, W, 3) uint8, as `read` takes it: (height, `content_width`, 3) uint8."""
        if self._margin:
            quad = clip_quad(lengthened(quad, self._margin), image.shape[1], image.shape[0])
        return cut_line(image, quad, self._height, self._width_scale, self._trim)

    def read(self, crop: NDArray[np.uint8], allowed: Allowed = None) -> TimedReading:
        """Read one line.

        Args:
            crop: (height, w, 3) uint8 of any width; one wider than the largest static width is read in parts.
            allowed: The only characters that decoding may choose from.

        Returns:
            Text "" and score 0 where nothing is legible. The score is that of the characters among all of the charset,
            so a line of other characters scores low.

        Raises:
            ConfigError: an allowed character is not in the charset.
        """
        class_bias = None if allowed is None else self._class_bias(allowed)
        if crop.shape[1] <= self._widths[-1]:
            return self._read_part(crop, class_bias)
        parts = [self._read_part(part, class_bias) for part in split_wide(crop, self._widths[-1])]
        calls = tuple(call for part in parts for call in part.calls)
        legible = [part.reading for part in parts if part.reading.text]
        n_characters = sum(len(reading.text) for reading in legible)
        if not n_characters:
            return TimedReading(Reading("", 0.0), calls)
        score = sum(reading.score * len(reading.text) for reading in legible) / n_characters
        gap = " " if allowed is None or " " in allowed else ""
        text, char_scores = legible[0].text, legible[0].char_scores
        for reading in legible[1:]:
            # The space is ours, so it is as sure as the cut.
            text, char_scores = text + gap + reading.text, (*char_scores, *[1.0] * len(gap), *reading.char_scores)
        return TimedReading(Reading(text, score, char_scores), calls)

    def content_width(self, quad: Quad) -> int:
        """Columns of what `cut` gives for a quad; more where it leaves the image."""
        return line_width(lengthened(quad, self._margin), self._height, self._width_scale, self._trim)

    def read_strips(self, strips: Sequence[Sequence[NDArray[np.uint8]]], allowed: Allowed = None) -> list[TimedReading]:
        """Read several lines in one request.

        Args:
            strips: Of each the crops that stand side by side in it, (height, w, 3) uint8, one at least; each with its
                `columns_in_strip` they are no wider than a strip, and so is a crop that has one of several strips to
                itself. A single crop may have any width; `read` reads it.
            allowed: As for `read`.

        Returns:
            A reading of each crop, strip by strip.
        """
        crops = [crop for strip in strips for crop in strip]
        if len(crops) == 1:
            return [self.read(crops[0], allowed)]
        assert self.strip is not None
        shown = np.full((len(strips), self._height, self.strip, 3), PAD, dtype=np.uint8)
        places = []
        for n, strip in enumerate(strips):
            x = 0
            for crop in strip:
                shown[n, :, x : x + crop.shape[1]] = crop
                places.append((n, x, x := x + columns_in_strip(crop.shape[1])))
        start = time.perf_counter()
        classes, scores = self._infer(shown, None if allowed is None else self._class_bias(allowed))
        call = (start, time.perf_counter())
        px_per_step = self.strip / classes.shape[1]
        spans = [(n, round(left / px_per_step), round(right / px_per_step)) for n, left, right in places]
        readings = decode_best_path(classes, scores, self._charset, spans)
        return [TimedReading(reading.stripped(), (call,)) for reading in readings]

    def warm_up(self) -> None:
        """Compile the shapes that lines usually have, so that no later one waits for it."""
        shapes = [(1, width) for width in self._widths]
        shapes += [(n, self.strip) for n in range(2, self.batch + 1)] if self.strip is not None else []
        for n, width in shapes:
            self._times_met[n, self._height, width] = OWN_AFTER
            self._infer(np.full((n, self._height, width, 3), PAD, dtype=np.uint8), None)

    def _infer(self, shown: NDArray[np.uint8], class_bias: NDArray[np.float32] | None) -> Arrays:
        n, height, width, _ = shown.shape
        shape = (n, height, width)
        self._times_met[shape] += 1
        if width <= self._own_up_to and self._times_met[shape] > OWN_AFTER and shape not in self._own:
            self._network.prepare(shape)
            self._own.add(shape)
        return self._network.infer(shown, class_bias)

    def _read_part(self, crop: NDArray[np.uint8], class_bias: NDArray[np.float32] | None) -> TimedReading:
        padded = pad_crop(crop, self._widths)
        start = time.perf_counter()
        classes, scores = self._infer(padded, class_bias)
        call = (start, time.perf_counter())
        [reading] = decode_best_path(classes, scores, self._charset)
        return TimedReading(reading.stripped(), (call,))


def cut_line(
    image: NDArray[np.uint8], quad: Quad, height: int, width_scale: float = 1.0, trim: float = 0.0
) -> NDArray[np.uint8]:
    """Cut a quad out of an image at the recogniser's height.

    Args:
        image: (H, W, 3) uint8.
        quad: Of the line.
        height: Rows of the crop.
        width_scale: Columns beside those that would keep the aspect.
        trim: How much less high than the quad to cut, in heights of it.

    Returns:
        (height, w, 3) uint8; w is not yet a static width, and at most `MAX_CONTENT_PX`.
    """
    return cut_crop(image, trimmed(quad, trim), height, line_width(quad, height, width_scale, trim))


def line_width(quad: Quad, height: int, width_scale: float = 1.0, trim: float = 0.0) -> int:
    """Columns that `cut_line` gives a quad."""
    quad_width, quad_height = quad_size(quad)
    width = math.ceil(width_scale * height * quad_width / max(quad_height * (1 - trim), 1.0))
    return min(max(width, MIN_CONTENT_PX), MAX_CONTENT_PX)


def scale_line(image: NDArray[np.uint8], height: int, width_scale: float = 1.0) -> NDArray[np.uint8]:
    """Scale a whole image that is one line to the recogniser's height; see `cut_line`."""
    return cut_line(image, image_quad(image), height, width_scale)


def pad_crop(crop: NDArray[np.uint8], widths: Sequence[int]) -> NDArray[np.uint8]:
    """Pad a crop on its right to the next static width.

    Args:
        crop: (H, w, 3) uint8, w at most the largest width.
        widths: Static widths, ascending.

    Returns:
        (1, H, width, 3) uint8.
    """
    height, content_width = crop.shape[:2]
    padded = np.full((1, height, widths[bisect_left(widths, content_width)], 3), PAD, dtype=np.uint8)
    padded[0, :, :content_width] = crop
    return padded


def split_wide(crop: NDArray[np.uint8], max_width: int) -> list[NDArray[np.uint8]]:
    """Cut a very wide crop into parts of at most `max_width`, between letters where there is a gap.

    Args:
        crop: (H, W, 3) uint8.
        max_width: Columns a part may have.

    Returns:
        Views of the crop from left to right that together are the whole crop.
    """
    parts = []
    while crop.shape[1] > max_width:
        start = int(max_width * (1 - CUT_SEARCH))
        grey = cv2.cvtColor(crop[:, start:max_width], cv2.COLOR_BGR2GRAY)
        ink_per_column = grey.astype(np.float32).std(axis=0)
        # Prefer the last of equally empty columns: fewer parts.
        cut = start + int(len(ink_per_column) - 1 - np.argmin(ink_per_column[::-1]))
        cut = max(cut, 1)
        parts.append(crop[:, :cut])
        crop = crop[:, cut:]
    parts.append(crop)
    return parts


def check_head(n_classes: int | None, charset: Charset, *, where: str | Path = "charset") -> None:
    """Refuse a charset that does not fit a recogniser's head.

    Args:
        n_classes: Classes of the head; None where the engine cannot tell.
        charset: The characters.
        where: Their file, for the message.

    Raises:
        ModelError: the head has another number of classes than the charset and the blank.
    """
    if n_classes is not None and n_classes != charset.n_classes:
        raise ModelError(
            f"{where} has {len(charset)} characters, the recogniser's head {n_classes} classes;"
            f" the head must have {charset.n_classes} (the characters and the blank); use the charset it was made with"
        )
