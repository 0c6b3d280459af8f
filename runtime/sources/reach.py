"""Whether a camera is there at all: asked before a process is started for it, so that a missing one costs little."""

import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

from runtime.redact import redact
from runtime.sources.faults import CameraError
from runtime.sources.spec import device_path, kind_of

CONNECT_TIMEOUT_S = 5.0
DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}


def check_reachable(spec: str) -> None:
    """Look whether a device is there and ours to use, or whether a network camera answers.

    Raises:
        CameraError: it is not.
    """
    kind = kind_of(spec)
    if kind == "device":
        _check_device(Path(device_path(spec)))
    elif kind == "stream":
        _check_answer(spec)


def _check_device(device: Path) -> None:
    if not device.exists():
        present = ", ".join(str(path) for path in sorted(Path("/dev").glob("video*"))) or "none"
        raise CameraError("device", f"{device}: no such camera; plugged in are: {present}")
    if not os.access(device, os.R_OK | os.W_OK):
        raise CameraError("device", f"{device}: no permission; add the user to the group 'video' and log in anew")


def _check_answer(url: str) -> None:
    """Connect to the port, and for RTSP wait for a sign of life: a camera that froze still accepts connections."""
    where = redact(url)
    parts = urlsplit(url)  # `kind_of` has seen that it can be split
    host, port = parts.hostname, parts.port or DEFAULT_PORTS[parts.scheme.lower()]
    try:
        with socket.create_connection((host, port), timeout=CONNECT_TIMEOUT_S) as connection:
            if parts.scheme.lower() == "rtsp":
                connection.sendall(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")
                connection.recv(4096)  # any answer will do
    except TimeoutError as error:
        advice = "check power, cable and address"
        raise CameraError("timeout", f"{where}: no answer within {CONNECT_TIMEOUT_S:.0f} s; {advice}") from error
    except socket.gaierror as error:
        raise CameraError(
            "unreachable", f"{where}: the name {host} is not known; check it, or use the address"
        ) from error
    except ConnectionRefusedError as error:
        advice = "check the port, and that the stream is switched on"
        raise CameraError("refused", f"{where}: connection refused at port {port}; {advice}") from error
    except OSError as error:
        reason = (error.strerror or "failed").lower()
        raise CameraError(
            "unreachable", f"{where}: no connection to port {port} ({reason}); check the network"
        ) from error
