"""A recording played at its own rate, as if it were a camera."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

from runtime.frames import CountsLosses, Frame, Source

FPS_WITHOUT_RATE = 1.0
"""Rate of a recording that states none: a folder of images."""


class Recording(Source, Protocol):
    """A source that can be waited for, and can pass over frames."""

    def skip(self) -> bool:
        """Pass over one frame; False at the end."""
        ...


class PacedSource:
    """Frames at the times a camera would give them; those that nobody fetched in time are passed over.

    Due times are absolute, start + index / rate, so that delays do not add up.
    """

    is_live = True

    def __init__(
        self,
        recording: Recording,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._recording = recording
        self._clock = clock
        self._sleep = sleep
        self._wall_clock = wall_clock
        self._start_s: float | None = None
        self._next_index = 0

    @property
    def description(self) -> str:
        """The recording's."""
        return self._recording.description

    @property
    def nominal_fps(self) -> float:
        """The rate it is played at."""
        return self._recording.nominal_fps or FPS_WITHOUT_RATE

    def open(self) -> None:
        """Open the recording; its time starts with the first read."""
        self._recording.open()
        self._start_s = None
        self._next_index = 0

    def read(self) -> Frame | None:
        """Wait until the next frame is due, and give it; None at the end."""
        if self._start_s is None:
            self._start_s = self._clock()
        due_index = int((self._clock() - self._start_s) * self.nominal_fps)
        while self._next_index < due_index:
            if not self._recording.skip():
                return None
            self._next_index += 1
        frame = self._recording.read()
        if frame is None:
            return None
        self._wait_until(self._start_s + self._next_index / self.nominal_fps)
        self._next_index += 1
        return replace(frame, index=self._next_index - 1, ts=self._wall_clock(), arrival_s=self._clock())

    def losses(self) -> Mapping[str, int]:
        """The recording's."""
        return self._recording.losses() if isinstance(self._recording, CountsLosses) else {}

    def close(self) -> None:
        """Close the recording."""
        self._recording.close()

    def _wait_until(self, due_s: float) -> None:
        wait_s = due_s - self._clock()
        if wait_s > 0:
            self._sleep(wait_s)
