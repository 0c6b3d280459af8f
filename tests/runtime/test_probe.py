"""Whether a broker lets us in, against one that answers with fixed bytes."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from edge_ocr.errors import PublishError
from runtime import probe
from runtime.config import MqttConfig
from runtime.probe import probe_broker

ACCEPTED = b"\x20\x02\x00\x00"
NOT_AUTHORISED = b"\x20\x02\x00\x05"
CONNECT, DISCONNECT = 0x10, 0xE0


class FakeBroker:
    """Answers the first packet of every connection, and keeps what it got."""

    def __init__(self, server: socket.socket, answer: bytes) -> None:
        self.url = f"mqtt://127.0.0.1:{server.getsockname()[1]}"
        self.packets: list[bytes] = []
        self._server = server
        self._answer = answer

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self._server.accept()
            with connection:
                self.packets.append(connection.recv(4096))
                if not self._answer:
                    return
                connection.sendall(self._answer)
                while packet := connection.recv(4096):
                    self.packets.append(packet)


@contextlib.contextmanager
def broker(answer: bytes) -> Iterator[FakeBroker]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        fake = FakeBroker(server, answer)
        thread = threading.Thread(target=fake.serve)
        thread.start()
        yield fake
        thread.join()


def test_a_broker_that_accepts_us_is_left_again() -> None:
    with broker(ACCEPTED) as fake:
        probe_broker(MqttConfig(url=fake.url, username="kiosk", password=SecretStr("s3cret")))
    assert [packet[0] for packet in fake.packets] == [CONNECT, DISCONNECT]
    assert b"edge-ocr-check-" in fake.packets[0]
    assert b"s3cret" in fake.packets[0]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        pytest.param(NOT_AUTHORISED, r"refused us \(not authorized\); check username and password", id="refused"),
        pytest.param(b"", "connected, but no answer", id="closed"),
    ],
)
def test_a_broker_that_does_not_accept_us_is_told(answer: bytes, message: str) -> None:
    with broker(answer) as fake, pytest.raises(PublishError, match=message):
        probe_broker(MqttConfig(url=fake.url))


def test_nobody_there_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        with pytest.raises(PublishError, match=r"no connection \(Connection refused\); check host and port"):
            probe_broker(MqttConfig(url=f"mqtt://127.0.0.1:{taken.getsockname()[1]}"))


def test_a_silent_broker_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "TIMEOUT_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(PublishError, match="no answer"):
        probe_broker(MqttConfig(url=f"mqtt://127.0.0.1:{server.getsockname()[1]}"))
