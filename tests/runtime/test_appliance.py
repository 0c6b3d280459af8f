"""The whole appliance with a fake reader and fake sources: a frame in, a message at a subscriber."""

import argparse
import json
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import jsonschema
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_ocr import Line, Page
from edge_ocr.errors import ConfigError, PublishError, SourceError
from runtime.appliance import Appliance, OpenCapture
from runtime.backoff import Backoff
from runtime.capture.status import StateCallback
from runtime.capture.thread import CaptureThread
from runtime.commands import run as run_command
from runtime.config.kiosk import CameraConfig, KioskConfig
from runtime.events import json_schema
from runtime.frames import Frame
from runtime.mqtt import connect as mqtt_connect
from runtime.mqtt.broker import EmbeddedBroker
from runtime.mqtt.messages import MqttVersion
from runtime.sources.faults import CameraError
from tests.runtime.fake_readers import PageSteps
from tests.runtime.mqtt_tools import (
    PATIENCE_S,
    TAKEN_OVER,
    Script,
    ScriptedBroker,
    Subscriber,
    free_port,
    wait_until,
)

FPS = 15.0
NOTHING, HELLO, WORLD, BAD = 0, 1, 2, 255
TEXTS = {HELLO: ("HELLO",), WORLD: ("WORLD", "12.50")}


class FakeReader(PageSteps):
    """Reads what the first pixel says; raises on a `BAD` one."""

    pack = SimpleNamespace(name="toy")
    profile = SimpleNamespace(name="test-cpu", latency_budget_ms=None)

    def __init__(self) -> None:
        self.seen: list[int] = []

    def read(self, image: NDArray[np.uint8]) -> Page:
        code = int(image[0, 0, 0])
        self.seen.append(code)
        if code == BAD:
            raise RuntimeError("the network broke")
        lines = [Line(text, 0.9, quad) for text, quad in placed(code)]
        timings = {"detect": 2.0, "crop": 0.5, "orient": 0.0, "recognize": 3.0, "infer": 4.0, "total": 5.5}
        return Page(image.shape[1], image.shape[0], tuple(lines), timings)


def placed(code: int) -> list[tuple[str, NDArray[np.float32]]]:
    """The texts of a code and where they stand."""
    rows = []
    for row, text in enumerate(TEXTS.get(code, ())):
        top, right = 20 + 40 * row, 20 + 16 * len(text)
        rows.append((text, np.array([[20, top], [right, top], [right, top + 30], [20, top + 30]], dtype=np.float32)))
    return rows


def picture(code: int) -> NDArray[np.uint8]:
    """A frame that a `FakeReader` reads; strokes where its texts stand, for those who compare pictures."""
    image = np.full((120, 200, 3), code, dtype=np.uint8)
    for _, quad in placed(code):
        left, top = quad[0].astype(int)
        right, bottom = quad[2].astype(int)
        image[top:bottom, left:right:8] = image[top:bottom, left + 1 : right : 8] = 200
    return image


class FakeSource:
    """Frames with the given codes, and then the end; or a failure to open."""

    def __init__(self, codes: Sequence[int], *, error: str | None = None, ends: bool = True) -> None:
        self.codes = codes
        self.description = "fake"
        self.is_live = False
        self.nominal_fps = FPS
        self._error = error
        self._ends = ends
        self._index = 0
        self._start_s = time.time()
        self._closed = threading.Event()

    def open(self) -> None:
        if self._error is not None:
            raise SourceError(self._error)

    def read(self) -> Frame | None:
        if self._index == len(self.codes):
            if not self._ends:
                self._closed.wait(0.05)
                return self._frame(self.codes[-1])
            return None
        return self._frame(self.codes[self._index])

    def _frame(self, code: int) -> Frame:
        self._index = min(self._index + 1, len(self.codes))
        image = picture(code)
        self._start_s += 1 / FPS
        return Frame(image, self._index - 1, self._start_s, time.monotonic(), decode_ms=1.0)

    def close(self) -> None:
        self._closed.set()


def captures(**sources: FakeSource) -> OpenCapture:
    def make(name: str, config: CameraConfig, on_state: StateCallback) -> CaptureThread:
        return CaptureThread(name, sources[name], "every", on_state)

    return make


def kiosk(port: int, *cameras: str, refresh_s: float = 0) -> KioskConfig:
    """Cameras of which every frame is read in full, unless a refresh period is given."""
    return KioskConfig.model_validate({
        "node": "kiosk",
        "mqtt": {"url": f"mqtt://127.0.0.1:{port}"},
        "cameras": {name: {"source": "test:", "refresh_s": refresh_s} for name in cameras or ("cam0",)},
    })


def appliance(port: int, *, reader: FakeReader | None = None, **sources: FakeSource) -> Appliance:
    return Appliance(
        kiosk(port, *sources),
        reader or FakeReader(),
        open_capture=captures(**sources),
        backoff=Backoff(lambda: 0.02),
        mqtt_version=MqttVersion.V311,
    )


@contextmanager
def in_background(subject: Appliance) -> Iterator[threading.Thread]:
    thread = threading.Thread(target=subject.run)
    thread.start()
    try:
        yield thread
    finally:
        subject.stop()
        thread.join()


def topic(name: str, camera: str | None = "cam0") -> str:
    return "/".join(part for part in ("edge-ocr", "kiosk", camera, name) if part)


def events_of(subscriber: Subscriber, camera: str = "cam0") -> list[dict[str, Any]]:
    return [json.loads(payload) for payload in subscriber.payloads(topic("events", camera))]


def states_of(subscriber: Subscriber) -> list[str]:
    return [json.loads(payload)["state"] for payload in subscriber.payloads(topic("status", None))]


def brief(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["type"], event["text"]) for event in events]


def wait_stopped(subscriber: Subscriber) -> None:
    wait_until(lambda: "stopped" in states_of(subscriber))


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


@pytest.fixture
def subscriber(broker: EmbeddedBroker) -> Iterator[Subscriber]:
    with Subscriber(broker.port, "edge-ocr/kiosk/#") as subscribed:
        yield subscribed


def test_a_frame_comes_in_and_messages_that_fit_their_schemas_go_out(
    broker: EmbeddedBroker, subscriber: Subscriber
) -> None:
    subject = appliance(broker.port, cam0=FakeSource([NOTHING] * 3 + [HELLO] * 10 + [NOTHING] * 20))
    subject.run()
    wait_stopped(subscriber)

    events = events_of(subscriber)
    assert brief(events) == [("begin", "HELLO"), ("end", "HELLO")]
    begin, end = events
    for event in events:
        jsonschema.validate(event, json_schema("event"))
    assert (begin["seq"], end["seq"]) == (1, 2)
    assert (begin["node"], begin["camera"], begin["pack"], begin["profile"]) == ("kiosk", "cam0", "toy", "test-cpu")
    assert begin["frame_size"] == [200, 120]
    assert begin["quad"][0] == [20, 20]
    assert begin["quad_norm"][0] == [0.1, pytest.approx(1 / 6, abs=1e-4)]
    assert begin["latency_ms"]["detect"] == 2.0
    assert begin["latency_ms"]["total"] >= begin["latency_ms"]["track"] >= 0
    assert begin["first_seen"] < begin["ts"] < end["ts"]
    assert end["reason"] == "gone"

    texts = [json.loads(payload) for payload in subscriber.payloads(topic("text"))]
    legible = [[line["text"] for line in text["lines"]] for text in texts]
    # Latest values: one that is replaced before the broker had it is not sent.
    expected = iter([[], ["HELLO"], []])
    assert all(lines in expected for lines in legible)
    assert legible[-1] == []
    for text in texts:
        jsonschema.validate(text, json_schema("camera-text"))
    assert states_of(subscriber) == ["online", "stopped"]
    for payload in subscriber.payloads(topic("status")):
        jsonschema.validate(json.loads(payload), json_schema("camera-status"))
    metrics = json.loads(subscriber.payloads(topic("metrics", None))[-1])
    jsonschema.validate(metrics, json_schema("metrics"))
    assert metrics["cameras"]["cam0"]["frames_in"] == metrics["cameras"]["cam0"]["frames_read"] == 33
    assert metrics["cameras"]["cam0"]["events"] == 2

    stages = subject.recorder.summary()
    for stage in ("decode", "capture_wait", "detect", "crop", "orient", "recognize", "track"):
        assert stages[stage].count == 33, stage
    assert subject.metrics().outbox.sent == 2


def test_what_does_not_change_is_not_read_again_and_the_metrics_tell(
    broker: EmbeddedBroker, subscriber: Subscriber
) -> None:
    source = FakeSource([NOTHING] * 3 + [HELLO] * 30 + [NOTHING] * 20)
    subject = Appliance(
        kiosk(broker.port, refresh_s=2.0), FakeReader(), open_capture=captures(cam0=source), backoff=Backoff(lambda: 0)
    )
    subject.run()
    wait_stopped(subscriber)
    assert brief(events_of(subscriber)) == [("begin", "HELLO"), ("end", "HELLO")]
    counts = subject.metrics().cameras["cam0"]
    assert (counts.frames_in, counts.frames_read) == (53, 53)
    assert subject.recorder.summary()["detect"].count == counts.frames_searched < 25
    assert 1 <= counts.lines_read < 12
    assert counts.reading_s > 0
    assert counts.latency_ms["look"].count == 53
    assert counts.latency_ms["capture_to_spool"].count == 2


def test_a_source_that_ends_ends_its_texts(broker: EmbeddedBroker, subscriber: Subscriber) -> None:
    appliance(broker.port, cam0=FakeSource([WORLD] * 8)).run()
    wait_stopped(subscriber)
    assert brief(events_of(subscriber)) == [
        ("begin", "WORLD"), ("begin", "12.50"), ("end", "WORLD"), ("end", "12.50"),
    ]  # fmt: skip
    assert {event["reason"] for event in events_of(subscriber)[2:]} == {"stopped"}


def test_an_exception_while_reading_costs_one_frame(
    broker: EmbeddedBroker, subscriber: Subscriber, caplog: pytest.LogCaptureFixture
) -> None:
    subject = appliance(broker.port, cam0=FakeSource([HELLO] * 4 + [BAD] * 3 + [HELLO] * 4))
    subject.run()
    wait_stopped(subscriber)
    assert brief(events_of(subscriber)) == [("begin", "HELLO"), ("end", "HELLO")]
    camera = subject.metrics().cameras["cam0"]
    assert (camera.frames_in, camera.frames_read, camera.read_errors) == (11, 8, 3)
    assert [record.levelname for record in caplog.records if "could not be read" in record.getMessage()] == ["ERROR"]


def test_cameras_take_turns_and_a_dead_one_does_not_hurt_the_other(
    broker: EmbeddedBroker, subscriber: Subscriber
) -> None:
    reader = FakeReader()
    subject = appliance(
        broker.port,
        reader=reader,
        a=FakeSource([HELLO] * 40),
        b=FakeSource([WORLD] * 40),
        dead=FakeSource([], error="no such camera"),
    )
    subject.run()
    wait_stopped(subscriber)
    assert brief(events_of(subscriber, "a")) == [("begin", "HELLO"), ("end", "HELLO")]
    assert [event["seq"] for event in events_of(subscriber, "b")] == [1, 2, 3, 4]
    assert events_of(subscriber, "dead") == []
    status = json.loads(subscriber.payloads(topic("status", "dead"))[-1])
    assert status["state"] == "failed"
    assert "no such camera" in status["reason"]
    # Neither is read to its end while the other waits.
    first_half = reader.seen[:40]
    assert 0 < first_half.count(HELLO) < len(first_half)


class LostSource(FakeSource):
    """A live camera that gives its frames, and then is away for good."""

    def __init__(self, codes: Sequence[int]) -> None:
        super().__init__(codes)
        self.is_live = True
        self._is_away = False

    def open(self) -> None:
        if self._is_away:
            raise CameraError("refused", "rtsp://cam/1: nobody listens")

    def read(self) -> Frame | None:
        if self._index == len(self.codes):
            self._is_away = True
            raise CameraError("ended", "rtsp://cam/1: the stream ended")
        return super().read()


def test_texts_of_a_camera_that_stays_away_end_and_its_status_says_why(
    broker: EmbeddedBroker, subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.camera.LOST_AFTER_S", 0.0)
    with in_background(appliance(broker.port, cam0=LostSource([HELLO] * 5))):
        wait_until(lambda: len(events_of(subscriber)) == 2)
        assert [event["reason"] for event in events_of(subscriber)] == [None, "camera_lost"]
        wait_until(lambda: json.loads(subscriber.payloads(topic("text"))[-1])["lines"] == [])
        wait_until(lambda: json.loads(subscriber.payloads(topic("status"))[-1])["error"] == "refused")


def test_texts_of_a_redacted_zone_end_redacted_when_their_camera_stays_away(
    broker: EmbeddedBroker, subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.camera.LOST_AFTER_S", 0.0)
    source = LostSource([HELLO] * 5)
    config = kiosk(broker.port, "cam0").model_dump(exclude_unset=True)
    config["cameras"]["cam0"]["outside"] = {"redact": "mask"}
    subject = Appliance(
        KioskConfig.model_validate(config),
        FakeReader(),
        open_capture=captures(cam0=source),
        backoff=Backoff(lambda: 0.02),
        mqtt_version=MqttVersion.V311,
    )
    with in_background(subject):
        wait_until(lambda: len(events_of(subscriber)) == 2)
    assert events_of(subscriber)[1]["reason"] == "camera_lost"
    assert not any(b"HELLO" in payload for payload in subscriber.payloads(topic("events")))


def test_a_run_whose_only_camera_fails_says_why(broker: EmbeddedBroker) -> None:
    with pytest.raises(SourceError, match="cam0: no such file"):
        appliance(broker.port, cam0=FakeSource([], error="no such file")).run()


def test_reading_goes_on_without_a_broker_and_events_arrive_when_it_comes() -> None:
    port = free_port()
    subject = appliance(port, cam0=FakeSource([HELLO] * 5, ends=False))
    with in_background(subject):
        wait_until(lambda: subject.metrics().cameras["cam0"].events == 1)
        assert subject.metrics().outbox.pending == 1
        with EmbeddedBroker(port) as late, Subscriber(late.port, "edge-ocr/kiosk/#") as subscriber:
            wait_until(lambda: subject.metrics().outbox.pending == 0)
            with Subscriber(late.port, topic("text")) as later:
                wait_until(lambda: later.payloads(topic("text")))
                assert json.loads(later.payloads(topic("text"))[-1])["lines"][0]["text"] == "HELLO"
            subject.stop()
            wait_stopped(subscriber)
            assert brief(events_of(subscriber))[-1] == ("end", "HELLO")


def test_another_node_with_our_id_ends_the_run_with_one_line() -> None:
    with ScriptedBroker(Script(after_connect=lambda n: TAKEN_OVER)) as broker:
        subject = Appliance(
            kiosk(broker.port), FakeReader(), open_capture=captures(cam0=FakeSource([HELLO] * 5, ends=False))
        )
        with pytest.raises(PublishError, match="another client uses the id 'edge-ocr-kiosk'"):
            subject.run()


# -- the command


def arguments(*options: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    run_command.add_arguments(parser)
    return parser.parse_args(options)


def test_sigterm_ends_texts_says_stopped_and_returns_zero(
    broker: EmbeddedBroker, subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = FakeSource([HELLO] * 5, ends=False)
    make = captures(cam0=source)
    monkeypatch.setitem(mqtt_connect.ANSWER_TIMEOUT_S, MqttVersion.V5, 0.3)
    monkeypatch.setattr(run_command, "open_configured_capture", lambda *args, realtime: make(*args))
    before = signal.getsignal(signal.SIGTERM)

    def terminate() -> None:
        wait_until(lambda: events_of(subscriber))
        os.kill(os.getpid(), signal.SIGTERM)

    killer = threading.Thread(target=terminate)
    killer.start()
    options = arguments("--source", "test:", "--broker", broker.url, "--node", "kiosk")
    assert run_command.run(options, load_reader=lambda pack, profile: FakeReader()) == 0
    killer.join()
    wait_stopped(subscriber)
    assert brief(events_of(subscriber)) == [("begin", "HELLO"), ("end", "HELLO")]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_second_signal_is_left_to_the_system() -> None:
    stopped = []
    with run_command.Signals() as signals:
        signals.stop = lambda: stopped.append(True)
        os.kill(os.getpid(), signal.SIGINT)
        wait_until(lambda: stopped)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is not signal.SIG_DFL


def test_a_signal_while_the_models_load_ends_as_cleanly() -> None:
    def load(pack: str, profile: str) -> FakeReader:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(PATIENCE_S)
        raise AssertionError("the signal went by")

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as caught:
        run_command.run(arguments("--source", "test:"), load_reader=load)
    assert caught.value.code == 0
    assert signal.getsignal(signal.SIGTERM) is before


def test_options_become_a_configuration(tmp_path: Any) -> None:
    config = run_command.read_config(arguments("--source", "test:", "--every", "--node", "n"))
    assert (config.node, config.cameras["cam0"].policy) == ("n", "every")
    file = tmp_path / "kiosk.yaml"
    file.write_text("node: from-file\ncameras: {door: {source: 'test:'}}\n")
    assert run_command.read_config(arguments("--config", str(file))).node == "from-file"
    with pytest.raises(ConfigError, match="--broker, --node: goes with --source only"):
        run_command.read_config(arguments("--config", str(file), "--broker", "x", "--node", "y"))
