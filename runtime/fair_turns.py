"""Whose turn it is when several cameras want the reader: shares of reading time, not of frames.

Start-time fair queueing (Goyal, Vin and Cheng 1996): every camera has a clock that runs while it is read, and the one
whose clock is furthest behind goes first. One that had nothing to read does not save up time for later.
"""


class FairTurns:
    """The clocks of some cameras, by name; a new one starts even with the others."""

    def __init__(self) -> None:
        self._finish_s: dict[str, float] = {}
        self._turn: dict[str, int] = {}
        self._n_turns = 0
        self._now_s = 0.0

    def claim(self, camera: str) -> tuple[float, int]:
        """A sorting key: the camera with the smallest has the best claim to the reader."""
        return self._start_s(camera), self._turn.get(camera, 0)

    def charge(self, camera: str, seconds: float) -> None:
        """Count the time that a camera's frame took, at least 0 seconds."""
        self._now_s = self._start_s(camera)
        self._finish_s[camera] = self._now_s + seconds
        self._n_turns += 1
        self._turn[camera] = self._n_turns

    def _start_s(self, camera: str) -> float:
        return max(self._finish_s.get(camera, 0.0), self._now_s)
