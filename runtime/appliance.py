"""The appliance: cameras in, text events out. Everything that happens to a frame can be read here, top-down.

    captures -> frame loop (mask, reader, tracker, filter, redact) -> events -> outbox -> publisher -> broker

Each camera has a thread that fetches frames, one thread reads them, one sends. The thread that calls `run` watches,
and publishes the metrics.
"""

import logging
import math
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import asdict
from typing import Literal

from edge_ocr import __version__
from edge_ocr.errors import EdgeOcrError, PublishError, SourceError
from runtime.backoff import Backoff
from runtime.camera import Camera, Capture, Origin, make_camera
from runtime.capture.status import StateCallback
from runtime.capture.thread import CaptureThread
from runtime.config.kiosk import CameraConfig, KioskConfig
from runtime.controls import Controls, subscriptions
from runtime.events import (
    CameraStatus,
    EventLatency,
    Metrics,
    NodeStatus,
    OutboxMetrics,
    SpoolState,
    rfc3339,
)
from runtime.frame_loop import FrameLoop, Observer, PageReader
from runtime.inference_thread import InferenceThread
from runtime.monitoring.health import Progress
from runtime.monitoring.latency import LatencyRecorder
from runtime.mqtt import topics
from runtime.mqtt.messages import MqttVersion
from runtime.mqtt.publisher import Presence, Publisher
from runtime.offload.remote_reader import RemoteReader
from runtime.payload import StageLatency
from runtime.rules.redaction import Redactor, load_key
from runtime.sources import open_source
from runtime.spool.outbox import About, MemoryOutbox, Message, Outbox
from runtime.texts.tracking import TrackEvent

logger = logging.getLogger(__name__)

TICK_S = 1.0
METRICS_EVERY_S = 10.0
METRICS_EXPIRY_S = 60
"""Metrics of a node that is gone are forgotten by the broker; its status is not."""
STOP_TIMEOUT_S = 5.0
"""For the acknowledgements of what is left to be sent."""
INTAKE_STOP_S = 2.0
"""For the cameras to let go; a read that is stuck is left behind."""
READ_STOP_S = 30.0
"""For the frame that is being read when we stop."""


OpenCapture = Callable[[str, CameraConfig, StateCallback], Capture]
"""Makes the capture of a camera from its name, its configuration, and whom to tell of its state."""


class Appliance:
    """Reads every camera of a configuration and publishes what appears, changes and ends."""

    def __init__(
        self,
        config: KioskConfig,
        reader: PageReader,
        *,
        open_capture: OpenCapture | None = None,
        outbox: Outbox | None = None,
        recorder: LatencyRecorder | None = None,
        backoff: Backoff | None = None,
        mqtt_version: MqttVersion = MqttVersion.V5,
        inference: InferenceThread | None = None,
    ) -> None:
        """An appliance that does not run yet.

        Args:
            config: Cameras, broker and names.
            reader: Reads the frames; warmed up by the caller.
            open_capture: Makes the captures; by default as the configuration says.
            outbox: Keeps events until the broker has them; by default in memory.
            recorder: Gets the latency of every stage.
            backoff: Waits between attempts to reach the broker.
            mqtt_version: Which to try first.
            inference: Where frames are read; by default a thread of our own.

        Raises:
            ConfigError: the configuration cannot be used.
            SourceError: a camera's source names none.
        """
        self._config = config
        self._reader = reader
        self._outbox: Outbox = outbox if outbox is not None else MemoryOutbox()
        self.recorder = recorder or LatencyRecorder()
        self._root, self._node = config.mqtt.root, config.node
        self._boot_id = uuid.uuid4().hex
        self._started = time.time()
        self._started_s = time.monotonic()
        self._spool_state = self._outbox.state
        self._stopping = threading.Event()
        self._ended = threading.Event()
        self._inference = inference or InferenceThread()
        self._failure: Exception | None = None
        self._publisher = Publisher(
            config.mqtt,
            self._outbox,
            self._presence(),
            client_id=f"edge-ocr-{config.node}",
            recorder=self.recorder,
            on_conflict=self._give_up,
            subscriptions=subscriptions(config),
            on_received=lambda message: self._controls.receive(message),
            backoff=backoff,
            version=mqtt_version,
            event_expiry_s=math.ceil(config.spool.max_age_h * 3600),
        )
        self._open_capture = open_capture or open_configured_capture
        self._last_seqs: dict[str, int] = {}
        self._reload_requested = False
        self._redactor = Redactor(load_key(config.redaction_key_file) if config.redaction_key_file else None)
        cameras = [self._make_camera(name, camera) for name, camera in config.cameras.items()]
        self._loop = FrameLoop(cameras, reader, self.recorder, self._stopping, self._commit)
        self._controls = Controls(
            config,
            cameras=lambda: self._loop.cameras,
            between_frames=self._loop.between_frames,
            publisher=self._publisher,
            on_reload=self.request_reload,
        )
        self._remote = reader if isinstance(reader, RemoteReader) else None

    # -- life

    def run(self, on_tick: Callable[[], None] = lambda: None) -> None:
        """Read and publish until every source has ended or `stop` is called, then end in order.

        Args:
            on_tick: Called once a second from the thread that called us.

        Raises:
            SourceError: no camera ever gave a frame that could be read, and none will.
            PublishError: another node uses our id.
        """
        self._publisher.start()
        if self._remote is not None:
            self._remote.start(self._give_up)
        for camera in self._loop.cameras:
            self._announce(camera)
            camera.capture.start()
        self._controls.start()
        reading = self._inference.run(self._read_until_stopped)
        try:
            publish_s = time.monotonic() + METRICS_EVERY_S
            while not self._ended.wait(TICK_S):
                on_tick()
                if time.monotonic() >= publish_s:
                    publish_s += METRICS_EVERY_S
                    self._publish_metrics()
        finally:
            self._finish(reading)
        self._raise_failure()

    def stop(self) -> None:
        """Ask `run` to end; from any thread or signal handler."""
        self._stopping.set()

    def metrics(self) -> Metrics:
        """Counters and latencies so far."""
        counts = self._outbox.counts()
        return Metrics(
            node=self._node,
            boot_id=self._boot_id,
            ts=rfc3339(time.time()),
            uptime_s=round(time.monotonic() - self._started_s, 1),
            cameras={camera.name: camera.metrics() for camera in self._loop.cameras},
            outbox=OutboxMetrics(
                state=self._outbox.state, pending=counts.pending, sent=counts.sent, dropped=dict(counts.dropped)
            ),
            connects=self._publisher.connects,
            mqtt_faults=self._publisher.faults,
            commands=dict(self._controls.counts()),
            offload=self._remote.metrics() if self._remote is not None else None,
            latency_ms={name: StageLatency(**asdict(stage)) for name, stage in self.recorder.summary().items()},
        )

    def progress(self) -> Progress:
        """How long ago the inference thread and the publisher took their last turns."""
        now_s = time.monotonic()
        return Progress(inference_idle_s=now_s - self._loop.turned_s, publisher_idle_s=now_s - self._publisher.turned_s)

    @property
    def connected(self) -> bool:
        """Whether the broker has us."""
        return self._publisher.connected

    @property
    def camera_names(self) -> tuple[str, ...]:
        """The cameras that are read now."""
        return tuple(camera.name for camera in self._loop.cameras)

    def reasons(self) -> dict[str, str | None]:
        """Why each camera does not give pictures; None for one that does."""
        return {camera.name: camera.capture.reason for camera in self._loop.cameras}

    def observe(self, observer: Observer | None) -> None:
        """Let somebody look on; None: nobody."""
        self._loop.observer = observer

    # -- another configuration

    def request_reload(self) -> None:
        """Ask whoever runs us to read the configuration again; from any thread or signal handler."""
        self._reload_requested = True

    def take_reload_request(self) -> bool:
        """Whether a reload was asked for since the last time we were asked."""
        was_requested, self._reload_requested = self._reload_requested, False
        return was_requested

    def set_cameras(self, configs: Mapping[str, CameraConfig]) -> None:
        """Add, change and remove cameras while running; those that stay as they are go on undisturbed.

        Texts of a camera that is changed or removed end; events of a changed one are numbered on.

        Raises:
            SourceError: a source names none; nothing has changed then.
            EdgeOcrError: the inference thread is busy for too long; nothing has changed then.
        """
        before = {camera.name: camera for camera in self._loop.cameras}
        kept = {name for name in before if self._config.cameras[name] == configs.get(name)}
        made = {name: self._make_camera(name, config) for name, config in configs.items() if name not in kept}
        gone = [camera for name, camera in before.items() if name not in kept]

        def swap() -> None:
            for camera in gone:
                self._loop.end_texts(camera)
                self._last_seqs[camera.name] = camera.seq
            for name, camera in made.items():
                camera.count_on_from(self._last_seqs.get(name, 0))
            self._loop.cameras = tuple(made.get(name) or before[name] for name in configs)

        self._between_frames(swap)
        self._config = self._config.model_copy(update={"cameras": dict(configs)})
        self._stop_captures(gone)
        for camera in gone:
            if camera.name not in made:
                self._publish_status(camera, CameraStatus(state="paused", reason="removed from the configuration"))
        for camera in made.values():
            self._announce(camera)
            camera.capture.start()
        self._controls.introduce()

    def _between_frames(self, task: Callable[[], None]) -> None:
        future = self._loop.between_frames(task)
        try:
            future.result(READ_STOP_S)
        except TimeoutError:
            if future.cancel():
                raise EdgeOcrError(f"cameras: a frame is being read for over {READ_STOP_S:.0f} s; try again") from None
            future.result()

    def _stop_captures(self, cameras: Sequence[Camera]) -> None:
        """Let sources go, all at once; a read that is stuck is left behind."""
        deadline_s = time.monotonic() + INTAKE_STOP_S
        for camera in cameras:
            camera.capture.stop(0.0)
        for camera in cameras:
            camera.capture.stop(max(deadline_s - time.monotonic(), 0.0))

    # -- the inference thread

    def _read_until_stopped(self) -> None:
        """Run the frame loop; what it did not expect ends the run."""
        try:
            self._loop.run()
        except Exception as error:
            logger.exception("inference: unexpected error; stopping")
            self._failure = error
        finally:
            self._ended.set()

    # -- events

    def _commit(
        self, camera: Camera, changes: list[TrackEvent], arrival_s: float, latency_ms: dict[str, float] | None
    ) -> None:
        """Put what changed into the outbox, and the new text of the camera beside it."""
        if not changes:
            return
        begin_s = time.monotonic()
        topic = topics.camera_events(self._root, self._node, camera.name)
        self._outbox.put(*(self._message(topic, camera, change, arrival_s, latency_ms or {}) for change in changes))
        committed_s = time.monotonic()
        for _ in changes:
            self.recorder.add("spool", (committed_s - begin_s) * 1e3)
            for recorder in (self.recorder, camera.recorder):
                recorder.add("capture_to_spool", (committed_s - arrival_s) * 1e3)
        self._publisher.wake()
        self._publisher.set_latest(
            topics.camera_text(self._root, self._node, camera.name), camera.text(time.time()).to_json()
        )
        self._watch_spool()

    def _message(
        self, topic: str, camera: Camera, change: TrackEvent, arrival_s: float, latency_ms: dict[str, float]
    ) -> Message:
        """One event, ready to be committed."""
        rounded = {name: round(ms, 3) for name, ms in latency_ms.items()}
        latency = EventLatency(**rounded, total=round((time.monotonic() - arrival_s) * 1e3, 3))
        event = camera.event(change, latency)
        if self._loop.observer is not None:
            self._loop.observer.published(event)
        about = About(self._boot_id, event.seq, event.track_id, is_end=event.type == "end")
        return Message(topic, event.to_json(), arrival_s, about)

    # -- latest values

    def _announce(self, camera: Camera) -> None:
        """Overwrite what an earlier run left behind as the latest values."""
        self._publish_status(camera)
        self._publisher.set_latest(
            topics.camera_text(self._root, self._node, camera.name), camera.text(time.time()).to_json()
        )

    def _publish_status(self, camera: Camera, status: CameraStatus | None = None) -> None:
        topic = topics.camera_status(self._root, self._node, camera.name)
        self._publisher.set_latest(topic, (status or camera.status()).to_json())

    def _watch_spool(self) -> None:
        """Publish the node's status anew when the spool's state has changed."""
        state = self._outbox.state
        if state != self._spool_state:
            self._spool_state = state
            self._publisher.set_latest(topics.node_status(self._root, self._node), self._status("online", state))

    def _publish_metrics(self) -> None:
        self._outbox.tend()
        self._watch_spool()
        for camera in self._loop.cameras:
            self._publish_status(camera)
        self._send_metrics()

    def _send_metrics(self) -> None:
        topic = topics.node_metrics(self._root, self._node)
        self._publisher.set_latest(topic, self.metrics().to_json(), qos=0, expiry_s=METRICS_EXPIRY_S)

    # -- stopping

    def _finish(self, reading: "Future[None]") -> None:
        """Stop the intake, finish the frame at hand, end all texts, send what is left, say goodbye."""
        self._stopping.set()
        self._controls.stop()
        for camera in self._loop.cameras:
            camera.capture.stop(0.0)
        wait([reading], READ_STOP_S)
        if self._remote is not None:
            self._remote.stop()
        for camera in self._loop.cameras:
            self._loop.end_texts(camera)
            if camera.capture.state != "failed":
                self._publish_status(camera, CameraStatus(state="paused", reason="the node stopped"))
        self._send_metrics()
        self._publisher.stop(STOP_TIMEOUT_S)
        self._stop_captures(self._loop.cameras)

    def _give_up(self, reason: str | PublishError) -> None:
        """Another node has our id, or the broker is of no use."""
        self._failure = PublishError(reason) if isinstance(reason, str) else reason
        self._stopping.set()

    def _raise_failure(self) -> None:
        """Tell the caller why the run ended, if it was not meant to."""
        if isinstance(self._failure, EdgeOcrError):
            raise self._failure
        if self._failure is not None:
            raise EdgeOcrError(f"stopped by an unexpected error: {self._failure}") from self._failure
        if all(camera.capture.state == "failed" for camera in self._loop.cameras):
            raise SourceError("; ".join(f"{camera.name}: {camera.capture.reason}" for camera in self._loop.cameras))

    # -- making

    def _make_camera(self, name: str, config: CameraConfig) -> Camera:
        origin = Origin(self._node, self._boot_id, self._reader.pack.name, self._reader.profile.name)
        capture = self._open_capture(name, config, lambda state, reason: self._state_changed(name))
        return make_camera(name, config, capture, origin, self._redactor)

    def _state_changed(self, name: str) -> None:
        """A capture tells of a new state, from its own thread."""
        for camera in self._loop.cameras:
            if camera.name == name and not self._stopping.is_set():
                self._publish_status(camera)

    def _presence(self) -> Presence:
        return Presence(
            topic=topics.node_status(self._root, self._node),
            online=self._status("online", self._spool_state),
            offline=self._status("offline"),
            stopped=self._status("stopped"),
            boot_id=self._boot_id,
        )

    def _status(self, state: Literal["online", "offline", "stopped"], spool: SpoolState | None = None) -> bytes:
        since = rfc3339(self._started)
        return NodeStatus(state=state, version=__version__, boot_id=self._boot_id, since=since, spool=spool).to_json()


def open_configured_capture(
    name: str, config: CameraConfig, on_state: StateCallback, *, realtime: bool = False
) -> Capture:
    """The capture thread that a camera's configuration asks for.

    Args:
        name: The camera.
        config: Its part of the configuration.
        on_state: Told of every change of state.
        realtime: Play a file at its own rate, as if it were a live camera.

    Raises:
        SourceError: the source names none.
    """
    policy = "latest" if realtime and config.policy is None else config.effective_policy
    source = open_source(config.source, realtime=realtime, every=policy == "every", ca_file=config.ca_file)
    return CaptureThread(name, source, policy, on_state=on_state)
