"""Somebody else's MQTT client, as it would run elsewhere in the building: for the demo and for measurements."""

import threading
import time
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from edge_ocr.errors import EdgeOcrError
from runtime.mqtt.client import weakly

SUBSCRIBE_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message as it came."""

    topic: str
    payload: bytes
    at_ts: float
    """When, in seconds of wall-clock time (Unix)."""


class Subscriber:
    """Keeps what is published until it is asked for. Use as a context manager.

    Raises:
        EdgeOcrError: on entering: the broker does not answer.
    """

    def __init__(self, host: str, port: int, topic: str) -> None:
        self._arrived: SimpleQueue[Arrival] = SimpleQueue()
        subscribed = self._subscribed = threading.Event()
        self._address = (host, port)
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"edge-ocr-watcher-{time.time_ns()}")
        self._client.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.on_message = weakly(self._on_message)

    def __enter__(self) -> Self:
        self._client.connect(*self._address)
        self._client.loop_start()
        if not self._subscribed.wait(SUBSCRIBE_TIMEOUT_S):
            raise EdgeOcrError("the embedded broker does not answer a subscriber")
        return self

    def __exit__(self, *error: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def next(self, timeout_s: float) -> Arrival | None:
        """The next message, in the order in which they came; None when none comes in time."""
        try:
            return self._arrived.get(timeout=timeout_s)
        except Empty:
            return None

    def _on_message(self, client: paho.Client, userdata: Any, message: paho.MQTTMessage) -> None:
        self._arrived.put(Arrival(message.topic, bytes(message.payload), time.time()))
