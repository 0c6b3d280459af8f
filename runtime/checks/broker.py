"""Whether a broker can be reached, lets us in and lets us publish: one connection, one word that nobody keeps."""

import contextlib
import secrets
import time
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from edge_ocr.errors import PublishError
from runtime.config.kiosk import MqttConfig
from runtime.mqtt.client import weakly
from runtime.mqtt.session import tls_context

TIMEOUT_S = 5.0
"""For the TCP connection, and again for each of the broker's answers."""
KEEPALIVE_S = 10
WRONG_VERSION = "Unsupported protocol version"


def probe_broker(config: MqttConfig, topic: str) -> str:
    """Connect with the configuration's credentials, publish a word, and go again.

    The client id is one of its own, so that a node that runs meanwhile is not thrown out. The word is not retained.

    Args:
        config: The broker.
        topic: Below the node's own, as a broker's rules usually allow by that.

    Returns:
        Which MQTT it speaks, and whether we may publish: before MQTT 5 a broker does not tell.

    Raises:
        PublishError: no connection, no answer, or a refusal.
        ConfigError: a password or certificate file cannot be used.
    """
    answer = _Visit(config, topic, MQTTProtocolVersion.MQTTv5).run()
    if answer is not None:
        return f"MQTT 5, we may publish to {topic}"
    if _Visit(config, topic, MQTTProtocolVersion.MQTTv311).run() is None:
        raise PublishError(
            f"{config.host}:{config.port}: connected, but no answer to MQTT; "
            "is that a broker's port, and TLS as it expects?"
        )
    return "MQTT 3.1.1, which does not tell whether we may publish"


class _Visit:
    """One connection to the broker."""

    def __init__(self, config: MqttConfig, topic: str, version: MQTTProtocolVersion) -> None:
        self._config = config
        self._topic = topic
        self._accepted: list[ReasonCode] = []
        self._published: list[ReasonCode] = []
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=f"edge-ocr-check-{secrets.token_hex(4)}", protocol=version
        )
        self._client.connect_timeout = TIMEOUT_S
        self._client.on_connect = weakly(self._on_connect)
        self._client.on_publish = weakly(self._on_publish)
        if config.username is not None:
            self._client.username_pw_set(config.username, config.read_password())
        context = tls_context(config)
        if context is not None:
            self._client.tls_set_context(context)

    def run(self) -> ReasonCode | None:
        """What the broker said to our word; None when it does not speak this version, or not MQTT at all."""
        where = f"{self._config.host}:{self._config.port}"
        try:
            self._client.connect(self._config.host, self._config.port, keepalive=KEEPALIVE_S)
            self._wait(lambda: bool(self._accepted))
            if not self._accepted or str(self._accepted[0]) == WRONG_VERSION:
                return None
            if self._accepted[0].is_failure:
                reason = str(self._accepted[0]).lower()
                raise PublishError(f"{where}: refused us ({reason}); check username and password")
            self._client.publish(self._topic, b'{"check": true}', qos=1)
            self._wait(lambda: bool(self._published))
        except TimeoutError as error:
            raise PublishError(
                f"{where}: no connection within {TIMEOUT_S:.0f} s; check host, port and firewall"
            ) from error
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise PublishError(
                f"{where}: no connection ({reason}); check host and port, and that a broker runs"
            ) from error
        finally:
            with contextlib.suppress(OSError):
                self._client.disconnect()
        if not self._published or self._published[0].is_failure:
            reason = str(self._published[0]).lower() if self._published else "it closed the connection"
            raise PublishError(f"{where}: we may not publish to {self._topic} ({reason}); allow it at the broker")
        return self._published[0]

    def _wait(self, is_there: Callable[[], bool]) -> None:
        """Until something is there, the connection ends, or time is up."""
        deadline_s = time.monotonic() + TIMEOUT_S
        while not is_there() and time.monotonic() < deadline_s:
            if self._client.loop(0.2) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                return

    def _on_connect(self, client: paho.Client, userdata: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        self._accepted.append(reason)

    def _on_publish(self, client: paho.Client, userdata: Any, mid: int, reason: ReasonCode, properties: Any) -> None:
        self._published.append(reason)
