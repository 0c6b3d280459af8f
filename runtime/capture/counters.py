"""What happened to a camera's frames: counted in its threads, read from any."""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from runtime.capture.freshness import Freshness


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureStats:
    """What happened to a camera's frames since the start."""

    frames_in: int
    """Frames that the source gave, or should have given."""
    frames_dropped: Mapping[str, int]
    """Of them, those that nobody got, by cause: overwritten, damaged, missing, paused, stopped."""
    reconnects: int
    """Times the source was opened again."""
    stalls: int
    fps: float | None
    """Rate of the latest frames; None while none come."""
    frame_age_s: float | None
    """Age of the newest frame; None before the first."""


class CaptureCounters:
    """The counters of one camera, and how fresh its frames are."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._freshness = Freshness()
        self._frames_in = self._opened = self._stalls = 0
        self._dropped: Counter[str] = Counter()

    def frame_in(self, now_s: float) -> None:
        """A frame has arrived."""
        with self._lock:
            self._frames_in += 1
            self._freshness.add(now_s)

    def dropped(self, cause: str) -> None:
        """Nobody got a frame that had arrived."""
        with self._lock:
            self._dropped[cause] += 1

    def opened(self) -> None:
        """The source is open."""
        with self._lock:
            self._opened += 1

    def stalled(self) -> None:
        """Frames have stopped coming."""
        with self._lock:
            self._stalls += 1
            self._freshness.interrupt()

    def interrupted(self) -> None:
        """The source failed."""
        with self._lock:
            self._freshness.interrupt()

    @property
    def stalled_after_s(self) -> float:
        """Silence after which this camera counts as stalled."""
        with self._lock:
            return self._freshness.stalled_after_s

    def stats(self, now_s: float, losses: Mapping[str, int], *, flows: bool) -> CaptureStats:
        """The counters so far.

        Args:
            now_s: Monotonic seconds.
            losses: Frames that were lost before they arrived, by cause.
            flows: Whether frames come; the rate of those that came is nobody's business otherwise.
        """
        with self._lock:
            return CaptureStats(
                frames_in=self._frames_in + sum(losses.values()),
                frames_dropped=dict(self._dropped + Counter(losses)),
                reconnects=max(self._opened - 1, 0),
                stalls=self._stalls,
                fps=self._freshness.fps if flows else None,
                frame_age_s=self._freshness.age_s(now_s),
            )
