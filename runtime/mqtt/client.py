"""paho's client, made so that it neither dies unnoticed nor outlives its owner."""

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.reasoncodes import ReasonCode


class WatchedClient(paho.Client):
    """paho's client; tells when an exception, of a callback or its own, ends its network thread."""

    on_fault: Callable[[Exception], None]

    def _thread_main(self) -> None:
        try:
            super()._thread_main()
        except Exception as error:
            self.on_fault(error)


def weakly(method: Callable[..., None]) -> Callable[..., None]:
    """A method that does not keep its object alive; when that is gone, nothing happens.

    A client that held its session, which holds the client, would keep the sockets of every ended connection open until
    the garbage collector comes by; in a process with much in it, that is hardly ever.
    """
    reference = weakref.WeakMethod(method)

    def call(*args: Any) -> None:
        found = reference()
        if found is not None:
            found(*args)

    return call


def refusal_in(reasons: Sequence[ReasonCode]) -> str | None:
    """The first failure among a broker's reason codes; None where there is none."""
    return next((str(reason) for reason in reasons if reason.is_failure), None)


def why_closed(flags: paho.DisconnectFlags, reason: ReasonCode) -> tuple[str, bool]:
    """Why a connection ended, and whether another client took its id over."""
    text = str(reason) if str(reason) != "Unspecified error" else "the broker closed the connection"
    return text, flags.is_disconnect_packet_from_server and str(reason) == "Session taken over"
