"""A publisher with its outbox, as the appliance holds them, and events for it."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from runtime.backoff import Backoff
from runtime.config.kiosk import MqttConfig
from runtime.events import EventLatency, TextEvent
from runtime.monitoring.latency import LatencyRecorder
from runtime.mqtt.messages import MqttVersion, Received
from runtime.mqtt.publisher import Presence, Publisher
from runtime.spool.outbox import MemoryOutbox, Message, Outbox

EVENTS, STATUS, TEXT = "edge-ocr/n/cam0/events", "edge-ocr/n/status", "edge-ocr/n/cam0/text"
ONLINE, OFFLINE, STOPPED = b'{"state":"online"}', b'{"state":"offline"}', b'{"state":"stopped"}'
PRESENCE = Presence(topic=STATUS, online=ONLINE, offline=OFFLINE, stopped=STOPPED, boot_id="boot-1")
CORNERS = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


def event(seq: int) -> Message:
    now = "2026-01-02T03:04:05.678Z"
    payload = TextEvent(
        type="begin", node="n", camera="cam0", boot_id="boot-1", seq=seq, track_id=seq, ts=now, text="HELLO",
        text_raw="HELLO", score=0.9, reads=2, agreeing_reads=2, quad=CORNERS, quad_norm=CORNERS, frame_size=(2, 2),
        first_seen=now, last_seen=now, latency_ms=EventLatency(total=1.0), pack="latin", profile="p",
    )  # fmt: skip
    return Message(EVENTS, payload.to_json(), time.monotonic())


def fields(payloads: list[bytes], name: str) -> list[Any]:
    return [json.loads(payload)[name] for payload in payloads]


class Node:
    """A publisher with its outbox."""

    def __init__(
        self,
        port: int,
        version: MqttVersion = MqttVersion.V311,
        *,
        outbox: Outbox | None = None,
        subscriptions: tuple[str, ...] = (),
        on_received: Callable[[Received], None] = lambda message: None,
        scheme: str = "mqtt",
        **config: Any,
    ) -> None:
        self.outbox: Outbox = outbox if outbox is not None else MemoryOutbox()
        self.recorder = LatencyRecorder()
        self.conflicts: list[str] = []
        self.publisher = Publisher(
            MqttConfig(url=f"{scheme}://127.0.0.1:{port}", **config),
            self.outbox,
            PRESENCE,
            client_id="edge-ocr-n",
            recorder=self.recorder,
            on_conflict=self.conflicts.append,
            subscriptions=subscriptions,
            on_received=on_received,
            backoff=Backoff(lambda: 0.02),
            version=version,
        )
        self._seq = 0

    def put(self, n: int = 1) -> None:
        for _ in range(n):
            self.outbox.put(event(self._seq + 1))
            self._seq += 1
            self.publisher.wake()

    @property
    def n_put(self) -> int:
        return self._seq

    @property
    def pending(self) -> int:
        return self.outbox.counts().pending


@contextmanager
def running(node: Node) -> Iterator[Node]:
    node.publisher.start()
    try:
        yield node
    finally:
        node.publisher.stop(2.0)
