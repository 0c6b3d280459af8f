"""The appliance's frame loop in a time of its own: for a busy machine, and for scenes longer than one's patience.

Nothing waits. The clock advances by the CPU time that reading took, divided by the cores it is taken to have, and to
the next frame when there is nothing to do; frames that come while one is read are overwritten, as by a camera. So the
figures are those of a machine that does nothing else, whatever else this one does. Two things are not in them: the
broker, and the way that reading really spreads over cores.
"""

import math
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from benchmarks.stream_run import ToldEvent
from edge_ocr import Reader
from runtime.camera import Camera, Origin, make_camera
from runtime.capture.counters import CaptureStats
from runtime.config.kiosk import CameraConfig
from runtime.events import CameraState, EventLatency
from runtime.frame_loop import FrameLoop, PageReader
from runtime.frames import CameraFault, Frame
from runtime.monitoring.latency import LatencyRecorder
from runtime.rules.redaction import Redactor
from runtime.sources.paced import FPS_WITHOUT_RATE, Recording
from runtime.sources.wrapped import WrappedRecording
from runtime.texts.tracking import TrackEvent

CORES = 1.6
"""Of two: reading a page spreads over them, but for the parts between the networks."""


@dataclass(frozen=True, slots=True, eq=False)
class VirtualRun:
    """One run of the frame loop in virtual time."""

    told: dict[str, list[ToldEvent]]
    """Per camera, as they came."""
    cpu_s: dict[str, float]
    """CPU seconds of reading per camera; decoding is not in it."""
    frames_read: dict[str, int]
    duration_s: float
    """When the last camera ended."""


def run_virtual(
    recordings: Mapping[str, Recording],
    reader: PageReader,
    *,
    cores: float = CORES,
    config: CameraConfig | None = None,
) -> VirtualRun:
    """Play recordings as cameras of one frame loop.

    Args:
        recordings: By camera's name; unopened.
        reader: Warmed up.
        cores: How many cores reading is taken to keep busy.
        config: Thresholds of every camera; its source is not opened.

    Raises:
        SourceError: a recording cannot be played.
    """
    clock = VirtualClock(cores)
    told: dict[str, list[ToldEvent]] = {name: [] for name in recordings}

    def take(camera: Camera, changes: list[TrackEvent], arrival_s: float, stages: dict[str, float] | None) -> None:
        clock.charge()
        for change in changes:
            event = camera.event(change, EventLatency(total=0.0))
            assert camera.last_ts is not None
            told[camera.name].append(ToldEvent(event, camera.last_ts, clock.now_s))

    origin = Origin("bench", "virtual", reader.pack.name, reader.profile.name)
    settings = config or CameraConfig(source="test:")
    captures = {name: VirtualCapture(recording, clock, name) for name, recording in recordings.items()}
    cameras = [make_camera(name, settings, capture, origin, Redactor()) for name, capture in captures.items()]
    for capture in captures.values():
        capture.start()
    FrameLoop(cameras, reader, LatencyRecorder(), threading.Event(), take).run()
    for capture in captures.values():
        capture.stop()
    frames_read = {camera.name: camera.frames_read for camera in cameras}
    return VirtualRun(told, dict(clock.cpu_s), frames_read, clock.now_s)


class VirtualClock:
    """Seconds since the start, in which only waiting and the CPU time of reading pass."""

    def __init__(self, cores: float) -> None:
        self._cores = cores
        self._looked_s = time.process_time()
        self._reading: str | None = None
        self.now_s = 0.0
        self.cpu_s: dict[str, float] = {}
        """Per camera."""

    def charge(self) -> None:
        """Let the CPU time since the last look pass, on the account of the camera that is being read."""
        before_s, self._looked_s = self._looked_s, time.process_time()
        used_s = self._looked_s - before_s
        self.now_s += used_s / self._cores
        if self._reading is not None:
            self.cpu_s[self._reading] = self.cpu_s.get(self._reading, 0.0) + used_s

    def hand_over(self, camera: str | None) -> None:
        """Forget the CPU time since the last look, which was decoding; from now on this camera is read, or none."""
        self._looked_s = time.process_time()
        self._reading = camera


class VirtualCapture:
    """A recording as a live camera in virtual time; see `runtime.camera.Capture`."""

    state: CameraState = "streaming"
    reason: str | None = None
    fault: CameraFault | None = None

    def __init__(self, recording: Recording, clock: VirtualClock, name: str) -> None:
        self._recording = recording
        self._clock = clock
        self._name = name
        self._fps = FPS_WITHOUT_RATE
        self._next_index = 0
        self._n_given = 0
        self._has_ended = False

    @property
    def ended(self) -> bool:
        """Whether no frame will come any more."""
        return self._has_ended

    def start(self) -> None:
        """Open the recording."""
        self._recording.open()
        self._fps = self._recording.nominal_fps or FPS_WITHOUT_RATE  # not known before
        self._clock.hand_over(None)

    def next_frame(self, timeout_s: float) -> Frame | None:
        """The newest frame that is due; where none is, time passes until there is one, at most the time-out."""
        self._clock.charge()
        # Nothing will be due any more: whoever waits here waits for another camera, or its time would never come.
        due_s = math.inf if self._has_ended else self._next_index / self._fps
        if self._clock.now_s < due_s:
            self._clock.now_s = min(due_s, self._clock.now_s + timeout_s)
        frame = None
        if self._clock.now_s >= due_s:
            frame = self._newest()
            self._has_ended = frame is None
            self._n_given += frame is not None
        self._clock.hand_over(None if frame is None else self._name)
        return frame

    def stop(self, timeout_s: float = 5.0) -> None:
        """Close the recording."""
        self._recording.close()

    def pause(self) -> None:
        """Nobody pauses it."""

    def resume(self) -> None:
        """Nobody pauses it."""

    def stats(self) -> CaptureStats:
        """Frames so far."""
        return CaptureStats(
            frames_in=self._next_index,
            frames_dropped={"overwritten": self._next_index - self._n_given},
            reconnects=0,
            stalls=0,
            fps=self._fps,
            frame_age_s=None,
        )

    def _newest(self) -> Frame | None:
        """The newest frame that is due, over those before it; None at the end."""
        due_index = int(self._clock.now_s * self._fps + 1e-6)
        while self._next_index < due_index:
            if not self._recording.skip():
                return None
            self._next_index += 1
        frame = self._recording.read()
        if frame is None:
            return None
        self._next_index += 1
        index = self._next_index - 1
        return replace(frame, index=index, ts=index / self._fps, arrival_s=time.monotonic())


class Sampled(WrappedRecording[Recording]):
    """A recording of which some frames are read in full, outside of virtual time, while it is played.

    CPU time is not the same at all times: on a busy machine the same work takes up to half as much again. A ratio needs
    both of its parts from the same minutes.
    """

    def __init__(self, recording: Recording, reader: Reader, every: int) -> None:
        super().__init__(recording)
        self._reader = reader
        self._every = every
        self._n_read = 0
        self._costs_s: list[float] = []

    @property
    def cpu_s_per_frame(self) -> float:
        """Mean CPU seconds of reading a frame; 0 before the first."""
        return sum(self._costs_s) / max(len(self._costs_s), 1)

    def read(self) -> Frame | None:
        """The next frame; None at the end."""
        frame = self._recording.read()
        if frame is not None and self._n_read % self._every == 0:
            begin_s = time.process_time()
            self._reader.read(frame.image)
            self._costs_s.append(time.process_time() - begin_s)
        self._n_read += 1
        return frame

    def skip(self) -> bool:
        """Pass over one frame; False at the end."""
        return self._recording.skip()
