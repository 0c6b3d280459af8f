"""A built-in picture with texts that move and change, to try everything without a camera."""

import re
import time
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from edge_ocr.errors import SourceError
from runtime.frames import Frame
from runtime.sources.opencv import ms_since

DEFAULT_FPS = 15.0
DEFAULT_SIZE = (1280, 720)
TICKET_S = 4.0
"""Seconds after which the ticket's number changes."""
MIN_SIDE, MAX_SIDE, MAX_FPS = 160, 7680, 120.0


class TestCard:
    """Endless: a title, a ticket number that changes every few seconds, the time, a counter, and a text that slides.

    The picture depends on the frame's number and the time of day only.
    """

    __test__ = False  # the name looks like a test to pytest
    is_live = False  # until it is played at its own rate

    def __init__(self, spec: str = "test:") -> None:
        match = re.fullmatch(r"(?:testcard|test:(?:(\d{2,4})x(\d{2,4}))?(?:@(\d+(?:\.\d+)?))?)", spec)
        if match is None:
            raise SourceError(f"{spec}: not a test card; write test:, test:1920x1080 or test:1920x1080@30")
        width, height, fps = match.groups()
        self._size = (int(width), int(height)) if width else DEFAULT_SIZE
        self._fps = float(fps) if fps else DEFAULT_FPS
        if min(self._size) < MIN_SIDE or max(self._size) > MAX_SIDE or not 0 < self._fps <= MAX_FPS:
            raise SourceError(f"{spec}: sides go from {MIN_SIDE} to {MAX_SIDE} px, rates up to {MAX_FPS:.0f}")
        self._next_index = 0

    @property
    def description(self) -> str:
        """Size and rate."""
        return f"test card {self._size[0]}x{self._size[1]} at {self._fps:g} fps"

    @property
    def nominal_fps(self) -> float:
        """Frames per second."""
        return self._fps

    def open(self) -> None:
        """Begin with frame 0."""
        self._next_index = 0

    def read(self) -> Frame:
        """The next picture."""
        started_s = time.monotonic()
        index = self._next_index
        self._next_index += 1
        ts = time.time()
        image = draw_card(self._size, index, index / self._fps, ts)
        return Frame(image, index, ts, arrival_s=time.monotonic(), decode_ms=ms_since(started_s))

    def skip(self) -> bool:
        """Pass over one picture."""
        self._next_index += 1
        return True

    def close(self) -> None:
        """Nothing to release."""


def ticket(running_s: float) -> str:
    """The ticket's number at a time after the start."""
    return f"TICKET AB{100_000 + 137 * int(running_s / TICKET_S):06d}"


def draw_card(size: tuple[int, int], index: int, running_s: float, ts: float) -> NDArray[np.uint8]:
    """One picture, (H, W, 3) BGR.

    Args:
        size: Width and height in pixels.
        index: Number of the frame, shown as the counter.
        running_s: Time since the start, moves the sliding text.
        ts: Time of day, seconds since the epoch, shown as local time.
    """
    width, height = size
    image = _background(size).copy()
    unit = height // 12
    margin = width // 16
    _put(image, _text("EDGE-OCR TEST CARD", unit), margin, unit)
    _put(image, _text(ticket(running_s), int(1.6 * unit)), margin, 3 * unit)
    _put(image, _text(time.strftime("%H:%M:%S", time.localtime(ts)), unit), margin, 6 * unit)
    _put(image, _text(f"FRAME {index:06d}", unit), width // 2, 6 * unit)
    sliding = _text("Please wait for your number", unit)
    span = max(width - sliding.shape[1], 1)
    place = (running_s * width / 10) % (2 * span)  # there and back again
    _put(image, sliding, int(min(place, 2 * span - place)), 9 * unit)
    return image


@lru_cache(maxsize=4)
def _background(size: tuple[int, int]) -> NDArray[np.uint8]:
    """Light paper with a grey scale along the lower edge."""
    width, height = size
    image = np.full((height, width, 3), 235, np.uint8)
    steps = np.linspace(0, 255, 11).astype(np.uint8)
    bar = cv2.resize(steps[None, :], (width, height // 24), interpolation=cv2.INTER_NEAREST)
    image[-bar.shape[0] :] = bar[:, :, None]
    return image


@lru_cache(maxsize=16)
def _text(text: str, px: int) -> NDArray[np.uint8]:
    """Dark text on the paper's grey, (H, W, 3)."""
    font = ImageFont.load_default(px)
    left, top, right, bottom = (int(value) for value in font.getbbox(text))
    picture = Image.new("L", (right - left, bottom - top), 235)
    ImageDraw.Draw(picture).text((-left, -top), text, fill=20, font=font)
    return np.repeat(np.asarray(picture, np.uint8)[:, :, None], 3, axis=2)


def _put(image: NDArray[np.uint8], part: NDArray[np.uint8], x: int, y: int) -> None:
    """Paint `part` into `image` with its top-left corner at (x, y), cut at the edges."""
    room = image[y : y + part.shape[0], x : x + part.shape[1]]
    room[:] = part[: room.shape[0], : room.shape[1]]
