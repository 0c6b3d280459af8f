"""The accepted session and what is under way on it: nothing is handed to it that does not fit its window."""

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock

from runtime.mqtt.messages import Accepted, Publication
from runtime.mqtt.session import Session
from runtime.spool.outbox import Outbox, StoredMessage

MAX_PASSING = 20
"""Messages without a second chance that wait to be sent."""


@dataclass(frozen=True, slots=True)
class InFlight:
    """A message that the broker has not acknowledged."""

    sent_s: float
    stored: StoredMessage | None
    """None for what is not from the outbox."""


class Link:
    """Sends in the order: what passes, latest values, events. `offer` and `put_latest` are for any thread."""

    def __init__(
        self,
        accepted: Accepted,
        outbox: Outbox,
        compose: Callable[[StoredMessage], Publication],
        latest: Mapping[str, Publication],
    ) -> None:
        """A link on which nothing was sent yet.

        Args:
            accepted: The session, and how much it takes at once.
            outbox: Where events come from.
            compose: Makes a publication of an event.
            latest: The values to announce, by topic, in this order.
        """
        self.session: Session = accepted.session
        self.since_s = time.monotonic()
        self.in_flight: dict[int, InFlight] = {}
        """By message id, oldest first. QoS 0 too, until it is on the wire: paho's own queue knows no limit."""
        self._window = accepted.window
        self._outbox = outbox
        self._compose = compose
        self._latest = dict(latest)
        """Latest values that this session has not got yet, by topic."""
        self._passing: deque[Publication] = deque()
        self._lock = Lock()

    def put_latest(self, publication: Publication) -> None:
        """Send a latest value, instead of an older one that still waits."""
        with self._lock:
            self._latest[publication.topic] = publication

    def offer(self, publication: Publication) -> bool:
        """Send something that is worthless later; False when too much of it waits already."""
        with self._lock:
            if len(self._passing) >= MAX_PASSING:
                return False
            self._passing.append(publication)
            return True

    def fill(self) -> None:
        """Send what fits the window.

        Raises:
            ConnectionError: the connection is gone.
        """
        while len(self.in_flight) < self._window:
            publication = self._next_direct()
            if publication is None:
                break
            self._send(publication, None)
        for stored in self._next_events(self._window - len(self.in_flight)):
            try:
                publication = self._compose(stored)
            except ValueError:  # a disk can damage what it keeps
                self._outbox.drop(stored.key, "damaged")
            else:
                self._send(publication, stored)

    def is_idle(self) -> bool:
        """Whether everything was sent and acknowledged."""
        with self._lock:
            waits = bool(self._latest or self._passing)
        return not (waits or self.in_flight or self._outbox.peek(1))

    def waits_since_s(self) -> float | None:
        """When the oldest message was sent that is not acknowledged; None while there is none."""
        return next((flight.sent_s for flight in self.in_flight.values()), None)

    def is_delayed(self, stored: StoredMessage) -> bool:
        """Whether an event had to wait for this connection."""
        return stored.put_s < self.since_s

    def _next_events(self, room: int) -> list[StoredMessage]:
        """The oldest events that are not under way. Not "newer than the last": a disk may hide some for a time."""
        if room <= 0:
            return []
        under_way = {flight.stored.key for flight in self.in_flight.values() if flight.stored is not None}
        pending = self._outbox.peek(room + len(under_way))
        return [stored for stored in pending if stored.key not in under_way][:room]

    def _next_direct(self) -> Publication | None:
        with self._lock:
            if self._passing:
                return self._passing.popleft()
            topic = next(iter(self._latest), None)
            return self._latest.pop(topic) if topic is not None else None

    def _send(self, publication: Publication, stored: StoredMessage | None) -> None:
        mid = self.session.publish(publication)
        self.in_flight[mid] = InFlight(time.monotonic(), stored)
