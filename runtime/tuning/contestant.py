"""One profile's reader in a process of its own, which reads a picture when it is told to.

A process each, because compiled networks and thread pools of one configuration disturb the others; one at a time reads.
"""

import multiprocessing
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_ocr import Line
from edge_ocr.errors import EdgeOcrError
from edge_ocr.profile import DeviceProfile
from runtime.profiling.own_process import end_process, start_deaf_to_ctrl_c

SizeHW = tuple[int, int]


class Contestant(Protocol):
    """Reads pictures under one profile."""

    def read(self, pixels: NDArray[np.uint8]) -> tuple[float, float, Sequence[Line]]:
        """Read a picture.

        Returns:
            Milliseconds of wall time and of CPU time that the call took, and the lines.
        """
        ...

    def close(self) -> None:
        """Give up what it holds."""
        ...


class OpenContestant(Protocol):
    """Makes a reader ready, for pictures of these sizes (height, width)."""

    def __call__(self, profile: DeviceProfile, pack: str, sizes_hw: Sequence[SizeHW]) -> Contestant:
        """Open one.

        Raises:
            EdgeOcrError: the profile cannot be used here.
        """
        ...


class ProcessContestant:
    """A reader in a process of its own."""

    def __init__(self, profile: DeviceProfile, pack: str, sizes_hw: Sequence[SizeHW]) -> None:
        """Start the process and wait until its reader is warm.

        Raises:
            EdgeOcrError: the profile cannot be used here, or the process died.
        """
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, profile.model_dump(), pack, list(sizes_hw)))
        start_deaf_to_ctrl_c(self._process)
        theirs.close()
        try:
            self._answer()
        except BaseException:
            self.close()
            raise

    def read(self, pixels: NDArray[np.uint8]) -> tuple[float, float, Sequence[Line]]:
        """Read a picture; see `Contestant.read`."""
        self._connection.send(pixels)
        ms, cpu_ms, lines = self._answer()
        return ms, cpu_ms, lines

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.terminate()
        end_process(self._process)

    def _answer(self) -> Any:
        try:
            answer = self._connection.recv()
        except EOFError:
            self._process.join()
            raise EdgeOcrError(f"its process died (exit status {self._process.exitcode}); see above") from None
        if isinstance(answer, EdgeOcrError):
            raise answer
        return answer


def _serve(connection: Connection, values: dict[str, Any], pack: str, sizes_hw: Sequence[SizeHW]) -> None:
    """The process: says that it is ready, then answers pictures until nobody sends any."""
    from edge_ocr.reader import Reader

    try:
        reader = Reader(pack=pack, profile=DeviceProfile.model_validate(values))
        reader.warm_up(_one_of_each_kind(reader, sizes_hw))
    except EdgeOcrError as error:
        connection.send(error)
        return
    connection.send("ready")
    while True:
        try:
            pixels = connection.recv()
        except EOFError:
            return
        started_s, started_cpu_s = time.perf_counter(), time.process_time()
        page = reader.read(pixels)
        ms = (time.perf_counter() - started_s) * 1000
        cpu_ms = (time.process_time() - started_cpu_s) * 1000
        connection.send((ms, cpu_ms, page.lines))


def _one_of_each_kind(reader: Any, sizes_hw: Sequence[SizeHW]) -> list[SizeHW]:
    """Of the pictures that are shown to the detector in the same size, one: the others need nothing more compiled."""
    from edge_ocr.detection import plan_tiles

    profile = reader.profile.detector
    rule = reader.pack.manifest.detector.scale.reduced(profile.scale)
    kinds = {plan_tiles(*size, rule, profile.sizes).tiles[0].size: size for size in sizes_hw}
    return list(kinds.values())
