"""From what a camera's tracks say to what is published of it: zone, filters, redaction.

    tracks' changes -> zone -> filter -> redact -> begin / update / end

A text begins when it is accepted for the first time, which may be later than it settled: its score may rise, or the
other lines of its machine-readable zone may settle. What was accepted stands until the text ends or something else is
accepted in its place; a reading that is refused never takes it away. A text that is refused for `REFUSED_AFTER_S`, or
ends so, is counted once by zone and cause.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edge_ocr.mrz import proven_lines
from runtime.rules.filters import Cause, TextFilter, Verdict
from runtime.rules.redaction import Redactor
from runtime.rules.zones import OUTSIDE, Image, Zones
from runtime.texts.tracking import TrackEvent

REFUSED_AFTER_S = 1.0
"""Of frame time; a shorter refusal is a text that still settles."""


@dataclass(slots=True)
class _Standing:
    """What became of one track so far."""

    zone: str | None
    published: str | None = None
    """The text that was accepted last, not redacted yet."""
    cause: Cause | None = None
    """Why the latest state is refused."""
    refused_since: float = 0.0
    """Capture time."""
    is_counted: bool = False


class Screen:
    """What one camera lets out."""

    def __init__(self, zones: Zones | None = None, redactor: Redactor | None = None) -> None:
        """A screen that has seen nothing; without zones it lets out everything as it is."""
        self.zones = zones or Zones()
        self._redactor = redactor or Redactor()
        self._filters: dict[str | None, TextFilter] = {}
        self._standing: dict[int, _Standing] = {}
        self._refused: Counter[tuple[str, Cause]] = Counter()

    def pass_on(
        self, changes: Sequence[TrackEvent], visible: Callable[[], Sequence[TrackEvent]], ts: float
    ) -> list[TrackEvent]:
        """What is published of the changes of one frame, ends first.

        Args:
            changes: What the tracker says.
            visible: The latest state of every settled track, in reading order; asked for only when it matters.
            ts: Capture time of the frame.
        """
        if not self.zones.has_rules:
            return list(changes)
        out = [event for change in changes if change.type == "end" for event in self._end(change)]
        is_waiting = any(standing.cause is not None for standing in self._standing.values())
        if is_waiting or any(change.type != "end" for change in changes):
            out += self._judge_all(visible(), ts)
        return out

    def visible(self, seen: Sequence[TrackEvent]) -> list[TrackEvent]:
        """What is published of the settled tracks."""
        if not self.zones.has_rules:
            return list(seen)
        known = ((state, self._standing.get(state.track_id)) for state in seen)
        return [self._shown(state, it) for state, it in known if it is not None and it.published is not None]

    def hide_redacted(self, image: Image, seen: Sequence[TrackEvent]) -> Image:
        """The image with all black whose text is redacted: what a picture that leaves the device has to go through.

        Args:
            image: (H, W, 3) uint8, masked.
            seen: The settled tracks.
        """
        return self.zones.hide_redacted(image, [state.quad for state in seen if self._is_redacted(state)])

    def _is_redacted(self, state: TrackEvent) -> bool:
        standing = self._standing.get(state.track_id)
        rules = self.zones.rules_of(standing.zone if standing is not None else self.zones.zone_of(state.quad))
        return rules is not None and rules.redact is not None

    def refused(self) -> dict[str, dict[str, int]]:
        """How many texts were refused, by zone (`outside` for none) and cause."""
        counts: dict[str, dict[str, int]] = defaultdict(dict)
        for (zone, cause), n_texts in self._refused.copy().items():
            counts[zone][cause] = n_texts
        return dict(counts)

    # -- filters

    def _judge_all(self, seen: Sequence[TrackEvent], ts: float) -> list[TrackEvent]:
        """Judge the latest state of every track; begins and updates of what changed by it."""
        by_zone: dict[str | None, list[TrackEvent]] = defaultdict(list)
        for state in seen:
            standing = self._standing.get(state.track_id)
            if standing is None or standing.published is None:
                # Fixed once it is published: where a text began decides its rules, redaction most of all.
                standing = standing or self._standing.setdefault(state.track_id, _Standing(None))
                standing.zone = self.zones.zone_of(state.quad)
            by_zone[standing.zone].append(state)
        verdicts: dict[int, Verdict] = {}
        for zone, states in by_zone.items():
            verdicts |= self._judge_zone(zone, states)
        return [event for state in seen for event in self._follow(state, verdicts[state.track_id], ts)]

    def _judge_zone(self, zone: str | None, states: Sequence[TrackEvent]) -> dict[int, Verdict]:
        """The verdict on every text of one zone, by track."""
        rules = self.zones.rules_of(zone)
        if rules is None:
            return {state.track_id: Verdict(cause="outside") for state in states}
        if zone not in self._filters:
            self._filters[zone] = TextFilter(rules)
        text_filter = self._filters[zone]
        replaced = {state.track_id: text_filter.replaced(state.text) for state in states}
        proven: dict[int, str] = {}
        if rules.mrz is not None:
            rows = [state.track_id for state in _top_to_bottom(states) if replaced[state.track_id] is not None]
            found = proven_lines([replaced[row] or "" for row in rows], rules.mrz)
            proven = {rows[at]: text for at, text in found.items()}
        return {
            state.track_id: Verdict(cause="timeout")
            if (text := replaced[state.track_id]) is None
            else text_filter.judge(text, state.score, proven=proven.get(state.track_id))
            for state in states
        }

    def _follow(self, state: TrackEvent, verdict: Verdict, ts: float) -> list[TrackEvent]:
        """Bring one track up to date; an event only when what is published of it changed."""
        standing = self._standing[state.track_id]
        if verdict.cause is not None:
            if standing.cause is None:
                standing.refused_since = ts
            standing.cause = verdict.cause
            if ts - standing.refused_since >= REFUSED_AFTER_S:
                self._count(standing)
            return []
        standing.cause = None
        before, standing.published = standing.published, verdict.text
        if verdict.text == before:
            return []
        return [self._shown(replace(state, type="begin" if before is None else "update"), standing)]

    def _end(self, change: TrackEvent) -> list[TrackEvent]:
        """The end of what was published of a track."""
        standing = self._standing.pop(change.track_id, None)
        if standing is None:
            return []
        if standing.cause is not None:
            self._count(standing)
        return [] if standing.published is None else [self._shown(change, standing)]

    def _count(self, standing: _Standing) -> None:
        """Count a refusal, once a track."""
        if not standing.is_counted:
            assert standing.cause is not None
            standing.is_counted = True
            self._refused[standing.zone or OUTSIDE, standing.cause] += 1

    # -- redaction

    def _shown(self, state: TrackEvent, standing: _Standing) -> TrackEvent:
        """A state as it leaves: accepted text, zone, redacted. Nothing behind this sees what it said."""
        assert standing.published is not None
        rules = self.zones.rules_of(standing.zone)
        how = rules.redact if rules is not None else None
        return replace(
            state,
            text=self._redactor.apply(standing.published, how),
            text_raw=self._redactor.apply(state.text_raw, how),
            candidates=state.candidates if how is None else (),
            zone=standing.zone,
            redaction=how,
        )


def _top_to_bottom(states: Sequence[TrackEvent]) -> list[TrackEvent]:
    """Lines in their order down the page, whichever way it lies."""
    down = np.mean([state.quad[3] + state.quad[2] - state.quad[0] - state.quad[1] for state in states], axis=0)
    return sorted(states, key=lambda state: float(state.quad.mean(axis=0) @ down))
