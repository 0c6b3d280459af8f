"""How often a camera gives a frame, and after what silence that is strange for this camera."""

from collections import deque

N_GAPS = 30
"""Gaps between frames that the rate and the limit are taken from."""
STALLED_AFTER_S, STALLED_AFTER_GAPS = 5.0, 5.0
UNKNOWN_STALLED_AFTER_S = 30.0
"""While next to nothing is known: a camera may give a frame every ten seconds."""
BURST_S = 150.0
"""How much video may come at once when a stream begins: gaps between n frames do not exclude a camera that takes so
many seconds for n. The limit falls with their number, from the one above to five seconds for all `N_GAPS`."""


class Freshness:
    """The arrival times of a camera's latest frames. Not for several threads."""

    def __init__(self) -> None:
        self._arrivals_s: deque[float] = deque(maxlen=N_GAPS + 1)
        self._gaps_s: deque[float] = deque(maxlen=N_GAPS)
        self._last_s: float | None = None

    def add(self, now_s: float) -> None:
        """A frame has arrived."""
        if self._arrivals_s:
            self._gaps_s.append(now_s - self._arrivals_s[-1])
        self._arrivals_s.append(now_s)
        self._last_s = now_s

    def interrupt(self) -> None:
        """Frames have stopped coming: the gap to the next one says nothing about the camera's rate."""
        self._arrivals_s.clear()

    @property
    def fps(self) -> float | None:
        """Rate of the latest frames; None while none come."""
        span_s = self._arrivals_s[-1] - self._arrivals_s[0] if self._arrivals_s else 0.0
        return (len(self._arrivals_s) - 1) / span_s if span_s > 0 else None

    def age_s(self, now_s: float) -> float | None:
        """Age of the newest frame; None before the first."""
        return None if self._last_s is None else max(0.0, now_s - self._last_s)

    @property
    def stalled_after_s(self) -> float:
        """Silence after which the camera counts as stalled: by its longest gap of late; a burst cannot shorten that."""
        n_known = len(self._gaps_s)
        unknown_s = min(UNKNOWN_STALLED_AFTER_S, BURST_S / max(n_known, 1))
        least_s = STALLED_AFTER_S if n_known == N_GAPS else unknown_s
        return max(least_s, STALLED_AFTER_GAPS * max(self._gaps_s, default=0.0))
