"""Gets frames to workers and their answers back: the sender owns delivery.

    send -> wait -> (send again -> wait) -> answer, or the frame is given up and counted

A broker spreads the frames over the workers but forgets those of a worker that dies, so a frame without an answer is
sent again until its deadline. Each frame has an id: the first answer is taken, the others are counted.
"""

import logging
import math
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from queue import Empty, SimpleQueue
from threading import Lock

from pydantic import ValidationError

from edge_ocr.errors import PublishError
from runtime.backoff import Backoff
from runtime.config.kiosk import KioskConfig
from runtime.config.offload import OffloadConfig
from runtime.frames import FrameDroppedError
from runtime.mqtt import topics
from runtime.offload.client import Delivery, LinkMessage
from runtime.offload.frame_service import FRAME_TYPE
from runtime.offload.link import Link
from runtime.offload.messages import FramePage, FrameRequest, OffloadMetrics

logger = logging.getLogger(__name__)

REMEMBERED_FRAMES = 1000
"""Answered frames whose further answers are known to be duplicates."""


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """A frame under way."""

    frame_id: str
    jpeg: bytes
    request: FrameRequest | None
    size: tuple[int, int]
    deadline_s: float
    answers: SimpleQueue[bytes | None] = field(default_factory=SimpleQueue)
    """None when no answer will come."""


class FrameDelivery:
    """Delivers frames to the workers of a group. Safe to share between threads: each waits for its own frame."""

    def __init__(
        self, config: KioskConfig, offload: OffloadConfig, *, client: str, backoff: Backoff | None = None
    ) -> None:
        """A delivery that is not connected yet.

        Args:
            config: The node, its broker, and the pack that answers must come from.
            offload: Which workers, and how long to wait for them.
            client: What our id at the broker ends with.
            backoff: Waits between attempts to reach the broker.

        Raises:
            ConfigError: a certificate or password file cannot be used.
        """
        self._pack = config.pack
        self._offload = offload
        self._frames_topic = topics.offload_frames(config.mqtt.root, config.node, offload.group)
        self._pages_topic = topics.offload_pages(config.mqtt.root, config.node, offload.group)
        self._boot_id = uuid.uuid4().hex
        self._numbers = count(1)
        self._lock = Lock()
        self._waiting: dict[str, _Waiting] = {}
        self._answered: dict[str, None] = {}
        self._counts: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()
        self._state = ""
        self._is_over = False
        self._on_give_up: Callable[[PublishError], None] = lambda error: None
        self._link = Link(
            config.mqtt,
            client_id=f"edge-ocr-{config.node}-{client}",
            topic_filter=self._pages_topic,
            on_message=self._take_in,
            on_give_up=self._pass_on,
            backoff=backoff,
        )

    def start(self, on_give_up: Callable[[PublishError], None]) -> None:
        """Begin to connect; a broker that is away is waited for.

        Args:
            on_give_up: Called once, from another thread, when the broker cannot be used for this at all.
        """
        self._on_give_up = on_give_up
        self._link.start()

    def stop(self) -> None:
        """Disconnect; frames under way are given up at their deadline."""
        self._link.stop()

    def deliver(self, jpeg: bytes, size: tuple[int, int], request: FrameRequest | None, begin_s: float) -> FramePage:
        """Have a frame read.

        Args:
            jpeg: The frame.
            size: Its (width, height) in pixels.
            request: Which places to read; None: whatever can be found.
            begin_s: `time.monotonic()` from which its deadline counts.

        Returns:
            The first answer, with its lines.

        Raises:
            FrameDroppedError: no worker answered within the deadline, or one refused the frame.
        """
        self._add("frames")
        frame_id = f"{self._boot_id}:{next(self._numbers)}"
        answer = self._ask_and_forget(_Waiting(frame_id, jpeg, request, size, begin_s + self._offload.deadline_s))
        if answer.refusal is not None:
            raise self._refuse(answer.refusal, f"{answer.worker} refuses a frame: {answer.error}")
        self._add("answered")
        self._say("workers answer", level=logging.INFO)
        return answer

    def keep_back(self, cause: str, reason: str) -> FrameDroppedError:
        """Count a frame that cannot be sent; the error to raise."""
        self._add("frames")
        return self._refuse(cause, reason)

    def metrics(self) -> OffloadMetrics:
        """The counters so far."""
        with self._lock:
            counts = self._counts
            return OffloadMetrics(
                frames=counts["frames"],
                answered=counts["answered"],
                refused=dict(self._refused),
                lost=dict(self._lost),
                resent=counts["resent"],
                duplicates=counts["duplicates"],
                late=counts["late"],
                invalid=counts["invalid"],
                connects=self._link.connects,
            )

    # -- one frame

    def _ask_and_forget(self, waiting: _Waiting) -> FramePage:
        """Send a frame until it is answered; answers after that are duplicates, or late.

        Raises:
            FrameDroppedError: the deadline passed.
        """
        with self._lock:
            self._waiting[waiting.frame_id] = waiting
        try:
            answer = self._ask(waiting)
            with self._lock:
                self._answered[waiting.frame_id] = None
                if len(self._answered) > REMEMBERED_FRAMES:
                    del self._answered[next(iter(self._answered))]
        finally:
            with self._lock:
                del self._waiting[waiting.frame_id]
                is_answered = waiting.frame_id in self._answered
                self._counts["duplicates" if is_answered else "late"] += waiting.answers.qsize()
        return answer

    def _ask(self, waiting: _Waiting) -> FramePage:
        """Send a frame until it is answered.

        Raises:
            FrameDroppedError: the deadline passed.
        """
        n_sendings = 1 + self._offload.resends
        slot_s = self._offload.deadline_s / n_sendings
        n_sent = 0
        for sending in range(1, n_sendings + 1):
            is_last = sending == n_sendings
            until_s = waiting.deadline_s if is_last else waiting.deadline_s - slot_s * (n_sendings - sending)
            if self._send(waiting, until_s, slot_s, is_again=n_sent > 0):
                n_sent += 1
            answer = self._await(waiting, until_s)
            if answer is not None:
                return answer
            if self._is_over:
                break
        raise self._give_up_on(waiting, n_sent)

    def _send(self, waiting: _Waiting, until_s: float, slot_s: float, *, is_again: bool) -> bool:
        """Hand a frame to the broker, waiting for the connection; whether that worked."""
        if not self._link.wait_ready(until_s - time.monotonic()):
            return False
        message = LinkMessage(
            topic=self._frames_topic,
            payload=waiting.jpeg,
            content_type=FRAME_TYPE,
            frame_id=waiting.frame_id.encode(),
            response_topic=self._pages_topic,
            request=None if waiting.request is None else waiting.request.to_json().decode(),
            # A frame that nobody took when it is sent again would be read twice.
            expiry_s=math.ceil(slot_s),
        )
        try:
            self._link.publish(message)
        except ConnectionError:
            return False
        if is_again:
            self._add("resent")
        return True

    def _await(self, waiting: _Waiting, until_s: float) -> FramePage | None:
        """The first answer that can be used; None if none came in time."""
        while (remaining_s := until_s - time.monotonic()) > 0 and not self._is_over:
            try:
                payload = waiting.answers.get(timeout=remaining_s)
            except Empty:
                return None
            answer = None if payload is None else self._parse(payload, waiting)
            if answer is not None:
                return answer
        return None

    def _parse(self, payload: bytes, waiting: _Waiting) -> FramePage | None:
        """An answer; None, and counted, when it is not one to this frame by the pack that our configuration names."""
        try:
            answer = FramePage.model_validate_json(payload)
        except ValidationError:
            self._add("invalid")
            return None
        if answer.frame_id != waiting.frame_id or not _fits(answer, waiting):
            self._add("invalid")
            return None
        if answer.pack != self._pack:
            self._add("invalid")
            self._say(f"{answer.worker} reads with pack {answer.pack}, not {self._pack}; set --pack there or pack here")
            return None
        return answer

    def _give_up_on(self, waiting: _Waiting, n_sent: int) -> FrameDroppedError:
        cause = "no_broker" if not n_sent else "no_answer" if self._link.is_heard else "no_worker"
        with self._lock:
            self._lost[cause] += 1
        reason = {
            "no_broker": "the broker cannot be reached",
            "no_answer": f"no worker answers within {self._offload.deadline_s:g} s",
            "no_worker": f"there is no worker; start edge-ocr worker --group {self._offload.group}",
        }[cause]
        self._say(f"frames are not read: {reason}")
        return FrameDroppedError(cause, reason)

    def _refuse(self, cause: str, reason: str) -> FrameDroppedError:
        with self._lock:
            self._refused[cause] += 1
        self._say(reason)
        return FrameDroppedError(cause, reason)

    def _add(self, counter: str) -> None:
        with self._lock:
            self._counts[counter] += 1

    def _say(self, state: str, *, level: int = logging.WARNING) -> None:
        """Log a change of state, once."""
        if state != self._state:
            self._state = state
            logger.log(level, "offload to %s: %s", self._offload.group, state)

    # -- from the link's threads

    def _pass_on(self, error: PublishError) -> None:
        with self._lock:
            self._is_over = True
            for waiting in self._waiting.values():
                waiting.answers.put(None)
        self._on_give_up(error)

    def _take_in(self, delivery: Delivery) -> None:
        """Hand an answer to whoever waits for it; what nobody waits for is counted."""
        frame_id = (delivery.message.frame_id or b"").decode("ascii", "replace")
        with self._lock:
            waiting = self._waiting.get(frame_id)
            if frame_id in self._answered:
                self._counts["duplicates"] += 1
            elif waiting is None:
                self._counts["late"] += 1
            else:
                waiting.answers.put(delivery.message.payload)


def _fits(answer: FramePage, waiting: _Waiting) -> bool:
    """Whether an answer can be one to this frame, and to this request."""
    if answer.refusal is not None:
        return True
    is_complete = waiting.request is None or len(answer.lines) == len(waiting.request.quads)
    return answer.frame_size == waiting.size and is_complete
