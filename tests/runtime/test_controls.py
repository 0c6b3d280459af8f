"""Commands and Home Assistant through a broker, with a whole appliance behind."""

import json
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from runtime.config.kiosk import KioskConfig
from runtime.events import (
    CameraState,
    CameraStatus,
    CameraText,
    CommandName,
    NodeStatus,
    TextEvent,
    VisibleLine,
)
from runtime.mqtt import home_assistant
from runtime.mqtt.broker import EmbeddedBroker
from runtime.mqtt.commands import CommandError
from runtime.mqtt.snapshot import MAX_JPEG_BYTES, encode_snapshot
from runtime.payload import Payload, StageLatency
from tests.runtime.fake_kiosk import NODE, in_background, make_kiosk
from tests.runtime.mqtt_node import CORNERS, event
from tests.runtime.mqtt_tools import Subscriber, free_port, wait_until

TS = "2026-01-02T03:04:05.678Z"
DEVICE = f"homeassistant/device/edge-ocr-{NODE}/config"


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


@pytest.fixture
def client(broker: EmbeddedBroker) -> Iterator[Subscriber]:
    with Subscriber(broker.port) as subscribed:
        yield subscribed


def topic(*levels: str) -> str:
    return "/".join(("edge-ocr", NODE, *levels))


def objects(client: Subscriber, *levels: str) -> list[dict[str, Any]]:
    return [json.loads(payload) for payload in client.payloads(topic(*levels))]


def wait_for(client: Subscriber, *levels: str, n: int = 1) -> dict[str, Any]:
    wait_until(lambda: len(client.payloads(topic(*levels))) >= n)
    return objects(client, *levels)[n - 1]


def state_of(client: Subscriber, camera: str) -> CameraState:
    state: CameraState = objects(client, camera, "status")[-1]["state"]
    return state


def test_a_paused_camera_says_so_shows_nothing_and_is_read_again_when_resumed(
    broker: EmbeddedBroker, client: Subscriber
) -> None:
    subject = make_kiosk(broker.port, cameras=("a", "b"), commands=["pause", "resume"])
    with in_background(subject):
        wait_for(client, "a", "events")
        client.publish(topic("a", "set", "pause"), b'{"id": "x1"}')
        answer = wait_for(client, "a", "set", "pause", "state")
        assert (answer["outcome"], answer["camera"], answer["id"]) == ("done", "a", "x1")
        wait_until(lambda: state_of(client, "a") == "paused")
        wait_until(lambda: objects(client, "a", "text")[-1]["lines"] == [])
        n_read = subject.metrics().cameras["a"].frames_read
        n_events = len(objects(client, "b", "events"))
        wait_until(lambda: len(objects(client, "b", "events")) > n_events + 2)
        metrics = subject.metrics().cameras["a"]
        assert metrics.frames_read <= n_read + 1
        assert metrics.dropped["paused"] > 0
        begun = {event["track_id"] for event in objects(client, "a", "events")}
        ended = {event["track_id"] for event in objects(client, "a", "events") if event["type"] == "end"}
        assert begun == ended

        client.publish(topic("set", "resume"))
        assert wait_for(client, "set", "resume", "state")["outcome"] == "done"
        wait_until(lambda: state_of(client, "a") == "streaming")
        wait_until(lambda: subject.metrics().cameras["a"].frames_read > n_read + 5)
    assert subject.metrics().commands == {"done": 2}


def test_a_snapshot_is_a_picture_of_what_was_read_last(broker: EmbeddedBroker, client: Subscriber) -> None:
    with in_background(make_kiosk(broker.port, commands=["snapshot"])):
        wait_for(client, "cam0", "events")
        client.publish(topic("cam0", "set", "snapshot"))
        assert wait_for(client, "cam0", "set", "snapshot", "state")["outcome"] == "done"
        wait_until(lambda: client.payloads(topic("cam0", "snapshot")))
    data = np.frombuffer(client.payloads(topic("cam0", "snapshot"))[0], np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape == (120, 200, 3)
    assert not any(message.retain for message in client.received if message.topic.endswith("snapshot"))


def test_reload_asks_whoever_runs_the_appliance(broker: EmbeddedBroker, client: Subscriber) -> None:
    with in_background(make_kiosk(broker.port, commands=["reload"])) as subject:
        wait_for(client, "cam0", "status")
        client.publish(topic("set", "reload"))
        assert wait_for(client, "set", "reload", "state")["outcome"] == "done"
        assert subject.take_reload_request()


def test_a_camera_that_is_added_takes_commands_and_is_introduced(broker: EmbeddedBroker, client: Subscriber) -> None:
    subject = make_kiosk(broker.port, commands=["pause"], home_assistant=True)
    with in_background(subject):
        wait_for(client, "cam0", "events")
        camera = subject._config.cameras["cam0"]
        subject.set_cameras({"cam0": camera, "new": camera})
        wait_until(lambda: b"new_pause" in client.payloads(DEVICE)[-1])
        client.publish(topic("new", "set", "pause"))
        assert wait_for(client, "new", "set", "pause", "state")["outcome"] == "done"
        wait_until(lambda: state_of(client, "new") == "paused")
        assert state_of(client, "cam0") == "streaming"


def test_without_commands_nothing_is_subscribed_to_and_nobody_answers(
    broker: EmbeddedBroker, client: Subscriber
) -> None:
    subject = make_kiosk(broker.port)
    assert subject._publisher._subscriptions == ()
    with in_background(subject):
        wait_for(client, "cam0", "events")
        client.publish(topic("cam0", "set", "pause"))
        wait_for(client, "cam0", "events", n=5)
    assert objects(client, "cam0", "set", "pause", "state") == []
    assert subject.metrics().commands == {}


# -- Home Assistant


def test_home_assistant_is_told_on_every_connect_and_when_it_starts(client: Subscriber, broker: EmbeddedBroker) -> None:
    with in_background(make_kiosk(broker.port, home_assistant=True)) as subject:
        wait_until(lambda: len(client.payloads(DEVICE)) == 1)
        client.publish("homeassistant/status", b"offline")
        client.publish("homeassistant/status", b"online")
        wait_until(lambda: len(client.payloads(DEVICE)) == 2)
        assert subject._publisher._link is not None
        subject._publisher._link.session.abort()
        wait_until(lambda: len(client.payloads(DEVICE)) == 3)
        assert subject.metrics().commands == {}
    with Subscriber(broker.port, DEVICE) as later:
        wait_until(lambda: later.received)
        assert later.received[0].retain


def test_home_assistant_forgets_a_node_that_says_so(client: Subscriber, broker: EmbeddedBroker) -> None:
    with in_background(make_kiosk(broker.port, home_assistant=True)):
        wait_until(lambda: client.payloads(DEVICE))
    with in_background(make_kiosk(broker.port, home_assistant=False)):
        wait_until(lambda: client.payloads(DEVICE)[-1] == b"")


def test_every_entity_reads_a_topic_of_the_node_and_is_called_differently() -> None:
    commands: list[CommandName] = ["pause", "resume", "snapshot", "reload"]
    device = json.loads(home_assistant.discovery("site/ocr", "n1", ["a", "b"], commands))
    components = device["components"]
    assert device["device"]["identifiers"] == ["edge-ocr_n1"]
    assert device["origin"]["name"] == "edge-ocr"
    assert device["availability"] == [{"topic": "site/ocr/n1/status", "value_template": "{{ value_json.state }}"}]
    assert {component["platform"] for component in components.values()} == {
        "binary_sensor", "sensor", "event", "button", "image",
    }  # fmt: skip
    assert len({component["unique_id"] for component in components.values()}) == len(components)
    for component in components.values():
        topics = [value for key, value in component.items() if key.endswith("_topic")]
        assert topics
        assert all(each.startswith("site/ocr/n1/") for each in topics)
    assert components["a_events"]["event_types"] == ["begin", "update", "end"]
    assert components["b_pause"]["command_topic"] == "site/ocr/n1/b/set/pause"
    assert components["reload"]["command_topic"] == "site/ocr/n1/set/reload"
    assert not [
        key for key in json.loads(home_assistant.discovery("r", "n", ["a"], []))["components"] if "pause" in key
    ]


def rendered(template: str, payload: Payload) -> str:
    """A template as Home Assistant renders it, which is Jinja with some filters more."""
    environment = ImmutableSandboxedEnvironment()
    environment.filters["to_json"] = json.dumps
    return environment.from_string(template).render(value_json=json.loads(payload.to_json()))


def test_the_templates_pick_out_what_the_payloads_hold() -> None:
    device = json.loads(home_assistant.discovery("edge-ocr", "n", ["a"], []))
    entities = device["components"]
    status = NodeStatus(state="offline", version="1", boot_id="b", since=TS)
    assert rendered(device["availability"][0]["value_template"], status) == "offline"
    assert rendered(entities["connectivity"]["value_template"], status) == "OFF"

    lines = tuple(VisibleLine(track_id=i + 1, text=f"{i} " + "x" * 200, score=0.5, quad=CORNERS) for i in range(2))
    text = CameraText(node="n", camera="a", boot_id="b", ts=TS, lines=lines)
    state = rendered(entities["a_text"]["value_template"], text)
    assert len(state) == 255
    assert state.startswith(f"{lines[0].text} / 1 xxx")
    attributes = json.loads(rendered(entities["a_text"]["json_attributes_template"], text))
    assert attributes == {"lines": [line.text for line in lines], "ts": TS}

    shown = json.loads(
        rendered(entities["a_events"]["value_template"], TextEvent.model_validate_json(event(7).payload))
    )
    assert (shown["event_type"], shown["text"], shown["reason"]) == ("begin", "HELLO", None)
    camera = CameraStatus(state="stalled")
    assert rendered(entities["a_state"]["value_template"], camera) == "stalled"
    assert rendered(entities["a_fps"]["value_template"], camera) == "None"  # which Home Assistant shows as unknown

    metrics = make_kiosk(free_port()).metrics()
    assert rendered(entities["waiting"]["value_template"], metrics) == "0"
    assert rendered(entities["latency_p90"]["value_template"], metrics) == "None"
    timed = metrics.model_copy(update={"latency_ms": {"capture_to_publish": StageLatency(count=9, p90=80.5)}})
    assert rendered(entities["latency_p90"]["value_template"], timed) == "80.5"


# -- snapshots


def test_a_picture_too_large_for_brokers_is_made_smaller() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (1500, 2000, 3), dtype=np.uint8)
    assert len(encode_snapshot(noise)) <= MAX_JPEG_BYTES
    assert encode_snapshot(np.zeros((1, 1, 3), np.uint8))


def test_no_camera_may_have_the_name_of_the_commands_topics() -> None:
    with pytest.raises(ValueError, match="no camera may be called 'set'"):
        KioskConfig.model_validate({"cameras": {"set": {"source": "test:"}}})


def test_a_snapshot_before_the_first_frame_is_refused() -> None:
    with pytest.raises(CommandError, match="no frame yet of cam0"):
        make_kiosk(free_port(), commands=["snapshot"])._controls._snapshot(None)
