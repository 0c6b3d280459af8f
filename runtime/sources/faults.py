"""Why a camera gives no picture: a kind for machines, and a line for people that says how to mend it."""

import re
from collections.abc import Iterable

from edge_ocr.errors import SourceError
from runtime.frames import CameraFault

NEEDS_A_PERSON: frozenset[CameraFault] = frozenset({"auth", "not_found", "codec", "tls"})
"""Faults that do not go away by themselves. Cameras lock an account after a few wrong passwords, so these are tried
again at longer and longer intervals, the others soon."""

_ADVICE: dict[CameraFault, str] = {
    "auth": "the camera refuses user or password; put the right ones into the URL",
    "not_found": "nothing at that path; look up the stream's path in the camera's manual",
    "codec": "there is video, but it cannot be decoded; set the camera to H.264",
    "tls": "no secure connection; name the camera's certificate or its issuer as `ca_file`, and check its clock",
    "refused": "the connection is refused; check the port, and that the camera's stream is on",
    "timeout": "no answer in time; check power, cable and address",
    "unreachable": "it cannot be reached; check the address and the network",
}

# What FFmpeg 8 writes to stderr (libavformat/rtsp.c, http.c, tcp.c, tls_openssl.c, libavformat/demux.c). The first that
# occurs in any line decides: a refused password is followed by lines about a stream that cannot be opened.
_MARKS: dict[CameraFault, str] = {
    "auth": r"\b(401|403)\b.{0,3}(unauthorized|forbidden)|HTTP error 40[13]|failed: 40[13]",
    "not_found": r"failed: (404|454|400|451)|HTTP error 4(04|10)|404 \(?not found|Stream not found",
    "tls": r"\bSSL\b|\bTLS\b|certificate|handshake",
    "codec": r"Could not find codec parameters|Decoder .{0,40}not found|unsupported codec|Could not find decoder",
    "refused": r"Connection refused",
    "unreachable": r"Failed to resolve|No route to host|Network is unreachable|Host is unreachable",
    "timeout": r"timed out|Stream timeout triggered|Immediate exit requested",
}


class CameraError(SourceError):
    """A source that cannot be opened or went away, with the kind of its fault."""

    def __init__(self, fault: CameraFault, message: str) -> None:
        super().__init__(message)
        self.fault = fault


def explain(where: str, error: CameraError, lines: Iterable[str]) -> CameraError:
    """The error with the cause that FFmpeg wrote to stderr, where one of its lines tells it.

    Args:
        where: The source, without credentials.
        error: What is known without the lines.
        lines: What the reading process wrote; perhaps nothing.
    """
    text = "\n".join(lines)
    for fault, mark in _MARKS.items():
        if re.search(mark, text, re.IGNORECASE):
            return CameraError(fault, f"{where}: {_ADVICE[fault]}")
    return error


def fault_of(error: SourceError) -> CameraFault | None:
    """The kind of a source's fault, if it is known."""
    return error.fault if isinstance(error, CameraError) else None
