"""How a run shows where it is: a bar on a terminal, lines elsewhere."""

import sys
import time
from typing import TextIO

BAR_WIDTH = 24


class Progress:
    """Reports the steps of a run on stderr.

    Args:
        first: Step that the run begins or goes on with.
        n_steps: Of the whole run.
        stream: Where to write.
    """

    def __init__(self, first: int, n_steps: int, stream: TextIO | None = None) -> None:
        self.first = first
        self.n_steps = n_steps
        self.stream = stream or sys.stderr
        self.is_terminal = self.stream.isatty()
        self.started = time.monotonic()

    def show(self, n_done: int, text: str) -> None:
        """Show how many steps are done and what there is to say of the last ones."""
        elapsed = time.monotonic() - self.started
        left_s = elapsed / max(1, n_done - self.first) * (self.n_steps - n_done)
        line = f"{n_done}/{self.n_steps}  {text}  {clock(left_s)} left"
        if self.is_terminal:
            filled = BAR_WIDTH * n_done // self.n_steps
            self.stream.write(f"\r\x1b[K{'█' * filled}{'░' * (BAR_WIDTH - filled)} {line}")
        else:
            self.stream.write(f"{line}\n")
        self.stream.flush()

    def say(self, text: str) -> None:
        """Write a line that stays."""
        self.stream.write(f"\r\x1b[K{text}\n" if self.is_terminal else f"{text}\n")
        self.stream.flush()


def clock(seconds: float) -> str:
    """A span as h:mm:ss, without hours where there are none."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
