"""The inference thread: the newest frame of the camera whose turn it is becomes changes of its texts.

    next_frame -> mask -> look (gate, detect, recognise, track) -> filter -> redact -> on_changes

What is masked is black before anything looks at a frame (`runtime.rules.zones`); what is filtered or redacted never
leaves `Camera.track` (`runtime.rules.screening`); the rest goes to whoever publishes (`runtime.appliance`).
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Protocol

from runtime.camera import EVENT_STAGES, Camera
from runtime.events import TextEvent
from runtime.fair_turns import FairTurns
from runtime.frames import Frame, FrameDroppedError
from runtime.monitoring.latency import LatencyRecorder
from runtime.texts.reading import LimitedReader
from runtime.texts.tracking import TrackEvent

LOOK_EVERY_S = 1.0
"""Between two looks for cameras that are away."""

logger = logging.getLogger(__name__)


class Named(Protocol):
    """A pack or profile, as far as events tell of it."""

    @property
    def name(self) -> str:
        """Its name."""
        ...


class Profile(Named, Protocol):
    """A device profile, as far as the loop needs it."""

    @property
    def latency_budget_ms(self) -> float | None:
        """What a frame may take from its arrival to the commit of its events; None: not stated."""
        ...


class PageReader(LimitedReader, Protocol):
    """What reads frames: `edge_ocr.Reader`."""

    @property
    def pack(self) -> Named:
        """The models."""
        ...

    @property
    def profile(self) -> Profile:
        """The device profile."""
        ...


class Observer(Protocol):
    """Somebody who looks on, in the inference thread: quick, and without waiting for anything."""

    def saw(self, camera: Camera, frame: Frame) -> None:
        """A frame was read, and what it changed was committed."""
        ...

    def published(self, event: TextEvent) -> None:
        """An event is being committed."""
        ...


OnChanges = Callable[[Camera, list[TrackEvent], float, dict[str, float] | None], None]
"""Told what changed at a camera, when the frame arrived (monotonic seconds), and its milliseconds per stage."""


class FrameLoop:
    """Reads the frames of some cameras, by fair turns, until told to stop or until no frame will come any more."""

    def __init__(
        self,
        cameras: Sequence[Camera],
        reader: PageReader,
        recorder: LatencyRecorder,
        stopping: threading.Event,
        on_changes: OnChanges,
    ) -> None:
        """A loop that does not run yet.

        Args:
            cameras: At least one; their tracks are used by the thread that calls `run` only.
            reader: Reads the frames.
            recorder: Gets the latency of every stage.
            stopping: Ends `run` after the frame at hand.
            on_changes: Commits what changed.
        """
        self.cameras = tuple(cameras)
        """Replaced as a whole, by the thread that runs; others may read it."""
        self._reader = reader
        self._recorder = recorder
        self._stopping = stopping
        self._on_changes = on_changes
        self._turns = FairTurns()
        self._next_look_s = 0.0
        self._tasks: SimpleQueue[tuple[Callable[[], None], Future[None]]] = SimpleQueue()
        self.observer: Observer | None = None
        self.turned_s = time.monotonic()
        """When the loop took its last turn; it takes ten a second, or one a frame where frames take longer."""

    def run(self) -> None:
        """Take frames and read them, until told to stop or until nothing comes any more."""
        while not self._stopping.is_set():
            self._end_lost_texts()
            self.turned_s = time.monotonic()
            self._do_tasks()
            self._end_paused()
            taken = self._next_frame()
            if taken is not None:
                begin_s = time.monotonic()
                self._guarded_process(*taken)
                self._turns.charge(taken[0].name, time.monotonic() - begin_s)
            elif self._all_ended():
                return

    def between_frames(self, task: Callable[[], None]) -> "Future[None]":
        """Have the thread that runs do something between two frames; the future is done when it is."""
        future: Future[None] = Future()
        self._tasks.put((task, future))
        return future

    def end_texts(self, camera: Camera) -> None:
        """End what a camera still shows: no frame of it will come."""
        if not camera.is_finished:
            camera.is_finished = True
            self._on_changes(camera, camera.finish(), time.monotonic(), None)

    def _end_lost_texts(self) -> None:
        """End what cameras showed that have been away for long: nobody knows whether it is still there."""
        now_s = time.monotonic()
        if now_s < self._next_look_s:
            return
        self._next_look_s = now_s + LOOK_EVERY_S
        for camera in self.cameras:
            if camera.is_lost():
                self._on_changes(camera, camera.finish("camera_lost"), now_s, None)

    def _do_tasks(self) -> None:
        while not self._tasks.empty():
            task, future = self._tasks.get()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                task()
            except Exception as error:
                future.set_exception(error)
            else:
                future.set_result(None)

    def _next_frame(self) -> tuple[Camera, Frame] | None:
        """A frame of the camera with the best claim that has one; waits a little for that of the last."""
        cameras = sorted(self.cameras, key=lambda camera: self._turns.claim(camera.name))
        for camera in cameras:
            frame = camera.capture.next_frame(self._patience_s() if camera is cameras[-1] else 0.0)
            if frame is not None:
                return camera, frame
        return None

    def _guarded_process(self, camera: Camera, frame: Frame) -> None:
        """Process a frame; an error costs this frame, not the run."""
        try:
            self._process(camera, frame)
            camera.last_error = ""
        except FrameDroppedError as error:
            camera.miss(error.cause)
        except Exception as error:
            camera.read_errors += 1
            if str(error) != camera.last_error:
                camera.last_error = str(error)
                logger.exception("%s: frame %d could not be read; going on", camera.name, frame.index)

    def _process(self, camera: Camera, frame: Frame) -> None:
        """Frame to look to changes: the way of every frame."""
        taken_s = time.monotonic()
        frame = camera.masked(frame)
        look = camera.look(self._reader, frame)
        changes = camera.take(look, frame)
        looked_ms = (time.monotonic() - taken_s) * 1e3
        stages = {
            "decode": frame.decode_ms,
            "capture_wait": max(taken_s - frame.arrival_s, 0.0) * 1e3,
            **look.timings_ms,
            "track": max(looked_ms - look.timings_ms.get("total", 0.0), 0.0),
        }
        camera.count_time(stages["capture_wait"], looked_ms)
        self._recorder.add_all(stages)
        latency = {name: stages.get(name, 0.0) for name in ("capture_wait", *EVENT_STAGES, "track")}
        self._on_changes(camera, changes, frame.arrival_s, latency)
        budget_ms = self._reader.profile.latency_budget_ms
        camera.over_budget += budget_ms is not None and (time.monotonic() - frame.arrival_s) * 1e3 > budget_ms
        if self.observer is not None:
            self.observer.saw(camera, frame)

    def _all_ended(self) -> bool:
        """Whether no frame will come from any camera; the texts of a camera that ended end with it."""
        for camera in self.cameras:
            if camera.capture.ended:
                self.end_texts(camera)
        return all(camera.is_finished for camera in self.cameras)

    def _end_paused(self) -> None:
        """End what paused cameras showed: nobody looks whether it is still there."""
        for camera in self.cameras:
            if camera.capture.state == "paused":
                self._on_changes(camera, camera.finish(), time.monotonic(), None)

    def _patience_s(self) -> float:
        """How long to wait for a frame of one camera while others may have one."""
        return 0.1 if len(self.cameras) == 1 else 0.005
