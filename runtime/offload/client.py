"""One connection for frames and their answers, from its CONNECT to its end: what paho-mqtt does for `link`.

A client is made for one connection, so nothing that was queued for one turns up on the next. paho's callbacks run on
its network thread; here they put a signal into a queue or hand a message on, and none of them blocks or raises.
"""

import contextlib
import logging
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from runtime.config.kiosk import MqttConfig
from runtime.mqtt.client import WatchedClient, refusal_in, weakly, why_closed
from runtime.mqtt.session import CONNECT_TIMEOUT_S, KEEPALIVE_S

logger = logging.getLogger(__name__)

MAX_PACKET_BYTES = 32 * 2**20
"""The broker keeps larger messages to itself."""
REQUEST = "recognize"
NO_MATCHING_SUBSCRIBERS = 0x10


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkMessage:
    """A message with what MQTT 5 says about it."""

    topic: str
    payload: bytes
    content_type: str | None
    frame_id: bytes | None = None
    """Correlation data."""
    response_topic: str | None = None
    request: str | None = None
    """User property `recognize`: JSON of a `FrameRequest`."""
    expiry_s: int | None = None
    """Seconds after which the broker throws it away; of a message that came, what was left."""
    qos: int = 1
    retain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message that came."""

    message: LinkMessage
    arrival_s: float
    """`time.monotonic()`."""
    acknowledge: Callable[[], None]
    """Tell the broker that the next one may come; does nothing where that is done already or the connection is gone."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The broker accepted the connection."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The broker refused the connection."""

    reason: str
    wrong_version: bool


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The broker answered the subscription."""

    refusal: str | None


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The broker has a message with QoS 1."""

    mid: int
    refusal: str | None
    is_heard: bool
    """Whether somebody was subscribed to it, as far as the broker tells."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The connection ended."""

    reason: str
    taken_over: bool = False


@dataclass(frozen=True, slots=True)
class Stop:
    """We are to end the connection."""


Signal = Accepted | Refused | Subscribed | Acknowledged | Closed | Stop


class LinkClient:
    """One connection; what happens to it arrives in `signals`, what comes over it goes to `on_message`."""

    def __init__(
        self,
        config: MqttConfig,
        *,
        client_id: str,
        on_message: Callable[[Delivery], None],
        will: LinkMessage | None = None,
        tls: ssl.SSLContext | None = None,
        one_at_a_time: bool = False,
        is_5: bool = True,
    ) -> None:
        self.signals: SimpleQueue[Signal] = SimpleQueue()
        self._config = config
        self._on_message = on_message
        self._one_at_a_time = one_at_a_time
        self._is_5 = is_5
        self._client = WatchedClient(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTProtocolVersion.MQTTv5 if is_5 else MQTTProtocolVersion.MQTTv311,
            clean_session=None if is_5 else True,
            reconnect_on_failure=False,
            manual_ack=one_at_a_time,
        )
        self._client.connect_timeout = CONNECT_TIMEOUT_S
        if config.username is not None:
            self._client.username_pw_set(config.username, config.read_password())
        if tls is not None:
            self._client.tls_set_context(tls)
        if will is not None:
            properties = _properties(will, PacketTypes.WILLMESSAGE)
            self._client.will_set(will.topic, will.payload, will.qos, will.retain, properties)
        self._client.on_connect = weakly(self._on_connect)
        self._client.on_subscribe = weakly(self._on_subscribe)
        self._client.on_publish = weakly(self._on_publish)
        self._client.on_disconnect = weakly(self._on_disconnect)
        self._client.on_message = weakly(self._deliver)
        self._client.on_fault = weakly(self._on_fault)

    def open(self) -> None:
        """Connect; `Accepted`, `Refused` or `Closed` tells how it went.

        Raises:
            OSError: there is no broker, or its certificate is not to be trusted.
        """
        properties: Any = None
        if self._is_5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.MaximumPacketSize = MAX_PACKET_BYTES
            if self._one_at_a_time:
                properties.ReceiveMaximum = 1
        try:
            self._client.connect(self._config.host, self._config.port, KEEPALIVE_S, properties=properties)
        except UnicodeError as error:
            raise OSError("not a valid host name") from error
        self._client.loop_start()

    def subscribe(self, topic_filter: str) -> None:
        """Ask for messages with QoS 1; `Subscribed` follows."""
        self._client.subscribe(topic_filter, qos=1)

    def publish(self, message: LinkMessage) -> int:
        """Hand a message to the network thread; the id that its acknowledgement will bear.

        Raises:
            ConnectionError: the connection is gone.
        """
        properties = _properties(message, PacketTypes.PUBLISH)
        info = self._client.publish(message.topic, message.payload, message.qos, message.retain, properties)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise ConnectionError(paho.error_string(info.rc))
        return info.mid

    def next_signal(self, timeout_s: float) -> Signal | None:
        """What happened next; None if nothing did in time."""
        with contextlib.suppress(Empty):
            return self.signals.get(timeout=max(timeout_s, 0.001))
        return None

    def close(self) -> None:
        """Say goodbye, so that the last will is not sent; `Closed` follows."""
        self._client.disconnect()

    def abort(self) -> None:
        """End the connection at once and wait for the network thread; harmless when it ended already."""
        sock: Any = self._client.socket()
        with contextlib.suppress(OSError, AttributeError):
            sock.shutdown(socket.SHUT_RDWR)
        self._client.loop_stop()

    # -- paho's callbacks

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        text = str(reason)
        self.signals.put(Refused(text, text == "Unsupported protocol version") if reason.is_failure else Accepted())

    def _on_subscribe(
        self, client: Any, userdata: Any, mid: int, reasons: Sequence[ReasonCode], properties: Any
    ) -> None:
        self.signals.put(Subscribed(refusal_in(reasons)))

    def _on_publish(self, client: Any, userdata: Any, mid: int, reason: ReasonCode, properties: Any) -> None:
        self.signals.put(Acknowledged(mid, refusal_in([reason]), is_heard=reason.value != NO_MATCHING_SUBSCRIBERS))

    def _on_disconnect(self, client: Any, userdata: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        self.signals.put(Closed(*why_closed(flags, reason)))

    def _on_fault(self, error: Exception) -> None:
        """An exception ended the network thread; paho itself would look connected for ever."""
        logger.error("frames: unexpected error on the network thread; connecting anew", exc_info=error)
        self.signals.put(Closed(f"unexpected error ({type(error).__name__})"))

    def _deliver(self, client: paho.Client, userdata: Any, message: paho.MQTTMessage) -> None:
        mid, qos = message.mid, message.qos

        def acknowledge() -> None:
            if self._one_at_a_time and qos:
                client.ack(mid, qos)

        try:
            delivery = Delivery(message=_link_message(message), arrival_s=time.monotonic(), acknowledge=acknowledge)
            self._on_message(delivery)
        except Exception:
            logger.exception("frames: a message could not be taken in")
            acknowledge()  # or the broker would never send another one


def _link_message(message: paho.MQTTMessage) -> LinkMessage:
    """A message as paho gives it."""
    properties = message.properties
    return LinkMessage(
        topic=message.topic,
        payload=bytes(message.payload),
        content_type=getattr(properties, "ContentType", None),
        frame_id=getattr(properties, "CorrelationData", None),
        response_topic=getattr(properties, "ResponseTopic", None),
        request=dict(getattr(properties, "UserProperty", ())).get(REQUEST),
        expiry_s=getattr(properties, "MessageExpiryInterval", None),
        qos=message.qos,
        retain=message.retain,
    )


def _properties(message: LinkMessage, packet: int) -> Properties:
    properties: Any = Properties(packet)  # type: ignore[no-untyped-call]  # attributes are made at run time
    if message.content_type is not None:
        properties.ContentType = message.content_type
    if message.frame_id is not None:
        properties.CorrelationData = message.frame_id
    if message.response_topic is not None:
        properties.ResponseTopic = message.response_topic
    if message.request is not None:
        properties.UserProperty = [(REQUEST, message.request)]
    if message.expiry_s is not None:
        properties.MessageExpiryInterval = message.expiry_s
    assert isinstance(properties, Properties)
    return properties
