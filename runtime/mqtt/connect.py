"""One attempt to get a session out of a broker, in the newest version of MQTT that it speaks."""

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass

from edge_ocr.errors import ConfigError
from runtime.mqtt.messages import Accepted, Closed, MqttVersion, Refused, Signal
from runtime.mqtt.rivalry import Rivalry
from runtime.mqtt.session import Session

ANSWER_TIMEOUT_S = {MqttVersion.V5: 3.0, MqttVersion.V311: 10.0}
"""For the broker's answer to CONNECT. Some brokers misread a CONNECT of MQTT 5 and never answer it."""
FORGOTTEN_AFTER = 10
"""Attempts without an answer in the version that a broker spoke before, until it may be another broker by now."""


@dataclass(frozen=True, slots=True)
class NoSession:
    """Why an attempt failed."""

    reason: str


class Connector:
    """Makes the attempts; remembers which version the broker speaks."""

    def __init__(
        self,
        make_session: Callable[[MqttVersion], Session],
        next_signal: Callable[[float], Signal | None],
        rivalry: Rivalry,
        first: MqttVersion,
    ) -> None:
        """A connector that has not tried yet.

        Args:
            make_session: Makes a session for one version.
            next_signal: Waits so many seconds at most for what a session reports.
            rivalry: Told of connections that came to nothing.
            first: The version to try first.
        """
        self._make_session = make_session
        self._next_signal = next_signal
        self._rivalry = rivalry
        self._version = first
        self._is_proven = False
        self._n_unanswered = 0
        self._is_makeshift = False
        """We speak 3.1.1 because MQTT 5 was not answered, which may have had another cause."""

    def connect(self, deadline_s: float | None) -> Accepted | NoSession:
        """Try once, with the older version too where the newer one is not understood.

        Args:
            deadline_s: No waiting for answers after this (`time.monotonic()`); None: as long as answers may take.
        """
        if self._is_makeshift:
            self._version, self._is_makeshift = MqttVersion.V5, False
        return self._attempt(deadline_s)

    def _attempt(self, deadline_s: float | None) -> Accepted | NoSession:
        try:
            session = self._make_session(self._version)
            session.open()
        except ConfigError as error:
            return NoSession(str(error))
        except OSError as error:
            self._rivalry.is_outage()
            return NoSession(f"cannot connect: {_reason(error)}")
        answer = self._answer(session, deadline_s)
        if isinstance(answer, Accepted):
            self._is_proven, self._n_unanswered = True, 0
            return answer
        session.abort()
        if isinstance(answer, Refused) and not answer.wrong_version:
            self._rivalry.is_outage()
            return NoSession(f"the broker refused the connection: {answer.reason}{_hint(answer.reason)}")
        if answer is None:
            self._rivalry.is_silent()
        return self._not_understood(is_said=isinstance(answer, Refused), deadline_s=deadline_s)

    def _answer(self, session: Session, deadline_s: float | None) -> Accepted | Refused | Closed | None:
        """The broker's answer to CONNECT; None when none came."""
        until_s = time.monotonic() + ANSWER_TIMEOUT_S[session.version]
        until_s = until_s if deadline_s is None else min(until_s, deadline_s)
        while (remaining_s := until_s - time.monotonic()) > 0:
            signal = self._next_signal(remaining_s)
            if isinstance(signal, Accepted | Refused | Closed) and signal.session is session:
                return signal
        return None

    def _not_understood(self, *, is_said: bool, deadline_s: float | None) -> Accepted | NoSession:
        """The broker does not speak this version, or hung up on it, or got stuck in it, or is stuck altogether."""
        self._n_unanswered += 1
        if self._n_unanswered >= FORGOTTEN_AFTER:
            self._is_proven = False
        if self._version is MqttVersion.V5 and (is_said or not self._is_proven):
            self._version, self._is_makeshift, self._is_proven = MqttVersion.V311, not is_said, False
            return self._attempt(deadline_s)
        if not self._is_proven:
            self._version, self._is_makeshift = MqttVersion.V5, False
        return NoSession("the broker accepts the connection but does not answer in MQTT")


def _reason(error: OSError) -> str:
    """What went wrong, without errno numbers and OpenSSL's file names."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the broker's certificate is not trusted ({error.verify_message}); {_tls_hint(error.verify_message)}"
    return (error.strerror or str(error) or type(error).__name__).lower()


def _tls_hint(message: str) -> str:
    if "expired" in message or "not yet valid" in message:
        return "renew it, or set the clock"
    if "mismatch" in message or "not valid for" in message:
        return "it is for another host name"
    return "set mqtt.ca_file"


def _hint(reason: str) -> str:
    is_access = reason in {"Not authorized", "Bad user name or password"}
    return "; check username and password under mqtt" if is_access else ""
