"""The process that reads one camera, started by `runtime.sources.process`.

Its first line on stdin says what to read (not its arguments: every user of the machine sees those, and the URL may hold
a password). After that a byte is a request: `n` asks for the next frame, `r` gives the last one back. When stdin ends,
because the parent closed it or is no more, the process ends. Answers are lines of JSON on stdout; whatever FFmpeg and
OpenCV have to say goes to stderr, where the parent listens.
"""

import contextlib
import ctypes
import json
import os
import signal
import threading
from pathlib import Path
from typing import TypedDict

from edge_ocr.errors import SourceError
from runtime.sources import make_source
from runtime.sources.exchange import FrameWriter, Header
from runtime.sources.faults import fault_of

NEXT, RELEASE = b"n", b"r"
CLOSE_S = 1.0
"""For the camera to be told that we go; it may allow only a few viewers, and remember those that just vanish."""
MAX_MESSAGE = 1000
"""An answer must fit into one atomic write to a pipe, 4096 bytes."""
PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Order(TypedDict):
    """What to read, and how."""

    spec: str
    every: bool
    ca_file: str | None
    memory_fd: int


def main() -> None:
    """Read a camera until stdin ends."""
    _end_with_parent()
    answers = os.dup(1)
    os.dup2(2, 1)  # what a library prints is no answer
    with open(0, "rb", buffering=0, closefd=False) as stdin:
        order: Order = json.loads(stdin.readline())

    def send(header: Header) -> None:
        with contextlib.suppress(OSError):  # the parent has gone, and so will we
            os.write(answers, json.dumps(header).encode() + b"\n")

    writer = FrameWriter(order["memory_fd"], send, every=order["every"])
    stopping = threading.Event()
    reading = threading.Thread(target=_read, args=[order, writer, stopping], daemon=True)
    reading.start()
    while byte := os.read(0, 1):
        if byte == NEXT:
            writer.request()
        else:
            writer.release()
    stopping.set()
    reading.join(CLOSE_S)
    os._exit(0)  # a read that is stuck would hold up any other exit


def _end_with_parent() -> None:
    """End when the parent does, even if it was killed; and only then: a Ctrl-C is for the parent to deal with."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # For a process that is stopped or stuck and cannot see that its stdin has ended.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _read(order: Order, writer: FrameWriter, stopping: threading.Event) -> None:
    """Open the source and pass on its frames; the last message says why there are no more."""
    try:
        ca_file = Path(order["ca_file"]) if order["ca_file"] else None
        source = make_source(order["spec"], ca_file=ca_file)
        source.open()
        writer.opened(source.nominal_fps)
        n_decoded = 0
        while not stopping.is_set() and (frame := source.read()) is not None:
            n_decoded += 1
            writer.put(frame, n_decoded, getattr(source, "n_damaged", 0))
        source.close()
        writer.end({"end": "over"})
    except SourceError as error:
        writer.end({"end": "failed", "message": str(error)[:MAX_MESSAGE], "fault": fault_of(error)})
    except Exception as error:
        writer.end({"end": "failed", "message": f"{type(error).__name__}: {error}"[:MAX_MESSAGE], "fault": "process"})
