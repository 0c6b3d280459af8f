"""One connection to the broker, from its CONNECT to its end: what paho-mqtt does for the publisher.

A session never reconnects and is never used again: whoever wants another connection makes another session. So nothing
that paho queued for one connection can turn up on the next, and every acknowledgement belongs to one session.
paho's callbacks run on its network thread; here they only put a signal into a queue, or hand a message on.
"""

import contextlib
import logging
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge_ocr.errors import ConfigError
from runtime.config.kiosk import MqttConfig
from runtime.mqtt.client import WatchedClient, refusal_in, weakly, why_closed
from runtime.mqtt.messages import (
    JPEG,
    Accepted,
    Acknowledged,
    Closed,
    MqttVersion,
    Publication,
    Received,
    Refused,
    Signal,
    Subscribed,
)

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 5.0
"""For the TCP connection."""
KEEPALIVE_S = 15
"""A broker that froze is noticed after about twice this time; it bounds the TLS handshake too."""
WINDOW = 20
"""Messages in flight at once, unless the broker wants fewer."""
WILL_DELAY_S = 5
"""MQTT 5: the broker waits so long with our last will, so that a short break is not announced as an absence."""
SESSION_EXPIRY_S = 60
"""MQTT 5: commands that come while we are away wait so long at the broker. Must exceed the delay of the will, which is
published at the end of the session at the latest (MQTT 5.0, section 3.1.3.2.2)."""
MAX_PACKET_BYTES = 65_536
"""MQTT 5: the broker keeps larger messages to itself; a command is far smaller."""


class Session:
    """One connection; what happens to it arrives as signals in `inbox`."""

    def __init__(
        self,
        config: MqttConfig,
        inbox: "SimpleQueue[Signal]",
        *,
        client_id: str,
        version: MqttVersion,
        will: Publication,
        on_received: Callable[[Received], None] = lambda message: None,
    ) -> None:
        """A session that is not connected yet; reads password and certificates, so that new ones count.

        Args:
            config: The broker.
            inbox: Where signals go.
            client_id: Our id at the broker.
            version: The version of MQTT to speak.
            will: What the broker publishes when we vanish.
            on_received: Gets what we subscribed to, on the network thread: must be short.

        Raises:
            ConfigError: a certificate or password file cannot be used.
        """
        self.version = version
        self._config = config
        self._inbox = inbox
        self._on_received = on_received
        self._client = WatchedClient(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTProtocolVersion.MQTTv5 if self._speaks_5 else MQTTProtocolVersion.MQTTv311,
            clean_session=None if self._speaks_5 else True,
            reconnect_on_failure=False,
        )
        self._client.connect_timeout = CONNECT_TIMEOUT_S
        self._client.max_inflight_messages_set(WINDOW)
        if config.username is not None:
            self._client.username_pw_set(config.username, config.read_password())
        tls = tls_context(config)
        if tls is not None:
            self._client.tls_set_context(tls)
        self._client.will_set(will.topic, will.payload, will.qos, will.retain, self._will_properties(will))
        self._client.on_connect = weakly(self._on_connect)
        self._client.on_publish = weakly(self._on_publish)
        self._client.on_subscribe = weakly(self._on_subscribe)
        self._client.on_message = weakly(self._on_message)
        self._client.on_disconnect = weakly(self._on_disconnect)
        self._client.on_fault = weakly(self._on_fault)

    def open(self) -> None:
        """Connect; `Accepted`, `Refused` or `Closed` tells how it went.

        Raises:
            OSError: there is no broker, or its certificate is not to be trusted.
        """
        options: dict[str, Any] = {}
        if self._speaks_5:
            # Not a clean start: a session that is taken up again keeps its will to itself.
            properties = _properties(PacketTypes.CONNECT, SessionExpiryInterval=SESSION_EXPIRY_S)
            properties.MaximumPacketSize = MAX_PACKET_BYTES
            options = {"clean_start": False, "properties": properties}
        try:
            self._client.connect(self._config.host, self._config.port, keepalive=KEEPALIVE_S, **options)
        except UnicodeError as error:
            raise OSError("not a valid host name") from error
        self._client.loop_start()

    def subscribe(self, filters: Sequence[str]) -> None:
        """Ask for messages; `Subscribed` tells whether the broker agrees.

        Raises:
            ConnectionError: the connection is gone.
        """
        if self._speaks_5:
            # Retain as published, so that a retained command is known for one even when it is fresh.
            options = SubscribeOptions(qos=1, noLocal=True, retainAsPublished=True)
            code, _ = self._client.subscribe([(each, options) for each in filters])
        else:
            code, _ = self._client.subscribe([(each, 1) for each in filters])
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise ConnectionError(paho.error_string(code))

    def publish(self, publication: Publication) -> int:
        """Hand a message to the network thread; the id that its acknowledgement will bear.

        Raises:
            ConnectionError: the connection is gone.
        """
        info = self._client.publish(
            publication.topic,
            publication.payload,
            publication.qos,
            publication.retain,
            self._publish_properties(publication, PacketTypes.PUBLISH),
        )
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise ConnectionError(paho.error_string(info.rc))
        return info.mid

    def close(self) -> None:
        """Say goodbye, so that the last will is not sent and nothing waits for us; `Closed` follows."""
        properties = _properties(PacketTypes.DISCONNECT, SessionExpiryInterval=0) if self._speaks_5 else None
        self._client.disconnect(properties=properties)

    def abort(self) -> None:
        """End the connection at once, without a goodbye; harmless when it ended already."""
        sock: Any = self._client.socket()
        with contextlib.suppress(OSError, AttributeError):
            sock.shutdown(socket.SHUT_RDWR)

    @property
    def _speaks_5(self) -> bool:
        return self.version is MqttVersion.V5

    def _publish_properties(self, publication: Publication, packet: int) -> Any:
        """What MQTT 5 says about a message beside the message; None before MQTT 5."""
        if not self._speaks_5:
            return None
        properties = _properties(packet, ContentType=publication.content_type)
        if publication.content_type != JPEG:
            properties.PayloadFormatIndicator = 1  # UTF-8
        if publication.user_properties:
            properties.UserProperty = list(publication.user_properties)
        if publication.expiry_s is not None:
            properties.MessageExpiryInterval = publication.expiry_s
        if publication.correlation is not None:
            properties.CorrelationData = publication.correlation
        return properties

    def _will_properties(self, will: Publication) -> Any:
        properties = self._publish_properties(will, PacketTypes.WILLMESSAGE)
        if properties is not None:
            properties.WillDelayInterval = WILL_DELAY_S
        return properties

    # paho calls these from its network thread. They must not block; what they raise ends the session, see `_on_fault`.

    def _on_connect(
        self, client: paho.Client, userdata: Any, flags: paho.ConnectFlags, reason: ReasonCode, properties: Any
    ) -> None:
        if reason.is_failure:
            wrong_version = str(reason) == "Unsupported protocol version"
            self._inbox.put(Refused(self, str(reason), wrong_version))
        else:
            self._inbox.put(Accepted(self, min(WINDOW, getattr(properties, "ReceiveMaximum", WINDOW))))

    def _on_publish(self, client: paho.Client, userdata: Any, mid: int, reason: ReasonCode, properties: Any) -> None:
        self._inbox.put(Acknowledged(self, mid, refusal_in([reason]), time.monotonic()))

    def _on_subscribe(
        self, client: paho.Client, userdata: Any, mid: int, reasons: list[ReasonCode], properties: Any
    ) -> None:
        self._inbox.put(Subscribed(self, refusal_in(reasons)))

    def _on_message(self, client: paho.Client, userdata: Any, message: paho.MQTTMessage) -> None:
        self._on_received(
            Received(
                topic=message.topic,
                payload=bytes(message.payload),
                retain=message.retain,
                expiry_s=getattr(message.properties, "MessageExpiryInterval", None),
                response_topic=getattr(message.properties, "ResponseTopic", None),
                correlation=getattr(message.properties, "CorrelationData", None),
                at_s=time.monotonic(),
            )
        )

    def _on_disconnect(
        self, client: paho.Client, userdata: Any, flags: paho.DisconnectFlags, reason: ReasonCode, properties: Any
    ) -> None:
        text, taken_over = why_closed(flags, reason)
        self._inbox.put(Closed(self, text, taken_over=taken_over))

    def _on_fault(self, error: Exception) -> None:
        """An exception ended the network thread; paho itself would look connected for ever."""
        logger.error("MQTT: unexpected error on the network thread; connecting anew", exc_info=error)
        sock: Any = self._client.socket()
        if sock is not None:
            sock.close()
        self._inbox.put(Closed(self, f"unexpected error ({type(error).__name__})", is_fault=True))


def tls_context(config: MqttConfig) -> ssl.SSLContext | None:
    """How TLS connections are verified: always, host name included. None without TLS.

    Raises:
        ConfigError: a certificate or key file cannot be used.
    """
    if not config.tls:
        return None
    name: object = config.ca_file
    try:
        context = ssl.create_default_context(cafile=config.ca_file)
        if config.cert_file is not None:
            name = config.cert_file
            context.load_cert_chain(config.cert_file, config.key_file)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(
            f"mqtt: {name}: {error.strerror or error}; it has to be a certificate in PEM format"
        ) from error
    return context


def _properties(packet: int, **values: Any) -> Any:
    """Properties of MQTT 5; paho makes their attributes at run time."""
    properties = Properties(packet)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(properties, name, value)
    return properties
