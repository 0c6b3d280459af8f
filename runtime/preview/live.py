"""The newest picture of every camera that somebody watches, and the last events.

The inference thread leaves a frame here without copying or encoding it, and only while somebody watches; the viewers'
side encodes it when asked, once for all of them. A slow viewer gets fewer pictures and costs the pipeline nothing.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.camera import Camera
from runtime.events import CameraText, TextEvent
from runtime.frames import Frame

WATCHED_S = 5.0
"""A camera counts as watched for so long after somebody asked for a picture of it."""
JPEG_QUALITY = 75
N_EVENTS = 50


class View:
    """A frame with what was legible in it; the picture is encoded when first asked for."""

    def __init__(self, number: int, image: NDArray[np.uint8], text: CameraText, width: int) -> None:
        self.number = number
        self.text = text
        self._image = image
        self._width = width
        self._jpeg: bytes | None = None
        self._lock = threading.Lock()

    def jpeg(self) -> bytes:
        """The picture, at most as wide as configured."""
        with self._lock:
            if self._jpeg is None:
                self._jpeg = encode_jpeg(self._image, self._width)
            return self._jpeg


class LiveView:
    """Between the inference thread, which looks in at every frame, and any number of viewers."""

    def __init__(self, *, width: int, max_fps: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Nobody watches yet.

        Args:
            width: Of pictures, in pixels; wider frames are made smaller.
            max_fps: Pictures a second, at most, of each camera.
            clock: Monotonic seconds.
        """
        self._width = width
        self._gap_s = 1 / max_fps
        self._clock = clock
        self._watched: dict[str, _Watched] = {}
        self._events: deque[TextEvent] = deque(maxlen=N_EVENTS)

    # -- for the inference thread

    def saw(self, camera: Camera, frame: Frame) -> None:
        """A frame was read; it is kept if somebody watches and a new picture is due."""
        watched = self._watched.get(camera.name)
        if watched is None:
            return
        now_s = self._clock()
        if now_s > watched.until_s or now_s < watched.due_s:
            return
        # From when it was due, not from now: else frames of 15 a second would make 3.75 pictures where 5 are allowed.
        watched.due_s += self._gap_s
        if watched.due_s < now_s:
            watched.due_s = now_s + self._gap_s
        number = watched.view.number + 1 if watched.view else 1
        watched.view = View(number, camera.shown_image(frame), camera.text(frame.ts), self._width)

    def published(self, event: TextEvent) -> None:
        """An event went into the outbox."""
        self._events.append(event)

    # -- for viewers

    def view(self, camera: str, after: int) -> View | None:
        """A picture of a camera other than number `after`, None while there is none; asking counts as watching."""
        now_s = self._clock()
        watched = self._watched.setdefault(camera, _Watched(until_s=now_s))
        if now_s > watched.until_s + WATCHED_S:
            watched.view = None  # what was left behind when the last viewer went
        watched.until_s = now_s + WATCHED_S
        view = watched.view
        return view if view is not None and view.number != after else None

    def events(self) -> list[TextEvent]:
        """The last events of all cameras, newest first."""
        return list(self._events)[::-1]


@dataclass(slots=True)
class _Watched:
    until_s: float
    due_s: float = 0.0
    view: View | None = None


def encode_jpeg(image: NDArray[np.uint8], width: int) -> bytes:
    """A picture as JPEG, at most `width` pixels wide."""
    height_px, width_px = image.shape[:2]
    if width_px > width:
        size = (width, max(round(height_px * width / width_px), 1))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    is_done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    assert is_done, image.shape
    return data.tobytes()
