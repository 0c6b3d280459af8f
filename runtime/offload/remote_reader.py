"""A reader that has others read: what `edge_ocr.Reader` does with a frame, done by workers elsewhere.

encode -> deliver (`runtime.offload.frame_delivery`) -> lines
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import local

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_ocr import Detection, Line, Page, Recognition
from edge_ocr.errors import PublishError
from edge_ocr.page import STAGES
from runtime.backoff import Backoff
from runtime.config.kiosk import KioskConfig
from runtime.config.offload import OffloadConfig
from runtime.offload.frame_delivery import FrameDelivery
from runtime.offload.frame_service import MAX_FRAME_BYTES
from runtime.offload.messages import MAX_QUADS, FrameRequest, OffloadMetrics, corners

Image = NDArray[np.uint8]
Quad = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class RemoteName:
    """The name of a pack or profile that is not on this box."""

    name: str
    latency_budget_ms: float | None = None


class RemoteReader:
    """A reader whose frames are read by workers. Safe to share between threads: each waits for its own frame."""

    def __init__(self, config: KioskConfig, *, client: str = "frames", backoff: Backoff | None = None) -> None:
        """A reader that is not connected yet.

        Args:
            config: The node, its broker, and `offload`.
            client: What the id at the broker ends with.
            backoff: Waits between attempts to reach the broker.

        Raises:
            ConfigError: a certificate or password file cannot be used.
        """
        offload = config.offload or OffloadConfig()
        self.pack = RemoteName(config.pack)
        self.profile = RemoteName(f"offload/{offload.group}")
        self._quality = offload.quality
        self._delivery = FrameDelivery(config, offload, client=client, backoff=backoff)
        self._seen = local()
        """Of each thread: the frame that was detected last and its lines, by their quads."""

    def start(self, on_give_up: Callable[[PublishError], None]) -> None:
        """Begin to connect; a broker that is away is waited for.

        Args:
            on_give_up: Called once, from another thread, when the broker cannot be used for this at all.
        """
        self._delivery.start(on_give_up)

    def stop(self) -> None:
        """Disconnect; frames under way are given up at their deadline."""
        self._delivery.stop()

    def metrics(self) -> OffloadMetrics:
        """The counters so far."""
        return self._delivery.metrics()

    def read(self, image: Image) -> Page:
        """Have all lines of a frame found and read.

        Args:
            image: (H, W, 3) BGR pixels; nothing that must stay on this box may be in it.

        Returns:
            The first answer. Its `timings_ms` are the worker's, with `encode` and `offload`: the time under way.

        Raises:
            FrameDroppedError: no worker answered within the deadline, or one refused the frame.
        """
        lines, timings_ms = self._have_read(image, None)
        return Page(image.shape[1], image.shape[0], lines, timings_ms)

    def detect(self, image: Image) -> Detection:
        """Have the lines of a frame found. They are read on the same way, for `recognize` to look up.

        Places where nothing is legible are left out, so no frame is spent on trying them again before the next search.

        Raises:
            FrameDroppedError: as for `read`.
        """
        page = self.read(image)
        self._seen.image = image
        self._seen.lines = {line.quad.tobytes(): line for line in page.lines}
        return Detection(page.width, page.height, tuple(line.quad for line in page.lines), page.timings_ms)

    def recognize(
        self,
        image: Image,
        quads: Sequence[Quad],
        *,
        allowed: Sequence[frozenset[str] | None] | None = None,
        closely: bool = False,
    ) -> Recognition:
        """Read some lines of a frame. Nothing is sent for those that this thread's last `detect` brought with it.

        Args:
            image: As for `read`.
            quads: (4, 2) float32 each, where the lines are.
            allowed: For each quad the only characters that decoding may choose from, None for all.
            closely: Take more time for each.

        Returns:
            One line for each quad, in their order; one without text where nothing is legible.

        Raises:
            FrameDroppedError: as for `read`.
        """
        is_known = getattr(self._seen, "image", None) is image and not closely
        known = getattr(self._seen, "lines", {}) if is_known else {}
        sets = [None] * len(quads) if allowed is None else list(allowed)
        found = {i: known[quad.tobytes()] for i, quad in enumerate(quads) if quad.tobytes() in known}
        lines = {i: line for i, line in found.items() if _keeps_to(line, sets[i])}
        missing = [i for i in range(len(quads)) if i not in lines]
        timings_ms = dict.fromkeys(STAGES, 0.0)
        for begin in range(0, len(missing), MAX_QUADS):
            part = missing[begin : begin + MAX_QUADS]
            request = _request([quads[i] for i in part], [sets[i] for i in part], closely=closely)
            read, spent_ms = self._have_read(image, request)
            lines |= dict(zip(part, read, strict=True))
            timings_ms = {stage: timings_ms.get(stage, 0.0) + ms for stage, ms in spent_ms.items()}
        return Recognition(tuple(lines[i] for i in range(len(quads))), timings_ms)

    def _have_read(self, image: Image, request: FrameRequest | None) -> tuple[tuple[Line, ...], dict[str, float]]:
        """The lines of a frame and where the time went, in ms.

        Raises:
            FrameDroppedError: no worker answered within the deadline, or one refused the frame.
        """
        begin_s = time.monotonic()
        jpeg = self._encode(image)
        encoded_s = time.monotonic()
        answer = self._delivery.deliver(jpeg, (image.shape[1], image.shape[0]), request, begin_s)
        theirs_ms = answer.timings_ms.get("decode", 0.0) + answer.timings_ms.get("total", 0.0)
        own_ms = {
            "encode": (encoded_s - begin_s) * 1e3,
            "offload": max((time.monotonic() - encoded_s) * 1e3 - theirs_ms, 0.0),
        }
        timings_ms = {stage: ms for stage, ms in answer.timings_ms.items() if stage != "decode"}
        return answer.to_lines(), {**timings_ms, **own_ms}

    def _encode(self, image: Image) -> bytes:
        try:
            is_done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, self._quality])
        except cv2.error:
            is_done = False  # more than 65 535 pixels wide or high
        if not is_done:
            raise self._delivery.keep_back("encode", f"{image.shape[1]} x {image.shape[0]} pixels cannot be a JPEG")
        if data.nbytes > MAX_FRAME_BYTES:
            raise self._delivery.keep_back("too_large", f"{data.nbytes} bytes; at most {MAX_FRAME_BYTES} are sent")
        return data.tobytes()


def _keeps_to(line: Line, allowed: frozenset[str] | None) -> bool:
    """Whether a line, decoded from all characters, is what decoding from these only would give.

    The best path through all of them is the best through some, if it passes these only; its scores are the same.
    """
    return allowed is None or allowed.issuperset(line.text)


def _request(quads: Sequence[Quad], allowed: Sequence[frozenset[str] | None], *, closely: bool) -> FrameRequest:
    sets = tuple(None if one is None else "".join(sorted(one)) for one in allowed)
    places = tuple(corners(quad) for quad in quads)
    return FrameRequest(quads=places, allowed=sets if any(sets) else None, closely=closely)
