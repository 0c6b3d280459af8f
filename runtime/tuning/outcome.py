"""What a search came to, and everything that it tried."""

from dataclasses import dataclass

from edge_ocr.profile import DeviceProfile
from runtime.tuning.goal import Goal
from runtime.tuning.scores import Quotient, Score


@dataclass(frozen=True, slots=True)
class Tried:
    """One value that was tried against the incumbent of its time."""

    dimension: str
    label: str
    key: str
    n_pages: int
    """How many it got to read."""
    f1: float
    time: Quotient
    """Of it over that incumbent."""
    time_of_base: float
    """Estimate of its time over that of the hand-written profile: the product along the chain of incumbents."""
    f1_of_all: float
    """Estimate of its word F1 over all pages: that of the incumbent, and how much it differed on the same pages."""
    refused: str | None
    """Why it was not taken; None: it was."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the search came to."""

    profile: DeviceProfile
    """What is to be written: the best found, or the hand-written one."""
    is_base: bool
    why_base: str | None
    """Why the hand-written values stay; None if they do not."""
    goal: Goal
    best: Score
    """Of `profile`, in the last comparison."""
    base: Score
    """Of the hand-written one, in the same."""
    time: Quotient
    """Of `profile` over the hand-written one."""
    others_cores: float | None
    """Cores that other processes kept busy in the last comparison."""
    tried: tuple[Tried, ...]
