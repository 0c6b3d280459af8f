"""The search: one dimension after the other, the incumbent against its other values, until nothing is better.

Coordinate search, because the dimensions hardly depend on each other; those that do (precision and streams) are met
again in the second pass. Within a dimension successive halving over pages: all values read a few, the better half more,
the best all. Whoever challenges reads in turns with the incumbent. The last word is a comparison of the result with the
hand-written profile over all pages: it has to be at least as fast at no lower accuracy than asked for.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from edge_ocr.errors import EdgeOcrError
from edge_ocr.profile import DeviceProfile
from runtime.tuning.contest import Contest
from runtime.tuning.goal import Goal
from runtime.tuning.scores import Quotient, Read, Score, quotient
from runtime.tuning.space import Dimension, Option, profile_key

FIRST_PAGES = 8
"""Pages that every value reads; each further round doubles them."""
MAX_PASSES = 2
MIN_FINAL_READS = 64
"""Reads of each profile in the last comparison: as many as a p90 takes."""

OpenContest = Callable[[int, Mapping[str, DeviceProfile]], Contest]

_log = logging.getLogger(__name__)


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
    """Estimate of its time over that of the hand-written profile."""
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


@dataclass(slots=True)
class _Incumbent:
    key: str
    profile: DeviceProfile
    time_of_base: float = 1.0


@dataclass(slots=True)
class Search:
    """One search from a hand-written profile."""

    base: DeviceProfile
    dimensions: Sequence[Dimension]
    n_pages: int
    open_contest: OpenContest
    max_p90_ms: float | None = None
    min_f1: float | None = None
    """The floor; None: what the hand-written profile has."""
    _tried: list[Tried] = field(default_factory=list, init=False)
    _refused: set[tuple[str, str]] = field(default_factory=set, init=False)
    """(incumbent, value) that need not be compared again."""
    _n_contests: int = field(default=0, init=False)

    def run(self) -> Outcome:
        """Search.

        Raises:
            EdgeOcrError: the hand-written profile cannot be used here, or a page cannot be read.
        """
        base_key = profile_key(self.base)
        floor = self._measure_floor(base_key)
        goal = Goal(floor if self.min_f1 is None else self.min_f1, self.max_p90_ms)
        _log.info("tune: word F1 of %s is %.4f, at least %.4f is asked for", self.base.name, floor, goal.floor_f1)
        incumbent = _Incumbent(base_key, self.base)
        for number in range(1, MAX_PASSES + 1):
            before = incumbent.key
            for dimension in self.dimensions:
                options = [one for one in dimension.options(incumbent.profile) if self._is_new(incumbent, one)]
                if options:
                    _log.info(
                        "tune: pass %d, %s: %s", number, dimension.name, ", ".join(option.label for option in options)
                    )
                    incumbent = self._compare(dimension.name, incumbent, options, goal)
            if incumbent.key == before:
                break
        return self._conclude(incumbent, goal)

    def _measure_floor(self, base_key: str) -> float:
        with self._contest({base_key: self.base}) as contest:
            found = contest.read([base_key], range(self.n_pages))
        if base_key in found.failed:
            raise EdgeOcrError(f"profile {self.base.name}: {found.failed[base_key]}")
        return Score(found.reads[base_key]).f1

    def _is_new(self, incumbent: _Incumbent, option: Option) -> bool:
        return option.key != incumbent.key and (incumbent.key, option.key) not in self._refused

    def _compare(self, dimension: str, incumbent: _Incumbent, options: Sequence[Option], goal: Goal) -> _Incumbent:
        """Let the values of one dimension challenge the incumbent; who it is afterwards."""
        by_key = {option.key: option for option in options}
        profiles = {incumbent.key: incumbent.profile} | {key: option.profile for key, option in by_key.items()}
        with self._contest(profiles) as contest:
            reads, failed, given_up = self._halve(contest, incumbent.key, list(by_key), goal)
        old = reads[incumbent.key]
        winners = []
        why: dict[str, str | None] = {**failed, **given_up}
        for key in by_key:
            if key not in why:
                new, time = Score(reads[key]), quotient(reads[key], old)
                why[key] = goal.why_not(new, Score(old), time)
                if why[key] is None:
                    winners.append((key, new, time))
        best = goal.best(winners) if winners else None
        for key, _, _ in winners:
            if key != best:
                why[key] = "another value is better"
        for key, option in by_key.items():
            self._note(dimension, option, incumbent, reads.get(key, ()), old, why[key])
        self._refused |= {(incumbent.key, key) for key in by_key if key != best}
        if best is None:
            return incumbent
        time = next(time for key, _, time in winners if key == best)
        return _Incumbent(best, by_key[best].profile, incumbent.time_of_base * time.middle)

    def _halve(
        self, contest: Contest, incumbent: str, keys: list[str], goal: Goal
    ) -> tuple[dict[str, tuple[Read, ...]], dict[str, str], dict[str, str]]:
        """Rounds over more and more pages for fewer and fewer profiles.

        Returns:
            All reads by profile, why some could not be used, and why some were given up before the end.
        """
        reads: dict[str, tuple[Read, ...]] = {}
        failed: dict[str, str] = {}
        given_up: dict[str, str] = {}
        done = 0
        for until in rounds(self.n_pages):
            found = contest.read([incumbent, *keys], range(done, until))
            done = until
            failed |= {key: f"cannot be used: {reason}" for key, reason in found.failed.items()}
            for key, more in found.reads.items():
                reads[key] = (*reads.get(key, ()), *more)
            keys = [key for key in keys if key not in failed]
            if until < self.n_pages:
                losers = self._losers(reads, incumbent, keys, goal)
                given_up |= losers
                keys = [key for key in keys if key not in losers]
                for key in losers:
                    contest.drop(key)
            if not keys:
                break
        return reads, failed, given_up

    def _losers(
        self, reads: Mapping[str, tuple[Read, ...]], incumbent: str, keys: Sequence[str], goal: Goal
    ) -> dict[str, str]:
        """Whom some pages suffice to give up: what is hopeless, and of the others the worse half."""
        old = Score(reads[incumbent])
        times = {key: quotient(reads[key], reads[incumbent]) for key in keys}
        why = {}
        for key in keys:
            if goal.is_hopeless(Score(reads[key]), old, times[key]):
                why[key] = f"worse on the first {old.n_pages} pages"
        merits = {key: goal.early_merit(Score(reads[key]), old, times[key]) for key in keys if key not in why}
        left = sorted(merits, key=lambda key: merits[key], reverse=True)
        for key in left[(len(left) + 1) // 2 :]:
            why[key] = f"worse than others on the first {old.n_pages} pages"
        return why

    def _note(
        self,
        dimension: str,
        option: Option,
        incumbent: _Incumbent,
        reads: tuple[Read, ...],
        old: tuple[Read, ...],
        why: str | None,
    ) -> None:
        time = quotient(reads, old)
        score = Score(reads)
        self._tried.append(
            Tried(
                dimension=dimension,
                label=option.label,
                key=option.key,
                n_pages=score.n_pages,
                f1=score.f1,
                time=time,
                time_of_base=incumbent.time_of_base * time.middle,
                refused=why,
            )
        )
        _log.info(
            "tune: %s %s: %.2f of the time, word F1 %.4f on %d pages: %s",
            dimension,
            option.label,
            time.middle,
            score.f1,
            score.n_pages,
            why or "taken",
        )

    def _conclude(self, incumbent: _Incumbent, goal: Goal) -> Outcome:
        """The last comparison, and what it decides."""
        base_key = profile_key(self.base)
        repeat = max(2, -(-MIN_FINAL_READS // self.n_pages))
        _log.info("tune: last comparison, %d pages %d times", self.n_pages, repeat)
        keys = list(dict.fromkeys([base_key, incumbent.key]))
        with self._contest({base_key: self.base, incumbent.key: incumbent.profile}) as contest:
            found = contest.read(keys, range(self.n_pages), repeat=repeat)
        missing = {**found.failed}
        if missing:
            raise EdgeOcrError(next(iter(missing.values())))
        base, best = Score(found.reads[base_key]), Score(found.reads[incumbent.key])
        time = quotient(best.reads, base.reads)
        why = None
        if incumbent.key == base_key:
            why = "nothing that was tried is better"
        elif not goal.keeps_its_promise(best, base, time):
            why = f"what looked best ({time.middle:.2f} of the time, word F1 {best.f1:.4f}) did not hold in the end"
        return Outcome(
            profile=self.base if why else incumbent.profile,
            is_base=why is not None,
            why_base=why,
            goal=goal,
            best=base if why else best,
            base=base,
            time=Quotient(1.0, 1.0, 1.0) if why else time,
            others_cores=found.others_cores,
            tried=tuple(self._tried),
        )

    def _contest(self, profiles: Mapping[str, DeviceProfile]) -> Contest:
        self._n_contests += 1
        return self.open_contest(self._n_contests, profiles)


def rounds(n_pages: int) -> list[int]:
    """After how many pages profiles are given up; the last is all of them."""
    ends = []
    end = FIRST_PAGES
    while end < n_pages:
        ends.append(end)
        end *= 2
    return [*ends, n_pages]
