"""The connection that frames and their answers take: MQTT 5 only, made again whenever it ends.

    connect -> subscribe -> announce -> messages in and out -> ...

Shared subscriptions, expiry, response topic and correlation data need MQTT 5; a broker without it is refused in one
line. The connection is apart from the publisher's, so that a large frame never stands before an event.
"""

import logging
import random
import ssl
import threading
import time
from collections.abc import Callable

from edge_ocr.errors import PublishError
from runtime.backoff import Backoff
from runtime.config.kiosk import MqttConfig
from runtime.mqtt.rivalry import Rivalry
from runtime.mqtt.session import CONNECT_TIMEOUT_S, tls_context
from runtime.offload.client import (
    Accepted,
    Acknowledged,
    Closed,
    Delivery,
    LinkClient,
    LinkMessage,
    Refused,
    Signal,
    Stop,
    Subscribed,
)

logger = logging.getLogger(__name__)

ANSWER_TIMEOUT_S = 5.0
"""For the broker's answers to CONNECT and SUBSCRIBE."""
OLDER_AFTER = 2
"""So many times a broker has to answer MQTT 3.1.1 where it is silent in 5, to count as one that does not speak 5."""
OTHER_BROKERS = "use mosquitto 2, EMQX or HiveMQ"


class Link:
    """Keeps one connection to the broker; everything may be called from any thread."""

    def __init__(
        self,
        config: MqttConfig,
        *,
        client_id: str,
        topic_filter: str,
        on_message: Callable[[Delivery], None],
        on_give_up: Callable[[PublishError], None],
        announcement: LinkMessage | None = None,
        will: LinkMessage | None = None,
        one_at_a_time: bool = False,
        backoff: Backoff | None = None,
    ) -> None:
        """A link that is not connected yet.

        Args:
            config: The broker.
            client_id: Our id at the broker.
            topic_filter: What to subscribe to.
            on_message: Called with every message, from the network thread: be short.
            on_give_up: Called once when the broker cannot be used at all.
            announcement: Published on every connect.
            will: Published by the broker when the connection breaks.
            one_at_a_time: The broker sends a message only when the one before was acknowledged by its `Delivery`.
            backoff: Waits between attempts to connect.

        Raises:
            ConfigError: a certificate or password file cannot be used.
        """
        self._config = config
        self._client_id = client_id
        self._filter = topic_filter
        self._on_message = on_message
        self._on_give_up = on_give_up
        self._announcement = announcement
        self._will = will
        self._one_at_a_time = one_at_a_time
        self._backoff = backoff or Backoff(random.random)
        self._tls: ssl.SSLContext | None = tls_context(config)
        config.read_password()  # so that a missing file is an error now, not a refusal later
        self._client: LinkClient | None = None
        self._ready = threading.Event()
        self._stopping = threading.Event()
        self._gave_up = False
        self._rivalry = Rivalry()
        self._goodbye: LinkMessage | None = None
        self._stop_by_s = 0.0
        self._state = ""
        self._refusal = ""
        self._n_older = 0
        """Attempts in a row to which the broker was silent in MQTT 5, and answered in 3.1.1."""
        self.connects = 0
        """Times the broker accepted the connection and the subscription."""
        self.is_heard = True
        """Whether somebody was subscribed to the newest message that the broker acknowledged."""
        self._thread = threading.Thread(target=self._run, name="offload-link", daemon=True)

    def start(self) -> None:
        """Begin to connect; a broker that is away is waited for."""
        self._thread.start()

    def wait_ready(self, timeout_s: float) -> bool:
        """Wait for the connection; whether it stands. Returns at once when the broker was given up."""
        return self._ready.wait(max(timeout_s, 0.0)) and not self._gave_up

    def publish(self, message: LinkMessage) -> None:
        """Hand a message to the network thread.

        Raises:
            ConnectionError: there is no connection.
        """
        client = self._client
        if client is None or not self._ready.is_set():
            raise ConnectionError("no connection")
        client.publish(message)

    def stop(self, goodbye: LinkMessage | None = None, timeout_s: float = 5.0) -> None:
        """Send what is left, then a last message, wait for its acknowledgement, disconnect; `timeout_s` at most."""
        self._goodbye, self._stop_by_s = goodbye, time.monotonic() + timeout_s
        self._stopping.set()
        client = self._client
        if client is not None:
            client.signals.put(Stop())
        if self._thread.is_alive():
            self._thread.join(timeout_s + CONNECT_TIMEOUT_S)

    # -- the link's thread

    def _run(self) -> None:
        while not self._stopping.is_set():
            client = self._client = self._make_client(is_5=True)
            try:
                self._hold(client)
            except ConnectionError as error:
                self._say(f"connection lost: {error}")
            except Exception:
                logger.exception("frames: unexpected error; connecting anew")
            finally:
                self._ready.clear()
                client.abort()
            self._stopping.wait(self._backoff.next_s())
        if self._gave_up:
            self._ready.set()

    def _hold(self, client: LinkClient) -> None:
        """Connect, and stay until the connection ends or we are told to stop."""
        if not self._connect(client) or not self._subscribe(client):
            return
        since_s = time.monotonic()
        self.connects += 1
        self._backoff.reset()
        if self._announcement is not None:
            client.publish(self._announcement)
        self._ready.set()
        self._say("connected", level=logging.INFO)
        while not self._stopping.is_set():
            match client.next_signal(60.0):
                case Acknowledged() as signal:
                    self._acknowledged(signal)
                case Closed() as signal:
                    self._ready.clear()
                    self._closed(signal, time.monotonic() - since_s)
                    return
        self._take_leave(client)

    def _connect(self, client: LinkClient) -> bool:
        try:
            client.open()
        except OSError as error:
            self._rivalry.is_outage()
            self._say(f"cannot connect: {(error.strerror or str(error) or type(error).__name__).lower()}")
            return False
        answer = client.next_signal(ANSWER_TIMEOUT_S)
        match answer:
            case Accepted():
                self._n_older = 0
                return True
            case Refused(wrong_version=False):
                self._say(f"the broker refused the connection: {answer.reason}")
            case Stop():
                pass
            case _:
                self._misunderstood(answer)
        return False

    def _misunderstood(self, answer: Signal | None) -> None:
        """It refused MQTT 5, hung up on it or did not answer: give up if it speaks MQTT 3.1.1 only.

        Silence alone says little: a broker that goes on after it was frozen answers the next attempt, whatever its
        version. So it has to be silent to the one and answer to the other more than once, and never to have spoken 5.
        """
        is_older = not self.connects and not isinstance(answer, Refused) and self._speaks_311()
        self._n_older = self._n_older + 1 if is_older else 0
        if isinstance(answer, Refused) or self._n_older >= OLDER_AFTER:
            self._give_up(f"does not speak MQTT 5, which frames for workers need; {OTHER_BROKERS}")
        else:
            self._say("the broker accepts the connection but does not answer in MQTT")

    def _speaks_311(self) -> bool:
        client = self._make_client(is_5=False)
        try:
            client.open()
            return isinstance(client.next_signal(ANSWER_TIMEOUT_S), Accepted | Refused)
        except OSError:
            return False
        finally:
            client.close()
            client.abort()

    def _subscribe(self, client: LinkClient) -> bool:
        client.subscribe(self._filter)
        answer = client.next_signal(ANSWER_TIMEOUT_S)
        match answer:
            case Subscribed(refusal=None):
                return True
            case Subscribed(refusal="Shared subscriptions not supported"):
                self._give_up(f"has no shared subscriptions, which workers need; {OTHER_BROKERS}")
            case Subscribed():
                self._say(f"no subscription to {self._filter}: {answer.refusal}; check what the user may read")
            case Stop():
                pass
            case _:
                self._say("the broker does not answer a subscription")
        return False

    def _acknowledged(self, signal: Acknowledged) -> None:
        """The broker has (or will not take) a message."""
        self.is_heard = signal.is_heard
        if (signal.refusal or "") != self._refusal:
            self._refusal = signal.refusal or ""
            if signal.refusal is not None:
                logger.warning(
                    "broker %s, for frames: messages are refused: %s; check what the user may publish",
                    self._where,
                    signal.refusal,
                )

    def _closed(self, signal: Closed, lasted_s: float) -> None:
        if self._rivalry.is_lost(lasted_s=lasted_s, taken_over=signal.taken_over):
            self._give_up(f"another client uses the id '{self._client_id}'; give each a name of its own")
        else:
            self._say(f"connection lost: {signal.reason}")

    def _take_leave(self, client: LinkClient) -> None:
        """Say goodbye; its acknowledgement says that all before it arrived too."""
        self._ready.clear()
        mid = None if self._goodbye is None else client.publish(self._goodbye)
        if mid is None:
            client.close()
        while (remaining_s := self._stop_by_s - time.monotonic()) > 0:
            match client.next_signal(remaining_s):
                case Acknowledged(mid=acknowledged) if acknowledged == mid:
                    client.close()
                case Closed():
                    return

    # -- helpers of the thread

    def _make_client(self, *, is_5: bool) -> LinkClient:
        return LinkClient(
            self._config,
            client_id=self._client_id,
            on_message=self._on_message,
            will=self._will if is_5 else None,
            tls=self._tls,
            one_at_a_time=self._one_at_a_time and is_5,
            is_5=is_5,
        )

    def _give_up(self, reason: str) -> None:
        self._gave_up = True
        self._stopping.set()
        self._on_give_up(PublishError(f"broker {self._where}: {reason}"))

    def _say(self, state: str, *, level: int = logging.WARNING) -> None:
        """Log a change of state, once."""
        if state != self._state:
            self._state = state
            logger.log(level, "broker %s, for frames: %s", self._where, state)

    @property
    def _where(self) -> str:
        return f"{self._config.host}:{self._config.port}"
