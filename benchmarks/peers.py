"""OCR systems side by side: each in its own interpreter, asked in turn, on the same CPUs."""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from edge_ocr.errors import ConfigError, EdgeOcrError

ROOT = Path(__file__).resolve().parents[1]
WORKER = Path(__file__).with_name("worker.py")
OUR_PATH = {"PYTHONPATH": str(ROOT)}
"""Environment under which an interpreter finds this checkout."""
OURS = "ours"
SYSTEMS = ("rapid3-ort", "rapid4-ov", "rapid6-ort", "rapid6-ov")
"""Peers that `worker.py` knows how to start."""

NO_TELEMETRY = {"CI": "true"}
"""Environment under which a peer's OpenVINO starts no telemetry, as ours does not."""


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
    """What a system returned for one image, and how long its call took."""

    lines: tuple[ReadLine, ...]
    elapsed_ms: float

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
        reply = self.ask({"image": str(image)})
        lines = [ReadLine(line["text"], line["score"], np.asarray(line["quad"], np.float32)) for line in reply["lines"]]
        return ReadImage(tuple(lines), reply["ms"])

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


def add_system_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which systems are measured, and on what."""
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        metavar="NAME=PYTHON",
        help=f"a peer and the interpreter of its environment, may be repeated; NAME is one of {', '.join(SYSTEMS)}",
    )
    parser.add_argument("--pack", default="latin", help="our model pack: a name or a folder (default: %(default)s)")
    parser.add_argument("--profile", default="auto", help="our profile: a name or a YAML file (default: %(default)s)")
    parser.add_argument("--cpus", type=int, default=2, help="CPUs for every system (default: %(default)s)")
    parser.add_argument("--limit", type=int, default=0, help="images of a set, 0 for all (default: %(default)s)")


def chosen_systems(options: argparse.Namespace, *, line: bool = False) -> list[System]:
    """Ours first, then the peers, as the options of `add_system_options` name them.

    Args:
        options: The parsed command line.
        line: Every image is one line of text, detection is left out.
    """
    ours = our_system(options, line=line)
    return [ours, *(peer_system(peer, cpus=options.cpus, line=line) for peer in options.peer)]


def our_system(
    options: argparse.Namespace,
    *,
    line: bool = False,
) -> System:
    """edge-ocr in this interpreter, from this checkout.

    Args:
        options: The parsed command line.
        line: Every image is one line of text, detection is left out.
    """
    ours = ["--pack", options.pack, "--profile", options.profile]
    # -P: this folder must not come before the installed packages, its files have everyday names.
    command = [sys.executable, "-P", str(WORKER), OURS, *_shared_arguments(options.cpus, line=line), *ours]
    return System(OURS, command, OUR_PATH)


def peer_system(peer: str, *, cpus: int, line: bool = False) -> System:
    """A peer from its NAME=PYTHON on the command line.

    Args:
        peer: For example `rapid4-ov=/opt/peers4/bin/python`.
        cpus: How many CPUs it may use.
        line: Every image is one line of text, detection is left out.

    Raises:
        ConfigError: The name is unknown or the interpreter is missing.
    """
    name, _, python = peer.partition("=")
    if name not in SYSTEMS:
        raise ConfigError(f"--peer {peer}: unknown system {name!r}, known are {', '.join(SYSTEMS)}")
    if not Path(python).is_file():
        raise ConfigError(f"--peer {peer}: no interpreter at {python!r}; see benchmarks/README.md for how to make one")
    # -I: nor must our PYTHONPATH reach into the peer's environment.
    return System(name, [python, "-I", str(WORKER), name, *_shared_arguments(cpus, line=line)], NO_TELEMETRY)


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
        repeat: Rounds; the time of a system is the median over them, the lines are those of the last.
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
        name: ReadImage(reads[-1].lines, float(np.median([read.elapsed_ms for read in reads])))
        for name, reads in rounds.items()
    }


def python_module(module: str, *arguments: str) -> list[str]:
    """Command that runs one of our modules in this interpreter; needs `OUR_PATH` in its environment."""
    # -P: the current folder must not come before the installed packages, files there may have everyday names.
    return [sys.executable, "-P", "-m", module, *arguments]


def cpu_list(cpus: int) -> str:
    """The first so many of the CPUs that this process may use, comma-separated.

    Raises:
        ConfigError: It may not use as many.
    """
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(cpus))
    if not 1 <= cpus <= len(allowed):
        raise ConfigError(f"--cpus {cpus}: this process may use 1 to {len(allowed)} CPUs")
    return ",".join(str(cpu) for cpu in allowed[:cpus])


def _shared_arguments(cpus: int, *, line: bool) -> list[str]:
    """Arguments that are the same for every system of a run."""
    return ["--cpus", cpu_list(cpus), *(["--line"] if line else [])]
