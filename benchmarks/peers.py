"""OCR systems side by side: each in its own interpreter, asked in turn, on the same CPUs."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from edge_ocr.errors import EdgeOcrError


class PeerError(EdgeOcrError):
    """A system that could not be started, or that stopped while it was measured."""


@dataclass(frozen=True, slots=True, eq=False)
class ReadLine:
    """One line as a system returned it."""

    text: str
    score: float
    quad: NDArray[np.float32]
    """(4, 2) corners in pixels."""


@dataclass(frozen=True, slots=True)
class ReadImage:
    """What a system returned for one image, and what its call took."""

    lines: tuple[ReadLine, ...]
    elapsed_ms: float
    cpu_ms: float = 0.0
    """User and system time of its process, and of what that started."""
    resident_mib: float = 0.0
    """Memory of its process after the call."""

    @classmethod
    def from_dict(cls, reply: Mapping[str, Any]) -> Self:
        """From a worker's reply."""
        lines = [ReadLine(line["text"], line["score"], np.asarray(line["quad"], np.float32)) for line in reply["lines"]]
        return cls(tuple(lines), reply["ms"], reply["cpu_ms"], reply["resident_mib"])

    def to_dict(self) -> dict[str, Any]:
        """As a worker's reply."""
        lines = [{"text": line.text, "score": line.score, "quad": line.quad.tolist()} for line in self.lines]
        return {"ms": self.elapsed_ms, "cpu_ms": self.cpu_ms, "resident_mib": self.resident_mib, "lines": lines}

    @property
    def text(self) -> str:
        """The lines' texts with a space between them."""
        return " ".join(line.text for line in self.lines)


@dataclass(frozen=True, slots=True)
class System:
    """A system to measure: what to start, under which name it is reported."""

    name: str
    """Name in the tables, unique in a run."""
    command: Sequence[str]
    """Program and arguments of the worker."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables to set on top of our own."""


class Worker:
    """A running system. Use it as a context manager: leaving it ends the process."""

    def __init__(self, system: System) -> None:
        self.name = system.name
        environment = {**os.environ, **system.environment}
        try:
            self._process = subprocess.Popen(
                list(system.command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment,
                encoding="utf-8",
            )
        except OSError as error:
            raise PeerError(f"{system.name}: cannot start {system.command[0]}: {error.strerror}") from error
        try:
            self.about = self._receive()
            """Versions and settings that the worker stated at its start."""
        except PeerError:
            self._stop()
            raise

    def read(self, image: Path) -> ReadImage:
        """Have one image read.

        Args:
            image: Path of an image file; the worker decodes it before its clock starts.

        Raises:
            PeerError: The worker stopped, or could not read the file.
        """
        return ReadImage.from_dict(self.ask({"image": str(image)}))

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Have one request answered, both a line of JSON.

        Raises:
            PeerError: The worker stopped, or answered with an error.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise PeerError(f"{self.name}: stopped before {dict(request)}; its own message is above") from error
        return self._receive()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        reply = self._process.stdout.readline()
        if not reply:
            status = self._process.wait()
            raise PeerError(f"{self.name}: ended with status {status}; its own message is above")
        answer: dict[str, Any] = json.loads(reply)
        if "error" in answer:
            raise PeerError(f"{self.name}: {answer['error']}")
        return answer

    def _stop(self) -> None:
        """End the worker: no more input, and if that does not help, kill it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


@contextmanager
def running(systems: Sequence[System], warm_up: Path) -> Iterator[list[Worker]]:
    """Start the systems one after the other and let each read one image that is not counted."""
    with ExitStack() as stack:
        workers = []
        for system in systems:
            print(f"starting {system.name}", file=sys.stderr)
            worker = stack.enter_context(Worker(system))
            worker.read(warm_up)
            workers.append(worker)
        yield workers


def read_in_turn(
    workers: Sequence[Worker], image: Path, *, repeat: int = 1, pause_s: float = 0.0
) -> dict[str, ReadImage]:
    """Have one image read by every system, turn by turn, so that a slow minute of the machine hits all of them.

    Args:
        workers: The running systems.
        image: Path of the image.
        repeat: Rounds; the times of a system are medians over them, the lines are those of the last.
        pause_s: Wait before every call, for the idle threads of the system before to stop spinning.

    Returns:
        Per system name what it read.
    """
    rounds: dict[str, list[ReadImage]] = {worker.name: [] for worker in workers}
    for _ in range(repeat):
        for worker in workers:
            time.sleep(pause_s)
            rounds[worker.name].append(worker.read(image))
    return {
        name: replace(
            reads[-1],
            elapsed_ms=float(np.median([read.elapsed_ms for read in reads])),
            cpu_ms=float(np.median([read.cpu_ms for read in reads])),
        )
        for name, reads in rounds.items()
    }
