"""Frames to workers and back through a real mosquitto, with workers and brokers that die, hang and come back."""

import json
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_ocr import Detection, Recognition
from edge_ocr.errors import ConfigError, PublishError
from runtime import camera, frame_loop
from runtime.appliance import Appliance
from runtime.backoff import Backoff
from runtime.checks.workers import check_workers
from runtime.config.kiosk import MqttConfig
from runtime.events import json_schema
from runtime.frames import FrameDroppedError
from runtime.mqtt import topics
from runtime.mqtt.broker import EmbeddedBroker
from runtime.offload import link as offload_link
from runtime.offload.client import LinkMessage
from runtime.offload.messages import OffloadMetrics
from runtime.offload.remote_reader import RemoteReader
from runtime.offload.worker import Worker, WorkerConfig
from tests.runtime.mosquitto import Mosquitto, needs_mosquitto
from tests.runtime.mqtt.test_asyncapi import check
from tests.runtime.mqtt_tools import ACCEPT_5, ACCEPT_311, Script, ScriptedBroker, Subscriber, wait_until
from tests.runtime.offload.tools import (
    CodeReader,
    WorkerProcess,
    frame,
    kiosk,
    running_sender,
    running_worker,
    text_of,
)
from tests.runtime.test_appliance import FakeSource, captures, in_background


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path) as running:
        yield running


class LocalReader(CodeReader):
    """Finds lines too, and counts the frames that it is needed for."""

    def __init__(self) -> None:
        super().__init__()
        self.n_searches = self.n_rereads = 0
        self._searched: object = None

    def detect(self, image: NDArray[np.uint8]) -> Detection:
        self.n_searches += 1
        self._searched = image
        page = self.read(image)
        return Detection(page.width, page.height, tuple(line.quad for line in page.lines), page.timings_ms)

    def recognize(
        self,
        image: NDArray[np.uint8],
        quads: Sequence[NDArray[np.float32]],
        *,
        allowed: Sequence[frozenset[str] | None] | None = None,
        closely: bool = False,
    ) -> Recognition:
        self.n_rereads += image is not self._searched
        return super().recognize(image, quads, allowed=allowed, closely=closely)


class LatinReader(CodeReader):
    """Cannot be held to other characters."""

    def recognize(
        self,
        image: NDArray[np.uint8],
        quads: Sequence[NDArray[np.float32]],
        *,
        allowed: Sequence[frozenset[str] | None] | None = None,
        closely: bool = False,
    ) -> Recognition:
        raise ConfigError("cannot read 'Я'")


def lost(metrics: OffloadMetrics) -> int:
    return sum(metrics.lost.values())


def assert_adds_up(metrics: OffloadMetrics) -> None:
    """Every frame was answered, refused, or counted as lost."""
    assert metrics.frames == metrics.answered + sum(metrics.refused.values()) + lost(metrics)


# -- workers that live


@needs_mosquitto
def test_a_frame_comes_back_as_its_page(broker: Mosquitto) -> None:
    with Subscriber(broker.port, "edge-ocr/#", version=5) as subscriber, running_worker(broker.url, "w1") as worker:
        with running_sender(broker.url) as sender:
            page = sender.read(frame(7))
        wait_until(lambda: subscriber.payloads("edge-ocr/kiosk/offload/readers/pages"))
        metrics = json.loads(worker.metrics().to_json())
    assert text_of(page) == "CODE 7"
    assert (page.width, page.height) == (64, 48)
    assert page.lines[0].quad.tolist() == [[1, 2], [30, 2], [30, 12], [1, 12]]
    assert set(page.timings_ms) >= {"detect", "recognize", "infer", "total", "encode", "offload"}
    sent = next(message for message in subscriber.received if message.topic == "edge-ocr/kiosk/offload/readers/frames")
    assert (sent.content_type, sent.retain, sent.qos) == ("image/jpeg", False, 1)
    answer = json.loads(subscriber.payloads("edge-ocr/kiosk/offload/readers/pages")[0])
    jsonschema.validate(answer, json_schema("page"))
    jsonschema.validate(metrics, json_schema("worker-metrics"))
    assert (metrics["received"], metrics["answered"]) == (1, 1)


@needs_mosquitto
def test_what_was_found_is_read_without_being_sent_again_and_other_places_are_sent(broker: Mosquitto) -> None:
    with running_worker(broker.url, "w1"), running_sender(broker.url) as sender:
        image, other = frame(7), np.array([[5, 5], [9, 5], [9, 8], [5, 8]], np.float32)
        detection = sender.detect(image)
        (quad,) = detection.quads
        assert [line.text for line in sender.recognize(image, [quad]).lines] == ["CODE 7"]
        assert sender.recognize(image, []).lines == ()
        assert sender.metrics().frames == 1
        assert [line.text for line in sender.recognize(image, [other, quad]).lines] == ["7 of all", "CODE 7"]
        restricted = sender.recognize(image, [quad, other], allowed=[frozenset("01"), None])
        assert [line.text for line in restricted.lines] == ["7 of 2", "7 of all"]
        assert [line.text for line in sender.recognize(frame(9), [quad]).lines] == ["CODE 9"]
        assert restricted.timings_ms["recognize"] == 1.0
        kept = sender.recognize(image, [quad], allowed=[frozenset("CODE 0123456789")])  # what it was read with fits
        assert [line.text for line in kept.lines] == ["CODE 7"]
        assert sender.metrics().frames == sender.metrics().answered == 4


@needs_mosquitto
def test_two_workers_share_the_frames_of_several_senders(broker: Mosquitto) -> None:
    with (
        running_worker(broker.url, "w1") as one,
        running_worker(broker.url, "w2") as two,
        running_sender(broker.url, "lobby") as lobby,
        running_sender(broker.url, "gate") as gate,
        ThreadPoolExecutor(4) as pool,
    ):
        codes = range(0, 200, 10)
        pages = [pool.submit((lobby, gate)[code // 10 % 2].read, frame(code)) for code in codes]
        assert [text_of(page.result()) for page in pages] == [f"CODE {code}" for code in codes]
        answered = (one.metrics().answered, two.metrics().answered)
        assert min(answered) > 0
        assert sum(answered) == 20
        assert lobby.metrics().answered == gate.metrics().answered == 10


@needs_mosquitto
def test_workers_of_another_group_get_no_frames(broker: Mosquitto) -> None:
    with running_worker(broker.url, "w1", group="others"), running_sender(broker.url, deadline_s=0.5) as sender:
        with pytest.raises(
            FrameDroppedError, match="there is no worker; start edge-ocr worker --group readers"
        ) as caught:
            sender.read(frame(1))
        assert caught.value.cause == "no_worker"
        assert sender.metrics().lost == {"no_worker": 1}


# -- workers that die or dawdle


@needs_mosquitto
def test_a_frame_in_the_hands_of_a_worker_that_is_killed_is_read_by_another(broker: Mosquitto) -> None:
    status = "edge-ocr/doomed/status"
    with (
        Subscriber(broker.port, status, version=5) as subscriber,
        running_sender(broker.url, deadline_s=3) as sender,
        WorkerProcess(broker.url, "doomed") as doomed,
        ThreadPoolExecutor(4) as pool,
    ):
        in_hand = pool.submit(sender.read, frame(1))
        doomed.wait_for("reading")
        with running_worker(broker.url, "healthy"):
            doomed.kill()
            assert text_of(in_hand.result()) == "CODE 1"
            metrics = sender.metrics()
        wait_until(lambda: len(subscriber.payloads(status)) == 2)
        states = [json.loads(payload)["state"] for payload in subscriber.payloads(status)]
        jsonschema.validate(json.loads(subscriber.payloads(status)[1]), json_schema("node-status"))
    assert states == ["online", "offline"]
    assert metrics.resent >= 1
    assert (metrics.answered, lost(metrics)) == (1, 0)


@needs_mosquitto
def test_while_all_workers_are_dead_frames_are_counted_and_after_that_they_are_read(broker: Mosquitto) -> None:
    with running_sender(broker.url, deadline_s=0.5) as sender:
        processes = [WorkerProcess(broker.url, name) for name in ("first", "second")]
        with processes[0], processes[1]:
            for process in processes:
                process.kill()
            for code in range(3):
                with pytest.raises(FrameDroppedError):
                    sender.read(frame(code))
        with running_worker(broker.url, "third"):
            assert text_of(sender.read(frame(200))) == "CODE 200"
        metrics = sender.metrics()
    assert (metrics.frames, metrics.answered, lost(metrics)) == (4, 1, 3)
    assert_adds_up(metrics)


@needs_mosquitto
def test_a_slow_worker_costs_frames_that_are_counted_and_gives_no_result_twice(broker: Mosquitto) -> None:
    may_read = threading.Event()
    with (
        running_worker(broker.url, "slow", CodeReader(may_read.wait)) as slow,
        running_sender(broker.url, deadline_s=0.5) as sender,
    ):
        with pytest.raises(FrameDroppedError, match="no worker answers within") as caught:
            sender.read(frame(1))
        assert caught.value.cause == "no_answer"
        may_read.set()
        # The answer to the given-up frame comes late, the copies that were sent again were read too, or expired.
        wait_until(lambda: sender.metrics().late >= 1)
        assert text_of(sender.read(frame(2))) == "CODE 2"
        metrics = sender.metrics()
        wait_until(lambda: slow.metrics().answered >= 2)
    assert (metrics.frames, metrics.answered, metrics.lost) == (2, 1, {"no_answer": 1})


@needs_mosquitto
def test_a_frame_that_was_sent_twice_and_answered_twice_is_one_result(broker: Mosquitto) -> None:
    may_read = threading.Event()
    with (
        running_worker(broker.url, "slow", CodeReader(may_read.wait)),
        running_sender(broker.url, deadline_s=30) as sender,
    ):
        with ThreadPoolExecutor(1) as pool:
            page = pool.submit(sender.read, frame(1))
            # Its first copy is in hand; send a second one as the timer would.
            wait_until(lambda: sender._delivery._waiting)
            waiting = next(iter(sender._delivery._waiting.values()))
            assert sender._delivery._send(waiting, waiting.deadline_s, 10.0, is_again=True)
            may_read.set()
            assert text_of(page.result()) == "CODE 1"
        wait_until(lambda: sender.metrics().duplicates == 1)
        metrics = sender.metrics()
    assert (metrics.frames, metrics.answered, metrics.resent) == (1, 1, 1)


@needs_mosquitto
def test_sigterm_lets_a_worker_finish_and_answer_the_frame_in_hand(broker: Mosquitto) -> None:
    status = "edge-ocr/worker/status"
    with (
        Subscriber(broker.port, status, version=5) as subscriber,
        running_sender(broker.url, deadline_s=30) as sender,
        WorkerProcess(broker.url, "worker") as worker,
        ThreadPoolExecutor(1) as pool,
    ):
        page = pool.submit(sender.read, frame(1))
        worker.wait_for("reading")
        worker.terminate()
        worker.go_on()
        assert worker.wait() == 0
        assert text_of(page.result()) == "CODE 1"
        wait_until(lambda: len(subscriber.payloads(status)) == 2)
        states = [json.loads(payload)["state"] for payload in subscriber.payloads(status)]
    assert states == ["online", "stopped"]


# -- brokers that die or cannot


@needs_mosquitto
def test_sender_and_worker_come_back_with_the_broker(broker: Mosquitto) -> None:
    with running_worker(broker.url, "w1") as worker, running_sender(broker.url, deadline_s=0.5) as sender:
        assert text_of(sender.read(frame(1))) == "CODE 1"
        broker.kill()
        with pytest.raises(FrameDroppedError) as caught:
            sender.read(frame(2))
        assert caught.value.cause in {"no_broker", "no_answer"}
        broker.start()
        wait_until(lambda: worker.metrics().connects == 2 and sender.metrics().connects == 2)
        assert text_of(sender.read(frame(3))) == "CODE 3"
        assert_adds_up(sender.metrics())


@needs_mosquitto
def test_an_answer_by_another_pack_is_not_taken(broker: Mosquitto, caplog: pytest.LogCaptureFixture) -> None:
    other = CodeReader()
    other.pack = SimpleNamespace(name="cyrillic")
    with running_worker(broker.url, "w1", other), running_sender(broker.url, deadline_s=0.5) as sender:
        with pytest.raises(FrameDroppedError):
            sender.read(frame(1))
        assert sender.metrics().invalid >= 1
    assert "w1 reads with pack cyrillic, not latin" in caplog.text


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"\x20\x02\x00\x01", id="it refuses in MQTT 3.1.1"),
        pytest.param(b"\x20\x03\x00\x84\x00", id="it refuses in MQTT 5"),
        pytest.param(None, id="it hangs up"),
        pytest.param(b"", id="it does not answer"),
    ],
)
def test_a_broker_without_mqtt_5_ends_worker_and_run_with_one_line(
    answer: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offload_link, "ANSWER_TIMEOUT_S", 0.3)
    reason = "does not speak MQTT 5, which frames for workers need; use mosquitto 2, EMQX or HiveMQ"
    with ScriptedBroker(Script(answer=lambda level: answer if level == 5 else ACCEPT_311)) as broker:
        url = f"mqtt://127.0.0.1:{broker.port}"
        with pytest.raises(PublishError, match=reason):
            Worker(WorkerConfig(mqtt=MqttConfig(url=url), name="w1"), CodeReader()).run()
        config = kiosk(url)
        source = FakeSource([1] * 5, ends=False)
        with pytest.raises(PublishError, match=reason):
            Appliance(config, RemoteReader(config), open_capture=captures(cam0=source)).run()


def test_a_broker_that_was_frozen_for_a_moment_is_not_one_without_mqtt_5(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offload_link, "ANSWER_TIMEOUT_S", 0.3)
    silences = iter([b""])  # the first CONNECT comes while it is frozen, the next in 3.1.1 when it goes on
    script = Script(answer=lambda level: next(silences, ACCEPT_5) if level == 5 else ACCEPT_311)
    given_up: list[PublishError] = []
    with ScriptedBroker(script) as broker:
        link = offload_link.Link(
            MqttConfig(url=f"mqtt://127.0.0.1:{broker.port}"), client_id="c", topic_filter="t",
            on_message=lambda delivery: None, on_give_up=given_up.append, backoff=Backoff(lambda: 0.02),
        )  # fmt: skip
        link.start()
        wait_until(lambda: len(broker.levels) >= 3 or given_up)
        link.stop(timeout_s=0.0)
    assert (broker.levels[:3], given_up) == ([5, 4, 5], [])


def test_the_embedded_broker_of_the_demo_is_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offload_link, "ANSWER_TIMEOUT_S", 0.5)
    with EmbeddedBroker() as broker, pytest.raises(PublishError, match="does not speak MQTT 5"):
        Worker(WorkerConfig(mqtt=MqttConfig(url=broker.url), name="w1"), CodeReader()).run()


@needs_mosquitto
def test_a_second_worker_of_the_same_name_stops_one_of_the_two(broker: Mosquitto) -> None:
    config = WorkerConfig(mqtt=MqttConfig(url=broker.url), name="w1")
    workers = [Worker(config, CodeReader(), backoff=Backoff(lambda: 0.02)) for _ in range(2)]
    failures: list[str] = []

    def run(worker: Worker) -> None:
        try:
            worker.run()
        except PublishError as error:
            failures.append(str(error))

    threads = [threading.Thread(target=run, args=(worker,)) for worker in workers]
    threads[0].start()
    wait_until(lambda: workers[0].metrics().connects)
    threads[1].start()
    wait_until(lambda: failures)
    for worker in workers:
        worker.stop()
    for thread in threads:
        thread.join()
    assert len(failures) == 1
    assert "another client uses the id 'edge-ocr-w1'; give each a name of its own" in failures[0]


# -- what comes over the wire


@needs_mosquitto
def test_bad_messages_are_answered_or_counted_and_the_next_frame_is_read(broker: Mosquitto) -> None:
    frames, pages = (make("edge-ocr", "kiosk", "readers") for make in (topics.offload_frames, topics.offload_pages))
    with (
        Subscriber(broker.port, "edge-ocr/#", version=5) as subscriber,
        running_worker(broker.url, "w1") as worker,
        running_sender(broker.url) as sender,
    ):
        ok: dict[str, Any] = {"content_type": "image/jpeg", "frame_id": b"x:1", "response_topic": pages}
        for changes in (
            {"content_type": "text/plain"},
            {"content_type": None},
            {"payload": b"\xff\xd8\xff not a JPEG"},
            {"response_topic": "edge-ocr/kiosk/set/pause"},
            {"response_topic": None},
            {"frame_id": None},
            {"frame_id": b"\x00" * 1000},
            {"qos": 0, "payload": b""},
        ):
            message = {"topic": frames, "payload": b"", **ok, **changes}
            sender._delivery._link.publish(LinkMessage(**message))
        assert text_of(sender.read(frame(9))) == "CODE 9"
        wait_until(lambda: worker.metrics().received == 9)
        metrics = worker.metrics()
        wait_until(lambda: len(subscriber.payloads(pages)) == 5)
    assert metrics.refused == {"content_type": 2, "damaged": 2}
    assert metrics.ignored == {"response_topic": 2, "frame_id": 2}
    assert metrics.answered == 1
    assert "edge-ocr/kiosk/set/pause" not in {message.topic for message in subscriber.received}
    assert sender.metrics().late == 4  # nobody waits for the answers to what we forged
    for payload in subscriber.payloads(pages):
        jsonschema.validate(json.loads(payload), json_schema("page"))


# -- the appliance


@needs_mosquitto
def test_events_are_those_of_a_local_read_and_frames_are_sent_where_that_would_read(broker: Mosquitto) -> None:
    config = kiosk(broker.url, ("cam0", "cam1"))
    local, reader = LocalReader(), RemoteReader(config, backoff=Backoff(lambda: 0.02))
    codes = {"cam0": [7] * 30 + [200] * 30, "cam1": [9] * 60}
    sources = {name: FakeSource(shown) for name, shown in codes.items()}
    at_home = Appliance(config, local, open_capture=captures(**{name: FakeSource(codes[name]) for name in codes}))
    at_home.run()
    with (
        Subscriber(broker.port, "edge-ocr/kiosk/#", version=5) as subscriber,
        running_worker(broker.url, "w1") as one,
        running_worker(broker.url, "w2") as two,
    ):
        subject = Appliance(config, reader, open_capture=captures(**sources))
        subject.run()
        wait_until(lambda: b"stopped" in b"".join(subscriber.payloads("edge-ocr/kiosk/status")))
        assert one.metrics().answered + two.metrics().answered == reader.metrics().frames
    for name, expected in (
        ("cam0", [("begin", "CODE 7"), ("update", "CODE 200"), ("end", "CODE 200")]),
        ("cam1", [("begin", "CODE 9"), ("end", "CODE 9")]),
    ):
        events = [json.loads(payload) for payload in subscriber.payloads(f"edge-ocr/kiosk/{name}/events")]
        assert [(event["type"], event["text"]) for event in events] == expected
        assert [event["seq"] for event in events] == list(range(1, len(expected) + 1))
        there, here = subject.metrics().cameras[name], at_home.metrics().cameras[name]
        assert (there.frames_read, there.frames_searched, there.lines_read) == (
            here.frames_read, here.frames_searched, here.lines_read,
        )  # fmt: skip
        assert (events[0]["pack"], events[0]["profile"]) == ("latin", "offload/readers")
        assert events[0]["latency_ms"]["detect"] == 1.0
        assert events[0]["first_seen"] < events[0]["ts"]  # time of the frames, not of the answers
    metrics = json.loads(subscriber.payloads("edge-ocr/kiosk/metrics")[-1])
    jsonschema.validate(metrics, json_schema("metrics"))
    # One frame for a search with all of its lines, one for lines that are read again: of 120 that were seen.
    assert metrics["offload"]["frames"] == metrics["offload"]["answered"] == local.n_searches + local.n_rereads < 60
    for message in subscriber.received:
        check(message)


@needs_mosquitto
def test_frames_that_nobody_reads_are_counted_at_their_camera(broker: Mosquitto) -> None:
    config = kiosk(broker.url, deadline_s=0.5)
    reader = RemoteReader(config, backoff=Backoff(lambda: 0.02))
    subject = Appliance(config, reader, open_capture=captures(cam0=FakeSource([7] * 2)))
    subject.run()
    counts = subject.metrics().cameras["cam0"]
    assert (counts.frames_in, counts.frames_read, counts.read_errors) == (2, 0, 0)
    assert sum(counts.dropped.values()) == 2
    assert_adds_up(reader.metrics())


@needs_mosquitto
def test_texts_end_when_workers_are_away_for_long(broker: Mosquitto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera, "LOST_AFTER_S", 0.1)
    monkeypatch.setattr(frame_loop, "LOOK_EVERY_S", 0.0)
    config = kiosk(broker.url, deadline_s=0.5)
    reader = RemoteReader(config, backoff=Backoff(lambda: 0.02))
    subject = Appliance(config, reader, open_capture=captures(cam0=FakeSource([7] * 9, ends=False)))
    events = "edge-ocr/kiosk/cam0/events"
    with Subscriber(broker.port, events, version=5) as subscriber, in_background(subject):
        with running_worker(broker.url, "w1"):
            wait_until(lambda: subscriber.payloads(events))
        wait_until(lambda: len(subscriber.payloads(events)) == 2)
        end = json.loads(subscriber.payloads(events)[1])
        with running_worker(broker.url, "w2"):
            wait_until(lambda: len(subscriber.payloads(events)) == 3)
        again = json.loads(subscriber.payloads(events)[2])
    assert (end["type"], end["text"], end["reason"]) == ("end", "CODE 7", "camera_lost")
    assert (again["type"], again["text"]) == ("begin", "CODE 7")


@needs_mosquitto
def test_check_has_a_frame_read_and_says_why_it_is_not(broker: Mosquitto) -> None:
    config = kiosk(broker.url, deadline_s=0.5)
    with pytest.raises(FrameDroppedError, match="there is no worker; start edge-ocr worker --group readers"):
        check_workers(config)
    with running_worker(broker.url, "w1", LatinReader()):
        assert check_workers(config).startswith("a frame is read in ")
        digits = {"zones": {"gate": {"polygon": [[0, 0], [9, 0], [9, 9]], "allowed": "Я"}}}
        cameras = {"cam0": {"source": "test:", **digits}}
        with pytest.raises(FrameDroppedError, match="w1 refuses a frame: ConfigError: cannot read"):
            check_workers(config.model_validate({**config.model_dump(exclude_unset=True), "cameras": cameras}))
