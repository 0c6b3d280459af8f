"""Where the time of a read goes: milliseconds per stage, and how long a device's streams had work."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from edge_ocr.page import STAGES

Call = tuple[float, float]
"""Into a network: when it began and when it was done, in seconds of `time.perf_counter`."""


class StageClock:
    """Adds up milliseconds per stage."""

    def __init__(self) -> None:
        self.timings_ms = dict.fromkeys(STAGES, 0.0)

    def add(self, stage: str, ms: float) -> None:
        """Add to a stage."""
        self.timings_ms[stage] += ms

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add what is done inside."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add(name, (time.perf_counter() - start) * 1e3)


def spent_ms(calls: Iterable[Call]) -> float:
    """Milliseconds of all calls, those that waited for a stream among them."""
    return sum(end - start for start, end in calls) * 1e3


def busy_ms(calls: Iterable[Call], streams: int) -> float:
    """How long the streams of a device had work, a mean over them.

    Args:
        calls: From any threads. As many as there are streams run side by side, the others wait for one.
        streams: At least 1.

    Returns:
        Milliseconds, at most from the first call's beginning to the last one's end; 0 without calls.
    """
    changes = sorted(change for start, end in calls for change in ((start, 1), (end, -1)))
    busy_s, under_way, last = 0.0, 0, 0.0
    for now, change in changes:
        busy_s += min(under_way, streams) * (now - last)
        under_way, last = under_way + change, now
    return busy_s / streams * 1e3
