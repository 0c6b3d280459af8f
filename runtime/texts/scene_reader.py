"""One camera's way from a frame to what its texts changed, reading no more than that needs.

    frame -> gate -> nothing moved or changed: hold; votes still open: read those lines again at their places
                     something changed and stands still, or it is time: detect -> read new, changed and open lines

A change is looked at as soon as it stands still, and again a few times soon after, because a detector that missed a
line at first finds it in the next frame's noise. What is too faint for the gate is found by the refresh.

Time comes with the frames, nothing here looks at a clock.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge_ocr import Detection, Line
from runtime.texts.gate import Glance, SceneGate
from runtime.texts.matching import Places, intersections, ious, ratios
from runtime.texts.reading import StepReader
from runtime.texts.sharpness import sharpness
from runtime.texts.tracking import Sighting, Track, Tracker, TrackEvent

Image = NDArray[np.uint8]
Quad = NDArray[np.float32]

LOOK_AGAIN_S = (0.25, 0.5, 0.8, 1.1, 1.5, 2.0)
"""When a picture with new texts is looked at again, in seconds after the first look."""
UNEXPLAINED_AGAIN_S = (0.25, 0.8)
"""The same for one that changed and shows nothing new: a flicker, or a text that the detector missed."""
MISSED_AGAIN_S = 0.25
"""How soon the frame is looked at again when a published text was missed."""
MIN_GAP_S, MAX_GAP_S = 0.1, 1.0
"""Pause after looks at changes that brought nothing new, doubled each time: a screen that flickers, leaves in wind."""
READ_AGAIN_S = 10.0
"""A settled line is read again by the first search after it, in case that its text changed too little for the gate."""
UNTOLD_AGAIN_S = 2.0
"""The same for one that is not published: a doubtful one may have lasted long enough by then."""
SAME_PLACE_IOU = 0.5
"""Overlap at which a quad is at a track's place, if they are about as long."""
ALIKE_WIDTHS = 0.7
COVERED = 0.6
"""Part of an area inside of another one that makes it a piece of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionConfig:
    """When a camera's frames are looked at."""

    refresh_s: float = 2.0
    """Longest time between two looks at a whole frame: what the gate does not notice is found after it."""
    motion_wait_s: float = 0.7
    """Longest wait for something that moves to stand still before the rest of the frame is looked at."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What was done with one frame, and what followed from it."""

    changes: list[TrackEvent]
    size: tuple[int, int]
    """(width, height) of the frame."""
    n_read: int = 0
    """Lines that were recognised."""
    is_detected: bool = False
    """Whether lines were looked for."""
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    """The reader's milliseconds per stage; empty when it was not needed."""


class SceneReader:
    """Looks at the frames of one camera."""

    def __init__(self, tracker: Tracker, config: AttentionConfig | None = None) -> None:
        """Nothing seen yet.

        Args:
            tracker: Gets what is seen.
            config: How often.
        """
        self._tracker = tracker
        self._config = config or AttentionConfig()
        self._gate = SceneGate()
        self._now_s = 0.0
        self._ts: float | None = None
        self._detected_s = -np.inf
        self._moving_since_s: float | None = None
        self._again_s: list[float] = []
        self._gap_s = 0.0

    def look(self, reader: StepReader, image: Image, ts: float) -> Look:
        """Take in one frame.

        Args:
            reader: Detects and recognises, as far as that is needed.
            image: (H, W, 3) uint8 BGR, masked.
            ts: Its capture time in seconds.

        Raises:
            Exception: whatever the reader raises; what it was asked to look at still counts as not looked at.
        """
        self._now_s += max(ts - self._ts, 0.0) if self._ts is not None else 0.0
        self._ts = ts
        glance = self._gate.look(image)
        try:
            if self._is_due(glance):
                return self._look_everywhere(reader, image, ts, glance)
            return self._look_at_open(reader, image, ts, glance)
        except Exception:
            self._gate.disregard()
            raise

    # -- when

    def _is_due(self, glance: Glance) -> bool:
        """Whether to look for lines in this frame."""
        if self._config.refresh_s == 0:
            return True
        waited_s = self._now_s - self._detected_s
        if glance.is_ripe() and waited_s >= self._gap_s:
            return True
        if glance.moving.any():
            # A sheet that slides is blurred; where something moves all the time the rest must be read all the same.
            if self._moving_since_s is None:
                self._moving_since_s = self._now_s
            return self._now_s - max(self._moving_since_s, self._detected_s) >= self._config.motion_wait_s
        self._moving_since_s = None
        if waited_s >= MISSED_AGAIN_S and any(
            not track.is_there and track.track_id is not None for track in self._tracker.tracks
        ):
            return True
        if waited_s >= self._config.refresh_s:
            return True
        # First what was found is read to the end, or the texts that nobody knows yet would wait for those that may be.
        is_again = bool(self._again_s) and self._now_s >= self._again_s[0]
        return is_again and not any(track.vote.is_undecided for track in self._open_tracks(glance))

    def _plan_next(self, glance: Glance, *, is_new: bool) -> None:
        """Set the times of the next looks after one at a whole frame."""
        was_changed = bool(glance.changed.any())
        self._detected_s = self._now_s
        self._again_s = [again_s for again_s in self._again_s if again_s > self._now_s]
        if is_new or (was_changed and not self._again_s):
            delays_s = LOOK_AGAIN_S if is_new else UNEXPLAINED_AGAIN_S
            self._again_s = [self._now_s + delay_s for delay_s in delays_s]
        if is_new or not was_changed:
            self._gap_s = 0.0
        else:
            self._gap_s = min(max(2 * self._gap_s, MIN_GAP_S), MAX_GAP_S)

    # -- how

    def _look_everywhere(self, reader: StepReader, image: Image, ts: float, glance: Glance) -> Look:
        """Find the lines of a frame and read those that are not known."""
        detection = reader.detect(image)
        if self._config.refresh_s == 0:
            return self._read_in_full(reader, image, ts, detection)
        tracks = self._tracker.tracks
        found = [quad for quad in detection.quads if not glance.moves_at(quad)]
        # One that was not there at the last look is not there because nothing has changed since.
        present = [track for track in tracks if track.is_there and not glance.differs_at(track.quad)]
        there, to_read = _sort_quads(found, present, self._wants_read)
        recognition = reader.recognize(image, [quad for quad, _ in to_read])
        # From here on nothing fails: a search that is done again after an error must not doubt the same change twice.
        self._tracker.doubt([track for track in tracks if glance.changed_at(track.quad)])
        asked = [track for _, track in to_read]
        sightings = [Sighting(_line_of(track), track, is_read=False) for track in there]
        sightings += [
            Sighting(line, track, is_still=glance.has_before, sharpness=sharpness(image, line.quad))
            for line, (_, track) in zip(recognition.lines, to_read, strict=True)
        ]
        before = {id(track) for track in tracks}
        pairs = zip(asked, recognition.lines, strict=True)
        self._tracker.doubt([track for track, line in pairs if track is not None and _contradicts(line, track)])
        changes = self._tracker.observe(sightings, ts, is_hidden=glance.moves_at)
        # Not before all went well: what an error kept from being read still counts as changed.
        self._gate.accept()
        # In a picture that stays a new find is a line that the detector sees now and then: no reason to look sooner.
        has_new = bool(glance.changed.any()) and any(id(track) not in before for track in self._tracker.tracks)
        # Nor is a text that is there and now read otherwise.
        is_new = has_new or any(change.type != "update" for change in changes)
        self._plan_next(glance, is_new=is_new)
        timings_ms = _added(detection.timings_ms, recognition.timings_ms)
        size = (detection.width, detection.height)
        return Look(changes, size, len(to_read), is_detected=True, timings_ms=timings_ms)

    def _read_in_full(self, reader: StepReader, image: Image, ts: float, detection: Detection) -> Look:
        """Read every line of a frame, whatever is known."""
        recognition = reader.recognize(image, detection.quads)
        changes = self._tracker.observe([Sighting(line) for line in recognition.lines if line.text], ts)
        timings_ms = _added(detection.timings_ms, recognition.timings_ms)
        size = (detection.width, detection.height)
        return Look(changes, size, len(detection.quads), is_detected=True, timings_ms=timings_ms)

    def _look_at_open(self, reader: StepReader, image: Image, ts: float, glance: Glance) -> Look:
        """Read the lines again whose votes are open, where they were found; the others are what they were."""
        size = (image.shape[1], image.shape[0])

        still_open = self._open_tracks(glance)
        if not still_open:
            return Look(self._tracker.hold(ts, is_hidden=glance.differs_at), size)
        # Another look at the same pixels errs as the last one did; a closer one errs otherwise.
        recognition = reader.recognize(image, [track.quad for track in still_open], closely=True)
        rereads = [
            Sighting(line, track, is_still=True, sharpness=sharpness(image, line.quad))
            for track, line in zip(still_open, recognition.lines, strict=True)
        ]
        changes = self._tracker.hold(ts, rereads, is_hidden=glance.differs_at)
        return Look(changes, size, len(rereads), timings_ms=recognition.timings_ms)

    def _wants_read(self, track: Track) -> bool:
        """Whether a track whose pixels seem unchanged is read again by a search."""
        if track.vote.settled is None or track.vote.wants_reads:
            return True
        return self._tracker.unread_for_s(track) >= (UNTOLD_AGAIN_S if track.track_id is None else READ_AGAIN_S)

    def _open_tracks(self, glance: Glance) -> list[Track]:
        """The tracks at their places that another read could tell more of: those without a text before the others."""
        wanting = [
            track
            for track in self._tracker.tracks
            if track.vote.wants_reads and track.is_there and not glance.differs_at(track.quad)
        ]
        return [track for track in wanting if track.vote.settled is None] or wanting


def _sort_quads(
    quads: Sequence[Quad], present: Sequence[Track], wants_read: Callable[[Track], bool]
) -> tuple[list[Track], list[tuple[Quad, Track | None]]]:
    """Which tracks are there as they were, and which quads have to be read.

    Args:
        quads: What the detector found.
        present: The tracks whose pixels are what they were. They are there whether the detector found them or not,
            unless it sees their lines joined or cut otherwise now.
        wants_read: Whether one of these is read all the same.

    Returns:
        The tracks that are there and need no read; the quads to read, each with the track at its place.
    """
    if not present or not quads:
        return list(present), [(quad, None) for quad in quads]
    places, tracks = Places.of(quads), Places.of([track.quad for track in present])
    common = intersections(places, tracks)
    areas, track_areas = places.widths * places.heights, tracks.widths * tracks.heights
    overlaps = ious(places, tracks)
    same = (overlaps >= SAME_PLACE_IOU) & (ratios(places.widths, tracks.widths) >= ALIKE_WIDTHS)
    piece = common >= COVERED * areas[:, None]
    swallowed = np.zeros(len(present), dtype=np.bool_)
    to_read: list[tuple[Quad, Track | None]] = []
    for j, quad in enumerate(quads):
        if same[j].any():
            i = int(np.argmax(np.where(same[j], overlaps[j], -1.0)))
            if wants_read(present[i]) and not any(track is present[i] for _, track in to_read):
                to_read.append((quad, present[i]))
        elif not (piece[j] & same.any(axis=0)).any():
            to_read.append((quad, None))
            swallowed |= ((common[j] >= COVERED * track_areas) | piece[j]) & ~same.any(axis=0)
    read = {id(track) for _, track in to_read}
    return [track for i, track in enumerate(present) if not swallowed[i] and id(track) not in read], to_read


def _added(a: Mapping[str, float], b: Mapping[str, float]) -> dict[str, float]:
    """Milliseconds per stage of two steps together."""
    return {stage: a.get(stage, 0.0) + b.get(stage, 0.0) for stage in {**a, **b}}


def _contradicts(line: Line, track: Track) -> bool:
    """Whether a line says something else than its track, whose text nobody doubted."""
    settled = track.vote.settled
    if settled is None or track.vote.wants_reads:
        return False
    return bool(line.text) and line.text.strip() != settled.text


def _line_of(track: Track) -> Line:
    """A track as a line at its place."""
    settled = track.vote.settled
    return Line(settled.text, settled.score, track.quad) if settled else Line("", 0.0, track.quad)
