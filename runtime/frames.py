"""A frame and where frames come from: the seam between cameras and the rest."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edge_ocr.errors import EdgeOcrError

CameraFault = Literal[
    "auth", "not_found", "timeout", "codec", "tls", "refused", "unreachable", "device", "ended", "process", "cut_short"
]
"""Why no picture comes. auth: user or password refused; not_found: no stream at that path; timeout: no answer or frame
in time; codec: video that cannot be decoded; tls: no secure connection; refused: nobody listens at that port;
unreachable: no way to that host; device: a local camera is missing, forbidden, taken or gone; ended: the camera ended
the stream; process: the process that reads it failed; cut_short: a file ends before its
stated end."""


class FrameDroppedError(EdgeOcrError):
    """A frame that will not be read for a known cause; it costs this frame, and is counted."""

    def __init__(self, cause: str, reason: str) -> None:
        super().__init__(reason)
        self.cause = cause
        """Under which it is counted, such as `no_answer`."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One decoded picture of one camera."""

    image: NDArray[np.uint8]
    """(H, W, 3) BGR pixels. Nobody writes into it after it left its source."""
    index: int
    """Number of the frame in its source, from 0; gaps are frames that were dropped."""
    ts: float
    """Capture time, seconds since the epoch (UTC)."""
    arrival_s: float
    """`time.monotonic()` when the decoded frame was in our hands."""
    decode_ms: float
    """Time spent decoding it; waiting for the camera is not counted."""


class Source(Protocol):
    """Where frames come from.

    `read` blocks until the next frame. A live source (`is_live`) delivers at its own rate and must be drained; the
    others (files, folders) can wait.
    """

    @property
    def description(self) -> str:
        """What is read, for logs and messages; never with credentials."""
        ...

    @property
    def is_live(self) -> bool:
        """Whether frames come at their own rate."""
        ...

    @property
    def nominal_fps(self) -> float | None:
        """Frames per second as the source states it; None if it does not."""
        ...

    def open(self) -> None:
        """Open the device, stream or file.

        Raises:
            SourceError: it cannot be opened.
        """
        ...

    def read(self) -> Frame | None:
        """The next frame; None at the end of a source that ends.

        Raises:
            SourceError: the source failed and has to be opened anew.
        """
        ...

    def close(self) -> None:
        """Release everything; harmless when not open."""
        ...


@runtime_checkable
class Cancellable(Protocol):
    """A source whose `open` and `read` can be ended by another thread."""

    def cancel(self) -> None:
        """Make an `open` or `read` that waits fail at once."""
        ...


@runtime_checkable
class CountsLosses(Protocol):
    """A source that knows of frames which `read` never gave."""

    def losses(self) -> Mapping[str, int]:
        """Their number by cause, since the start: overwritten, damaged, missing; for any thread."""
        ...
