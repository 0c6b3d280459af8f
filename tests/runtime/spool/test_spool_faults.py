"""The whole appliance against real faults: `kill -9`, a full disk, a read-only one; with a real broker.

An event is lost when it was spooled, and is neither acknowledged, nor in the spool, nor in the dropped count. Order is
judged on first arrivals at a subscriber that was never away.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from runtime.appliance import Appliance
from runtime.backoff import Backoff
from runtime.mqtt.session import WINDOW
from runtime.spool.outbox import About, Message
from runtime.spool.spool import Spool
from tests.runtime.mosquitto import Mosquitto, needs_mosquitto
from tests.runtime.mqtt_tools import Subscriber, free_port, wait_until
from tests.runtime.spool.appliance import N_FRAMES, WORDS, frame_code, word
from tests.runtime.test_appliance import TEXTS, FakeReader, FakeSource, captures, in_background, kiosk, states_of

MIB = 2**20
ROOT = Path(__file__).parents[3]
pytestmark = needs_mosquitto

Key = tuple[str, str, int]
"""(topic, boot_id, seq): what tells duplicates."""


def mosquitto(folder: Path) -> Mosquitto:
    """One that keeps whatever waits for a subscriber."""
    return Mosquitto(folder, settings=("allow_anonymous true", "max_queued_messages 0"))


class Node:
    """An appliance in a process of its own, its spool, and the log of what it has committed."""

    def __init__(self, folder: Path, port: int, *, disk: Path | None = None) -> None:
        self.spool_path = (disk or folder) / "spool.db"
        self.log = folder / "committed.log"
        self.log.touch()
        self.errors = folder / "stderr.log"
        self._config = folder / "kiosk.yaml"
        # Pictures of one grey look alike to the gate; the busy camera is searched in every frame.
        self._config.write_text(
            f"node: kiosk\nmqtt: {{url: 'mqtt://127.0.0.1:{port}'}}\nspool: {{path: {self.spool_path}, max_mb: 4}}\n"
            "cameras: {busy: {source: 'test:', refresh_s: 0}, still: {source: 'test:'}}\n"
        )

    @contextmanager
    def running(self) -> Iterator["subprocess.Popen[bytes]"]:
        command = [sys.executable, "-m", "tests.runtime.spool.appliance", str(self._config), str(self.log)]
        with self.errors.open("ab") as errors:
            process = subprocess.Popen(command, cwd=ROOT, stderr=errors)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def open_spool(self) -> Spool:
        return Spool(self.spool_path, max_bytes=4 * MIB, max_age_s=3600.0)

    def committed(self) -> list[Key]:
        """In the order of their commits; a line that the kill cut off is none."""
        lines = [line.split() for line in self.log.read_text().splitlines(keepends=True) if line.endswith("\n")]
        return [(topic, boot_id, int(seq)) for topic, boot_id, seq in lines]

    def is_busy(self) -> bool:
        """Whether the still camera's two texts have begun, and the other has shown a few."""
        committed = self.committed()
        return len(committed) > 40 and sum("/still/" in topic for topic, _, _ in committed) == 2


def fill(spool: Spool) -> int:
    """Put events of an earlier run until the oldest have to make room; how many were put."""
    topic, seq = "edge-ocr/kiosk/busy/events", 0
    while spool.state == "ok":
        seq += 1
        event = {"type": "end", "boot_id": "boot-0", "seq": seq, "track_id": seq, "text": "x" * 20_000}
        spool.put(Message(topic, json.dumps(event).encode(), 0.0, About("boot-0", seq, seq, is_end=True)))
    return seq


def events_at(subscriber: Subscriber) -> dict[Key, dict[str, Any]]:
    """Events by their dedup key in the order of first arrival; a duplicate has to say the same."""
    found: dict[Key, dict[str, Any]] = {}
    for message in list(subscriber.received):
        if not message.topic.endswith("/events"):
            continue
        event = json.loads(message.payload)
        first = found.setdefault((message.topic, event["boot_id"], event["seq"]), event)
        assert first | {"delayed": True} == event | {"delayed": True}
    return found


def in_runs(keys: list[Key]) -> dict[tuple[str, str], list[int]]:
    """The numbers of every camera's runs, in order of arrival."""
    runs: dict[tuple[str, str], list[int]] = defaultdict(list)
    for topic, boot_id, seq in keys:
        runs[topic, boot_id].append(seq)
    return runs


@pytest.mark.parametrize("broker_is_there", [False, True], ids=["without a broker", "while it sends"])
def test_a_kill_with_a_full_spool_loses_nothing_and_open_texts_are_ended(tmp_path: Path, broker_is_there: bool) -> None:
    broker = mosquitto(tmp_path)
    node = Node(tmp_path, broker.port)
    with node.open_spool() as spool:
        n_filled = fill(spool)
    with Subscriber(broker.port, "edge-ocr/kiosk/#", wait=False) as subscriber:
        if broker_is_there:
            with broker:
                subscriber.wait_subscribed()
                events = run_kill_run(node, subscriber)
        else:
            kill_when_busy(node)
            with broker:
                subscriber.wait_subscribed()
                events = run_and_stop(node, subscriber)
    with node.open_spool() as spool:
        counts = spool.counts()
        left = [json.loads(stored.message.payload) for stored in spool.peek(10_000)]
    assert [event for event in left if event.get("reason") == "restart"] == []
    assert set(counts.dropped) == {"full"}
    waiting = {(f"edge-ocr/kiosk/{event['camera']}/events", event["boot_id"], event["seq"]) for event in left}
    assert set(node.committed()) - set(events) - waiting == set()
    runs = in_runs(list(events))
    (first, *others) = runs.values()
    assert first == sorted(first)
    # One that was on its way when it had to make room counts as dropped, though it arrived.
    n_missing = n_filled - len(first)
    assert n_missing <= counts.dropped["full"] <= n_missing + (WINDOW if broker_is_there else 0)
    for numbers in others:
        assert numbers == list(range(1, len(numbers) + 1))
    killed = node.committed()[0][1]
    assert_texts_ended(events, killed)


def kill_when_busy(node: Node) -> None:
    with node.running() as process:
        wait_until(lambda: node.is_busy() or process.poll() is not None)
        os.kill(process.pid, signal.SIGKILL)


def run_kill_run(node: Node, subscriber: Subscriber) -> dict[Key, dict[str, Any]]:
    """Kill it when a few events have arrived and many are on their way."""
    with node.running() as process:
        wait_until(lambda: node.is_busy() or process.poll() is not None)
        assert subscriber.received
        os.kill(process.pid, signal.SIGKILL)
    return run_and_stop(node, subscriber)


def run_and_stop(node: Node, subscriber: Subscriber) -> dict[Key, dict[str, Any]]:
    """Run until events of the new run have arrived, and stop as systemd does; all that arrived."""
    old = {boot_id for _, boot_id, _ in node.committed()} | {"boot-0"}
    with node.running() as process:
        wait_until(lambda: len({key[:2] for key in events_at(subscriber) if key[1] not in old}) == 2)
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0, node.errors.read_text()
    wait_until(lambda: "stopped" in states_of(subscriber))
    return events_at(subscriber)


def assert_texts_ended(events: dict[Key, dict[str, Any]], killed: str) -> None:
    """Every text that began has one end, and only the killed run's last ones say `restart`."""
    began = [(*key[:2], event["track_id"]) for key, event in events.items() if event["type"] == "begin"]
    ended = [(*key[:2], event["track_id"]) for key, event in events.items() if event["type"] == "end"]
    assert len(ended) == len(set(ended))
    assert set(began) <= set(ended)
    by_restart = {(key[1], event["text"]) for key, event in events.items() if event.get("reason") == "restart"}
    assert by_restart >= {(killed, "WORLD"), (killed, "12.50")}
    assert {boot_id for boot_id, _ in by_restart} == {killed}


# -- a small disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with 2 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("to mount is not allowed here; needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill_disk(folder: Path) -> Path:
    junk = folder / "junk"
    with contextlib.suppress(OSError), junk.open("wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass
    return junk


def busy_appliance(port: int, spool: Spool, monkeypatch: pytest.MonkeyPatch) -> Appliance:
    for code in WORDS:
        monkeypatch.setitem(TEXTS, code, (word(code),))
    source = FakeSource([frame_code(index) for index in range(N_FRAMES)], ends=False)
    return Appliance(
        kiosk(port), FakeReader(), open_capture=captures(cam0=source), outbox=spool, backoff=Backoff(lambda: 0.02)
    )


def spool_states(subscriber: Subscriber) -> list[str | None]:
    statuses = [json.loads(payload) for payload in subscriber.payloads("edge-ocr/kiosk/status")]
    return [status["spool"] for status in statuses if status["state"] == "online"]


def test_with_a_full_disk_events_go_on_and_the_status_tells(
    tmp_path: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        mosquitto(tmp_path) as broker,
        Subscriber(broker.port, "edge-ocr/kiosk/#") as subscriber,
        Spool(small_disk / "spool.db", max_bytes=64 * MIB, max_age_s=3600.0) as spool,
    ):
        subject = busy_appliance(broker.port, spool, monkeypatch)
        with in_background(subject):
            wait_until(lambda: len(events_at(subscriber)) > 10)
            junk = fill_disk(small_disk)
            wait_until(lambda: "full" in spool_states(subscriber))
            n_before = len(events_at(subscriber))
            wait_until(lambda: len(events_at(subscriber)) > n_before + 50)
            junk.unlink()
            wait_until(lambda: spool_states(subscriber)[-1] == "ok")
        wait_until(lambda: "stopped" in states_of(subscriber))
        counts = subject.metrics()
    numbers = [seq for _, _, seq in events_at(subscriber)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert counts.outbox.dropped == {}
    assert counts.outbox.sent <= len(numbers)
    assert counts.outbox.sent + counts.outbox.pending == counts.cameras["cam0"].events


def test_with_a_full_disk_and_no_broker_what_is_dropped_is_counted(
    tmp_path: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = mosquitto(tmp_path)
    with Spool(small_disk / "spool.db", max_bytes=64 * MIB, max_age_s=3600.0) as spool:
        subject = busy_appliance(broker.port, spool, monkeypatch)
        fill_disk(small_disk)
        with Subscriber(broker.port, "edge-ocr/kiosk/#", wait=False) as subscriber:
            with in_background(subject):
                wait_until(lambda: spool.counts().dropped.get("unspooled", 0) > 50)
                with broker:
                    subscriber.wait_subscribed()
                    wait_until(lambda: len(events_at(subscriber)) > 50)
                    subject.stop()
                    wait_until(lambda: "stopped" in states_of(subscriber))
            events = events_at(subscriber)
        counts = subject.metrics()
    numbers = [seq for _, _, seq in events]
    assert numbers == sorted(numbers)
    # Those sent before the subscriber was there are missing; some that had to make room while on their way arrived.
    assert 0 < len(numbers) <= counts.outbox.sent + counts.outbox.dropped["unspooled"]
    accounted = counts.outbox.sent + counts.outbox.pending + counts.outbox.dropped["unspooled"]
    assert accounted == counts.cameras["cam0"].events


def test_what_a_kill_takes_along_while_the_disk_is_full_is_counted(tmp_path: Path, small_disk: Path) -> None:
    node = Node(tmp_path, free_port(), disk=small_disk)
    with node.running() as process:
        wait_until(lambda: node.is_busy() or process.poll() is not None)
        junk = fill_disk(small_disk)
        wait_until(lambda: "the disk is full" in node.errors.read_text())
        n_before = len(node.committed())
        wait_until(lambda: len(node.committed()) > n_before + 20)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    junk.unlink()
    with node.open_spool() as spool:
        events = [json.loads(stored.message.payload) for stored in spool.peek(10_000)]
        counts = spool.counts()
    waiting = [event for event in events if event["reason"] != "restart"]
    assert set(counts.dropped) <= {"crash", "unspooled"}
    assert counts.dropped["crash"] > 0
    # The kill may have come between a commit and its line in the log of the test.
    assert 0 <= len(waiting) + sum(counts.dropped.values()) - len(node.committed()) <= 4


def test_a_read_only_spool_keeps_what_it_has_until_it_can_be_written(small_disk: Path) -> None:
    path = small_disk / "spool.db"
    message = Message("t", b'{"seq": 1}', 0.0)
    with Spool(path, max_bytes=4 * MIB, max_age_s=3600.0) as spool:
        spool.put(message)
    remount(small_disk, "ro")
    with Spool(path, max_bytes=4 * MIB, max_age_s=3600.0) as spool:
        spool.put(message)
        assert spool.state == "read-only"
        remount(small_disk, "rw")
        spool.tend()
        assert spool.counts().pending == 2
        (first, second) = spool.peek(9)
        assert (first.message.payload, second.message.payload) == (message.payload, message.payload)
        assert spool.state not in {"read-only", "failed"}


def remount(folder: Path, mode: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{mode}", folder], check=True)
