"""The publisher: one thread that takes events from the outbox to the broker, and keeps at it.

    connect -> subscribe -> announce -> send the latest values -> send events, oldest first -> wait for
    acknowledgements -> ...

An event leaves the outbox when the broker has acknowledged it, not before. Status, text and metrics are latest values:
the newest is kept here and published anew on every connect.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from runtime.backoff import Backoff
from runtime.config.kiosk import MqttConfig
from runtime.monitoring.latency import LatencyRecorder
from runtime.mqtt.connect import Connector, NoSession
from runtime.mqtt.delivery import Delivery
from runtime.mqtt.link import Link
from runtime.mqtt.messages import (
    Acknowledged,
    Closed,
    MqttVersion,
    Publication,
    Received,
    Signal,
    Subscribed,
    Wake,
)
from runtime.mqtt.rivalry import Rivalry
from runtime.mqtt.session import Session, tls_context
from runtime.spool.outbox import Outbox, StoredMessage

logger = logging.getLogger(__name__)

ACK_TIMEOUT_S = 20.0
"""A broker that does not acknowledge for so long is frozen, or not there any more."""
MAX_WAIT_S = 15.0
"""Between attempts to connect: of a broker that is back, many wait to hear, and an attempt costs little."""
GOODBYE_S = 1.0
"""Kept of the time to stop for announcing that we stopped."""
EVENT_EXPIRY_S = 72 * 3600
"""How long a broker keeps an event for a subscriber that is away: as long as we would."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """What the node says about itself, ready to be sent."""

    topic: str
    online: bytes
    offline: bytes
    """The last will."""
    stopped: bytes
    boot_id: str


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
        subscriptions: Sequence[str] = (),
        on_received: Callable[[Received], None] = lambda message: None,
        backoff: Backoff | None = None,
        version: MqttVersion = MqttVersion.V5,
        event_expiry_s: int = EVENT_EXPIRY_S,
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
            subscriptions: Topic filters to listen to.
            on_received: Gets what comes on them, from a thread of the MQTT library: must be short.
            backoff: Waits between attempts to connect.
            version: The version of MQTT to try first.
            event_expiry_s: How long a broker keeps an event.

        Raises:
            ConfigError: a certificate or password file cannot be used.
        """
        self._config = config
        self._outbox = outbox
        self._presence = presence
        self._client_id = client_id
        self._on_conflict = on_conflict
        self._subscriptions = tuple(subscriptions)
        self._on_received = on_received
        self._backoff = backoff or Backoff(random.random)
        self._delivery = Delivery(outbox, recorder, boot_id=presence.boot_id, event_expiry_s=event_expiry_s)
        # What is missing is an error now, not a refusal later.
        tls_context(config)
        config.read_password()
        self._inbox: SimpleQueue[Signal] = SimpleQueue()
        self._lock = threading.Lock()
        # The status comes first on every connection.
        self._latest = {presence.topic: self._delivery.latest(presence.topic, presence.online)}
        self._link: Link | None = None
        self._rivalry = Rivalry()
        self._connector = Connector(self._new_session, self._next_signal, self._rivalry, version)
        self._n_connects = 0
        self._n_faults = 0
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

    def set_latest(self, topic: str, payload: bytes, *, qos: int = 1, expiry_s: int | None = None) -> None:
        """Publish a retained value: now, and anew on every connect, until the next value for the topic.

        Args:
            topic: Where to; the node's status may be set here too while it is online.
            payload: The value; empty: the broker forgets the one that it has.
            qos: 0 or 1.
            expiry_s: The broker forgets the value after this time, where it speaks MQTT 5.
        """
        publication = self._delivery.latest(topic, payload, qos=qos, expiry_s=expiry_s)
        with self._lock:
            self._latest[topic] = publication
            if self._link is not None:
                self._link.put_latest(publication)
        self.wake()

    def send(self, publication: Publication) -> bool:
        """Send what is worthless later, such as an answer; False when it cannot be sent now."""
        with self._lock:
            is_taken = self._link is not None and self._link.offer(publication)
        self.wake()
        return is_taken

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

    @property
    def faults(self) -> int:
        """Connections that ended by an unexpected error of our own."""
        return self._n_faults

    # -- the publisher's thread

    def _run(self) -> None:
        while not self._gave_up:
            try:
                link = self._connect()
                if link is not None:
                    self._serve(link)
            except Exception:
                self._n_faults += 1
                logger.exception("publisher: unexpected error; connecting anew")
            finally:
                self._drop_link()
            if self._stop_by_s is not None:
                return
            self._wait()

    def _connect(self) -> Link | None:
        """One attempt to get a session and to announce ourselves; None when the broker cannot be had."""
        self._drain()
        answer = self._connector.connect(self._stop_by_s)
        if isinstance(answer, NoSession):
            self._say(answer.reason)
            return None
        self._backoff.reset()
        self._n_connects += 1
        self._say(f"connected with {answer.session.version.value}", level=logging.INFO)
        with self._lock:
            self._link = link = Link(answer, self._outbox, self._event, self._latest)
        return link

    def _new_session(self, version: MqttVersion) -> Session:
        return Session(
            self._config,
            self._inbox,
            client_id=self._client_id,
            version=version,
            will=self._delivery.latest(self._presence.topic, self._presence.offline),
            on_received=self._on_received,
        )

    def _serve(self, link: Link) -> None:
        """Send and take acknowledgements until the connection ends or all is done."""
        is_subscribed = not self._subscriptions
        while True:
            try:
                if not is_subscribed:
                    link.session.subscribe(self._subscriptions)
                    is_subscribed = True
                link.fill()
                if self._is_finished(link):
                    self._say_goodbye(link)
                    return
            except ConnectionError:
                pass  # its Closed signal says why
            signal = self._next_signal(self._patience_s(link))
            if isinstance(signal, Closed) and signal.session is link.session:
                self._closed(link, signal)
                return
            self._take(link, signal)
            if self._is_over(link):
                return

    def _take(self, link: Link, signal: Signal | None) -> None:
        """A signal that does not end the connection."""
        match signal:
            case Acknowledged(session=link.session):
                self._acknowledged(link, signal)
            case Subscribed(session=link.session, refusal=str(refusal)):
                self._say(f"the broker refuses to pass on commands: {refusal}; check what the user may subscribe to")

    def _is_over(self, link: Link) -> bool:
        """Whether to leave the connection: it is silent, or there is no more time to stop."""
        since_s = link.waits_since_s()
        if since_s is not None and time.monotonic() > since_s + ACK_TIMEOUT_S:
            self._rivalry.is_silent()
            self._say(f"connection lost: no acknowledgement for {ACK_TIMEOUT_S:.0f} s; events wait for the broker")
            return True
        return self._stop_by_s is not None and time.monotonic() > self._stop_by_s

    def _event(self, stored: StoredMessage) -> Publication:
        assert self._link is not None
        return self._delivery.event(stored, is_delayed=self._link.is_delayed(stored))

    def _acknowledged(self, link: Link, signal: Acknowledged) -> None:
        if signal.refusal is not None:
            self._say(f"the broker refuses messages: {signal.refusal}; check what the user may publish")
        self._delivery.acknowledged(link, signal)

    def _closed(self, link: Link, signal: Closed) -> None:
        """The connection ended though we did not want it to."""
        if signal.is_fault:
            self._n_faults += 1
            self._rivalry.is_outage()
        elif self._rivalry.is_lost(lasted_s=time.monotonic() - link.since_s, taken_over=signal.taken_over):
            certainty = "another client uses" if signal.taken_over else "another client probably uses"
            reason = (
                f"{self._where}: {certainty} the id '{self._client_id}'; "
                "give every box its own `node` name. Stopping, so that the two do not throw each other out for ever"
            )
            self._gave_up = True
            self._on_conflict(reason)
            return
        self._say(f"connection lost: {signal.reason}; events wait for the broker")

    def _is_finished(self, link: Link) -> bool:
        """Whether we are to stop and all is acknowledged, or it is high time to say goodbye."""
        if self._stop_by_s is None:
            return False
        return link.is_idle() or time.monotonic() > self._stop_by_s - GOODBYE_S

    def _say_goodbye(self, link: Link) -> None:
        """Announce that we stopped, wait for the acknowledgement, disconnect."""
        assert self._stop_by_s is not None
        session = link.session
        mid = session.publish(self._delivery.latest(self._presence.topic, self._presence.stopped))
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

    # -- helpers of the thread

    def _drop_link(self) -> None:
        with self._lock:
            link, self._link = self._link, None
        if link is not None:
            link.session.abort()

    def _wait(self) -> None:
        """Back off, unless we are told to stop."""
        if self._gave_up:
            return
        until_s = time.monotonic() + self._backoff.next_s(MAX_WAIT_S)
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

    def _next_signal(self, timeout_s: float) -> Signal | None:
        self.turned_s = time.monotonic()
        try:
            return self._inbox.get(timeout=max(timeout_s, 0.001))
        except Empty:
            return None

    def _patience_s(self, link: Link) -> float:
        """How long to wait for a signal."""
        now_s = time.monotonic()
        since_s = link.waits_since_s()
        patience_s = 60.0 if since_s is None else since_s + ACK_TIMEOUT_S - now_s
        if self._stop_by_s is not None:
            patience_s = min(patience_s, max(self._stop_by_s - GOODBYE_S - now_s, 0.05))
        return patience_s

    def _drain(self) -> None:
        """Forget signals of sessions that are over."""
        while not self._inbox.empty():
            self._inbox.get()
