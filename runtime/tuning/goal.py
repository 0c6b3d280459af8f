"""What is better: the goal of a search, and who wins by it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from runtime.tuning.scores import Quotient, Score

CLEARLY_WORSE_F1 = 0.03
"""Word F1 on the first pages below the floor's by which a profile is given up early."""
EPSILON = 1e-9


@dataclass(frozen=True, slots=True)
class Goal:
    """What is asked for.

    Without a budget: the fastest profile at the floor or above. With one: the most accurate that keeps the budget.
    """

    floor_f1: float
    """Least word F1."""
    max_p90_ms: float | None = None
    """Latency budget: 90th percentile of the wall time of a page."""

    def is_accurate(self, score: Score) -> bool:
        """Whether the floor holds."""
        return score.f1 >= self.floor_f1 - EPSILON

    def is_in_time(self, score: Score) -> bool:
        """Whether the budget holds."""
        return self.max_p90_ms is None or score.p90_ms <= self.max_p90_ms

    def is_met(self, score: Score) -> bool:
        """Whether all that is asked for holds."""
        return self.is_accurate(score) and self.is_in_time(score)

    def why_not(self, new: Score, old: Score, time: Quotient) -> str | None:
        """Why a new profile does not take the place of the old one, in a few words; None if it does.

        Args:
            new: Of all pages.
            old: Of the same pages, read in turns with the new one.
            time: Of the new over the old.
        """
        if not self.is_accurate(new):
            return "less accurate than asked for"
        if self.max_p90_ms is None or not self.is_in_time(old):
            # First into the budget, by whatever is faster; only then is there something to spend.
            return None if time.is_faster else _not_faster(time)
        if not self.is_in_time(new):
            return "over the budget"
        if new.f1 > old.f1 + EPSILON:
            return None
        if new.f1 < old.f1 - EPSILON:
            return "less accurate, and the budget is kept without it"
        return None if time.is_faster else _not_faster(time)

    def is_hopeless(self, new: Score, old: Score, time: Quotient) -> bool:
        """Whether some pages already show that a profile will not win."""
        if new.f1 < min(self.floor_f1, old.f1) - CLEARLY_WORSE_F1:
            return True
        may_be_slower = self.max_p90_ms is not None and self.is_in_time(old) and new.f1 > old.f1 + EPSILON
        return time.is_slower and not may_be_slower

    def early_merit(self, new: Score, old: Score, time: Quotient) -> tuple[float, ...]:
        """What some pages say of a profile's prospects; more is better."""
        accuracy_first = self.max_p90_ms is not None and self.is_in_time(old)
        return (new.f1, -time.middle) if accuracy_first else (-time.middle,)

    def best(self, found: Sequence[tuple[str, Score, Quotient]]) -> str:
        """The best of several that would all take the old one's place: its key. At least one."""

        def merit(one: tuple[str, Score, Quotient]) -> tuple[float, ...]:
            _, score, time = one
            if self.max_p90_ms is None:
                return (-time.middle,)
            in_time = self.is_in_time(score)
            return (in_time, score.f1 if in_time else -time.middle, -time.middle)

        return max(found, key=merit)[0]

    def keeps_its_promise(self, best: Score, base: Score, time: Quotient) -> bool:
        """Whether the search's result may be written instead of the hand-written profile.

        Args:
            best: The result, in the last measurement.
            base: The hand-written profile, read in turns with it.
            time: Of the result over the hand-written one.
        """
        if not self.is_accurate(best) or not math.isfinite(time.high):
            return False
        if self.max_p90_ms is None or not self.is_in_time(base):
            return time.middle <= 1
        is_more_accurate = best.f1 > base.f1 + EPSILON
        return self.is_in_time(best) and (is_more_accurate or (time.middle <= 1 and best.f1 >= base.f1 - EPSILON))


def _not_faster(time: Quotient) -> str:
    return "slower" if time.is_slower else "not clearly faster"
