"""Whether a broker lets us in and lets us publish, against one that says what a test tells it to."""

import contextlib
import socket

import pytest
from pydantic import SecretStr

from edge_ocr.errors import PublishError
from runtime.checks import broker as probe
from runtime.checks.broker import probe_broker
from runtime.config.kiosk import MqttConfig
from tests.runtime.mqtt_tools import ACCEPT_311, Script, ScriptedBroker, n_open_files, no_garbage_collection, wait_until

TOPIC = "edge-ocr/kiosk/check"
NOT_AUTHORISED_311, NOT_AUTHORISED_5 = b"\x20\x02\x00\x05", b"\x20\x03\x00\x87\x00"
UNKNOWN_VERSION = b"\x20\x03\x00\x84\x00"
NOT_AUTHORISED = 0x87


def url(broker: ScriptedBroker) -> str:
    return f"mqtt://127.0.0.1:{broker.port}"


def test_a_broker_that_lets_us_publish_is_left_again() -> None:
    with ScriptedBroker() as broker:
        found = probe_broker(MqttConfig(url=url(broker), username="kiosk", password=SecretStr("s3cret")), TOPIC)
        assert found == f"MQTT 5, we may publish to {TOPIC}"
        assert [(message.topic, message.retain) for message in broker.published] == [(TOPIC, False)]
        assert b"edge-ocr-check-" in broker.raw[0]
        assert b"s3cret" in broker.raw[0]
    assert broker.goodbyes == 1


@pytest.mark.parametrize(
    "to_5", [pytest.param(UNKNOWN_VERSION, id="says so"), pytest.param(None, id="hangs up on MQTT 5")]
)
def test_an_older_broker_is_spoken_to_in_its_mqtt(to_5: bytes | None) -> None:
    with ScriptedBroker(Script(answer=lambda level: to_5 if level == 5 else ACCEPT_311)) as broker:
        assert probe_broker(MqttConfig(url=url(broker)), TOPIC).startswith("MQTT 3.1.1, which does not tell")
        assert broker.levels == [5, 4]


@pytest.mark.parametrize(
    ("script", "message"),
    [
        pytest.param(
            Script(answer=lambda level: NOT_AUTHORISED_5),
            r"refused us \(not authorized\); check username and password",
            id="it refuses us",
        ),
        pytest.param(
            Script(answer=lambda level: UNKNOWN_VERSION if level == 5 else NOT_AUTHORISED_311),
            r"refused us \(not authorized\); check username and password",
            id="it refuses us in MQTT 3.1.1",
        ),
        pytest.param(Script(answer=lambda level: None), "connected, but no answer", id="it hangs up"),
        pytest.param(
            Script(refusal=NOT_AUTHORISED),
            rf"we may not publish to {TOPIC} \(not authorized\); allow it at the broker",
            id="it lets us in, and no further",
        ),
    ],
)
def test_a_broker_that_will_not_have_us_is_told(script: Script, message: str) -> None:
    with ScriptedBroker(script) as broker, pytest.raises(PublishError, match=message):
        probe_broker(MqttConfig(url=url(broker)), TOPIC)


@pytest.mark.parametrize("refusal", [pytest.param(0, id="all is well"), pytest.param(NOT_AUTHORISED, id="a failure")])
def test_it_leaves_no_socket_open(refusal: int) -> None:
    with ScriptedBroker(Script(refusal=refusal)) as broker, no_garbage_collection():
        n_before = n_open_files()
        with contextlib.suppress(PublishError):
            probe_broker(MqttConfig(url=url(broker)), TOPIC)
        wait_until(lambda: n_open_files() <= n_before)


def test_nobody_there_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        with pytest.raises(PublishError, match=r"no connection \(Connection refused\); check host and port"):
            probe_broker(MqttConfig(url=f"mqtt://127.0.0.1:{taken.getsockname()[1]}"), TOPIC)


def test_a_silent_broker_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "TIMEOUT_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(PublishError, match="no answer"):
        probe_broker(MqttConfig(url=f"mqtt://127.0.0.1:{server.getsockname()[1]}"), TOPIC)
