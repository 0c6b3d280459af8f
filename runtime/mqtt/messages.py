"""What goes over a connection to the broker, in both directions, and what a session reports about itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime.mqtt.session import Session

JSON, JPEG = "application/json", "image/jpeg"


class MqttVersion(Enum):
    """Versions of MQTT that we speak; the value is how people call them."""

    V5 = "MQTT 5"
    V311 = "MQTT 3.1.1"


@dataclass(frozen=True, slots=True)
class Publication:
    """A message as the broker gets it. What stands below `retain` is sent with MQTT 5 only."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    content_type: str = JSON
    user_properties: Sequence[tuple[str, str]] = ()
    expiry_s: int | None = None
    """The broker forgets it after this time; None: never."""
    correlation: bytes | None = None
    """What a request carried so that its answer can be told; sent back as it came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message that the broker sent us."""

    topic: str
    payload: bytes
    retain: bool = False
    """It stood at the broker before we came."""
    expiry_s: int | None = None
    """Seconds that it had left to live when it arrived; None: for ever."""
    response_topic: str | None = None
    correlation: bytes | None = None
    at_s: float
    """`time.monotonic()` of its arrival."""


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
    """The broker answered a message with QoS 1, or one with QoS 0 is on the wire."""

    session: "Session"
    mid: int
    refusal: str | None
    """Why it did not take the message; None where it did."""
    at_s: float
    """`time.monotonic()`."""


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The broker answered a subscription."""

    session: "Session"
    refusal: str | None
    """Why it did not take all of it; None where it did."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The connection ended."""

    session: "Session"
    reason: str
    taken_over: bool = False
    """The broker says that another client came with our id."""
    is_fault: bool = False
    """An exception of ours, or of the library's, ended it."""


@dataclass(frozen=True, slots=True)
class Wake:
    """Something is there to be sent, or it is time to stop."""


Signal = Accepted | Refused | Acknowledged | Subscribed | Closed | Wake
