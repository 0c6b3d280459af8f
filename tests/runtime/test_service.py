"""An appliance as a service: reloads, what systemd hears, and what is asked over HTTP meanwhile."""

import json
import logging
import os
import signal
import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from edge_ocr.errors import ConfigError, EdgeOcrError
from runtime import appliance as appliance_module
from runtime.appliance import Appliance
from runtime.backoff import Backoff
from runtime.capture.status import StateCallback
from runtime.capture.thread import CaptureThread
from runtime.commands.run import Signals
from runtime.config.kiosk import CameraConfig, KioskConfig
from runtime.config.reload import changes
from runtime.frame_loop import PageReader
from runtime.monitoring import health
from runtime.monitoring.systemd import Notifier
from runtime.mqtt.broker import EmbeddedBroker
from runtime.mqtt.messages import MqttVersion
from runtime.service import Service
from tests.runtime.mqtt_tools import Subscriber, free_port, wait_until
from tests.runtime.test_appliance import HELLO, FakeReader, FakeSource, brief, events_of, topic


@pytest.fixture(autouse=True)
def _quick_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(appliance_module, "TICK_S", 0.01)


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


def kiosk(port: int, *cameras: str, **more: Any) -> KioskConfig:
    mqtt = {"url": f"mqtt://127.0.0.1:{port}", **more.pop("mqtt", {})}
    configs = {name: {"source": "test:"} for name in cameras or ("cam0",)}
    return KioskConfig.model_validate({"node": "kiosk", "mqtt": mqtt, "cameras": configs, **more})


@dataclass
class Bench:
    """A service with fake cameras that show HELLO, and a configuration that a test can change."""

    config: KioskConfig
    loaded: list[tuple[str, str]] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    error: ConfigError | None = None

    def reread(self) -> KioskConfig:
        if self.error is not None:
            raise self.error
        return self.config

    def load(self, pack: str, profile: str) -> PageReader:
        if pack == "none":
            raise EdgeOcrError("pack 'none': not found")
        self.loaded.append((pack, profile))
        return FakeReader()

    def make(self, config: KioskConfig, reader: PageReader) -> Appliance:
        return Appliance(
            config,
            reader,
            open_capture=self.capture,
            backoff=Backoff(lambda: 0.02),
            mqtt_version=MqttVersion.V311,
        )

    def capture(self, name: str, config: CameraConfig, on_state: StateCallback) -> CaptureThread:
        self.started.append(name)
        source = FakeSource([HELLO] * 5, ends=False)
        return CaptureThread(name, source, "every", on_state)

    @contextmanager
    def running(self, notifier: Notifier | None = None) -> Iterator[Service]:
        service = Service(
            self.config,
            load_reader=self.load,
            make_appliance=self.make,
            reread=self.reread,
            notifier=notifier or Notifier({}),
        )
        thread = threading.Thread(target=service.run)
        thread.start()
        try:
            yield service
        finally:
            service.stop()
            thread.join()


def test_a_camera_that_is_added_leaves_the_others_texts_open(broker: EmbeddedBroker) -> None:
    bench = Bench(kiosk(broker.port, "a"))
    with Subscriber(broker.port, "edge-ocr/kiosk/#") as subscriber:
        with bench.running() as service:
            wait_until(lambda: events_of(subscriber, "a"))
            bench.config = kiosk(broker.port, "a", "b")
            service.reload()
            wait_until(lambda: events_of(subscriber, "b"))
            assert brief(events_of(subscriber, "a")) == [("begin", "HELLO")]
            assert list(service.metrics().cameras) == ["a", "b"]
        assert bench.started == ["a", "b"]


def test_a_camera_that_changed_ends_its_texts_and_numbers_on(broker: EmbeddedBroker) -> None:
    bench = Bench(kiosk(broker.port, "a", "b"))
    with Subscriber(broker.port, "edge-ocr/kiosk/#") as subscriber, bench.running() as service:
        wait_until(lambda: events_of(subscriber, "a") and events_of(subscriber, "b"))
        configs = dict(bench.config.cameras)
        configs["a"] = configs["a"].model_copy(update={"min_reads": 3})
        bench.config = bench.config.model_copy(update={"cameras": configs})
        service.reload()
        wait_until(lambda: len(events_of(subscriber, "a")) == 3)
        events = events_of(subscriber, "a")
        assert brief(events) == [("begin", "HELLO"), ("end", "HELLO"), ("begin", "HELLO")]
        assert [event["seq"] for event in events] == [1, 2, 3]
        assert len({event["boot_id"] for event in events}) == 1
        assert brief(events_of(subscriber, "b")) == [("begin", "HELLO")]


def test_a_camera_that_was_removed_says_so(broker: EmbeddedBroker) -> None:
    bench = Bench(kiosk(broker.port, "a", "b"))
    with Subscriber(broker.port, "edge-ocr/kiosk/#") as subscriber, bench.running() as service:
        wait_until(lambda: events_of(subscriber, "b"))
        bench.config = kiosk(broker.port, "a")
        service.reload()
        wait_until(lambda: len(events_of(subscriber, "b")) == 2)
        wait_until(lambda: "removed" in subscriber.payloads(topic("status", "b"))[-1].decode())
        assert json.loads(subscriber.payloads(topic("text", "b"))[-1])["lines"] == []


def test_another_root_starts_the_appliance_anew_with_the_same_models(broker: EmbeddedBroker) -> None:
    bench = Bench(kiosk(broker.port))
    with Subscriber(broker.port, "#") as subscriber, bench.running() as service:
        wait_until(lambda: events_of(subscriber))
        bench.config = kiosk(broker.port, mqtt={"root": "elsewhere"})
        service.reload()
        wait_until(lambda: subscriber.payloads("elsewhere/kiosk/cam0/events"))
        assert brief(events_of(subscriber)) == [("begin", "HELLO"), ("end", "HELLO")]
        wait_until(lambda: b"stopped" in subscriber.payloads("edge-ocr/kiosk/status")[-1])
    assert bench.loaded == [("latin", "auto")]


def test_other_models_are_loaded_before_anything_stops(
    broker: EmbeddedBroker, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(kiosk(broker.port))
    with Subscriber(broker.port, "edge-ocr/kiosk/#") as subscriber, bench.running() as service:
        wait_until(lambda: events_of(subscriber))
        bench.config = kiosk(broker.port, pack="none")
        service.reload()
        wait_until(lambda: "pack 'none': not found; going on as before" in caplog.text)
        bench.config = kiosk(broker.port, pack="other")
        service.reload()
        wait_until(lambda: len(events_of(subscriber)) == 3)
        assert len({event["boot_id"] for event in events_of(subscriber)}) == 2
    assert bench.loaded == [("latin", "auto"), ("other", "auto")]


def test_a_file_that_cannot_be_used_costs_one_line(broker: EmbeddedBroker, caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(kiosk(broker.port))
    with Subscriber(broker.port, "edge-ocr/kiosk/#") as subscriber, bench.running() as service:
        wait_until(lambda: events_of(subscriber))
        bench.error = ConfigError("kiosk.yaml:3: cameras.cam0.polcy: unknown key; did you mean 'policy'?")
        service.reload()
        wait_until(lambda: "polcy" in caplog.text)
        assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [
            f"reload: {bench.error}; going on as before"
        ]
        assert brief(events_of(subscriber)) == [("begin", "HELLO")]


def test_metrics_are_served_across_a_restart_of_the_appliance_and_move_when_told_to(
    broker: EmbeddedBroker, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = (f"127.0.0.1:{free_port()}" for _ in range(2))
    bench = Bench(kiosk(broker.port, metrics={"listen": first}))

    def boot_ids(listen: str) -> str:
        with urllib.request.urlopen(f"http://{listen}/readyz", timeout=30) as answer:
            assert answer.status == 200
        return service.metrics().boot_id

    with caplog.at_level(logging.INFO), bench.running() as service:
        wait_until(lambda: service.metrics().cameras["cam0"].frames_read)
        before = boot_ids(first)
        bench.config = kiosk(broker.port, mqtt={"root": "elsewhere"}, metrics={"listen": first})
        service.reload()
        wait_until(lambda: "mqtt changed" in caplog.text and service.metrics().boot_id != before)
        wait_until(lambda: service.metrics().cameras["cam0"].frames_read)
        after = boot_ids(first)
        bench.config = kiosk(broker.port, mqtt={"root": "elsewhere"}, metrics={"listen": second})
        service.reload()
        wait_until(lambda: "metrics changed" in caplog.text)
        assert boot_ids(second) == after != before


def test_the_spool_cannot_move_while_running() -> None:
    spool = {"path": "/var/lib/edge-ocr/spool.db"}
    with pytest.raises(ConfigError, match="spool: cannot change while running; restart edge-ocr"):
        changes(kiosk(1), kiosk(1, spool=spool))
    with pytest.raises(ConfigError, match=r"node: names the spool's file too; set spool\.path first"):
        changes(kiosk(1), kiosk(1).model_copy(update={"node": "other"}))
    renamed = kiosk(1, spool=spool).model_copy(update={"node": "other"})
    assert changes(kiosk(1, spool=spool), renamed).of_appliance


def test_sighup_reloads() -> None:
    before = signal.getsignal(signal.SIGHUP)
    asked = []
    with Signals() as signals:
        os.kill(os.getpid(), signal.SIGHUP)
        signals.reload = lambda: asked.append(True)
        os.kill(os.getpid(), signal.SIGHUP)
        wait_until(lambda: asked)
    assert signal.getsignal(signal.SIGHUP) is before


def test_systemd_hears_of_start_progress_reload_and_stop(broker: EmbeddedBroker, tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(path)
        receiver.settimeout(30.0)
        bench = Bench(kiosk(broker.port))
        heard: list[str] = []

        def hear(line: str) -> None:
            while line not in heard:
                heard.extend(receiver.recv(4096).decode().split("\n"))

        with bench.running(Notifier({"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "60000000"})) as service:
            hear("READY=1")
            hear("WATCHDOG=1")
            heard.clear()
            service.reload()
            hear("RELOADING=1")
            hear("READY=1")
        hear("STOPPING=1")


def test_the_watchdog_is_not_fed_while_a_thread_stands_still(
    broker: EmbeddedBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(health, "INFERENCE_LIMIT_S", -1.0)
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(path)
        receiver.setblocking(False)
        bench = Bench(kiosk(broker.port))
        with bench.running(Notifier({"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "60000000"})):
            wait_until(lambda: "inference: no progress" in caplog.text)
        heard = []
        while True:
            try:
                heard.append(receiver.recv(4096))
            except BlockingIOError:
                break
    assert heard
    assert not any(b"WATCHDOG" in datagram for datagram in heard)
