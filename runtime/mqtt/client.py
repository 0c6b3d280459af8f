"""paho's client, made so that it neither dies unnoticed nor outlives its owner."""

import socket
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.reasoncodes import ReasonCode


class WatchedClient(paho.Client):
    """paho's client; sends at once, and tells when an exception, of a callback or its own, ends its network thread."""

    on_fault: Callable[[Exception], None]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.on_socket_open = _send_at_once

    def _thread_main(self) -> None:
        try:
            super()._thread_main()
        except Exception as error:
            self.on_fault(error)


def _send_at_once(client: paho.Client, userdata: Any, sock: Any) -> None:
    """Do not let what is sent wait for the acknowledgement of what was sent before (Nagle's algorithm).

    The other side holds its acknowledgements back, Linux for 40 ms (https://datatracker.ietf.org/doc/html/rfc1122
    section 4.2.3.4): a frame would wait for that of the answer to the frame before it.
    """
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


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
