"""What a text says when it was read many times: every read votes, recent ones count more.

`TextVote` owns the vote of one track; nothing else in the appliance compares reads with each other to decide a text.
"""

from dataclasses import dataclass

DECAY = 0.8
"""Weight that earlier votes keep when a new read comes: five reads' worth of memory."""
MIN_SHARE = 0.5
"""Part of the weight that a text needs to settle; below it the reads flicker."""
SWITCH_RATIO = 1.4
"""How much more weight another text needs before it takes a settled one's place: four clean reads in a row."""
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

    def add(self, text: str, score: float) -> None:
        """Count one read, weighted by its confidence in [0, 1]."""
        for other in self._tallies.values():
            other.weight *= DECAY
        tally = self._tallies.setdefault(text, _Tally())
        tally.weight += score
        tally.reads += 1
        tally.score_sum += score
        self._reads += 1
        self._tallies = {
            key: each for key, each in self._tallies.items() if each.weight >= FORGET or key in {text, self._text}
        }
        self._settle()

    def clear(self) -> None:
        """Forget every read: they were not worth counting."""
        self._tallies.clear()
        self._reads = 0
        self._text = None

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
            rivals_weight = sum(each.weight for each in self._tallies.values())
            if tally.weight >= MIN_SHARE * rivals_weight:
                self._text = leader
        elif tally.weight >= SWITCH_RATIO * self._tallies[self._text].weight:
            self._text = leader
