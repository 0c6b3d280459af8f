"""Tells systemd how we are: ready, reloading, stopping, and that there is progress.

A few lines of a documented protocol (sd_notify(3), "Notes"; sd_watchdog_enabled(3)): a datagram of `KEY=value` lines to
the socket that NOTIFY_SOCKET names. The library for it on PyPI, sdnotify, has had no release since 2017.
"""

import logging
import os
import socket
import time
from collections.abc import Mapping

logger = logging.getLogger(__name__)


class Notifier:
    """The service manager that started us, if one did; without one every method does nothing."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """Take the socket and the watchdog's time from the environment; both are read here only."""
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self._has_failed = False
        self.watchdog_s = _watchdog_s(environment)
        """After so long without `alive` we are killed and started anew; None: nobody watches."""

    def ready(self, status: str) -> None:
        """Started, or reloaded."""
        self._send("READY=1", f"STATUS={status}")

    def status(self, status: str) -> None:
        """One line for `systemctl status`."""
        self._send(f"STATUS={status}")

    def reloading(self) -> None:
        """The configuration is being read again; `ready` follows."""
        # The time lets systemd tell this reload from one before (sd_notify(3), RELOADING).
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """On the way out."""
        self._send("STOPPING=1", "STATUS=stopping")

    def alive(self) -> None:
        """There was progress: feed the watchdog, if there is one."""
        if self.watchdog_s is not None:
            self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if self._address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(1.0)
                sender.connect(self._address)
                sender.send("\n".join(lines).encode())
        except OSError as error:
            if not self._has_failed:
                logger.warning("systemd cannot be told of our state: %s", error)
            self._has_failed = True
        else:
            self._has_failed = False


def _address(named: str) -> str | None:
    """The socket's address; a leading @ stands for the zero byte of an abstract one."""
    if named.startswith("@"):
        return "\0" + named[1:]
    return named if named.startswith("/") else None


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    """The watchdog's time, if it is meant for this process."""
    micros = environment.get("WATCHDOG_USEC", "")
    pid = environment.get("WATCHDOG_PID", "")
    is_ours = not pid or pid == str(os.getpid())
    return int(micros) / 1e6 if micros.isdigit() and int(micros) > 0 and is_ours else None
