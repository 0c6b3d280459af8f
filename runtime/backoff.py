"""How long to wait before trying again."""

from collections.abc import Callable

FIRST_BACKOFF_S, MAX_BACKOFF_S = 1.0, 60.0


class Backoff:
    """Waits between attempts: 1, 2, 4 ... 60 s at most, each drawn from zero to that (full jitter)."""

    def __init__(self, draw: Callable[[], float]) -> None:
        self._draw = draw
        self._limit_s = FIRST_BACKOFF_S

    def next_s(self, max_s: float = MAX_BACKOFF_S) -> float:
        """How long to wait before the next attempt, `max_s` at most."""
        wait_s = self._draw() * min(self._limit_s, max_s)
        self._limit_s = min(2 * self._limit_s, MAX_BACKOFF_S)
        return wait_s

    def reset(self) -> None:
        """Begin with the shortest again."""
        self._limit_s = FIRST_BACKOFF_S
