"""One connection to the broker, from its CONNECT to its end. The only module of the appliance that uses paho-mqtt.

A session never reconnects and is never used again: whoever wants another connection makes another session. So nothing
that paho queued for one connection can turn up on the next, and every acknowledgement belongs to one session.
paho's callbacks run on its network thread; here they only put a signal into a queue.
"""

import contextlib
import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from queue import SimpleQueue
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge_ocr.errors import ConfigError
from runtime.config import MqttConfig

CONNECT_TIMEOUT_S = 5.0
"""For the TCP connection."""
KEEPALIVE_S = 15
"""A broker that froze is noticed after about twice this time; it bounds the TLS handshake too."""
WINDOW = 20
"""Messages in flight at once, unless the broker wants fewer."""


class MqttVersion(Enum):
    """Versions of MQTT that we speak; the value is how people call them."""

    V5 = "MQTT 5"
    V311 = "MQTT 3.1.1"


@dataclass(frozen=True, slots=True)
class Publication:
    """A message as the broker gets it."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    user_properties: Sequence[tuple[str, str]] = ()
    """Sent with MQTT 5 only."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The broker accepted the connection."""

    session: "Session"
    window: int
    """Messages that may be in flight at once."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The broker refused the connection."""

    session: "Session"
    reason: str
    wrong_version: bool
    """It does not speak this version of MQTT."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The broker answered a message with QoS 1."""

    session: "Session"
    mid: int
    refusal: str | None
    """Why it did not take the message; None where it did."""
    at_s: float
    """`time.monotonic()`."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The connection ended."""

    session: "Session"
    reason: str
    taken_over: bool
    """The broker says that another client came with our id."""


@dataclass(frozen=True, slots=True)
class Wake:
    """Something is there to be sent, or it is time to stop."""


Signal = Accepted | Refused | Acknowledged | Closed | Wake


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
        tls: ssl.SSLContext | None,
    ) -> None:
        self.version = version
        self._config = config
        self._inbox = inbox
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTProtocolVersion.MQTTv5 if version is MqttVersion.V5 else MQTTProtocolVersion.MQTTv311,
            clean_session=None if version is MqttVersion.V5 else True,
            reconnect_on_failure=False,
        )
        self._client.suppress_exceptions = True
        self._client.connect_timeout = CONNECT_TIMEOUT_S
        self._client.max_inflight_messages_set(WINDOW)
        if config.username is not None:
            self._client.username_pw_set(config.username, config.read_password())
        if tls is not None:
            self._client.tls_set_context(tls)
        self._client.will_set(
            will.topic, will.payload, will.qos, will.retain, self._properties(will, PacketTypes.WILLMESSAGE)
        )
        self._client.on_connect = self._on_connect
        self._client.on_publish = self._on_publish
        self._client.on_disconnect = self._on_disconnect

    def open(self) -> None:
        """Connect; `Accepted`, `Refused` or `Closed` tells how it went.

        Raises:
            OSError: there is no broker, or its certificate is not to be trusted.
        """
        try:
            self._client.connect(self._config.host, self._config.port, keepalive=KEEPALIVE_S)
        except UnicodeError as error:
            raise OSError("not a valid host name") from error
        self._client.loop_start()

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
            self._properties(publication, PacketTypes.PUBLISH),
        )
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise ConnectionError(paho.error_string(info.rc))
        return info.mid

    def close(self) -> None:
        """Say goodbye, so that the last will is not sent; `Closed` follows."""
        self._client.disconnect()

    def abort(self) -> None:
        """End the connection at once, without a goodbye; harmless when it ended already."""
        sock: Any = self._client.socket()
        with contextlib.suppress(OSError, AttributeError):
            sock.shutdown(socket.SHUT_RDWR)

    def _properties(self, publication: Publication, packet: int) -> Properties | None:
        """What MQTT 5 says about a message beside the message; None before MQTT 5."""
        if self.version is not MqttVersion.V5:
            return None
        properties: Any = Properties(packet)  # type: ignore[no-untyped-call]  # attributes are made at run time
        properties.ContentType = "application/json"
        properties.PayloadFormatIndicator = 1  # UTF-8
        if publication.user_properties:
            properties.UserProperty = list(publication.user_properties)
        assert isinstance(properties, Properties)
        return properties

    # paho calls these from its network thread. They must neither block nor raise.

    def _on_connect(
        self, client: paho.Client, userdata: Any, flags: paho.ConnectFlags, reason: ReasonCode, properties: Any
    ) -> None:
        if reason.is_failure:
            wrong_version = str(reason) == "Unsupported protocol version"
            self._inbox.put(Refused(self, str(reason), wrong_version))
        else:
            self._inbox.put(Accepted(self, min(WINDOW, getattr(properties, "ReceiveMaximum", WINDOW))))

    def _on_publish(self, client: paho.Client, userdata: Any, mid: int, reason: ReasonCode, properties: Any) -> None:
        refusal = str(reason) if reason.is_failure else None
        self._inbox.put(Acknowledged(self, mid, refusal, time.monotonic()))

    def _on_disconnect(
        self, client: paho.Client, userdata: Any, flags: paho.DisconnectFlags, reason: ReasonCode, properties: Any
    ) -> None:
        text = str(reason) if str(reason) != "Unspecified error" else "the broker closed the connection"
        taken_over = flags.is_disconnect_packet_from_server and str(reason) == "Session taken over"
        self._inbox.put(Closed(self, text, taken_over))


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
