"""The publisher against a real broker in this process, and against one that misbehaves as told."""

import logging
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from edge_ocr.errors import ConfigError
from runtime.backoff import Backoff
from runtime.config.kiosk import MqttConfig
from runtime.mqtt import connect as mqtt_connect
from runtime.mqtt import publisher as publisher_module
from runtime.mqtt.broker import EmbeddedBroker
from runtime.mqtt.link import MAX_PASSING
from runtime.mqtt.messages import MqttVersion, Publication, Received
from runtime.mqtt.publisher import Publisher
from runtime.mqtt.rivalry import Rivalry
from runtime.mqtt.session import WINDOW
from runtime.spool.outbox import MemoryOutbox, StoredMessage
from tests.runtime.mosquitto import needs_openssl
from tests.runtime.mqtt_node import (
    EVENTS,
    OFFLINE,
    ONLINE,
    PRESENCE,
    STATUS,
    STOPPED,
    TEXT,
    Node,
    fields,
    running,
)
from tests.runtime.mqtt_tools import (
    ACCEPT_311,
    HANG_UP,
    TAKEN_OVER,
    Script,
    ScriptedBroker,
    Subscriber,
    free_port,
    n_open_files,
    no_garbage_collection,
    wait_until,
)

# -- a real broker


def test_events_arrive_in_order_and_leave_the_outbox_when_acknowledged() -> None:
    with EmbeddedBroker() as broker, Subscriber(broker.port) as subscriber:
        with running(Node(broker.port)) as node:
            wait_until(lambda: node.publisher.connected)
            node.put(100)
            wait_until(lambda: len(subscriber.payloads(EVENTS)) == 100)
            wait_until(lambda: node.pending == 0)
        assert fields(subscriber.payloads(EVENTS), "seq") == list(range(1, 101))
        assert node.outbox.counts().sent == 100
        stages = node.recorder.summary()
        assert stages["publish"].count == stages["capture_to_publish"].count == 100
        assert set(node.recorder.summary()) >= {"publish", "capture_to_publish"} or node.publisher.connects == 1
        assert all(
            not message.retain and message.qos == 1 for message in subscriber.received if message.topic == EVENTS
        )


def test_status_is_online_then_stopped_and_both_are_retained() -> None:
    with EmbeddedBroker() as broker:
        with running(Node(broker.port)) as node:
            wait_until(lambda: node.publisher.connected)
            with Subscriber(broker.port, STATUS) as late:
                wait_until(lambda: late.payloads(STATUS))
                assert late.received[0] == late.received[0].__class__(STATUS, ONLINE, 1, True)
                assert node.publisher.stop() is True
                wait_until(lambda: STOPPED in late.payloads(STATUS))
        with Subscriber(broker.port, STATUS) as later:
            wait_until(lambda: later.payloads(STATUS))
            assert set(later.payloads(STATUS)) == {STOPPED}


def test_the_last_will_says_offline_when_the_node_dies() -> None:
    with (
        EmbeddedBroker() as broker,
        Subscriber(broker.port, STATUS) as subscriber,
        running(Node(broker.port)) as node,
    ):
        wait_until(lambda: ONLINE in subscriber.payloads(STATUS))
        assert node.publisher._link is not None
        node.publisher._link.session.abort()
        wait_until(lambda: OFFLINE in subscriber.payloads(STATUS))
        # and it is online again after the reconnect
        wait_until(lambda: subscriber.payloads(STATUS)[-1] == ONLINE)


def test_events_wait_for_a_broker_that_comes_late_and_are_marked_delayed() -> None:
    port = free_port()
    with running(Node(port)) as node:
        node.put(30)
        node.publisher.set_latest(TEXT, b'"old"')
        node.publisher.set_latest(TEXT, b'"new"')
        with EmbeddedBroker(port), Subscriber(port) as subscriber:
            wait_until(lambda: len(set(fields(subscriber.payloads(EVENTS), "seq"))) == 30 or node.pending == 0)
            wait_until(lambda: node.pending == 0)
            node.put(1)
            wait_until(lambda: 31 in fields(subscriber.payloads(EVENTS), "seq"))
            delayed = dict(
                zip(
                    fields(subscriber.payloads(EVENTS), "seq"),
                    fields(subscriber.payloads(EVENTS), "delayed"),
                    strict=True,
                )
            )
            assert delayed.pop(31) is False
            assert all(delayed.values())
            assert b'"old"' not in subscriber.payloads(TEXT)
            node.publisher.stop()
    assert node.recorder.summary()["publish"].count == 1


def test_after_an_outage_status_text_and_waiting_events_are_published_anew() -> None:
    port = free_port()
    with running(Node(port)) as node, Subscriber(port, wait=False) as subscriber:
        with EmbeddedBroker(port):
            subscriber.wait_subscribed()
            node.publisher.set_latest(TEXT, b'"text"')
            node.put(5)
            wait_until(lambda: node.pending == 0)
            wait_until(lambda: len(subscriber.payloads(EVENTS)) == 5)
            subscriber.expect_new_subscription()
        wait_until(lambda: not node.publisher.connected)
        node.put(40)
        before = len(subscriber.received)
        with EmbeddedBroker(port):
            subscriber.wait_subscribed()
            wait_until(lambda: node.pending == 0)
            wait_until(lambda: {STATUS, TEXT} <= {message.topic for message in subscriber.received[before:]})
            assert node.publisher.connects == 2
            node.publisher.stop()
    assert node.outbox.counts().sent == 45


def test_a_broker_that_chokes_on_mqtt_5_is_spoken_to_in_3_1_1(monkeypatch: pytest.MonkeyPatch) -> None:
    # amqtt misreads the last will of MQTT 5 and waits for more.
    monkeypatch.setitem(mqtt_connect.ANSWER_TIMEOUT_S, MqttVersion.V5, 0.3)
    with EmbeddedBroker() as broker, running(Node(broker.port, MqttVersion.V5)) as node:
        node.put(3)
        wait_until(lambda: node.pending == 0)


# -- versions


@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param(b"\x20\x02\x00\x01", id="an answer of MQTT 3.1.1"),
        pytest.param(b"\x20\x03\x00\x84\x00", id="an answer of MQTT 5"),
        pytest.param(None, id="it hangs up"),
    ],
)
def test_a_broker_that_refuses_mqtt_5_is_spoken_to_in_3_1_1(refusal: bytes | None) -> None:
    script = Script(answer=lambda level: refusal if level == 5 else ACCEPT_311)
    with ScriptedBroker(script) as broker, running(Node(broker.port, MqttVersion.V5)) as node:
        node.put(3)
        wait_until(lambda: node.pending == 0)
        assert broker.levels == [5, 4]


def test_mqtt_5_comes_first_with_content_type_and_user_properties() -> None:
    with ScriptedBroker() as broker, running(Node(broker.port, MqttVersion.V5)) as node:
        node.put()
        wait_until(lambda: node.pending == 0)
        assert broker.levels == [5]
        sent = next(body for body in broker.raw if EVENTS.encode() in body)
        for part in (b"application/json", b"edge-ocr.event/1", b"boot-1"):
            assert part in sent


# -- refusals


@pytest.mark.parametrize(
    ("version", "answer"),
    [
        pytest.param(MqttVersion.V5, b"\x20\x03\x00\x86\x00", id="MQTT 5"),
        pytest.param(MqttVersion.V311, b"\x20\x02\x00\x05", id="MQTT 3.1.1"),
    ],
)
def test_a_wrong_password_is_tried_again_and_said_once(
    version: MqttVersion, answer: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    node_config: dict[str, Any] = {"username": "kiosk", "password": "secret-word"}
    with caplog.at_level(logging.INFO), ScriptedBroker(Script(answer=lambda level: answer)) as broker:
        with running(Node(broker.port, version, **node_config)):
            wait_until(lambda: len(broker.levels) >= 5)
        assert any(b"secret-word" in body for body in broker.raw)
    said = [record.getMessage() for record in caplog.records if "refused" in record.getMessage()]
    assert len(said) == 1
    assert "check username and password" in said[0]
    assert "secret-word" not in caplog.text


def test_a_password_file_is_read_anew_for_every_attempt(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "password"
    file.write_text("old-word\n")
    script = Script(answer=lambda level: b"\x20\x02\x00\x05")
    with ScriptedBroker(script) as broker, running(Node(broker.port, username="kiosk", password_file=file)) as node:
        wait_until(lambda: any(b"old-word" in body for body in broker.raw))
        file.unlink()
        wait_until(lambda: f"mqtt.password_file: {file}: No such file" in caplog.text)
        file.write_text("new-word")
        wait_until(lambda: any(b"new-word" in body for body in broker.raw))
        broker.script.answer = lambda level: ACCEPT_311
        wait_until(lambda: node.publisher.connected)


def test_an_event_that_the_broker_will_not_take_is_dropped_and_counted() -> None:
    with ScriptedBroker(Script(refusal=0x87)) as broker, running(Node(broker.port, MqttVersion.V5)) as node:
        node.put(2)
        wait_until(lambda: node.pending == 0)
        assert node.outbox.counts().dropped == {"refused": 2}


def test_no_broker_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), running(Node(free_port())) as node:
        draws: list[float] = []
        node.publisher._backoff = Backoff(lambda: draws.append(0.01) or 0.01)  # type: ignore[func-returns-value]
        wait_until(lambda: len(draws) > 5)
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == [
        "cannot connect: connection refused"
    ]


# -- errors of our own


def test_an_exception_in_a_callback_is_logged_counted_and_the_client_started_anew(
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls: list[str] = []

    def fail_once(message: Received) -> None:
        calls.append(message.topic)
        if len(calls) == 1:
            raise RuntimeError("a mistake of ours")

    with (
        EmbeddedBroker() as broker,
        Subscriber(broker.port) as talker,
        running(Node(broker.port, subscriptions=("to/us",), on_received=fail_once)) as node,
    ):
        wait_until(lambda: talker.publish("to/us") and node.publisher.faults)
        wait_until(lambda: talker.publish("to/us") and len(calls) > 1)
        node.put(3)
        wait_until(lambda: node.pending == 0)
        assert node.publisher.faults == 1
    assert "a mistake of ours" in caplog.text
    assert "connection lost: unexpected error (RuntimeError)" in caplog.text


def test_a_packet_that_the_library_chokes_on_ends_the_connection_not_the_client() -> None:
    cut_off_ack = b"\x40\x01\x00"
    script = Script(after_connect=lambda n: cut_off_ack if n == 1 else b"")
    with ScriptedBroker(script) as broker, running(Node(broker.port)) as node:
        wait_until(lambda: len(broker.levels) == 2 and node.publisher.connected)
        node.put()
        wait_until(lambda: node.pending == 0)
        assert node.conflicts == []


def test_an_exception_of_the_outbox_costs_the_connection_not_the_publisher(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(MemoryOutbox):
        n_failures = 1

        def acknowledge(self, key: int) -> None:
            if self.n_failures:
                self.n_failures -= 1
                raise OSError("the disk is gone")
            super().acknowledge(key)

    with ScriptedBroker() as broker, running(Node(broker.port, outbox=Failing())) as node:
        node.put(3)
        wait_until(lambda: node.pending == 0)
        assert node.publisher.faults == 1
    assert "the disk is gone" in caplog.text


# -- acknowledgements


def test_a_broker_that_acknowledges_no_more_is_left_and_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(publisher_module, "ACK_TIMEOUT_S", 0.2)
    with ScriptedBroker(Script(acknowledges=False)) as broker, running(Node(broker.port)) as node:
        node.put(3)
        wait_until(lambda: len(broker.levels) >= 3)
        broker.script.acknowledges = True
        wait_until(lambda: node.pending == 0)
        assert node.conflicts == []
    assert "no acknowledgement for" in caplog.text


def test_connections_that_ended_leave_no_open_files_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Rivalry, "NEWCOMER_LIMIT", 1000)
    with no_garbage_collection():
        n_before = n_open_files()
        with ScriptedBroker() as broker, running(Node(broker.port)) as node:
            wait_until(lambda: node.publisher.connected)
            for _ in range(10):
                gone = node.publisher._link
                broker.hang_up()
                wait_until(lambda: node.publisher._link not in {None, gone})  # noqa: B023
            # Ours, the broker's end of it, and two of paho's; and the connection before, whose thread may still end.
            wait_until(lambda: n_open_files() <= n_before + 9)


def test_what_passes_waits_in_bounds_and_goes_nowhere_without_a_broker() -> None:
    note = Publication("to/somebody", b"{}", 0, retain=False)
    assert Node(free_port()).publisher.send(note) is False
    with ScriptedBroker(Script(acknowledges=False)) as broker, running(Node(broker.port)) as node:
        wait_until(lambda: node.publisher.connected)
        node.put(WINDOW)
        wait_until(lambda: len(broker.unacknowledged) == WINDOW)
        taken = [node.publisher.send(note) for _ in range(2 * MAX_PASSING)]
        assert taken == [True] * MAX_PASSING + [False] * MAX_PASSING
        broker.script.acknowledges = True
        broker.acknowledge_all()
        wait_until(lambda: sum(message.topic == "to/somebody" for message in broker.published) == MAX_PASSING)


def test_no_more_than_the_window_is_in_flight() -> None:
    with ScriptedBroker(Script(acknowledges=False)) as broker, running(Node(broker.port)) as node:
        node.put(100)
        wait_until(lambda: len(broker.unacknowledged) == WINDOW)
        assert node.pending == 100
        while node.pending:
            assert len(broker.unacknowledged) <= WINDOW
            broker.acknowledge_all()
        sent = [message.payload for message in broker.published if message.topic == EVENTS]
        assert fields(sent, "seq") == list(range(1, 101))
        broker.script.acknowledges = True
        broker.acknowledge_all()


def test_a_broker_that_wants_fewer_in_flight_gets_fewer() -> None:
    script = Script(answer=lambda level: b"\x20\x06\x00\x00\x03\x21\x00\x04", acknowledges=False)
    with ScriptedBroker(script) as broker, running(Node(broker.port, MqttVersion.V5)) as node:
        node.put(10)
        while node.pending:
            wait_until(lambda: broker.unacknowledged or not node.pending)
            assert len(broker.unacknowledged) <= 4
            broker.acknowledge_all()
        broker.script.acknowledges = True


def test_what_was_not_acknowledged_is_sent_again_on_the_next_connection() -> None:
    with ScriptedBroker(Script(acknowledges=False)) as broker, running(Node(broker.port)) as node:
        wait_until(lambda: node.publisher.connected)
        node.put(5)
        wait_until(lambda: sum(message.topic == EVENTS for message in broker.published) == 5)
        broker.script.acknowledges = True
        broker.hang_up()
        wait_until(lambda: node.pending == 0)
        sent = [message.payload for message in broker.published if message.topic == EVENTS]
        assert fields(sent, "seq") == [1, 2, 3, 4, 5] * 2
        assert fields(sent, "delayed") == [False] * 5 + [True] * 5


def test_events_that_the_disk_hides_for_a_time_are_sent_when_they_can_be_read_again() -> None:
    class Hiding(MemoryOutbox):
        n_hidden = 2

        def peek(self, limit: int) -> list[StoredMessage]:
            return super().peek(limit + self.n_hidden)[self.n_hidden :]

    outbox = Hiding()
    with ScriptedBroker() as broker, running(Node(broker.port, outbox=outbox)) as node:
        node.put(3)
        wait_until(lambda: node.pending == 2)
        outbox.n_hidden = 0
        node.put()
        wait_until(lambda: node.pending == 0)
        assert node.publisher.connects == 1


# -- stopping


def test_stop_sends_what_is_left_says_stopped_last_and_takes_its_leave() -> None:
    with ScriptedBroker() as broker:
        node = Node(broker.port)
        node.publisher.start()
        wait_until(lambda: node.publisher.connected)
        node.put(200)
        assert node.publisher.stop() is True
        assert broker.published[-1].payload == STOPPED
        assert sum(message.topic == EVENTS for message in broker.published) == 200
        wait_until(lambda: broker.goodbyes == 1)


def test_stop_does_not_wait_for_ever_for_acknowledgements(caplog: pytest.LogCaptureFixture) -> None:
    with ScriptedBroker(Script(acknowledges=False)) as broker:
        node = Node(broker.port)
        node.publisher.start()
        wait_until(lambda: node.publisher.connected)
        node.put(3)
        assert node.publisher.stop(1.5) is False
        assert broker.published[-1].payload == STOPPED
        assert broker.goodbyes == 0  # so the last will tells the truth
    assert "3 events that the broker did not acknowledge" in caplog.text


def test_stop_without_a_broker_returns() -> None:
    node = Node(free_port())
    node.publisher.start()
    node.put()
    assert node.publisher.stop() is False


# -- two nodes with one id


def test_a_session_taken_over_soon_after_its_start_ends_the_newcomer(caplog: pytest.LogCaptureFixture) -> None:
    script = Script(after_connect=lambda n: TAKEN_OVER)
    with caplog.at_level(logging.INFO), ScriptedBroker(script) as broker:
        node = Node(broker.port, MqttVersion.V5)
        node.publisher.start()
        wait_until(lambda: node.conflicts)
        node.publisher.stop()
        assert len(broker.levels) == 1
    assert "another client uses the id 'edge-ocr-n'" in node.conflicts[0]


def test_the_owner_takes_a_session_that_stood_for_long_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Rivalry, "YOUNG_S", 0.0)
    script = Script(after_connect=lambda n: TAKEN_OVER if n == 1 else b"")
    with ScriptedBroker(script) as broker, running(Node(broker.port, MqttVersion.V5)) as node:
        node.put()
        wait_until(lambda: len(broker.levels) == 2 and node.pending == 0)
        assert node.conflicts == []


def test_sessions_that_are_closed_again_and_again_end_the_newcomer() -> None:
    with ScriptedBroker(Script(after_connect=lambda n: HANG_UP)) as broker:
        node = Node(broker.port)
        node.publisher.start()
        wait_until(lambda: node.conflicts)
        node.publisher.stop()
        assert len(broker.levels) == Rivalry.NEWCOMER_LIMIT


def test_a_connection_that_was_given_up_may_throw_us_out_once() -> None:
    rivalry = Rivalry()
    rivalry.is_silent()
    assert not rivalry.is_lost(lasted_s=1, taken_over=True)
    assert rivalry.is_lost(lasted_s=1, taken_over=True)


def test_a_rivalry_is_told_from_outages() -> None:
    rivalry = Rivalry()
    for _ in range(20):
        assert not rivalry.is_lost(lasted_s=1, taken_over=False)
        rivalry.is_outage()
    assert not rivalry.is_lost(lasted_s=3600, taken_over=False)
    assert [rivalry.is_lost(lasted_s=1, taken_over=False) for _ in range(8)] == [False] * 7 + [True]


# -- TLS


def test_a_certificate_that_is_none_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    for name in ("ca.pem", "missing.pem"):
        config = MqttConfig(url="mqtts://127.0.0.1", ca_file=tmp_path / name)
        with pytest.raises(ConfigError, match=name):
            Publisher(config, MemoryOutbox(), PRESENCE, client_id="x")


# paho leaves a socket open when the handshake fails.
@pytest.mark.filterwarnings("ignore:.*unclosed.*SSLSocket:ResourceWarning")
@needs_openssl
def test_tls_trusts_the_configured_ca_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test"
    extra = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command.split(), *extra], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with ScriptedBroker() as broker, tls_front(context, broker.port) as port:
        for trusted in (None, certificate):
            node = Node(1)
            config = MqttConfig(url=f"mqtts://127.0.0.1:{port}", ca_file=trusted)
            publisher = Publisher(config, node.outbox, PRESENCE, client_id="x", backoff=Backoff(lambda: 0.02))
            publisher.start()
            if trusted is None:
                wait_until(lambda: "the broker's certificate is not trusted" in caplog.text)
                assert not broker.levels
            else:
                wait_until(lambda: publisher.connected)  # noqa: B023
            publisher.stop()
    assert caplog.text.count("not trusted") == 1


@contextmanager
def tls_front(context: ssl.SSLContext, port: int) -> Iterator[int]:
    """A port that takes TLS off and passes on to `port`."""
    server = socket.create_server(("127.0.0.1", 0))

    def copy(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(4096):
                sink.sendall(data)
        except OSError:
            pass
        finally:
            for each in (source, sink):
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def serve() -> None:
        while True:
            try:
                outer, _ = server.accept()
            except OSError:
                return
            try:
                client = context.wrap_socket(outer, server_side=True)
            except OSError:
                outer.close()
                continue
            inner = socket.create_connection(("127.0.0.1", port))
            back = threading.Thread(target=copy, args=(inner, client), daemon=True)
            back.start()
            copy(client, inner)
            back.join()
            client.close()
            inner.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()
