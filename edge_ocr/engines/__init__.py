"""Engines: what runs a network on a device. One module an engine, imported only when a profile asks for it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Arrays = tuple[NDArray[Any], ...]


class CompiledNetwork(Protocol):
    """One network, ready for the input shapes of its profile. Safe to share between threads."""

    def infer(self, input_NHWC: NDArray[np.uint8], class_bias: NDArray[np.float32] | None = None) -> Arrays:
        """Run the network.

        Args:
            input_NHWC: (1, H, W, 3) uint8 BGR, of few distinct shapes: each is prepared when first met and kept. With
                OpenVINO N may be above 1.
            class_bias: (C,) added to the probabilities that the network's arg-max chooses from; None adds nothing. Only
                for networks with an arg-max.

        Returns:
            The outputs in the network's order, arrays of the caller's own.
        """
        ...

    def prepare(self, shape: tuple[int, int, int]) -> None:
        """Make ready for a shape (N, H, W) that comes often, so that it takes less time than others, for some memory.

        An engine for which all shapes are the same does nothing.
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

    suffix: str
    """Of the network files that it reads: .xml (OpenVINO's IR) or .onnx."""

    def load(self, path: Path, *, streams: int, widths: Sequence[int] | None = None) -> CompiledNetwork:
        """Open the network file.

        Args:
            path: The network file in the engine's own format.
            streams: Requests that may run side by side.
            widths: One compiled network for all these widths (ascending), instead of one per shape.

        Raises:
            ModelError: the file cannot be read as a network.
        """
        ...
