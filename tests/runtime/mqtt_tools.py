"""Brokers and subscribers for the tests: a real one in this process, and one that says what a test tells it to."""

import contextlib
import gc
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from runtime.mqtt.client import weakly

PATIENCE_S = 30.0
"""How long a test waits for what has to happen; not a measure of anything."""

_PORTS = iter(random.sample(range(20_000, 32_768), 10_000))

ACCEPT_311, ACCEPT_5 = b"\x20\x02\x00\x00", b"\x20\x03\x00\x00\x00"
TAKEN_OVER = b"\xe0\x02\x8e\x00"


def wait_until(is_true: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not is_true():
        assert time.monotonic() < deadline_s, "it did not happen"
        time.sleep(0.005)


def free_port() -> int:
    """A port where nobody listens, another one with each call, for a server that starts later.

    It lies below those that Linux gives to clients (32768 and more). A client that tries one of those again and again
    gets it as its own port some day and is connected to itself; what is left of that (TIME_WAIT) then keeps the broker
    off the port for a minute.
    """
    for port in _PORTS:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def n_open_files() -> int:
    """Of this process, sockets among them."""
    return len(list(Path("/proc/self/fd").iterdir()))


@contextlib.contextmanager
def no_garbage_collection() -> Iterator[None]:
    """It comes by hardly ever in a process with much in it: what it alone closes is as good as never closed."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@dataclass
class Received:
    topic: str
    payload: bytes
    qos: int
    retain: bool
    content_type: str | None = None
    user_properties: tuple[tuple[str, str], ...] = ()
    correlation: bytes | None = None
    expiry_s: int | None = None


class Subscriber:
    """A client that keeps everything it gets, across losses of the broker."""

    def __init__(
        self,
        port: int,
        topic: str = "#",
        *,
        wait: bool = True,
        version: int = 4,
        qos: int = 1,
        username: str | None = None,
        password: str | None = None,
    ) -> None:
        self.received: list[Received] = []
        subscribed = self._subscribed = threading.Event()
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"subscriber-{time.time_ns()}",
            protocol=MQTTProtocolVersion(version),
        )
        self._client.reconnect_delay_set(0.05, 0.2)  # type: ignore[arg-type]
        self._client.on_connect = lambda client, *_: client.subscribe(topic, qos=qos)
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.on_message = weakly(self._keep)
        if username is not None:
            self._client.username_pw_set(username, password)
        self._port = port
        self._wait = wait

    def __enter__(self) -> "Subscriber":
        # So patient that it stays while a test freezes the broker for a minute.
        self._client.connect_async("127.0.0.1", self._port, keepalive=600)
        self._client.loop_start()
        return self.wait_subscribed() if self._wait else self

    def __exit__(self, *error: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def wait_subscribed(self) -> "Subscriber":
        wait_until(self._subscribed.is_set)
        return self

    def expect_new_subscription(self) -> None:
        self._subscribed.clear()

    def publish(self, topic: str, payload: bytes = b"", *, retain: bool = False, properties: Any = None) -> bool:
        self._client.publish(topic, payload, 1, retain, properties)
        return True

    def payloads(self, topic: str) -> list[bytes]:
        return [message.payload for message in list(self.received) if message.topic == topic]

    def _keep(self, client: paho.Client, userdata: Any, message: paho.MQTTMessage) -> None:
        properties = message.properties
        self.received.append(
            Received(
                message.topic,
                bytes(message.payload),
                message.qos,
                message.retain,
                getattr(properties, "ContentType", None),
                tuple(getattr(properties, "UserProperty", ())),
                getattr(properties, "CorrelationData", None),
                getattr(properties, "MessageExpiryInterval", None),
            )
        )


@dataclass
class Script:
    """What a scripted broker does."""

    answer: Callable[[int], bytes | None] = lambda level: ACCEPT_5 if level == 5 else ACCEPT_311
    """The answer to a CONNECT of a protocol level; empty: none; None: hang up."""
    acknowledges: bool = True
    refusal: int = 0
    """Reason code of MQTT 5 in every PUBACK."""
    after_connect: Callable[[int], bytes] = lambda n_connects: b""
    """Sent right after the n-th accepted CONNECT; `HANG_UP` closes."""


HANG_UP = b"hang up"


@dataclass
class ScriptedBroker:
    """Speaks just enough MQTT; says what the script tells it to. Use as a context manager."""

    script: Script = field(default_factory=Script)
    levels: list[int] = field(default_factory=list)
    """Protocol level of every CONNECT."""
    published: list[Received] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    """Bodies of all packets."""
    goodbyes: int = 0
    unacknowledged: list[tuple[socket.socket, int, int]] = field(default_factory=list)

    def __enter__(self) -> "ScriptedBroker":
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.hang_up()
        for thread in self._threads:
            thread.join(PATIENCE_S)

    def hang_up(self) -> None:
        for client in list(self._sockets):
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def acknowledge_all(self) -> None:
        waiting, self.unacknowledged = self.unacknowledged, []
        for client, level, mid in waiting:
            self._acknowledge(client, level, mid)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            self._sockets.append(client)
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        level = 0
        with client, contextlib.suppress(OSError, EOFError):
            while True:
                kind, flags, body = _read_packet(client)
                self.raw.append(body)
                if kind == 1:
                    level = body[6]
                    if not self._connected(client, level):
                        return
                elif kind == 3:
                    self._take(client, level, flags, body)
                elif kind == 12:
                    client.sendall(b"\xd0\x00")
                elif kind == 14:
                    self.goodbyes += 1
                    return

    def _connected(self, client: socket.socket, level: int) -> bool:
        self.levels.append(level)
        answer = self.script.answer(level)
        if answer is None:
            return False
        client.sendall(answer)
        following = self.script.after_connect(len(self.levels))
        if following == HANG_UP:
            return False
        client.sendall(following)
        return True

    def _take(self, client: socket.socket, level: int, flags: int, body: bytes) -> None:
        qos, at = flags >> 1 & 3, 2 + struct.unpack("!H", body[:2])[0]
        topic = body[2:at].decode()
        mid = 0
        if qos:
            mid = struct.unpack("!H", body[at : at + 2])[0]
            at += 2
        if level == 5:
            at += 1 + body[at]  # the properties of our messages take less than 128 bytes
        self.published.append(Received(topic, body[at:], qos, bool(flags & 1)))
        if qos and self.script.acknowledges:
            self._acknowledge(client, level, mid)
        elif qos:
            self.unacknowledged.append((client, level, mid))

    def _acknowledge(self, client: socket.socket, level: int, mid: int) -> None:
        if level == 5 and self.script.refusal:
            client.sendall(struct.pack("!BBHBB", 0x40, 4, mid, self.script.refusal, 0))
        else:
            client.sendall(struct.pack("!BBH", 0x40, 2, mid))


def _read_packet(client: socket.socket) -> tuple[int, int, bytes]:
    """(kind, flags, body) of the next packet."""
    first = _read(client, 1)[0]
    length = shift = 0
    while True:
        byte = _read(client, 1)[0]
        length |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return first >> 4, first & 15, _read(client, length)


def _read(client: socket.socket, n_bytes: int) -> bytes:
    data = b""
    while len(data) < n_bytes:
        part = client.recv(n_bytes - len(data))
        if not part:
            raise EOFError
        data += part
    return data
