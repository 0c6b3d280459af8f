"""Engines: what runs a network on a device. One module an engine, imported only when a profile asks for it."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Arrays = tuple[NDArray[Any], ...]


class CompiledNetwork(Protocol):
    """One network, compiled per input shape when that shape is first met. Safe to share between threads."""

    def infer(self, input_NHWC: NDArray[np.uint8]) -> Arrays:
        """Run the network.

        Args:
            input_NHWC: (N, H, W, 3) uint8 BGR; every distinct shape is compiled once.

        Returns:
            The outputs in the network's order, arrays of the caller's own.
        """
        ...

    def head_classes(self) -> int | None:
        """Classes that the network's arg-max chooses from; None for a network without one."""
        ...

    def describe(self) -> dict[str, Any]:
        """What really runs: precision, threads, streams, instruction set, shapes compiled so far."""
        ...


class Engine(Protocol):
    """Compiles networks for one device under one profile."""

    def load(self, path: Path, *, streams: int) -> CompiledNetwork:
        """Open the network file.

        Args:
            path: The network file in the engine's own format.
            streams: Requests that may run side by side.

        Raises:
            ModelError: the file cannot be read as a network.
        """
        ...
