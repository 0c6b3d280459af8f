"""Whether a broker can be reached and lets us in: one connection, nothing published."""

import contextlib
import secrets
import time
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from edge_ocr.errors import PublishError
from runtime.config import MqttConfig
from runtime.mqtt_session import tls_context

TIMEOUT_S = 5.0
"""For the TCP connection, and again for the broker's answer."""
KEEPALIVE_S = 10


def probe_broker(config: MqttConfig) -> None:
    """Connect with the configuration's credentials, and go again.

    The client id is one of its own, so that a node that runs meanwhile is not thrown out.

    Raises:
        PublishError: no connection, no answer, or a refusal.
        ConfigError: a password or certificate file cannot be used.
    """
    where = f"{config.host}:{config.port}"
    answers: list[ReasonCode] = []

    def on_connect(client: paho.Client, userdata: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        answers.append(reason)

    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"edge-ocr-check-{secrets.token_hex(4)}")
    client.connect_timeout = TIMEOUT_S
    client.on_connect = on_connect
    if config.username is not None:
        client.username_pw_set(config.username, config.read_password())
    context = tls_context(config)
    if context is not None:
        client.tls_set_context(context)
    try:
        client.connect(config.host, config.port, keepalive=KEEPALIVE_S)
        deadline_s = time.monotonic() + TIMEOUT_S
        while not answers and time.monotonic() < deadline_s and client.loop(0.2) == paho.MQTT_ERR_SUCCESS:
            pass
    except TimeoutError as error:
        raise PublishError(f"{where}: no connection within {TIMEOUT_S:.0f} s; check host, port and firewall") from error
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise PublishError(f"{where}: no connection ({reason}); check host and port, and that a broker runs") from error
    finally:
        with contextlib.suppress(OSError):
            client.disconnect()
    if not answers:
        raise PublishError(
            f"{where}: connected, but no answer to MQTT; is that a broker's port, and TLS as it expects?"
        )
    if answers[0].is_failure:
        raise PublishError(f"{where}: refused us ({str(answers[0]).lower()}); check username and password")
