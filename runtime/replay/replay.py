"""A recording through the same frames-to-events path as the appliance, with its own time: the same events every time.

    recording -> capture (every frame, its time is its place in the recording) -> frame loop -> events

What makes two runs differ is left out: no frame is dropped, no clock is asked, networks are computed in float32 with
fixed threads. INT8 is not used: its kernels round differently from one instruction set to the next.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from edge_ocr.errors import EdgeOcrError, SourceError
from edge_ocr.profile import DeviceProfile, PrecisionPerNetwork
from runtime.camera import Camera, Origin, make_camera
from runtime.capture.thread import CaptureThread
from runtime.config.kiosk import CameraConfig
from runtime.events import EventLatency, TextEvent
from runtime.frame_loop import FrameLoop, PageReader
from runtime.frames import Frame, Source
from runtime.monitoring.latency import LatencyRecorder
from runtime.rules.redaction import Redactor
from runtime.sources.paced import FPS_WITHOUT_RATE
from runtime.sources.wrapped import WrappedRecording
from runtime.texts.tracking import TrackEvent

THREADS = 2
"""On every machine: the number of threads decides the order in which floats are added."""
NODE = "replay"
BOOT_ID = "replay"

OnEvent = Callable[[TextEvent], None]
"""Told of every event as it comes."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of a recording."""

    events: tuple[TextEvent, ...]
    """Their times start at the epoch: 1970-01-01T00:00:01.500Z is 1.5 s into the recording."""
    n_frames: int
    duration_s: float
    """Length of the recording."""


def replay_profile(profile: DeviceProfile) -> DeviceProfile:
    """The same device profile with everything fixed that would let results differ between machines."""
    float_networks = PrecisionPerNetwork(detector="fp", recognizer="fp", orientation="fp")
    fixed: dict[str, object] = {
        "precision": float_networks,
        "inference_precision": "f32",
        "threads": THREADS,
        "streams": THREADS,
        "pinning": False,
    }
    return profile.model_copy(update=fixed)


def replay(
    source: Source,
    reader: PageReader,
    config: CameraConfig,
    *,
    name: str,
    redactor: Redactor | None = None,
    on_event: OnEvent = lambda event: None,
) -> Replayed:
    """Read every frame of a recording and collect the events.

    Args:
        source: A recording, unopened: a file or folder. Frame n is taken to be captured n / rate seconds after 0.
        reader: For the same events everywhere, one with a `replay_profile`.
        config: Masks, thresholds and zones; its own source is not opened.
        name: The camera's name in the events.
        redactor: For zones that hash their texts; None: without a key.
        on_event: Told of every event as it comes.

    Raises:
        SourceError: the recording cannot be played.
        EdgeOcrError: a frame could not be read.
    """
    timed = PlaceTimed(source)
    capture = CaptureThread(name, timed, "every")
    origin = Origin(NODE, BOOT_ID, reader.pack.name, reader.profile.name)
    camera = make_camera(name, config, capture, origin, redactor or Redactor())
    events: list[TextEvent] = []

    def take(camera: Camera, changes: list[TrackEvent], arrival_s: float, stages: dict[str, float] | None) -> None:
        for change in changes:
            events.append(camera.event(change, EventLatency(total=0.0)))
            on_event(events[-1])

    loop = FrameLoop([camera], reader, LatencyRecorder(), threading.Event(), take)
    capture.start()
    try:
        loop.run()
    finally:
        capture.stop()
    _check(camera)
    return Replayed(tuple(events), timed.n_frames, timed.n_frames / timed.rate)


class PlaceTimed(WrappedRecording[Source]):
    """A recording whose frames are as old as their place in it says."""

    def __init__(self, recording: Source) -> None:
        super().__init__(recording)
        self.n_frames = 0

    @property
    def rate(self) -> float:
        """Frames a second that its times are counted with."""
        return self.nominal_fps or FPS_WITHOUT_RATE

    def read(self) -> Frame | None:
        """The next frame; None at the end."""
        frame = self._recording.read()
        if frame is None:
            return None
        self.n_frames = frame.index + 1
        return replace(frame, ts=frame.index / self.rate)


def _check(camera: Camera) -> None:
    """An error that would cost a running appliance one frame makes a replay worthless."""
    if camera.capture.state == "failed":
        raise SourceError(f"{camera.capture.reason}")
    if camera.read_errors:
        raise EdgeOcrError(f"{camera.read_errors} frames could not be read, the last one: {camera.last_error}")
