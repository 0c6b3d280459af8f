"""What happens to events when a real broker is killed, frozen, away, or does not let us in.

Judged by a subscriber that is never away: where the broker itself goes, it is back before the node finds its way in.
"""

import logging
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from runtime.mqtt import connect as mqtt_connect
from runtime.mqtt import publisher as publisher_module
from runtime.mqtt import session as mqtt_session
from runtime.mqtt.messages import MqttVersion
from runtime.mqtt.rivalry import Rivalry
from runtime.mqtt.session import WINDOW
from runtime.spool.spool import Spool
from tests.runtime.mosquitto import Certificates, Gate, Mosquitto, needs_mosquitto, needs_openssl
from tests.runtime.mqtt_node import EVENTS, OFFLINE, ONLINE, STATUS, STOPPED, TEXT, Node, fields, running
from tests.runtime.mqtt_tools import Subscriber, free_port, wait_until

pytestmark = needs_mosquitto

EVENT_EVERY_S = 0.002
REFUSED = "cannot connect: connection refused"
SILENT = "the broker accepts the connection but does not answer in MQTT"


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(tmp_path / "spool.db", max_bytes=2**24, max_age_s=3600) as opened:
        yield opened


@contextmanager
def events_from(node: Node) -> Iterator[None]:
    """Events all the time, faster than any camera has them; when it ends, all of them were sent."""
    is_done = threading.Event()

    def produce() -> None:
        while not is_done.wait(EVENT_EVERY_S):
            node.put()

    thread = threading.Thread(target=produce)
    thread.start()
    try:
        yield
        some_more(node)
    finally:
        is_done.set()
        thread.join()
    wait_until(lambda: node.pending == 0 or node.conflicts)


def some_more(node: Node, n_events: int = 30) -> None:
    """Wait for more events to be put, whether or not they can be sent."""
    until = node.n_put + n_events
    wait_until(lambda: node.n_put >= until)


def some_more_sent(node: Node, n_events: int = 30) -> None:
    until = node.outbox.counts().sent + n_events
    wait_until(lambda: node.outbox.counts().sent >= until)


def assert_nothing_lost(node: Node, judge: Subscriber) -> None:
    """Every event arrived, first arrivals in order, repetitions with their own key only; and the counts say so."""
    counts = node.outbox.counts()
    assert (counts.sent, counts.pending, sum(counts.dropped.values())) == (node.n_put, 0, 0)
    wait_until(lambda: len(set(fields(judge.payloads(EVENTS), "seq"))) == node.n_put)
    first_arrivals = list(dict.fromkeys(fields(judge.payloads(EVENTS), "seq")))
    assert first_arrivals == list(range(1, node.n_put + 1))


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the node said about the broker."""
    lines = [record.getMessage() for record in caplog.records if record.name == "runtime.mqtt.publisher"]
    return [line.partition(": ")[2] for line in lines if line.startswith("broker ")]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "runtime.mqtt.publisher")
    return caplog


@pytest.mark.parametrize("version", list(MqttVersion))
def test_a_broker_that_is_killed_and_comes_back_with_nothing_remembered(
    tmp_path: Path, spool: Spool, log: pytest.LogCaptureFixture, version: MqttVersion
) -> None:
    with Mosquitto(tmp_path) as broker, Gate(broker.port) as gate, Subscriber(broker.port, qos=0) as judge:
        node = Node(gate.port, version, outbox=spool)
        node.publisher.set_latest(TEXT, b'"legible"')
        with running(node), events_from(node):
            some_more_sent(node)
            judge.expect_new_subscription()
            gate.shut()
            broker.kill()
            wait_until(lambda: REFUSED in said(log))
            some_more(node)
            before = len(judge.received)
            broker.start()
            judge.wait_subscribed()
            gate.open()
            some_more_sent(node)
            announced = {message.topic: message.payload for message in judge.received[before:]}
            assert (announced[STATUS], announced[TEXT]) == (ONLINE, b'"legible"')
            with Subscriber(broker.port) as later:
                wait_until(lambda: {STATUS, TEXT} <= {each.topic for each in later.received if each.retain})
        assert_nothing_lost(node, judge)
    connected = f"connected with {version.value}"
    lost = [line for line in said(log) if line.startswith("connection lost: ")]
    assert len(lost) == 1
    assert said(log) == [connected, *lost, REFUSED, connected]


def test_a_broker_that_freezes_and_goes_on(
    tmp_path: Path, spool: Spool, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher_module, "ACK_TIMEOUT_S", 0.4)
    monkeypatch.setitem(mqtt_connect.ANSWER_TIMEOUT_S, MqttVersion.V5, 0.2)
    with Mosquitto(tmp_path) as broker, Subscriber(broker.port, qos=0) as judge:
        node = Node(broker.port, MqttVersion.V5, outbox=spool)
        with running(node), events_from(node):
            some_more_sent(node)
            assert node.publisher._link is not None
            client = node.publisher._link.session._client
            broker.freeze()
            wait_until(lambda: SILENT in said(log))
            assert len(client._out_messages) <= WINDOW
            wait_until(lambda: node.publisher._rivalry._n_ghosts >= 4)
            broker.go_on()
            some_more_sent(node)
        assert_nothing_lost(node, judge)
        assert node.conflicts == []
        wait_until(lambda: judge.payloads(STATUS)[-1] == STOPPED)
    lost = "connection lost: no acknowledgement for 0 s; events wait for the broker"
    # Whether a connection given up throws out the new one, when the broker goes on, is the broker's affair.
    assert said(log)[:4] == ["connected with MQTT 5", lost, SILENT, "connected with MQTT 5"]


def test_a_broker_that_is_not_there_at_the_start(tmp_path: Path, spool: Spool, log: pytest.LogCaptureFixture) -> None:
    with Mosquitto(tmp_path) as broker, Gate(broker.port) as gate, Subscriber(broker.port, qos=0) as judge:
        gate.close()
        with running(Node(gate.port, MqttVersion.V5, outbox=spool)) as node:
            with events_from(node):
                wait_until(lambda: REFUSED in said(log))
                some_more(node)
                gate.open()
                some_more_sent(node)
            assert_nothing_lost(node, judge)
    assert said(log) == [REFUSED, "connected with MQTT 5"]


def test_a_wrong_password_that_is_corrected(tmp_path: Path, spool: Spool, log: pytest.LogCaptureFixture) -> None:
    passwords, mine = tmp_path / "passwords", tmp_path / "mine"
    subprocess.run(["mosquitto_passwd", "-c", "-b", passwords, "kiosk", "right"], check=True, capture_output=True)
    subprocess.run(["mosquitto_passwd", "-b", passwords, "judge", "judge"], check=True, capture_output=True)
    passwords.chmod(0o644)
    mine.write_text("wrong\n")
    settings = ["allow_anonymous false", f"password_file {passwords}"]
    with (
        Mosquitto(tmp_path, settings=settings) as broker,
        Subscriber(broker.port, qos=0, username="judge", password="judge") as judge,
        running(Node(broker.port, MqttVersion.V5, outbox=spool, username="kiosk", password_file=mine)) as node,
    ):
        with events_from(node):
            wait_until(lambda: said(log))
            some_more(node)
            mine.write_text("right\n")
            some_more_sent(node)
        assert_nothing_lost(node, judge)
    refused = "the broker refused the connection: Not authorized; check username and password under mqtt"
    assert said(log) == [refused, "connected with MQTT 5"]


@needs_openssl
# paho leaves a socket open when the handshake fails.
@pytest.mark.filterwarnings("ignore:.*unclosed.*SSLSocket:ResourceWarning")
def test_an_expired_certificate_that_is_renewed_and_one_of_our_own(
    tmp_path: Path, spool: Spool, log: pytest.LogCaptureFixture
) -> None:
    authority = Certificates(tmp_path)
    certificate, key = authority.make("broker", is_expired=True)
    own_certificate, own_key = authority.make("kiosk")
    port = free_port()
    settings = [
        "allow_anonymous true", f"listener {port} 127.0.0.1", f"cafile {authority.ca}", f"certfile {certificate}",
        f"keyfile {key}", "require_certificate true",
    ]  # fmt: skip
    files: dict[str, Any] = {"ca_file": authority.ca, "cert_file": own_certificate, "key_file": own_key}
    with (
        Mosquitto(tmp_path, settings=settings) as broker,
        Subscriber(broker.port, qos=0) as judge,
        running(Node(port, MqttVersion.V5, outbox=spool, scheme="mqtts", **files)) as node,
    ):
        with events_from(node):
            wait_until(lambda: said(log))
            some_more(node)
            authority.make("broker")
            broker.reload()
            some_more_sent(node)
        assert_nothing_lost(node, judge)
    expired = "the broker's certificate is not trusted (certificate has expired); renew it, or set the clock"
    assert said(log) == [f"cannot connect: {expired}", "connected with MQTT 5"]


@pytest.mark.parametrize("version", list(MqttVersion))
def test_of_two_nodes_with_one_id_one_stops_and_the_other_loses_nothing(
    tmp_path: Path, spool: Spool, version: MqttVersion
) -> None:
    with Mosquitto(tmp_path) as broker, Subscriber(broker.port, qos=0) as judge:
        first, second = Node(broker.port, version, outbox=spool), Node(broker.port, version)
        with running(first), running(second):
            with events_from(first):
                wait_until(lambda: first.conflicts or second.conflicts)
            assert bool(first.conflicts) != bool(second.conflicts)
            stayed = second if first.conflicts else first
            wait_until(lambda: stayed.publisher.connected)
            assert len(first.conflicts or second.conflicts) == 1
        if stayed is first:
            assert_nothing_lost(first, judge)
        assert first.outbox.counts().sent + first.pending == first.n_put


def test_a_node_that_was_there_first_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Rivalry, "YOUNG_S", 0.5)
    with Mosquitto(tmp_path) as broker, running(Node(broker.port, MqttVersion.V5)) as first:
        wait_until(lambda: first.publisher.connected)
        threading.Event().wait(2 * Rivalry.YOUNG_S)
        with running(Node(broker.port, MqttVersion.V5)) as second:
            wait_until(lambda: second.conflicts)
            wait_until(lambda: first.publisher.connected)
            assert first.conflicts == []


def test_a_short_break_is_not_announced_as_an_absence_and_a_death_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt_session, "WILL_DELAY_S", 1)
    with Mosquitto(tmp_path) as broker, Subscriber(broker.port, STATUS) as judge:
        node = Node(broker.port, MqttVersion.V5)
        with running(node):
            wait_until(lambda: judge.received)
            assert node.publisher._link is not None
            node.publisher._link.session.abort()
            wait_until(lambda: node.publisher.connects == 2 and len(judge.received) == 2)
            assert judge.payloads(STATUS) == [ONLINE, ONLINE]
            node.publisher._gave_up = True  # as if the process were gone
            node.publisher._link.session.abort()
            wait_until(lambda: judge.payloads(STATUS) == [ONLINE, ONLINE, OFFLINE])


def test_commands_of_a_short_break_are_delivered_after_it(tmp_path: Path) -> None:
    received: list[str] = []
    with Mosquitto(tmp_path) as broker, Gate(broker.port) as gate, Subscriber(broker.port, "none") as talker:
        node = Node(
            gate.port, MqttVersion.V5, subscriptions=("to/us",), on_received=lambda each: received.append(each.topic)
        )
        with running(node):
            wait_until(lambda: talker.publish("to/us") and received)
            gate.close()
            wait_until(lambda: not node.publisher.connected)
            received.clear()
            talker.publish("to/us")
            gate.open()
            wait_until(lambda: received)
