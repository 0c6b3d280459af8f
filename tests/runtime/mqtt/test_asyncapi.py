"""The AsyncAPI document says what happens: every message of live traffic fits the channel of its topic."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from runtime import cli
from runtime.commands.schema import asyncapi_text
from runtime.mqtt.asyncapi import CHANNELS, document
from runtime.mqtt.broker import EmbeddedBroker
from runtime.mqtt.messages import MqttVersion
from tests.runtime.fake_kiosk import NODE, in_background, make_kiosk
from tests.runtime.mosquitto import Mosquitto, needs_mosquitto
from tests.runtime.mqtt_tools import Received, Subscriber, wait_until

FILE = Path(__file__).parents[3] / "runtime" / "schemas" / "asyncapi.json"
DOCUMENT = document()


def channel_of(topic: str) -> str:
    """The one channel that a topic belongs to."""
    found: list[str] = [
        name for name, channel in DOCUMENT["channels"].items() if re.fullmatch(_pattern(channel), topic)
    ]
    assert len(found) == 1, f"{topic}: {found or 'no channel'}"
    return found[0]


def _pattern(channel: dict[str, Any]) -> str:
    pattern: str = channel["address"].replace("{root}", "edge-ocr").replace("{prefix}", "homeassistant")
    for name, parameter in channel["parameters"].items():
        pattern = pattern.replace(f"{{{name}}}", f"({'|'.join(parameter.get('enum', ['[a-z0-9_-]+']))})")
    return pattern


def check(message: Received, *, version: MqttVersion = MqttVersion.V5) -> str:
    """Check a message against the document; the channel that it came on."""
    name = channel_of(message.topic)
    described = DOCUMENT["components"]["messages"][name]
    operation = next(
        each for each in DOCUMENT["operations"].values() if each["channel"]["$ref"] == f"#/channels/{name}"
    )
    if version is MqttVersion.V5:  # amqtt passes everything on as the subscriber wants it
        assert message.qos == operation["bindings"]["mqtt"]["qos"], name
    if message.content_type is not None and operation["action"] == "send":
        assert message.content_type == described["contentType"]
    if described["contentType"] == "image/jpeg":
        assert message.payload.startswith(b"\xff\xd8")
    elif described["contentType"] == "application/json" and (message.payload or operation["action"] == "send"):
        jsonschema.Draft7Validator({**DOCUMENT, **described["payload"]}).validate(json.loads(message.payload))
    return name


def test_the_file_is_up_to_date_and_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    # If not: edge-ocr schema --out runtime/schemas
    assert FILE.read_text(encoding="utf-8") == asyncapi_text()
    assert cli.main(["schema", "--asyncapi"]) == 0
    assert capsys.readouterr().out == asyncapi_text()
    assert cli.main(["schema", "event", "--asyncapi"]) == 2


def test_every_reference_leads_somewhere_and_every_parameter_is_described() -> None:
    def references(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            yield from ([value["$ref"]] if "$ref" in value else [])
            value = list(value.values())
        if isinstance(value, list):
            for each in value:
                yield from references(each)

    for reference in references(DOCUMENT):
        target: Any = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]
    for channel in DOCUMENT["channels"].values():
        assert set(channel["parameters"]) == set(re.findall(r"\{(\w+)\}", channel["address"]))
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema.Draft7Validator.check_schema(schema)
        assert "prefixItems" not in json.dumps(schema)


def test_a_message_that_does_not_fit_is_noticed() -> None:
    status = f"edge-ocr/{NODE}/status"
    with pytest.raises(jsonschema.ValidationError):
        check(Received(status, b'{"state": "asleep"}', 1, True))
    with pytest.raises(AssertionError, match="no channel"):
        check(Received(f"edge-ocr/{NODE}/cam0/secrets", b"{}", 1, False))


EXPECTED = {name for name, channel in CHANNELS.items() if channel.action == "send"} - {"offloadFrames", "workerMetrics"}


@contextmanager
def traffic(port: int, version: MqttVersion) -> Iterator[Subscriber]:
    """A kiosk of which everything is asked; ends when it has stopped."""
    mqtt: dict[str, Any] = {"commands": ["pause", "resume", "snapshot"], "home_assistant": True}
    number = 5 if version is MqttVersion.V5 else 4
    with (
        Subscriber(port, "edge-ocr/#", version=number) as client,
        Subscriber(port, "homeassistant/#", version=number) as ha,
    ):
        with in_background(make_kiosk(port, version, **mqtt)):
            wait_until(lambda: len(client.payloads(f"edge-ocr/{NODE}/cam0/events")) > 3)
            client.publish(f"edge-ocr/{NODE}/cam0/set/snapshot")
            wait_until(lambda: client.payloads(f"edge-ocr/{NODE}/cam0/snapshot"))
            client.publish(f"edge-ocr/{NODE}/set/pause", b'{"id": 5}')
            client.publish(f"edge-ocr/{NODE}/set/reload", b"{}")
            wait_until(lambda: client.payloads(f"edge-ocr/{NODE}/set/reload/state"))
            yield client
        wait_until(lambda: b'"stopped"' in client.payloads(f"edge-ocr/{NODE}/status")[-1])
        client.received += ha.received


@needs_mosquitto
def test_live_traffic_in_mqtt_5_fits_the_document(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        with traffic(broker.port, MqttVersion.V5) as client:
            properties: Any = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.ResponseTopic, properties.CorrelationData = "my/answers", b"\x07"
            with Subscriber(broker.port, "my/answers", version=5) as me:
                me.publish(f"edge-ocr/{NODE}/cam0/set/resume", properties=properties)
                wait_until(lambda: me.received)
                assert me.received[0].correlation == b"\x07"
        assert {check(message) for message in client.received} >= EXPECTED
        assert all(message.content_type for message in client.received if "/set/" not in message.topic)
        events = [message for message in client.received if message.topic.endswith("/events")]
        assert all(0 < (message.expiry_s or 0) <= 72 * 3600 for message in events)


def test_live_traffic_in_mqtt_3_1_1_fits_the_document() -> None:
    with EmbeddedBroker() as broker:
        with traffic(broker.port, MqttVersion.V311) as client:
            pass
        assert {check(message, version=MqttVersion.V311) for message in client.received} >= EXPECTED


@needs_mosquitto
def test_of_commands_that_waited_at_the_broker_retained_and_expired_ones_are_not_carried_out(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker, Subscriber(broker.port, f"edge-ocr/{NODE}/#", version=5) as client:
        pause = f"edge-ocr/{NODE}/cam0/set/pause"
        client.publish(pause, b"{}", retain=True)
        wait_until(lambda: client.payloads(pause))
        with in_background(make_kiosk(broker.port, MqttVersion.V5, commands=["pause"])) as subject:
            wait_until(lambda: subject.metrics().commands == {"retained": 1})
            client.publish(pause, b"{}", retain=True)  # while it is there
            wait_until(lambda: subject.metrics().commands == {"retained": 2})
            client.publish(pause, b'{"expires_at": "2020-01-01T00:00:00Z"}')
            client.publish(pause, b" " * 5000)
            wait_until(lambda: subject.metrics().commands == {"retained": 2, "expired": 1, "oversized": 1})
            client.publish(pause, b" " * 70_000)  # the broker keeps it to itself
            client.publish(pause, b"{")
            wait_until(lambda: subject.metrics().commands.get("malformed"))
            assert subject.metrics().commands["oversized"] == 1
            assert subject.metrics().cameras["cam0"].state == "streaming"
