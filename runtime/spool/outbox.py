"""Events between their commit and the broker's acknowledgement.

`Outbox` is what the appliance and the publisher need of it. `MemoryOutbox` keeps the events in memory, bounded, for
runs that leave nothing behind (demo, profile); `runtime.spool.spool.Spool` keeps them on the disk.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from threading import Lock
from typing import Protocol

from runtime.events import SpoolState

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class About:
    """Which text an event is about: after a crash the texts that had not ended are ended by this."""

    boot_id: str
    seq: int
    track_id: int
    is_end: bool


@dataclass(frozen=True, slots=True)
class Message:
    """One event, ready to be sent."""

    topic: str
    payload: bytes
    arrival_s: float
    """`time.monotonic()` of the arrival of the frame that caused it."""
    about: About | None = None


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message in an outbox."""

    key: int
    """Rises with every message put."""
    message: Message
    put_s: float
    """`time.monotonic()` of the commit; minus infinity when an earlier run committed it."""


@dataclass(frozen=True, slots=True)
class OutboxCounts:
    """Where all messages ever put are: put = pending + sent + the sum of dropped."""

    pending: int
    sent: int
    dropped: Mapping[str, int] = field(default_factory=dict)
    """By cause."""


class Outbox(Protocol):
    """An ordered store of messages that the broker has not acknowledged. Safe to share between threads."""

    def put(self, *messages: Message) -> None:
        """Commit messages together. Never blocks on the network; what does not fit any more is counted as dropped."""
        ...

    def peek(self, limit: int) -> list[StoredMessage]:
        """The oldest pending messages, at most `limit`; they stay in the outbox."""
        ...

    def acknowledge(self, key: int) -> None:
        """The broker has it: delete it. A key that is gone already does no harm."""
        ...

    def drop(self, key: int, cause: str) -> None:
        """It will never be sent: delete and count it."""
        ...

    def counts(self) -> OutboxCounts:
        """How many are pending, sent and dropped."""
        ...

    @property
    def state(self) -> SpoolState:
        """Whether messages are safe."""
        ...

    def tend(self) -> None:
        """Drop what is too old and try again what failed; to be called every few seconds."""
        ...


class MemoryOutbox:
    """An outbox in memory, bounded by number and bytes: the oldest message makes room, and is counted."""

    def __init__(self, *, max_messages: int = 20_000, max_bytes: int = 32 * 2**20) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._pending: OrderedDict[int, StoredMessage] = OrderedDict()
        self._bytes = 0
        self._next_key = 1
        self._sent = 0
        self._dropped: dict[str, int] = {}
        self._is_full = False
        self._lock = Lock()

    def put(self, *messages: Message) -> None:
        """Commit messages; when the outbox is full, the oldest ones are dropped for them."""
        with self._lock:
            for message in messages:
                self._pending[self._next_key] = StoredMessage(self._next_key, message, time.monotonic())
                self._next_key += 1
                self._bytes += len(message.payload)
            while len(self._pending) > self._max_messages or (self._bytes > self._max_bytes and len(self._pending) > 1):
                self._remove(next(iter(self._pending)))
                self._count_drop("full")
                self._say_full()

    def peek(self, limit: int) -> list[StoredMessage]:
        """The oldest pending messages, at most `limit`."""
        with self._lock:
            return list(islice(self._pending.values(), limit))

    def acknowledge(self, key: int) -> None:
        """Delete a message that the broker has."""
        with self._lock:
            if self._remove(key):
                self._sent += 1
                self._say_room()

    def drop(self, key: int, cause: str) -> None:
        """Delete and count a message that will never be sent."""
        with self._lock:
            if self._remove(key):
                self._count_drop(cause)

    def counts(self) -> OutboxCounts:
        """How many are pending, sent and dropped."""
        with self._lock:
            return OutboxCounts(len(self._pending), self._sent, dict(self._dropped))

    @property
    def state(self) -> SpoolState:
        """Whether it has room."""
        return "dropping" if self._is_full else "ok"

    def tend(self) -> None:
        """Nothing to do."""

    def _remove(self, key: int) -> bool:
        stored = self._pending.pop(key, None)
        if stored is None:
            return False
        self._bytes -= len(stored.message.payload)
        return True

    def _count_drop(self, cause: str) -> None:
        self._dropped[cause] = self._dropped.get(cause, 0) + 1

    def _say_full(self) -> None:
        if not self._is_full:
            self._is_full = True
            logger.warning("outbox full (%d events): the oldest events are dropped", len(self._pending))

    def _say_room(self) -> None:
        if self._is_full and len(self._pending) <= self._max_messages // 2 and self._bytes <= self._max_bytes // 2:
            self._is_full = False
            logger.warning("outbox has room again; %d events were dropped so far", self._dropped.get("full", 0))
