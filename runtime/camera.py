"""One camera of the appliance: its frames, its tracks, and what is published about it."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from runtime.capture.counters import CaptureStats
from runtime.config.kiosk import CameraConfig
from runtime.events import (
    CameraMetrics,
    CameraState,
    CameraStatus,
    CameraText,
    Candidate,
    EventLatency,
    EventType,
    TextEvent,
    VisibleLine,
    rfc3339,
)
from runtime.frames import CameraFault, Frame
from runtime.monitoring.latency import LatencyRecorder
from runtime.payload import Quad, StageLatency
from runtime.rules.redaction import Redactor
from runtime.rules.screening import Screen
from runtime.texts.reading import LimitedReader, ZonedReader
from runtime.texts.scene_reader import AttentionConfig, Look, SceneReader
from runtime.texts.tracking import EndReason, Tracker, TrackerConfig, TrackEvent

LOST_AFTER_S = 15.0
"""Without a frame from a camera that is not there for this long, its texts end: longer than a short outage takes."""
EVENT_STAGES = ("detect", "crop", "orient", "recognize")
"""Stages of `Page.timings_ms` that an event repeats."""
SEARCH_TAKEOVER = 2
"""`TrackerConfig.takeover_reads` where searches are rarer than frames: each tells more."""
LATENCIES = 1000
"""Samples kept per stage and camera."""


class Capture(Protocol):
    """What gives a camera its frames: `runtime.capture.thread.CaptureThread`."""

    def start(self) -> None:
        """Start reading."""
        ...

    def next_frame(self, timeout_s: float) -> Frame | None:
        """The next frame; None if none came in time."""
        ...

    def pause(self) -> None:
        """Give out no frames until `resume`."""
        ...

    def resume(self) -> None:
        """Give out frames again."""
        ...

    def stop(self, timeout_s: float = 5.0) -> None:
        """Stop reading."""
        ...

    def stats(self) -> CaptureStats:
        """The counters so far."""
        ...

    @property
    def ended(self) -> bool:
        """Whether no frame will come any more."""
        ...

    @property
    def state(self) -> CameraState:
        """What the camera does."""
        ...

    @property
    def reason(self) -> str | None:
        """Why."""
        ...

    @property
    def fault(self) -> CameraFault | None:
        """The kind of fault that keeps frames from coming, if it is known."""
        ...


@dataclass(frozen=True, slots=True)
class Origin:
    """Who publishes: the same in every event of a run."""

    node: str
    boot_id: str
    pack: str
    profile: str


class Camera:
    """State of one camera; used by the inference thread, its counters may be read by others."""

    def __init__(
        self,
        name: str,
        capture: Capture,
        tracker: Tracker,
        origin: Origin,
        screen: Screen | None = None,
        attention: AttentionConfig | None = None,
    ) -> None:
        self.name = name
        self.capture = capture
        self.tracker = tracker
        self.screen = screen or Screen()
        self.recorder = LatencyRecorder(LATENCIES)
        self._attention = attention
        self._scene = SceneReader(tracker, attention)
        self.frames_read = 0
        self.frames_searched = 0
        self.lines_read = 0
        self.reading_s = 0.0
        """Time that the inference thread spent on it."""
        self.read_errors = 0
        self.over_budget = 0
        self.dropped: Counter[str] = Counter()
        """Frames that could not be read where they were sent to, by cause."""
        self.unread_since_s: float | None = None
        """`time.monotonic()` of the first of the frames that were dropped since one was read."""
        self.last_error = ""
        self.last_ts: float | None = None
        """Capture time of the newest frame that was read."""
        self.last_frame: Frame | None = None
        """The newest frame that was read."""
        self.is_finished = False
        self._origin = origin
        self._size: tuple[int, int] | None = None
        self._seq = 0
        self._by_type: Counter[EventType] = Counter()

    @property
    def seq(self) -> int:
        """Number of the latest event, 0 before the first."""
        return self._seq

    def count_on_from(self, seq: int) -> None:
        """Number events on from those of a camera that had our name before."""
        self._seq = seq

    def masked(self, frame: Frame) -> Frame:
        """A frame with all black that nothing may look at."""
        image = self.screen.zones.mask(frame.image)
        return frame if image is frame.image else replace(frame, image=image)

    def shown_image(self, frame: Frame) -> NDArray[np.uint8]:
        """A masked frame as it may be shown to somebody: what is redacted is black."""
        return self.screen.hide_redacted(frame.image, self.tracker.visible())

    def look(self, reader: LimitedReader, frame: Frame) -> Look:
        """Look at one masked frame, reading as much of it as that needs, each zone with the characters it allows."""
        return self._scene.look(ZonedReader(reader, self.screen.zones), frame.image, frame.ts)

    def take(self, look: Look, frame: Frame) -> list[TrackEvent]:
        """What a look at a frame changes of what is published: filtered, redacted."""
        self.frames_read += 1
        self.frames_searched += look.is_detected
        self.lines_read += look.n_read
        if look.is_detected or look.n_read:
            # A frame that nobody had to read is no sign that somebody could.
            self.unread_since_s = None
        self.last_ts = frame.ts
        self.last_frame = frame
        self._size = look.size
        return self.screen.pass_on(look.changes, self.tracker.visible, frame.ts)

    def count_time(self, wait_ms: float, looked_ms: float) -> None:
        """Count how long a frame waited for the inference thread and how long it took there."""
        self.reading_s += looked_ms / 1e3
        self.recorder.add("capture_wait", wait_ms)
        self.recorder.add("look", looked_ms)

    def finish(self, reason: EndReason = "stopped") -> list[TrackEvent]:
        """End every text: no frame will come, or none has come for long. What comes all the same is read as new."""
        # Or a picture that the gate knows would be left unread until the refresh, without its texts.
        self._scene = SceneReader(self.tracker, self._attention)
        return self.screen.pass_on(self.tracker.finish(reason), self.tracker.visible, self.last_ts or 0.0)

    def event(self, change: TrackEvent, latency: EventLatency) -> TextEvent:
        """A change as it is published; every call counts up `seq`."""
        assert self._size is not None
        assert self.last_ts is not None
        self._seq += 1
        self._by_type[change.type] += 1
        return TextEvent(
            type=change.type,
            node=self._origin.node,
            camera=self.name,
            boot_id=self._origin.boot_id,
            seq=self._seq,
            track_id=change.track_id,
            ts=rfc3339(self.last_ts),
            text=change.text,
            text_raw=change.text_raw,
            score=round(change.score, 4),
            reads=change.reads,
            agreeing_reads=change.agreeing_reads,
            candidates=tuple(Candidate(text=text, share=round(share, 4)) for text, share in change.candidates),
            quad=_corners(change.quad, scale=(1.0, 1.0), digits=1),
            quad_norm=_corners(change.quad, scale=self._size, digits=5),
            frame_size=self._size,
            zone=change.zone,
            redaction=change.redaction,
            first_seen=rfc3339(change.first_seen),
            last_seen=rfc3339(change.last_seen),
            latency_ms=latency,
            reason=change.reason,
            pack=self._origin.pack,
            profile=self._origin.profile,
        )

    def text(self, now: float) -> CameraText:
        """What is legible; `now` stands in for the capture time before the first frame."""
        return CameraText(
            node=self._origin.node,
            camera=self.name,
            boot_id=self._origin.boot_id,
            ts=rfc3339(self.last_ts if self.last_ts is not None else now),
            frame_size=self._size,
            lines=tuple(
                VisibleLine(
                    track_id=seen.track_id,
                    text=seen.text,
                    score=round(seen.score, 4),
                    quad=_corners(seen.quad, scale=(1.0, 1.0), digits=1),
                    zone=seen.zone,
                    redaction=seen.redaction,
                )
                for seen in self.screen.visible(self.tracker.visible())
            ),
        )

    def miss(self, cause: str) -> None:
        """A frame could not be read where it was sent to."""
        self.dropped[cause] += 1
        if self.unread_since_s is None:
            self.unread_since_s = time.monotonic()

    def is_lost(self) -> bool:
        """Whether no frame came, or could be read, for so long that what was shown last says nothing about now."""
        if self.unread_since_s is not None and time.monotonic() - self.unread_since_s > LOST_AFTER_S:
            return True
        age_s = self.capture.stats().frame_age_s
        return self.capture.state in {"stalled", "reconnecting", "failed"} and (age_s or 0.0) > LOST_AFTER_S

    def status(self) -> CameraStatus:
        """Whether frames come."""
        stats = self.capture.stats()
        return CameraStatus(
            state=self.capture.state,
            reason=self.capture.reason,
            error=self.capture.fault,
            fps=_rounded(stats.fps, 2),
            frame_age_ms=_frame_age_ms(stats),
        )

    def metrics(self) -> CameraMetrics:
        """The counters."""
        stats = self.capture.stats()
        return CameraMetrics(
            frames_in=stats.frames_in,
            frames_read=self.frames_read,
            frames_searched=self.frames_searched,
            lines_read=self.lines_read,
            reading_s=round(self.reading_s, 3),
            read_errors=self.read_errors,
            dropped={**stats.frames_dropped, **self.dropped},
            over_budget=self.over_budget,
            reconnects=stats.reconnects,
            stalls=stats.stalls,
            events=self._by_type.total(),
            events_by_type=dict(self._by_type),
            filtered=self.screen.refused(),
            state=self.capture.state,
            fps=_rounded(stats.fps, 2),
            frame_age_ms=_frame_age_ms(stats),
            latency_ms={name: StageLatency(**asdict(stage)) for name, stage in self.recorder.summary().items()},
        )


def make_camera(name: str, config: CameraConfig, capture: Capture, origin: Origin, redactor: Redactor) -> Camera:
    """A camera as its configuration asks for, the same in the appliance and in a replay."""
    takeover_reads = SEARCH_TAKEOVER if config.refresh_s else TrackerConfig().takeover_reads
    tracker = Tracker(
        TrackerConfig(
            min_score=config.min_score,
            min_reads=config.min_reads,
            sure_score=config.sure_score,
            takeover_reads=takeover_reads,
        )
    )
    screen = Screen(config.make_zones(), redactor)
    return Camera(name, capture, tracker, origin, screen, AttentionConfig(refresh_s=config.refresh_s))


def _corners(quad: NDArray[np.float32], *, scale: Sequence[float], digits: int) -> Quad:
    """Corners as plain numbers, divided by (x, y) `scale`."""
    a, b, c, d = ((round(float(x) / scale[0], digits), round(float(y) / scale[1], digits)) for x, y in quad)
    return (a, b, c, d)


def _frame_age_ms(stats: CaptureStats) -> float | None:
    return _rounded(None if stats.frame_age_s is None else stats.frame_age_s * 1e3, 1)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
