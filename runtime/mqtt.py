"""The publisher: one thread that takes events from the outbox to the broker, and keeps at it.

    connect -> announce -> send the latest values -> send events, oldest first -> wait for acknowledgements -> ...

An event leaves the outbox when the broker has acknowledged it, not before. Status, text and metrics are latest values:
the newest is kept here and published anew on every connect.
"""

import logging
import random
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue

from runtime.backoff import Backoff
from runtime.config import MqttConfig
from runtime.events import mark_delayed
from runtime.latency import LatencyRecorder
from runtime.mqtt_session import (
    Accepted,
    Acknowledged,
    Closed,
    MqttVersion,
    Publication,
    Refused,
    Session,
    Signal,
    Wake,
    tls_context,
)
from runtime.outbox import Outbox, StoredMessage

logger = logging.getLogger(__name__)

ANSWER_TIMEOUT_S = {MqttVersion.V5: 3.0, MqttVersion.V311: 10.0}
"""For the broker's answer to CONNECT. Some brokers misread a CONNECT of MQTT 5 and never answer it."""
GOODBYE_S = 1.0
"""Kept of the time to stop for announcing that we stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """What the node says about itself, ready to be sent."""

    topic: str
    online: bytes
    offline: bytes
    """The last will."""
    stopped: bytes
    boot_id: str


class Rivalry:
    """Tells from how sessions end that another client uses our id; of two, the one that came later has to go.

    MQTT 5 says so. There, a session that stood for long belongs to the rightful owner, who takes it back. MQTT 3.1.1
    just closes the connection: several sessions in a row that were accepted and soon closed are the sign.
    """

    YOUNG_S = 30.0
    """A session that was taken over before this age belongs to the newcomer."""
    SHORT_S = 10.0
    """Sessions that end before this age look like a rivalry."""
    NEWCOMER_LIMIT = 4
    OWNER_LIMIT = 8

    def __init__(self) -> None:
        self._n_short = 0
        self._is_owner = False

    def is_lost(self, *, lasted_s: float, taken_over: bool) -> bool:
        """Take in the end of an accepted session; whether to give up."""
        self._is_owner |= lasted_s >= self.YOUNG_S
        if taken_over:
            return lasted_s < self.YOUNG_S
        self._n_short = self._n_short + 1 if lasted_s < self.SHORT_S else 0
        return self._n_short >= (self.OWNER_LIMIT if self._is_owner else self.NEWCOMER_LIMIT)

    def is_outage(self) -> None:
        """There was no broker to connect to: then that is why sessions ended."""
        self._n_short = 0


@dataclass(slots=True)
class _Link:
    """The accepted session and what is under way on it."""

    session: Session
    window: int
    since_s: float
    in_flight: dict[int, StoredMessage | None]
    """By message id; None for what is not from the outbox."""
    unsent: dict[str, Publication]
    """Latest values that this session has not got yet, by topic."""
    last_key: int = 0
    """Key of the newest event sent on it."""


class Publisher:
    """Sends events and latest values; start, stop and everything else may be called from any thread."""

    def __init__(
        self,
        config: MqttConfig,
        outbox: Outbox,
        presence: Presence,
        *,
        client_id: str,
        recorder: LatencyRecorder | None = None,
        on_conflict: Callable[[str], None] = lambda reason: None,
        backoff: Backoff | None = None,
        version: MqttVersion = MqttVersion.V5,
    ) -> None:
        """A publisher that is not connected yet.

        Args:
            config: The broker.
            outbox: Where events come from.
            presence: The node's status in its three states.
            client_id: Our id at the broker, one a node.
            recorder: Gets `publish` (commit to acknowledgement) and `capture_to_publish`, except for events that had
                to wait for the broker to come back.
            on_conflict: Called once, from the publisher's thread, when another client uses our id and we gave up.
            backoff: Waits between attempts to connect.
            version: The version of MQTT to try first.

        Raises:
            ConfigError: a certificate or password file cannot be used.
        """
        self._config = config
        self._outbox = outbox
        self._presence = presence
        self._client_id = client_id
        self._recorder = recorder
        self._on_conflict = on_conflict
        self._backoff = backoff or Backoff(random.random)
        self._tls: ssl.SSLContext | None = tls_context(config)
        config.read_password()  # so that a missing file is an error now, not a refusal later
        self._inbox: SimpleQueue[Signal] = SimpleQueue()
        self._lock = threading.Lock()
        self._latest: dict[str, Publication] = {}
        self._link: _Link | None = None
        self._version = version
        self._rivalry = Rivalry()
        self._n_connects = 0
        self._stop_by_s: float | None = None
        self._said_stopped = False
        self._gave_up = False
        self._state = ""
        self.turned_s = time.monotonic()
        """When our thread last looked for something to do."""
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    # -- for the appliance

    def start(self) -> None:
        """Begin to connect; a broker that is away is waited for."""
        self._thread.start()

    def wake(self) -> None:
        """Tell the publisher that the outbox has something new."""
        self._inbox.put(Wake())

    def set_latest(self, topic: str, payload: bytes, *, qos: int = 1) -> None:
        """Publish a retained value: now, and anew on every connect, until the next value for the topic."""
        publication = self._publication(topic, payload, qos=qos, retain=True)
        with self._lock:
            self._latest[topic] = publication
            if self._link is not None:
                self._link.unsent[topic] = publication
        self.wake()

    def stop(self, timeout_s: float = 5.0) -> bool:
        """Send what is left, announce `stopped`, disconnect.

        Returns:
            Whether the broker acknowledged all of it within `timeout_s`.
        """
        self._stop_by_s = time.monotonic() + timeout_s
        self.wake()
        if self._thread.is_alive():
            self._thread.join(timeout_s + GOODBYE_S)
        pending = self._outbox.counts().pending
        if pending:
            logger.warning("stopped with %d events that the broker did not acknowledge", pending)
        return self._said_stopped and not pending

    @property
    def connected(self) -> bool:
        """Whether the broker accepted us and the connection stands."""
        return self._link is not None

    @property
    def connects(self) -> int:
        """Times the broker accepted the connection."""
        return self._n_connects

    # -- the publisher's thread

    def _run(self) -> None:
        while not self._gave_up:
            try:
                link = self._connect()
                if link is not None:
                    self._serve(link)
            except Exception:
                logger.exception("publisher: unexpected error; reconnecting")
            finally:
                self._drop_link()
            if self._stop_by_s is not None:
                return
            self._wait()

    def _connect(self) -> _Link | None:
        """One attempt to get a session, with each version of MQTT if need be; None when the broker cannot be had."""
        self._drain()
        session = self._new_session()
        try:
            session.open()
        except OSError as error:
            self._rivalry.is_outage()
            self._say(f"cannot connect: {_reason(error)}")
            return None
        answer = self._answer(session)
        if isinstance(answer, Accepted):
            return self._accepted(answer)
        session.abort()
        if isinstance(answer, Refused) and not answer.wrong_version:
            self._say(f"the broker refused the connection: {answer.reason}{self._hint(answer.reason)}")
            return None
        # It does not speak this version, or hung up on it, or got stuck in it.
        if self._version is MqttVersion.V5:
            self._version = MqttVersion.V311
            return self._connect()
        self._version = MqttVersion.V5
        self._say("the broker accepts the connection but does not answer in MQTT")
        return None

    def _new_session(self) -> Session:
        will = self._publication(self._presence.topic, self._presence.offline, qos=1, retain=True)
        return Session(
            self._config, self._inbox, client_id=self._client_id, version=self._version, will=will, tls=self._tls
        )

    def _answer(self, session: Session) -> Signal | None:
        """The broker's answer to CONNECT; None when none came."""
        deadline_s = self._bounded(time.monotonic() + ANSWER_TIMEOUT_S[session.version])
        while (remaining_s := deadline_s - time.monotonic()) > 0:
            signal = self._next_signal(remaining_s)
            if isinstance(signal, Accepted | Refused | Closed) and signal.session is session:
                return signal
        return None

    def _accepted(self, answer: Accepted) -> _Link:
        """A connection stands: announce ourselves first, then every latest value."""
        self._backoff.reset()
        self._n_connects += 1
        self._say(f"connected with {answer.session.version.value}", level=logging.INFO)
        online = self._publication(self._presence.topic, self._presence.online, qos=1, retain=True)
        with self._lock:
            unsent = {online.topic: online, **self._latest}
            self._link = _Link(answer.session, answer.window, time.monotonic(), in_flight={}, unsent=unsent)
            return self._link

    def _serve(self, link: _Link) -> None:
        """Send and take acknowledgements until the connection ends or all is done."""
        while True:
            try:
                self._send(link)
                if self._is_finished(link):
                    self._say_goodbye(link)
                    return
            except ConnectionError:
                pass  # its Closed signal says why
            signal = self._next_signal(self._patience_s())
            match signal:
                case Acknowledged(session=link.session):
                    self._acknowledged(link, signal)
                case Closed(session=link.session):
                    self._closed(link, signal)
                    return
            if self._stop_by_s is not None and time.monotonic() > self._stop_by_s:
                link.session.abort()
                return

    def _send(self, link: _Link) -> None:
        """Fill the window: latest values first, then events in order."""
        while len(link.in_flight) < link.window:
            with self._lock:
                topic = next(iter(link.unsent), None)
                latest = link.unsent.pop(topic) if topic is not None else None
            if latest is not None:
                mid = link.session.publish(latest)
                if latest.qos:
                    link.in_flight[mid] = None
                continue
            following = self._outbox.peek(link.last_key, 1)
            if not following:
                return
            stored = following[0]
            try:
                event = self._event(link, stored)
            except ValueError:  # a disk can damage what it keeps
                self._outbox.drop(stored.key, "damaged")
                continue
            link.in_flight[link.session.publish(event)] = stored
            link.last_key = stored.key

    def _event(self, link: _Link, stored: StoredMessage) -> Publication:
        message = stored.message
        payload = mark_delayed(message.payload) if _is_delayed(link, stored) else message.payload
        publication = self._publication(message.topic, payload, qos=1, retain=False)
        return replace(publication, user_properties=(*publication.user_properties, ("schema", "edge-ocr.event/1")))

    def _publication(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> Publication:
        return Publication(topic, payload, qos, retain, user_properties=(("boot_id", self._presence.boot_id),))

    def _acknowledged(self, link: _Link, signal: Acknowledged) -> None:
        """The broker has (or will not take) a message."""
        stored = link.in_flight.pop(signal.mid, None)
        if signal.refusal is not None:
            self._say(f"the broker refuses messages: {signal.refusal}; check what the user may publish")
        if stored is None:
            return
        if signal.refusal is not None:
            self._outbox.drop(stored.key, "refused")
            return
        self._outbox.acknowledge(stored.key)
        if self._recorder is not None and not _is_delayed(link, stored):
            self._recorder.add("publish", (signal.at_s - stored.put_s) * 1e3)
            self._recorder.add("capture_to_publish", (signal.at_s - stored.message.arrival_s) * 1e3)

    def _closed(self, link: _Link, signal: Closed) -> None:
        """The connection ended though we did not want it to."""
        lasted_s = time.monotonic() - link.since_s
        if self._rivalry.is_lost(lasted_s=lasted_s, taken_over=signal.taken_over):
            certainty = "another client uses" if signal.taken_over else "another client probably uses"
            reason = (
                f"{self._where}: {certainty} the id '{self._client_id}'; "
                "give every box its own `node` name. Stopping, so that the two do not throw each other out for ever"
            )
            self._gave_up = True
            self._on_conflict(reason)
            return
        self._say(f"connection lost: {signal.reason}; events wait for the broker")

    def _is_finished(self, link: _Link) -> bool:
        """Whether we are to stop and all is acknowledged, or it is high time to say goodbye."""
        if self._stop_by_s is None:
            return False
        idle = not link.in_flight and not link.unsent and not self._outbox.peek(link.last_key, 1)
        return idle or time.monotonic() > self._stop_by_s - GOODBYE_S

    def _say_goodbye(self, link: _Link) -> None:
        """Announce that we stopped, wait for the acknowledgement, disconnect."""
        assert self._stop_by_s is not None
        session = link.session
        mid = session.publish(self._publication(self._presence.topic, self._presence.stopped, qos=1, retain=True))
        is_closing = False
        while (remaining_s := self._stop_by_s - time.monotonic()) > 0:
            signal = self._next_signal(remaining_s)
            match signal:
                case Acknowledged(session=link.session):
                    self._acknowledged(link, signal)
                    if signal.mid == mid:
                        self._said_stopped = True
                        session.close()
                        is_closing = True
                case Closed(session=link.session):
                    return
        if not is_closing:
            logger.warning("broker %s: no acknowledgement of our goodbye", self._where)
        session.abort()

    # -- helpers of the thread

    def _drop_link(self) -> None:
        with self._lock:
            self._link = None

    def _wait(self) -> None:
        """Back off, unless we are told to stop."""
        if self._gave_up:
            return
        until_s = time.monotonic() + self._backoff.next_s()
        while self._stop_by_s is None and (remaining_s := until_s - time.monotonic()) > 0:
            self._next_signal(remaining_s)

    def _say(self, state: str, *, level: int = logging.WARNING) -> None:
        """Log a change of state, once."""
        if state != self._state:
            self._state = state
            logger.log(level, "broker %s: %s", self._where, state)

    @property
    def _where(self) -> str:
        return f"{self._config.host}:{self._config.port}"

    def _hint(self, reason: str) -> str:
        is_access = reason in {"Not authorized", "Bad user name or password"}
        return "; check username and password under mqtt" if is_access else ""

    def _next_signal(self, timeout_s: float) -> Signal | None:
        self.turned_s = time.monotonic()
        try:
            return self._inbox.get(timeout=max(timeout_s, 0.001))
        except Empty:
            return None

    def _patience_s(self) -> float:
        """How long to wait for a signal; without a deadline everything that matters is one."""
        if self._stop_by_s is None:
            return 60.0
        return max(self._stop_by_s - GOODBYE_S - time.monotonic(), 0.05)

    def _bounded(self, deadline_s: float) -> float:
        return deadline_s if self._stop_by_s is None else min(deadline_s, self._stop_by_s)

    def _drain(self) -> None:
        """Forget signals of sessions that are over."""
        while not self._inbox.empty():
            self._inbox.get()


def _is_delayed(link: _Link, stored: StoredMessage) -> bool:
    """Whether an event had to wait for this connection."""
    return stored.put_s < link.since_s


def _reason(error: OSError) -> str:
    """What went wrong, without errno numbers and OpenSSL's file names."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the broker's certificate is not trusted ({error.verify_message}); set mqtt.ca_file"
    return (error.strerror or str(error) or type(error).__name__).lower()
