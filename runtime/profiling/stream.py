"""The stream part of a profile: the whole appliance, fed at the clip's own rate.

An open loop: frames come when they are due, whether or not the last one has been read. A closed loop hides the time
that frames wait and the frames that are lost.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from edge_ocr.errors import EdgeOcrError
from runtime.appliance import Appliance
from runtime.capture.thread import CaptureThread
from runtime.config.kiosk import CameraConfig, KioskConfig, MqttConfig
from runtime.events import SpoolState
from runtime.frames import Frame
from runtime.monitoring.latency import LatencyRecorder
from runtime.mqtt.broker import EmbeddedBroker
from runtime.mqtt.messages import MqttVersion
from runtime.profiling.host_watch import HostWatch
from runtime.profiling.input import Job, open_clip
from runtime.profiling.measure import CAPACITY, Subject, histograms_of, thin_out
from runtime.profiling.report import Series, StreamPart
from runtime.profiling.usage import UsageMeter
from runtime.sources.paced import FPS_WITHOUT_RATE, PacedSource, Recording
from runtime.sources.wrapped import WrappedRecording
from runtime.spool.outbox import Message, Outbox, OutboxCounts, StoredMessage

CAMERA = "clip"
NOWHERE = "mqtt://127.0.0.1:1"
"""A port where no broker listens."""
SHOWN_STAGES = ("capture_to_publish", "capture_to_spool")
"""What is drawn over time: the first of them that was measured."""

_log = logging.getLogger(__name__)


def run_stream(subject: Subject, job: Job) -> StreamPart:
    """Run the appliance on the job's clip, again and again from its start, for the job's seconds.

    Events go to an embedded broker; where amqtt is not installed they end at the outbox, and the report says so.

    Raises:
        EdgeOcrError: the clip cannot be played.
    """
    assert job.clip is not None
    recorder = TimedRecorder()
    recording = LoopedRecording(open_clip(job), job.seconds)
    _log.info("profile %s: stream, %.0f s at the clip's rate", subject.name, job.seconds)
    # Every frame in full: the profile measures what a read costs, not how often this clip needs one.
    camera = CameraConfig(source=job.clip, refresh_s=0)
    with _broker() as (url, outbox):
        appliance = Appliance(
            KioskConfig(node="profile", mqtt=MqttConfig(url=url), cameras={CAMERA: camera}),
            subject.reader,
            open_capture=lambda name, _, on_state: CaptureThread(
                name, PacedSource(recording), "latest", on_state=on_state
            ),
            outbox=outbox,
            recorder=recorder,
            mqtt_version=MqttVersion.V311,
        )
        with HostWatch() as watch:
            meter = UsageMeter()
            appliance.run()
            usage = meter.read()
    counts = appliance.metrics().cameras[CAMERA]
    return StreamPart(
        broker="nowhere, as amqtt is not installed" if outbox else "a broker in the same process, counted in CPU",
        duration_s=usage.wall_s,
        frames_in=counts.frames_in,
        frames_read=counts.frames_read,
        fps=counts.frames_read / usage.wall_s,
        dropped={**counts.dropped, "came too late": recording.n_skipped, "read errors": counts.read_errors},
        events=counts.events,
        stages=recorder.summary(),
        histograms=histograms_of(recorder),
        usage=usage,
        disturbance=watch.disturbance,
        series_ms=thin_out(recorder.series()),
    )


class TimedRecorder(LatencyRecorder):
    """A recorder that also remembers when the latencies of `SHOWN_STAGES` were added."""

    def __init__(self) -> None:
        super().__init__(CAPACITY)
        self._start_s = time.monotonic()
        self._series: dict[str, Series] = {stage: [] for stage in SHOWN_STAGES}

    def add(self, stage: str, ms: float) -> None:
        """Record one latency of a stage."""
        super().add(stage, ms)
        if stage in self._series:
            self._series[stage].append((time.monotonic() - self._start_s, ms))

    def series(self) -> Series:
        """The latencies over time of the first stage of `SHOWN_STAGES` that was measured."""
        return next((series for series in self._series.values() if series), [])


class NullOutbox:
    """Takes events and forgets them: each counts as sent."""

    def __init__(self) -> None:
        self._sent = 0

    def put(self, *messages: Message) -> None:
        """Count messages."""
        self._sent += len(messages)

    def peek(self, limit: int) -> list[StoredMessage]:
        """Nothing is ever pending."""
        return []

    def acknowledge(self, key: int) -> None:
        """Nothing is ever pending."""

    def drop(self, key: int, cause: str) -> None:
        """Nothing is ever pending."""

    def counts(self) -> OutboxCounts:
        """How many were put."""
        return OutboxCounts(pending=0, sent=self._sent)

    @property
    def state(self) -> SpoolState:
        """Nothing can go wrong."""
        return "ok"

    def tend(self) -> None:
        """Nothing to do."""


class LoopedRecording(WrappedRecording[Recording]):
    """A recording that starts again at its end, until it has lasted long enough."""

    def __init__(self, recording: Recording, seconds: float) -> None:
        super().__init__(recording)
        self._seconds = seconds
        self._left = 0
        self.n_skipped = 0
        """Frames passed over because they came too late: decoding could not keep up."""

    def open(self) -> None:
        """Open the recording."""
        super().open()
        self._left = round(self._seconds * (self.nominal_fps or FPS_WITHOUT_RATE))

    def read(self) -> Frame | None:
        """The next frame, from the start again after the last; None when it has lasted long enough."""
        if not self._count_down():
            return None
        frame = self._recording.read()
        if frame is None:
            self._rewind()
            frame = self._recording.read()
        return frame

    def skip(self) -> bool:
        """Pass over one frame; False when it has lasted long enough."""
        if not self._count_down():
            return False
        self.n_skipped += 1
        if self._recording.skip():
            return True
        self._rewind()
        return self._recording.skip()

    def _count_down(self) -> bool:
        self._left -= 1
        return self._left >= 0

    def _rewind(self) -> None:
        self._recording.close()
        self._recording.open()


@contextmanager
def _broker() -> Iterator[tuple[str, Outbox | None]]:
    """The URL of a broker, and an outbox to use instead of the appliance's own where there is no broker."""
    try:
        broker = EmbeddedBroker()
    except EdgeOcrError as error:
        _log.warning("events are not published: %s", error)
        logging.getLogger("runtime.mqtt.publisher").setLevel(logging.ERROR)
        yield NOWHERE, NullOutbox()
        return
    with broker:
        yield broker.url, None
