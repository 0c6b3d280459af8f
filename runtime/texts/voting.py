"""What a text says when it was read many times: every read votes for every character, recent ones count more.

`TextVote` owns the vote of one track; nothing else in the appliance compares reads with each other to decide a text.

    reads -> aligned to the text with the most weight -> per character the heaviest -> settled, once all are backed

A character's vote weighs what the reader trusts it, times how sharp the line was (ROVER: Fiscus 1997, section 2.2).
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from runtime.texts.alignment import align
from runtime.texts.matching import similarity

DECAY = 0.8
"""Weight that earlier votes keep when a new read comes: five reads' worth of memory."""
MIN_SHARE = 0.5
"""Part of the weight that each character of a text needs to settle; below it the reads flicker."""
SWITCH_RATIO, SWITCH_READS = 1.4, 1
"""How much more weight another text needs before it takes a settled one's place, four clean reads in a row, and how
many more reads than a text needs to settle while its pixels stay: an update is news, a misread character is none."""
SHORT = 3
"""Characters of a text that has little to contradict it: textures and cut words read as a few letters easily."""
SURE_SHORT = 0.95
"""What each character of a short text needs for a single read of it to settle."""
CLEAR, SHORT_READS = 0.9, 5
"""Mean score below which a short text needs this many reads."""
RETURN_PATIENCE, MAX_PATIENCE = 8, 32
"""Reads without the settled text before one that had settled earlier may return; doubled with every return. Misreads
come in runs, as long as light and place stay the same; without this a line would go back and forth for ever."""
MAX_EARLIER = 8
"""Texts that are remembered as having settled before."""
MIN_WEIGHT = 0.03
"""Weight of the most doubtful read: more than nothing."""
FORGET = 0.02
"""Weight below which a text is no longer a candidate."""
DOUBT = 0.3
"""Weight that reads keep when the pixels they came from have changed."""
SURE = 0.8
"""Confidence of the weakest character from which a second read is enough; measured on receipts and forms, one line in
forty that passes it is wrong, of the others one in eight."""
WANTED_READS, WANTED_UNSURE, MAX_READS = 2, 5, 8
"""Reads that a vote asks for: of a sure text, of one with a doubtful character, of one that does not settle."""
SPACE_WEIGHT = 4.0
"""Weight of a space against its absence: recognisers miss many spaces and invent few."""
ALIKE = 0.5
"""Similarity below which two reads are not of one text: they vote against each other as a whole, or the vote between an
old and a new text would pass through mixtures."""
MAX_CANDIDATES = 3


@dataclass(frozen=True, slots=True)
class SettledText:
    """What the reads agree on."""

    text: str
    score: float
    """Mean confidence of the agreeing reads; of all reads where none read the whole of it."""
    reads: int
    """Reads that were counted."""
    agreeing_reads: int
    """Those of them that read exactly `text`; 0 where it is put together from several."""
    candidates: tuple[tuple[str, float], ...] = ()
    """Other texts that were read and their shares of the weight, heaviest first, `MAX_CANDIDATES` at most."""


@dataclass(slots=True)
class _Tally:
    """The votes for one text."""

    weight: float = 0.0
    reads: int = 0
    score_sum: float = 0.0
    char_scores: tuple[float, ...] = ()
    """Decayed mean confidence of each character; as many as the text has."""

    def add(self, score: float, char_scores: Sequence[float], weight: float) -> None:
        mean = self.weight / (self.weight + weight) if weight else 1.0
        old = self.char_scores or (0.0,) * len(char_scores)
        self.char_scores = tuple(mean * a + (1 - mean) * b for a, b in zip(old, char_scores, strict=True))
        self.weight += weight
        self.reads += 1
        self.score_sum += score


class TextVote:
    """The reads of one text and what they agree on.

    A text settles when enough reads back each of its characters and these hold most of the weight. Once settled it
    stays until another one clearly outweighs it, so that a misread now and then changes nothing.
    """

    def __init__(self, *, min_reads: int, sure_score: float = 1.0) -> None:
        """A vote without reads.

        Args:
            min_reads: Reads that must back a character.
            sure_score: A single sharp read settles if none of its characters is below this; 1: never.
        """
        self._min_reads = min_reads
        self._sure_score = sure_score
        self._tallies: dict[str, _Tally] = {}
        self._reads = 0
        self._reads_since_doubt = 0
        self._text: str | None = None
        self._since_text = 0
        self._is_doubted = False
        self._earlier: deque[str] = deque(maxlen=MAX_EARLIER)
        self._n_returns = 0

    def add(self, text: str, score: float, char_scores: Sequence[float] = (), *, sharpness: float = 1.0) -> None:
        """Count one read.

        Args:
            text: What was read.
            score: Its confidence in [0, 1].
            char_scores: That of each character; empty: the same for all.
            sharpness: How sharp the line was, in [0, 1].
        """
        for other in self._tallies.values():
            other.weight *= DECAY
        tally = self._tallies.setdefault(text, _Tally())
        tally.add(score, char_scores or (score,) * len(text), max(score * sharpness, MIN_WEIGHT))
        self._reads += 1
        self._reads_since_doubt += 1
        self._since_text = 0 if text == self._text else self._since_text + 1
        self._is_doubted &= text != self._text
        self._tallies = {
            key: each for key, each in self._tallies.items() if each.weight >= FORGET or key in {text, self._text}
        }
        is_sure = self._is_sure(text, char_scores) and sharpness >= MIN_SHARE
        self._settle(is_sure=is_sure and len(self._tallies) == 1)

    def skip(self) -> None:
        """Count a read in which nothing was legible: it says nothing, but it was tried."""
        self._reads_since_doubt += 1

    def clear(self) -> None:
        """Forget every read: they were not worth counting."""
        self._tallies.clear()
        self._earlier.clear()
        self._reads = self._reads_since_doubt = self._since_text = self._n_returns = 0
        self._text, self._is_doubted = None, False

    def doubt(self) -> None:
        """The pixels changed: what was read before counts little against what is read now."""
        for tally in self._tallies.values():
            tally.weight *= DOUBT
        self._reads_since_doubt = 0
        self._is_doubted = True

    def forget_others(self) -> None:
        """Keep the reads of the settled text only: what was there before it was something else."""
        self._tallies = {text: tally for text, tally in self._tallies.items() if text == self._text}
        self._reads = sum(tally.reads for tally in self._tallies.values())
        self._earlier.clear()
        self._n_returns = 0

    @property
    def wants_reads(self) -> bool:
        """Whether another look at the same pixels, in another frame's noise, could tell more."""
        n_reads = self._reads_since_doubt
        if self._text is None:
            return n_reads < MAX_READS
        tally = self._tallies.get(self._text)
        is_sure = tally is not None and tally.reads >= self._min_reads and min(tally.char_scores, default=0) >= SURE
        return n_reads < (WANTED_READS if is_sure else WANTED_UNSURE)

    @property
    def is_undecided(self) -> bool:
        """Whether something was read, but not enough to settle."""
        return self._text is None and bool(self._tallies)

    @property
    def settled(self) -> SettledText | None:
        """What the reads agree on; None while they do not."""
        if self._text is None:
            return None
        tally = self._tallies.get(self._text)
        agreeing_reads = tally.reads if tally else 0
        return SettledText(self._text, self._score(self._text), self._reads, agreeing_reads, self._candidates())

    def _candidates(self) -> tuple[tuple[str, float], ...]:
        total = sum(tally.weight for tally in self._tallies.values())
        others = [(text, tally.weight / total) for text, tally in self._tallies.items() if text != self._text]
        return tuple(sorted(others, key=lambda other: -other[1])[:MAX_CANDIDATES])

    def _settle(self, *, is_sure: bool) -> None:
        """Let the leading text settle if it may."""
        ballot = _Ballot(self._tallies)
        leader = ballot.winner()
        if leader.text == self._text or not leader.text:
            return
        if leader.reads < (1 if is_sure else self._needed_reads(leader.text)):
            return
        if self._text is None:
            if leader.share >= MIN_SHARE:
                self._text = leader.text
        elif leader.weight >= SWITCH_RATIO * ballot.support(self._text):
            self._switch(leader.text)

    def _is_sure(self, text: str, char_scores: Sequence[float]) -> bool:
        """Whether a text may settle with a single read."""
        least = max(self._sure_score, SURE_SHORT) if len(text) <= SHORT else self._sure_score
        return bool(char_scores) and min(char_scores) >= least

    def _needed_reads(self, text: str) -> int:
        """How many reads have to back each character of a text."""
        if self._text is not None:
            return self._min_reads + (0 if self._is_doubted else SWITCH_READS)
        is_doubtful = len(text) <= SHORT and self._score(text) < CLEAR
        return max(self._min_reads, SHORT_READS) if is_doubtful else self._min_reads

    def _score(self, text: str) -> float:
        """Mean confidence of the reads of a text; of all reads where none read the whole of it."""
        tally = self._tallies.get(text)
        counted = [tally] if tally else list(self._tallies.values())
        return sum(each.score_sum for each in counted) / max(sum(each.reads for each in counted), 1)

    def _switch(self, text: str) -> None:
        """Let a text take the settled one's place; one that had settled before has to be patient."""
        assert self._text is not None
        if text in self._earlier:
            if self._since_text < min(RETURN_PATIENCE * 2**self._n_returns, MAX_PATIENCE):
                return
            self._n_returns += 1
        self._earlier.append(self._text)
        self._text, self._since_text = text, 0


@dataclass(frozen=True, slots=True)
class _Leader:
    """A text put together from the heaviest characters."""

    text: str
    weight: float
    """Of its weakest character."""
    reads: int
    """That back its weakest character."""
    share: float
    """Of the weight, that each of its characters has at least."""


class _Ballot:
    """All reads aligned to the heaviest one: what each says at each of its characters and between them.

    Slots are the places of the heaviest text: its characters at odd numbers, the gaps between them at even ones.
    """

    def __init__(self, tallies: dict[str, _Tally]) -> None:
        self._pivot = max(tallies, key=lambda text: tallies[text].weight)
        self._slots: list[dict[str, tuple[float, int]]] = [{} for _ in range(2 * len(self._pivot) + 1)]
        self._tallies = tallies
        self._others = sum(tally.weight for text, tally in tallies.items() if not self._is_alike(text))
        for text, tally in tallies.items():
            if not self._is_alike(text):
                continue
            mean = sum(tally.char_scores) / max(len(tally.char_scores), 1)
            for slot, (piece, start) in enumerate(_slots_of(self._pivot, text)):
                scores = tally.char_scores[start : start + len(piece)]
                # What is left out has no confidence of its own; it is trusted as much as the read is on the whole.
                trust = min(scores) / mean if scores and mean else 1.0
                trust = SPACE_WEIGHT if piece == " " else min(trust, 1.0)
                weight, reads = self._slots[slot].get(piece, (0.0, 0))
                self._slots[slot][piece] = (weight + tally.weight * trust, reads + tally.reads)
        self._n_reads = sum(tally.reads for text, tally in tallies.items() if self._is_alike(text))

    def winner(self) -> _Leader:
        """The heaviest piece of every slot, together."""
        best = [max(slot.items(), key=lambda item: item[1]) for slot in self._slots]
        text = "".join(piece for piece, _ in best)
        weights = [weight for _, (weight, _) in best]
        totals = [self._others + sum(weight for weight, _ in slot.values()) for slot in self._slots]
        share = min(weight / total for weight, total in zip(weights, totals, strict=True))
        # One read of a space is enough, if it has the weight.
        n_reads = min((reads for piece, (_, reads) in best if piece != " "), default=self._n_reads)
        return _Leader(text, min(weights), n_reads, share)

    def support(self, text: str) -> float:
        """The weight of the weakest character of a text."""
        if not self._is_alike(text):
            return self._tallies[text].weight if text in self._tallies else 0.0
        pieces = [piece for piece, _ in _slots_of(self._pivot, text)]
        return min(slot.get(piece, (0.0, 0))[0] for slot, piece in zip(self._slots, pieces, strict=True))

    def _is_alike(self, text: str) -> bool:
        return similarity(self._pivot, text) >= ALIKE


def _slots_of(pivot: str, text: str) -> list[tuple[str, int]]:
    """What a text says in each slot of the pivot, and where in the text that starts; "" where it says nothing."""
    slots = []
    start = 0
    for piece in align(pivot, text):
        slots.append((piece, start))
        start += len(piece)
    return slots
