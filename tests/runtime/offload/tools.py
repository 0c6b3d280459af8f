"""A real broker, workers and their sender for the offload tests. As a script: a worker in a process of its own."""

import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

from edge_ocr import Line, Page, Recognition
from edge_ocr.errors import PublishError
from runtime.backoff import Backoff
from runtime.config.kiosk import KioskConfig, MqttConfig
from runtime.offload.remote_reader import RemoteReader
from runtime.offload.worker import Worker, WorkerConfig
from tests.runtime.mqtt_tools import wait_until

ROOT = Path(__file__).parents[3]
QUAD = np.array([[1, 2], [30, 2], [30, 12], [1, 12]], np.float32)
"""Where a `CodeReader` finds its line."""


class CodeReader:
    """Reads the grey level of a frame as its text."""

    pack = SimpleNamespace(name="latin")
    profile = SimpleNamespace(name="toy", latency_budget_ms=None)

    def __init__(self, before: Callable[[], object] = lambda: None) -> None:
        """`before` is called before every read."""
        self._before = before

    def read(self, image: NDArray[np.uint8]) -> Page:
        self._before()
        height, width = image.shape[:2]
        timings_ms = {"detect": 1.0, "crop": 0.1, "orient": 0.0, "recognize": 1.0, "infer": 1.5, "total": 2.1}
        return Page(width, height, (_code_line(image),), timings_ms)

    def recognize(
        self,
        image: NDArray[np.uint8],
        quads: Sequence[NDArray[np.float32]],
        *,
        allowed: Sequence[frozenset[str] | None] | None = None,
        closely: bool = False,
    ) -> Recognition:
        """Reads the code at its place; elsewhere, or with few characters, the grey level and from how many it chose."""
        self._before()
        sets = [None] * len(quads) if allowed is None else allowed
        lines = tuple(_line_at(image, quad, only) for quad, only in zip(quads, sets, strict=True))
        return Recognition(lines, {"recognize": 1.0, "infer": 1.0, "total": 1.0})


def _code_line(image: NDArray[np.uint8]) -> Line:
    return Line(f"CODE {image[0, 0, 0]}", 0.9, QUAD)


def _line_at(image: NDArray[np.uint8], quad: NDArray[np.float32], allowed: frozenset[str] | None) -> Line:
    if allowed is None and np.array_equal(quad, QUAD):
        return _code_line(image)
    text = f"{image[0, 0, 0]} of {'all' if allowed is None else len(allowed)}"
    return Line(text, 0.8, quad, (0.8,) * len(text))


def frame(code: int) -> NDArray[np.uint8]:
    return np.full((48, 64, 3), code, np.uint8)


def text_of(page: Page) -> str:
    return page.lines[0].text


@contextlib.contextmanager
def running_worker(url: str, name: str, reader: CodeReader | None = None, group: str = "readers") -> Iterator[Worker]:
    config = WorkerConfig(mqtt=MqttConfig(url=url), group=group, name=name)
    worker = Worker(config, reader or CodeReader(), backoff=Backoff(lambda: 0.02))
    failures: list[PublishError] = []

    def run() -> None:
        try:
            worker.run()
        except PublishError as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        wait_until(lambda: worker.metrics().connects)
        yield worker
    finally:
        worker.stop()
        thread.join()
    assert failures == []


@contextlib.contextmanager
def running_sender(url: str, node: str = "kiosk", deadline_s: float = 5.0) -> Iterator[RemoteReader]:
    reader = RemoteReader(kiosk(url, node=node, deadline_s=deadline_s), backoff=Backoff(lambda: 0.02))
    failures: list[PublishError] = []
    reader.start(failures.append)
    try:
        wait_until(lambda: reader.metrics().connects)
        yield reader
    finally:
        reader.stop()
    assert failures == []


def kiosk(url: str, cameras: Sequence[str] = ("cam0",), *, node: str = "kiosk", deadline_s: float = 5.0) -> KioskConfig:
    return KioskConfig.model_validate({
        "node": node,
        "mqtt": {"url": url},
        "offload": {"deadline_s": deadline_s},
        "cameras": {name: {"source": "test:"} for name in cameras},
    })


class WorkerProcess:
    """A worker that can be killed; it says `reading` and waits for `go_on` before every read. A context manager."""

    def __init__(self, url: str, name: str) -> None:
        command = [sys.executable, "-m", "tests.runtime.offload.tools", url, name]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> "WorkerProcess":
        self.wait_for("connected")
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()

    def wait_for(self, word: str) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == f"{word}\n"

    def go_on(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def terminate(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        return self._process.wait()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def _main(url: str, name: str) -> None:
    def wait_to_read() -> None:
        _say("reading")
        sys.stdin.readline()

    worker = Worker(WorkerConfig(mqtt=MqttConfig(url=url), name=name), CodeReader(wait_to_read))
    signal.signal(signal.SIGTERM, lambda *_: worker.stop())

    def announce() -> None:
        wait_until(lambda: worker.metrics().connects)
        _say("connected")

    threading.Thread(target=announce).start()
    worker.run()


if __name__ == "__main__":
    _main(*sys.argv[1:])
