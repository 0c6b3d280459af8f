"""A camera read in a process of its own: what can get stuck or crash in there can be killed.

FFmpeg and Video4Linux may hold a read for ever (opencv/opencv#22677), OpenCV opens one FFmpeg source of a process at a
time, and FFmpeg's settings and log belong to a whole process.
"""

import contextlib
import json
import logging
import os
import re
import select
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import IO, Any

from edge_ocr.errors import SourceError
from runtime.frames import Frame
from runtime.redact import redact
from runtime.sources.child import CLOSE_S, NEXT, RELEASE, Order
from runtime.sources.exchange import FrameReader, Header
from runtime.sources.faults import CameraError, explain
from runtime.sources.reach import check_reachable
from runtime.sources.spec import device_path, kind_of

OPEN_LIMIT_S = 30.0
"""For a source to open, start of the process included; over the time limits of FFmpeg, which tell more."""
KILLED_S = 2.0
"""For a killed process to be gone; one that hangs in a driver stays until the driver lets go."""
MAX_ANSWER_BYTES = 65536
N_LINES = 30
"""Lines of a process's stderr that are kept to tell why it failed."""
LOG_EVERY_S = 10.0
"""Between two lines of a process's stderr in our log."""

log = logging.getLogger(__name__)


class ProcessSource:
    """A live source read by a child process.

    `open`, `read` and `close` belong to one thread, `cancel` and `losses` are for any.

    Args:
        spec: What `runtime.sources.make_source` takes; it may hold credentials.
        every: The camera waits until a frame was taken, as far as it can, instead of overwriting it.
        ca_file: Certificates that a camera over TLS is trusted by; None: the system's.
    """

    is_live = True

    def __init__(self, spec: str, *, every: bool = False, ca_file: Path | None = None) -> None:
        self._spec = spec
        self._every = every
        self._ca_file = ca_file
        self._nominal_fps: float | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._stderr: _StderrReader | None = None
        self._memory_fd = -1
        self._frames: FrameReader | None = None
        self._n_taken = 0
        self._lost = ((0, 0), (0, 0))
        """Frames overwritten and damaged: by the process that runs, and by those before it."""

    @property
    def description(self) -> str:
        """What is read, without credentials."""
        return redact(device_path(self._spec))

    @property
    def nominal_fps(self) -> float | None:
        """Frames per second as the source states it; None before it is open."""
        return self._nominal_fps

    def open(self) -> None:
        """Start the process and wait until its source is open.

        Raises:
            CameraError: it cannot be opened.
        """
        self.close()
        check_reachable(self._spec)
        self._start()
        try:
            header = self._receive(OPEN_LIMIT_S)
        except CameraError as error:
            raise self._explained(error) from None
        self._nominal_fps = header["opened"]

    def read(self) -> Frame | None:
        """The newest frame that was not given yet, waiting for it; None at the end of a source that ends.

        Raises:
            CameraError: the source or its process failed.
        """
        if self._process is None or self._frames is None:
            raise SourceError(f"{self.description}: not open")
        self._ask(NEXT)
        header = self._receive(None)
        if "end" in header:
            return None
        frame = self._frames.take(header)
        self._ask(RELEASE)
        self._n_taken += 1
        self._lost = ((header["decoded"] - self._n_taken, header["damaged"]), self._lost[1])
        return frame

    def cancel(self) -> None:
        """Kill the process: an `open` or `read` that waits fails at once."""
        process = self._process
        if process is not None:
            process.kill()

    def losses(self) -> dict[str, int]:
        """Frames decoded by the process that nobody got, by cause, since the start."""
        names = ("overwritten", "damaged")
        return {name: a + b for name, a, b in zip(names, *self._lost, strict=True) if a + b}

    def close(self) -> None:
        """End the process: it says goodbye to the camera, or is killed."""
        process = self._process
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(2 * CLOSE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            try:
                process.wait(KILLED_S)
            except subprocess.TimeoutExpired:
                log.warning("%s: its process %d does not end; a driver hangs", self.description, process.pid)
        process.stdout.close()
        self._forget_process()

    def _start(self) -> None:
        self._memory_fd = os.memfd_create("edge-ocr-frames")
        self._frames = FrameReader(self._memory_fd)
        # With our own search path: the same code, from wherever it is.
        program = f"import sys; sys.path[:] = {sys.path!r}; from runtime.sources.child import main; main()"
        command = [sys.executable, "-P", "-c", program]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            command,
            bufsize=0,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            pass_fds=[self._memory_fd],
        )
        assert self._process.stderr is not None
        self._stderr = _StderrReader(self.description, self._process.stderr)
        self._stderr.start()
        ca_file = str(self._ca_file) if self._ca_file else None
        order = Order(spec=self._spec, every=self._every, ca_file=ca_file, memory_fd=self._memory_fd)
        self._ask(json.dumps(order).encode() + b"\n")

    def _forget_process(self) -> None:
        """Take over the counters of a process that has ended, and free its memory."""
        assert self._frames is not None
        decoded, damaged = self._frames.counts()
        overwritten_before, damaged_before = self._lost[1]
        self._lost = ((0, 0), (overwritten_before + decoded - self._n_taken, damaged_before + damaged))
        self._n_taken = 0
        os.close(self._memory_fd)
        self._process = self._frames = self._stderr = None

    def _ask(self, request: bytes) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # the process has ended; `_receive` will tell
            self._process.stdin.write(request)

    def _receive(self, timeout_s: float | None) -> Header:
        """The process's next answer.

        Raises:
            CameraError: the source failed, the process ended, or there is no answer in time.
        """
        assert self._process is not None
        assert self._process.stdout is not None
        answers = self._process.stdout
        if not select.select([answers], [], [], timeout_s)[0]:
            raise CameraError("timeout", f"{self.description}: no picture within {timeout_s:.0f} s")
        # One answer to one request, shorter than a pipe's atomic write: it arrives whole.
        line = os.read(answers.fileno(), MAX_ANSWER_BYTES)
        header: dict[str, Any] = json.loads(line) if line else {"end": "died"}
        if header.get("end") == "failed":
            raise CameraError(header["fault"] or "process", redact(header["message"]))
        if header.get("end") == "died":
            raise self._death()
        return header

    def _death(self) -> CameraError:
        assert self._process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(KILLED_S)
        status = self._process.returncode
        how = f"was ended by signal {-status}" if status is not None and status < 0 else f"ended with status {status}"
        return CameraError("process", f"{self.description}: the process that reads it {how}")

    def _explained(self, error: CameraError) -> CameraError:
        """End the process, and tell from its last lines why its source did not open."""
        stderr = self._stderr
        assert stderr is not None
        self.cancel()
        self.close()
        return explain(self.description, error, stderr.finish()) if kind_of(self._spec) == "stream" else error


class _StderrReader(threading.Thread):
    """Drains the stderr of one process: keeps its last lines, and logs what is new, without credentials."""

    def __init__(self, where: str, pipe: IO[bytes]) -> None:
        super().__init__(name="camera-stderr", daemon=True)
        self._where = where
        self._pipe = pipe
        self._lines: deque[str] = deque(maxlen=N_LINES)
        self._seen: set[str] = set()
        self._logged_s = -LOG_EVERY_S

    def run(self) -> None:
        """Read to the end of the pipe."""
        with self._pipe, open(self._pipe.fileno(), "rb", closefd=False) as lines:
            for raw in iter(lambda: lines.readline(1000), b""):
                line = redact(raw.decode(errors="replace").strip())
                if line:
                    self._lines.append(line)
                    self._log(line)

    def finish(self) -> list[str]:
        """The last lines, once the process has ended."""
        self.join(KILLED_S)
        return list(self._lines)

    def _log(self, line: str) -> None:
        """Log a line unless one like it, or another just now, was logged: decoders complain about every macroblock."""
        kind = re.sub(r"0x[0-9a-f]+|\d+", "#", line)
        now_s = time.monotonic()
        is_new = kind not in self._seen and now_s - self._logged_s >= LOG_EVERY_S
        if is_new and len(self._seen) < N_LINES:
            self._seen.add(kind)
            self._logged_s = now_s
            log.info("%s: %s", self._where, line)
