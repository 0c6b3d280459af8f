"""What a text says when it was read many times: every read votes, recent ones count more.

`TextVote` owns the vote of one track; nothing else in the appliance compares reads with each other to decide a text.
"""

from collections import deque
from dataclasses import dataclass

DECAY = 0.8
"""Weight that earlier votes keep when a new read comes: five reads' worth of memory."""
MIN_SHARE = 0.5
"""Part of the weight that a text needs to settle; below it the reads flicker."""
SWITCH_RATIO = 1.4
"""How much more weight another text needs before it takes a settled one's place: four clean reads in a row."""
RETURN_PATIENCE, MAX_PATIENCE = 8, 32
"""Reads without the settled text before one that had settled earlier may return; doubled with every return. Misreads
come in runs, as long as light and place stay the same; without this a line would go back and forth for ever."""
MAX_EARLIER = 8
"""Texts that are remembered as having settled before."""
FORGET = 0.02
"""Weight below which a text is no longer a candidate."""


@dataclass(frozen=True, slots=True)
class SettledText:
    """What the reads agree on."""

    text: str
    score: float
    """Mean confidence of the agreeing reads."""
    reads: int
    """Reads that were counted."""
    agreeing_reads: int
    """Those of them that read exactly `text`."""


@dataclass(slots=True)
class _Tally:
    """The votes for one text."""

    weight: float = 0.0
    reads: int = 0
    score_sum: float = 0.0


class TextVote:
    """The reads of one text and what they agree on.

    A text settles when enough reads agree on it and they hold most of the weight. Once settled it stays until another
    one clearly outweighs it, so that a misread now and then changes nothing.
    """

    def __init__(self, *, min_reads: int) -> None:
        self._min_reads = min_reads
        self._tallies: dict[str, _Tally] = {}
        self._reads = 0
        self._text: str | None = None
        self._since_text = 0
        self._earlier: deque[str] = deque(maxlen=MAX_EARLIER)
        self._n_returns = 0

    def add(self, text: str, score: float) -> None:
        """Count one read, weighted by its confidence in [0, 1]."""
        for other in self._tallies.values():
            other.weight *= DECAY
        tally = self._tallies.setdefault(text, _Tally())
        tally.weight += score
        tally.reads += 1
        tally.score_sum += score
        self._reads += 1
        self._since_text = 0 if text == self._text else self._since_text + 1
        self._tallies = {
            key: each for key, each in self._tallies.items() if each.weight >= FORGET or key in {text, self._text}
        }
        self._settle()

    def clear(self) -> None:
        """Forget every read: they were not worth counting."""
        self._tallies.clear()
        self._earlier.clear()
        self._reads = self._since_text = self._n_returns = 0
        self._text = None

    def forget_others(self) -> None:
        """Keep the reads of the settled text only: what was there before it was something else."""
        self._tallies = {text: tally for text, tally in self._tallies.items() if text == self._text}
        self._reads = sum(tally.reads for tally in self._tallies.values())
        self._earlier.clear()
        self._n_returns = 0

    @property
    def settled(self) -> SettledText | None:
        """What the reads agree on; None while they do not."""
        if self._text is None:
            return None
        tally = self._tallies[self._text]
        return SettledText(self._text, tally.score_sum / tally.reads, self._reads, tally.reads)

    def _settle(self) -> None:
        """Let the leading text settle if it may."""
        leader, tally = max(self._tallies.items(), key=lambda item: item[1].weight)
        if leader == self._text or tally.reads < self._min_reads:
            return
        if self._text is None:
            total_weight = sum(each.weight for each in self._tallies.values())
            if tally.weight >= MIN_SHARE * total_weight:
                self._text = leader
        elif tally.weight >= SWITCH_RATIO * self._tallies[self._text].weight:
            self._switch(leader)

    def _switch(self, text: str) -> None:
        """Let a text take the settled one's place; one that had settled before has to be patient."""
        assert self._text is not None
        if text in self._earlier:
            if self._since_text < min(RETURN_PATIENCE * 2**self._n_returns, MAX_PATIENCE):
                return
            self._n_returns += 1
        self._earlier.append(self._text)
        self._text, self._since_text = text, 0
