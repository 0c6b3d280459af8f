"""Texts over time: the lines of each new frame join tracks, tracks settle, change and end.

    frame's lines -> match to tracks -> votes -> begin / update / end

A track is one text at one place. It is published once enough reads agree, while it stands still; a change of the
settled text is an update; when it was not seen for a while it ended. The detector may cut one line in two or join two,
and a document that slides away shows parts of its lines: such a part of a published text is not a text of its own.

Pure logic: time comes with the frames, nothing here looks at a clock.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge_ocr import Line, Page
from edge_ocr.geometry import quad_size, reading_order
from runtime.rules.redaction import Redaction
from runtime.texts.matching import Floats, Places, displacement, holds, intersections, ious, ratios, similarity
from runtime.texts.voting import SHORT, SettledText, TextVote

Quad = NDArray[np.float32]
EndReason = Literal["gone", "replaced", "stopped", "camera_lost"]

IN_PLACE_IOU = 0.5
"""Overlap at which a line is at a track's place whatever it reads, if their widths are alike."""
SAME_PLACE_IOU = 0.7
"""Overlap at which even an unlike text is at the same place: something changed its text."""
ALIKE_WIDTHS = 0.7
"""Smaller width over larger, above which two lines are as long."""
UNLIKE = 0.3
"""Similarity below which two texts have nothing in common."""
ALIKE = 0.6
"""Similarity above which a line that moved by about its height is still the same."""
NEAR_HEIGHTS = 1.5
"""How far a line may have moved between two reads, in its heights, to be known by an alike text."""
COVERED = 0.6
"""Part of a line's area inside another one that makes it a piece of it."""
ALIKE_HEIGHTS = 0.5
"""Smaller height over larger, above which a piece can belong to a line."""
JUMP_HEIGHTS = 8.0
"""How far a single line may jump, in its heights, when no other line of its document tells the shift."""
STILL_HEIGHTS = 0.3
"""A line that moved less than this part of its height between two reads stands still (detectors jitter)."""
OTHER_OCCURRENCE = 0.4
"""A settled text that changes to one less similar than this is another text, not an update."""
MARK_SCORE = 0.9
"""Score below which a text without a letter or digit is taken for a scratch."""
LONE_SCORE, LONE_LETTER_SCORE = 0.95, 0.995
"""Score below which a short text without another one of about its size in the frame has to last, and that of a single
character: textures read as "Q" or "00" at up to 0.91, as "C" at up to 0.993."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerConfig:
    """When a text counts as there, as changed and as gone."""

    min_reads: int = 2
    """Reads that must agree before a text is published."""
    sure_score: float = 1.0
    """A single sharp read of a text known to stand still settles if no character is below this; 1: never."""
    settle_s: float = 0.1
    """Time that a text must have been read at one place before it is published, unless it is known to stand still."""
    min_score: float = 0.5
    """Reads below this confidence do not vote."""
    end_after_s: float = 0.7
    """A text not seen for this long has ended; a shorter occlusion is none."""
    end_after_misses: int = 2
    """Frames without it that it takes as well, so that slow reading ends nothing early."""
    max_speed: float = 4.0
    """Speed, in line heights a second, above which a text moves: such reads do not vote."""
    guard_s: float = 1.0
    """After its end, the same text at the same place, or a part of it, does not begin for this long."""
    takeover_reads: int = 4
    """Agreeing reads after which a part (or a join) of a published text, no longer read itself, replaces it."""
    support_s: float = 3.0
    """How long pieces of a published text keep it alive while it is not read itself."""
    lone_s: float = 3.0
    """How long a short, doubtful text that stands alone must have been there before it is published."""
    hidden_s: float = 3.0
    """How long a text is waited for while something moves in front of it."""


@dataclass(frozen=True, slots=True, eq=False)
class TrackEvent:
    """A published text began, changed or ended. Times are the frames' capture times."""

    type: Literal["begin", "update", "end"]
    track_id: int
    text: str
    text_raw: str
    """The latest single reading."""
    score: float
    reads: int
    agreeing_reads: int
    quad: Quad
    """Where it was seen last."""
    first_seen: float
    last_seen: float
    candidates: tuple[tuple[str, float], ...] = ()
    """Other texts that were read there, each with its share of the vote."""
    reason: EndReason | None = None
    """Why it ended; None for the other types."""
    zone: str | None = None
    """Where it is published from; `runtime.rules.screening` says."""
    redaction: Redaction | None = None
    """What was done to its texts; `runtime.rules.screening` says."""


@dataclass(slots=True, eq=False)
class Track:
    """One text at one place; published once it has an id. Written by the tracker only."""

    quad: Quad
    text_raw: str
    vote: TextVote
    first_seen: float
    """Capture time."""
    last_seen: float
    """Capture time of the last frame that showed it."""
    seen_s: float
    """Tracker time of the last frame that showed it, pieces of it included."""
    read_s: float
    """Tracker time of the last frame in which it was read itself."""
    still_since_s: float
    """Tracker time since which it stands at one place."""
    began_s: float
    """Tracker time of the first frame that showed it."""
    tried_s: float
    """Tracker time of the last frame in which somebody tried to read it."""
    track_id: int | None = None
    published: SettledText | None = None
    misses: int = 0
    """Looks in a row in which it was not seen itself."""
    is_hidden: bool = False
    """Whether something moved in front of it when the frame was looked at last: nobody knows if it is there."""
    ended_s: float = 0.0

    @property
    def is_there(self) -> bool:
        """Whether it was seen when the frame was looked at last."""
        return not self.misses and not self.is_hidden


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """One line that a frame shows, as far as somebody looked."""

    line: Line
    track: Track | None = None
    """The track it is known to continue; None: whichever fits."""
    is_read: bool = True
    """Whether `line.text` was read in this frame. If not, it is there with the text that its track has."""
    is_still: bool = False
    """Whether the pixels around it are known to stand still; otherwise its places in time tell."""
    sharpness: float = 1.0
    """In [0, 1]."""


class Tracker:
    """The tracks of one camera."""

    def __init__(self, config: TrackerConfig | None = None) -> None:
        self._config = config or TrackerConfig()
        self._tracks: list[Track] = []
        self._ghosts: list[Track] = []
        self._next_id = 1
        self._now_s = 0.0
        self._ts: float | None = None

    def update(self, page: Page, ts: float) -> list[TrackEvent]:
        """Take in what one frame shows; the events that follow from it, ends before begins.

        Args:
            page: What was read, perhaps nothing.
            ts: Capture time of the frame in seconds. A clock that steps back is taken as standing still.
        """
        return self.observe([Sighting(line) for line in page.lines if line.text.strip()], ts)

    def observe(
        self,
        sightings: Sequence[Sighting],
        ts: float,
        *,
        is_hidden: Callable[[Quad], bool] = lambda quad: False,
    ) -> list[TrackEvent]:
        """Take in what a look at the whole frame shows; tracks without a sighting were missed.

        Args:
            sightings: What is there, perhaps nothing. A line without text is there, but nobody could read it yet.
            ts: As for `update`.
            is_hidden: Whether a place cannot be seen, so that nothing is missed there (for `hidden_s`).
        """
        self._advance(ts)
        lines = [each.line for each in sightings]
        places = Places.of([line.quad for line in lines])
        read = self._match(sightings, places)
        self._wait_for_hidden(is_hidden)
        self._support_missed(lines, places)
        events = self._end_missed()
        for track in read:
            events += self._settle(track)
        return events

    def hold(
        self,
        ts: float,
        rereads: Sequence[Sighting] = (),
        *,
        is_hidden: Callable[[Quad], bool] = lambda quad: False,
    ) -> list[TrackEvent]:
        """Take in a frame that shows what the last one showed, so that nobody looked for lines.

        Args:
            ts: As for `update`.
            rereads: What some of the tracks say in it.
            is_hidden: Whether a place cannot be seen, so that nothing is known of what is there.
        """
        self._advance(ts)
        for track in self._tracks:
            if track.is_there and not is_hidden(track.quad):
                self._keep(track)
        events = []
        for sighting in rereads:
            if sighting.track is not None:
                self._see(sighting.track, sighting)
                events += self._settle(sighting.track)
        return events

    def doubt(self, tracks: Sequence[Track]) -> None:
        """Let earlier reads of some tracks count less: their pixels changed."""
        for track in tracks:
            track.vote.doubt()

    def unread_for_s(self, track: Track) -> float:
        """How long ago somebody tried to read a track."""
        return self._now_s - track.tried_s

    @property
    def tracks(self) -> Sequence[Track]:
        """All tracks, published or not."""
        return self._tracks

    def finish(self, reason: EndReason = "stopped") -> list[TrackEvent]:
        """End every published text: the camera stops, or nothing was seen of it for too long."""
        events = [_event("end", track, reason=reason) for track in self._published()]
        self._tracks.clear()
        return events

    def visible(self) -> list[TrackEvent]:
        """The published texts in reading order, each as its latest state."""
        tracks = self._published()
        return [_event("update", tracks[i]) for i in reading_order([track.quad for track in tracks])]

    # -- time

    def _advance(self, ts: float) -> None:
        """Move the tracker's own clock on, which never steps back, and forget old ends."""
        if self._ts is not None:
            self._now_s += max(ts - self._ts, 0.0)
        self._ts = ts
        self._ghosts = [ghost for ghost in self._ghosts if self._now_s - ghost.ended_s < self._config.guard_s]

    # -- lines to tracks

    def _match(self, sightings: Sequence[Sighting], places: Places) -> list[Track]:
        """Give each sighting to the track it continues, or to a new one; the tracks seen in this frame."""
        for track in self._tracks:
            track.misses += 1
        known = {j: each.track for j, each in enumerate(sightings) if each.track is not None}
        taken = set(map(id, known.values()))
        open_tracks = [track for track in self._tracks if id(track) not in taken]
        open_lines = [j for j in range(len(sightings)) if j not in known]
        pairs = _assign(open_tracks, [sightings[j].line for j in open_lines], places.some(open_lines))
        known |= {open_lines[j]: open_tracks[i] for j, i in pairs.items()}
        seen = []
        for j, sighting in enumerate(sightings):
            if j in known:
                self._see(known[j], sighting)
                seen.append(known[j])
            elif sighting.line.score >= self._config.min_score or not sighting.line.text.strip():
                self._tracks.append(self._start(sighting))
                seen.append(self._tracks[-1])
        return seen

    def _start(self, sighting: Sighting) -> Track:
        """A new track, not published yet."""
        assert self._ts is not None
        line = sighting.line
        # Where nobody vouches for stillness a single read never settles: it may be a part of a line sliding in.
        vote = TextVote(
            min_reads=self._config.min_reads, sure_score=self._config.sure_score if sighting.is_still else 1.0
        )
        if line.text.strip():
            vote.add(line.text.strip(), line.score, _char_scores(line), sharpness=sighting.sharpness)
        else:
            vote.skip()
        now_s, ts = self._now_s, self._ts
        since_s = now_s - self._config.settle_s if sighting.is_still else now_s
        return Track(
            line.quad,
            line.text,
            vote,
            ts,
            ts,
            seen_s=now_s,
            read_s=now_s,
            still_since_s=since_s,
            began_s=now_s,
            tried_s=now_s,
        )

    def _see(self, track: Track, sighting: Sighting) -> None:
        """A track was seen once more."""
        assert self._ts is not None
        line = sighting.line
        if not sighting.is_read:
            self._keep(track)
            return
        track.tried_s = self._now_s
        moves = not sighting.is_still and self._moves(track, line)
        if moves:
            track.still_since_s = self._now_s
            if track.track_id is None:
                track.vote.clear()
        # A text on the move is blurred and cut: it shows that a published text is there, not what it says.
        if not line.text.strip() or line.score < self._config.min_score:
            track.vote.skip()
        elif not (moves and track.track_id is not None):
            track.vote.add(line.text.strip(), line.score, _char_scores(line), sharpness=sighting.sharpness)
            track.text_raw = line.text
        track.quad = line.quad
        self._keep(track)

    def _keep(self, track: Track) -> None:
        """A track is there."""
        assert self._ts is not None
        track.misses = 0
        track.is_hidden = False
        track.last_seen = self._ts
        track.seen_s = track.read_s = self._now_s

    def _moves(self, track: Track, line: Line) -> bool:
        """Whether the text moved since it was read last, by more than detectors jitter."""
        height = quad_size(track.quad)[1]
        way = displacement(track.quad, line.quad)
        return way > STILL_HEIGHTS * height and way > self._config.max_speed * height * (self._now_s - track.read_s)

    def _wait_for_hidden(self, is_hidden: Callable[[Quad], bool]) -> None:
        """What something moves in front of was not missed: a hand passes, a sheet slides away."""
        for track in self._tracks:
            if track.misses and self._now_s - track.read_s < self._config.hidden_s and is_hidden(track.quad):
                track.misses -= 1
                track.is_hidden = True

    # -- pieces of lines

    def _support_missed(self, lines: Sequence[Line], places: Places) -> None:
        """Keep published texts alive of which a piece, or a join with a neighbour, is there."""
        assert self._ts is not None
        missed = [t for t in self._published() if t.misses and self._now_s - t.read_s < self._config.support_s]
        if not missed or not lines:
            return
        pieces = _pieces(lines, places, missed)
        for i, track in enumerate(missed):
            if pieces[:, i].any():
                track.seen_s = self._now_s
                track.last_seen = self._ts

    def _end_missed(self) -> list[TrackEvent]:
        """Drop the tracks that were not seen for too long."""
        events = []
        for track in list(self._tracks):
            long_ago = self._now_s - track.seen_s >= self._config.end_after_s
            if long_ago and track.misses >= self._config.end_after_misses:
                events += self._end(track, "gone")
        return events

    def _end(self, track: Track, reason: EndReason) -> list[TrackEvent]:
        """Drop one track; its end if it was published."""
        self._tracks.remove(track)
        if track.track_id is None:
            return []
        track.ended_s = self._now_s
        self._ghosts.append(track)
        return [_event("end", track, reason=reason)]

    # -- tracks to events

    def _settle(self, track: Track) -> list[TrackEvent]:
        """Publish what a track that was just read says, if that is new and certain."""
        settled = track.vote.settled
        if settled is None or track not in self._tracks:
            return []
        if track.published is not None:
            return self._follow(track, settled)
        if self._now_s - track.still_since_s < self._config.settle_s:
            return []
        if not self._is_credible(track, settled):
            return []
        wholes = self._explained_by(track, settled, self._published())
        if wholes:
            return self._take_over(track, settled, wholes)
        if self._explained_by(track, settled, self._ghosts) or self._repeats_ghost(track, settled):
            return []
        return [self._begin(track, settled)]

    def _is_credible(self, track: Track, settled: SettledText) -> bool:
        """Whether a text is one, and not a texture that looks like it."""
        is_mark = not any(character.isalnum() for character in settled.text)
        if is_mark and settled.score < MARK_SCORE:
            return False
        least = LONE_SCORE if len(settled.text) > 1 else LONE_LETTER_SCORE
        is_clear = len(settled.text) > SHORT or (settled.score >= least and not is_mark)
        return is_clear or self._has_company(track) or self._now_s - track.began_s >= self._config.lone_s

    def _has_company(self, track: Track) -> bool:
        """Whether another text of about the height of a track is published."""
        height = quad_size(track.quad)[1]
        heights = [quad_size(other.quad)[1] for other in self._published() if other is not track]
        return any(min(height, one) >= ALIKE_HEIGHTS * max(height, one) for one in heights)

    def _begin(self, track: Track, settled: SettledText) -> TrackEvent:
        """Publish a track."""
        track.track_id = self._next_id
        self._next_id += 1
        track.published = settled
        return _event("begin", track)

    def _follow(self, track: Track, settled: SettledText) -> list[TrackEvent]:
        """Bring a published track up to date; an event only when its text changed."""
        assert track.published is not None
        before, track.published = track.published, settled
        if settled.text == before.text:
            return []
        if similarity(settled.text, before.text) >= OTHER_OCCURRENCE or holds(settled.text, before.text):
            return [_event("update", track)]
        # Another text at the same place: the old one ended, with its own words.
        assert self._ts is not None
        track.published = before
        ended = _event("end", track, reason="replaced")
        track.first_seen = self._ts
        track.vote.forget_others()
        return [ended, self._begin(track, settled)]

    def _explained_by(self, track: Track, settled: SettledText, others: Sequence[Track]) -> list[Track]:
        """Those of the published (or just ended) tracks of which this one is a piece or a join."""
        others = [other for other in others if other is not track]
        if not others:
            return []
        line = Line(settled.text, settled.score, track.quad)
        pieces = _pieces([line], Places.of([track.quad]), others)[0]
        return [other for other, is_piece in zip(others, pieces, strict=True) if is_piece]

    def _repeats_ghost(self, track: Track, settled: SettledText) -> bool:
        """Whether a text like this one ended just now about here."""
        reach = NEAR_HEIGHTS * quad_size(track.quad)[1]
        return any(
            displacement(ghost.quad, track.quad) < reach and similarity(settled.text, _text(ghost)) >= ALIKE
            for ghost in self._ghosts
        )

    def _take_over(self, track: Track, settled: SettledText, wholes: list[Track]) -> list[TrackEvent]:
        """Let a piece or join replace the published tracks it belongs to, once they are no longer read themselves.

        It continues the one most like it, as an update: the same text, seen differently. Until then it is held back.
        """
        patience = self._config.takeover_reads
        if settled.agreeing_reads < patience or min(whole.misses for whole in wholes) < patience:
            return []
        heir = max(wholes, key=lambda whole: similarity(settled.text, _text(whole)))
        track.track_id, track.first_seen, track.published = heir.track_id, heir.first_seen, settled
        self._tracks.remove(heir)
        events = []
        for other in wholes:
            # A line that was cut in two still holds the other part's text; two that were joined end as one.
            if other is not heir:
                events += self._end(other, "replaced")
        return [*events, _event("update", track)]

    def _published(self) -> list[Track]:
        """The tracks that have begun."""
        return [track for track in self._tracks if track.track_id is not None]


def _assign(tracks: Sequence[Track], lines: Sequence[Line], places: Places) -> dict[int, int]:
    """Which line continues which track: line index to track index, each at most once, best pairs first."""
    if not tracks or not lines:
        return {}
    before = Places.of([track.quad for track in tracks])
    shift = _common_shift(tracks, lines, before, places)
    overlap = np.maximum(ious(before, places), ious(before.moved(shift), places))
    distance = np.linalg.norm(places.centres[None] - before.centres[:, None], axis=2)
    near = distance < NEAR_HEIGHTS * np.maximum(before.heights[:, None], places.heights[None])
    alike_widths = ratios(before.widths, places.widths) >= ALIKE_WIDTHS
    scored = []
    for i, j in np.argwhere((overlap > 0.05) | near):
        alike = similarity(_text(tracks[i]), lines[j].text.strip())
        if _continues(float(overlap[i, j]), bool(near[i, j]), bool(alike_widths[i, j]), alike):
            scored.append((float(overlap[i, j]) + alike, int(i), int(j)))
    pairs: dict[int, int] = {}
    for _, i, j in sorted(scored, reverse=True):
        if j not in pairs and i not in pairs.values():
            pairs[j] = i
    return pairs


def _continues(overlap: float, is_near: bool, alike_widths: bool, alike: float) -> bool:
    """Whether a line may continue a track, by their overlap, widths and the likeness of their texts."""
    if not alike_widths:
        return False
    if overlap >= IN_PLACE_IOU:
        return overlap >= SAME_PLACE_IOU or alike >= UNLIKE
    return alike >= ALIKE and (is_near or overlap > 0)


def _common_shift(tracks: Sequence[Track], lines: Sequence[Line], before: Places, places: Places) -> Floats:
    """How far a document slid since the last frame, in pixels: (2,), zero when none did.

    Lines whose text occurs once in both frames, at another place, tell it; they have to agree.
    """
    nothing = np.zeros(2)
    old = _unique([_text(track) for track in tracks])
    new = _unique([line.text.strip() for line in lines])
    pairs = [(old[text], new[text]) for text in old.keys() & new.keys() if len(text) >= 3]
    ways = [(places.centres[j] - before.centres[i], before.heights[i]) for i, j in sorted(pairs)]
    moved = [(way, height) for way, height in ways if np.linalg.norm(way) > STILL_HEIGHTS * height]
    if not moved:
        return nothing
    shift = np.median([way for way, _ in moved], axis=0)
    agreeing = [height for way, height in moved if np.linalg.norm(way - shift) <= height]
    if len(agreeing) >= 2 and 2 * len(agreeing) >= len(moved):
        return np.asarray(shift, dtype=np.float64)
    is_short_jump = len(moved) == 1 and np.linalg.norm(shift) <= JUMP_HEIGHTS * moved[0][1]
    return np.asarray(shift, dtype=np.float64) if is_short_jump else nothing


def _pieces(lines: Sequence[Line], places: Places, tracks: Sequence[Track]) -> NDArray[np.bool_]:
    """(lines, tracks): whether a line is a piece of a track, or a join that holds it."""
    wholes = Places.of([track.quad for track in tracks])
    common = intersections(places, wholes)
    line_areas, track_areas = places.widths * places.heights, wholes.widths * wholes.heights
    fits = ratios(places.heights, wholes.heights) >= ALIKE_HEIGHTS
    inside = fits & (common >= COVERED * line_areas[:, None])
    around = fits & (common >= COVERED * track_areas[None])
    result = np.zeros(common.shape, dtype=bool)
    for i, j in np.argwhere(inside | around):
        line, track = lines[i].text.strip(), _text(tracks[j])
        result[i, j] = (inside[i, j] and holds(track, line)) or (around[i, j] and holds(line, track))
    return result


def _char_scores(line: Line) -> tuple[float, ...]:
    """The confidences of the characters that are left when the spaces around a line are taken away."""
    start = len(line.text) - len(line.text.lstrip())
    return line.char_scores[start : start + len(line.text.strip())]


def _text(track: Track) -> str:
    """What a track says: published, settled, or its latest reading."""
    if track.published is not None:
        return track.published.text
    settled = track.vote.settled
    return settled.text if settled is not None else track.text_raw.strip()


def _unique(texts: Sequence[str]) -> dict[str, int]:
    """The index of every text that occurs once."""
    counts = Counter(texts)
    return {text: i for i, text in enumerate(texts) if counts[text] == 1}


def _event(kind: Literal["begin", "update", "end"], track: Track, *, reason: EndReason | None = None) -> TrackEvent:
    """The state of a published track."""
    assert track.track_id is not None
    assert track.published is not None
    settled = track.published
    return TrackEvent(
        type=kind,
        track_id=track.track_id,
        text=settled.text,
        text_raw=track.text_raw,
        score=min(max(settled.score, 0.0), 1.0),
        reads=settled.reads,
        agreeing_reads=settled.agreeing_reads,
        quad=track.quad,
        first_seen=track.first_seen,
        last_seen=track.last_seen,
        candidates=settled.candidates,
        reason=reason,
    )
