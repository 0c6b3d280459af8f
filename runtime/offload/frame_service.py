"""What a worker does with one message: the JPEG of a frame in, the answer to its sender out. Knows nothing of brokers.

Anybody who may publish can send anything here. Whatever comes is answered or counted; nothing of it is trusted.
"""

import logging
import re
import time
from collections import Counter
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from edge_ocr import Page, Recognition
from edge_ocr.errors import ImageError, ImageTooLargeError
from edge_ocr.images import decode_image
from runtime.frame_loop import Named
from runtime.monitoring.latency import LatencyRecorder
from runtime.mqtt import topics
from runtime.offload.client import Delivery, LinkMessage
from runtime.offload.messages import FramePage, FrameRequest, Refusal, page_lines

logger = logging.getLogger(__name__)

Image = NDArray[np.uint8]

MAX_FRAME_BYTES = 16 * 2**20
"""Of a JPEG. A frame of 8 megapixels takes 2 to 5 MiB; a broker may allow less (mosquitto 2.1: 2 MB)."""
FRAME_TYPE, PAGE_TYPE = "image/jpeg", "application/json"
FRAME_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
"""What a frame's correlation data may be: it is sent back and logged."""
MAX_ERROR_CHARS = 500
ANSWER_EXPIRY_S = 60
"""For an answer to a frame that has no expiry of its own."""


class FrameRefusedError(Exception):
    """A frame that is not read, and why."""

    def __init__(self, refusal: Refusal, reason: str) -> None:
        super().__init__(reason)
        self.refusal: Refusal = refusal


class WorkerReader(Protocol):
    """What a worker reads with: `edge_ocr.Reader`."""

    @property
    def pack(self) -> Named:
        """The models."""
        ...

    @property
    def profile(self) -> Named:
        """The device profile."""
        ...

    def read(self, image: Image) -> Page:
        """The lines of an image."""
        ...

    def recognize(
        self,
        image: Image,
        quads: Sequence[NDArray[np.float32]],
        *,
        allowed: Sequence[frozenset[str] | None] | None,
        closely: bool = False,
    ) -> Recognition:
        """What certain places of an image say."""
        ...


class FrameService:
    """Reads frames of one group with one reader; used by one thread, its counters may be read by others."""

    def __init__(self, reader: WorkerReader, *, root: str, group: str, worker: str, recorder: LatencyRecorder) -> None:
        """A service that has seen no frame yet.

        Args:
            reader: Reads the frames.
            root: First levels of every topic.
            group: The group whose frames are read.
            worker: Our name, in every answer.
            recorder: Gets the latency of every stage.
        """
        self._reader = reader
        self._root = root
        self._group = group
        self._worker = worker
        self._recorder = recorder
        self.received = 0
        self.answered = 0
        self.refused: Counter[Refusal] = Counter()
        self.ignored: Counter[str] = Counter()
        """Messages without an answer, by cause."""

    def answer(self, delivery: Delivery) -> LinkMessage | None:
        """Read the frame in a message; what to publish, None where there is nobody to answer.

        Never raises: what is wrong with a message is in its answer, or counted in `ignored`.
        """
        self.received += 1
        frame = delivery.message
        cause = self._cause_to_ignore(delivery)
        if cause is not None:
            self.ignored[cause] += 1
            return None
        assert frame.frame_id is not None
        assert frame.response_topic is not None
        page = self._page(frame, frame.frame_id.decode())
        return LinkMessage(
            topic=frame.response_topic,
            payload=page.to_json(),
            content_type=PAGE_TYPE,
            frame_id=frame.frame_id,
            expiry_s=frame.expiry_s or ANSWER_EXPIRY_S,
        )

    def _cause_to_ignore(self, delivery: Delivery) -> str | None:
        """Why a message gets no answer; None for a frame that gets one."""
        frame = delivery.message
        if frame.retain:
            return "retained"
        node = topics.offload_node(self._root, self._group, frame.topic)
        if node is None:
            return "topic"
        # Only there: or whoever may send frames could have us publish anywhere, on command topics for example.
        if frame.response_topic != topics.offload_pages(self._root, node, self._group):
            return "response_topic"
        if frame.frame_id is None or not FRAME_ID.fullmatch(frame.frame_id):
            return "frame_id"
        if frame.expiry_s is not None and time.monotonic() - delivery.arrival_s > frame.expiry_s:
            return "expired"
        return None

    def _page(self, frame: LinkMessage, frame_id: str) -> FramePage:
        head = {
            "frame_id": frame_id,
            "worker": self._worker,
            "pack": self._reader.pack.name,
            "profile": self._reader.profile.name,
        }
        try:
            page = self._read(frame, head)
        except FrameRefusedError as refused:
            self.refused[refused.refusal] += 1
            error = " ".join(str(refused).split())[:MAX_ERROR_CHARS]
            return FramePage.model_validate({**head, "refusal": refused.refusal, "error": error})
        self.answered += 1
        return page

    def _read(self, frame: LinkMessage, head: dict[str, str]) -> FramePage:
        """What can be read in a frame.

        Raises:
            FrameRefusedError: it cannot be read.
        """
        begin_s = time.perf_counter()
        image = _decode(frame)
        decode_ms = (time.perf_counter() - begin_s) * 1e3
        request = _request(frame, image)
        try:
            page = self._reader.read(image) if request is None else self._recognize(image, request)
            timings_ms = {"decode": decode_ms, **page.timings_ms}
            answer = FramePage.model_validate({
                **head,
                "frame_size": (image.shape[1], image.shape[0]),
                "lines": page_lines(page.lines),
                "timings_ms": {stage: round(ms, 3) for stage, ms in timings_ms.items()},
            })
        except Exception as error:
            # Whatever the engine raises costs this frame, not the worker.
            logger.exception("a frame of %s could not be read; going on", frame.topic)
            raise FrameRefusedError("read_error", f"{type(error).__name__}: {error}") from error
        self._recorder.add_all(timings_ms)
        return answer

    def _recognize(self, image: Image, request: FrameRequest) -> Recognition:
        quads = [np.array(quad, np.float32) for quad in request.quads]
        sets = request.allowed or (None,) * len(quads)
        allowed = [None if one is None else frozenset(one) for one in sets]
        return self._reader.recognize(image, quads, allowed=allowed, closely=request.closely)


def _request(frame: LinkMessage, image: Image) -> FrameRequest | None:
    """Which places of a frame to read; None: all that can be found.

    Raises:
        FrameRefusedError: they make no sense.
    """
    if frame.request is None:
        return None
    try:
        request = FrameRequest.model_validate_json(frame.request)
    except ValidationError as error:
        raise FrameRefusedError("request", f"recognize: {error.errors()[0]['msg']}") from error
    # A line may leave the frame; one that is far larger would be cut out at that size.
    reach = 2 * max(image.shape[:2])
    if any(abs(value) > reach for quad in request.quads for corner in quad for value in corner):
        raise FrameRefusedError("request", f"recognize: a corner is more than {reach} px away")
    return request


def _decode(frame: LinkMessage) -> Image:
    """The pixels of a frame.

    Raises:
        FrameRefusedError: not a JPEG, damaged, or too large.
    """
    if frame.content_type != FRAME_TYPE:
        raise FrameRefusedError("content_type", f"content type {str(frame.content_type)[:80]!r}; send {FRAME_TYPE}")
    if len(frame.payload) > MAX_FRAME_BYTES:
        raise FrameRefusedError("too_large", f"{len(frame.payload)} bytes; at most {MAX_FRAME_BYTES} are read")
    try:
        return decode_image(frame.payload, "frame", ("JPEG",))
    except ImageTooLargeError as error:
        raise FrameRefusedError("too_large", str(error)) from error
    except ImageError as error:
        raise FrameRefusedError("damaged", str(error)) from error
