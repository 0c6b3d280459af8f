"""One camera's frames in a thread of their own: opened, read, masked, and opened again when they stop.

    source -> masks -> LatestFrameSlot -> next_frame()

Whatever happens to the source, the rest of the program sees only a frame or None, a state and counters.
"""

import logging
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np

from edge_ocr.errors import SourceError
from runtime.backoff import Backoff
from runtime.capture_status import CaptureStatus, StateCallback
from runtime.events import CameraState
from runtime.frame_slot import LatestFrameSlot
from runtime.frames import Frame, Source
from runtime.redact import redact

GOOD_AFTER_S = 10.0
"""Frames for this long, and the next outage's waits begin at the shortest again."""
STALLED_AFTER_S, STALLED_AFTER_GAPS = 5.0, 5.0
ABANDONED_AFTER_S = 45.0
"""A read or open that takes longer, far over the sources' own time limits, will never return."""
MAX_ABANDONED = 3
"""Threads left behind in a stuck read before the camera is given up."""
WATCH_EVERY_S = 1.0
RATE_FRAMES = 31
"""Frames over which the rate is taken."""

log = logging.getLogger(__name__)

Policy = Literal["latest", "every"]
Polygon = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureStats:
    """What happened to a camera's frames since the start."""

    frames_in: int
    """Frames decoded."""
    frames_dropped: Mapping[str, int]
    """Of them, those that nobody got, by cause: overwritten, paused, stopped."""
    reconnects: int
    """Times the source was opened again."""
    stalls: int
    fps: float | None
    """Rate of the latest frames; None while none come."""
    frame_age_s: float | None
    """Age of the newest frame; None before the first."""


class CaptureThread:
    """Reads one source in a thread and keeps it alive.

    A live source that fails is opened again for ever. A file that fails has ended. Reads that never return are
    abandoned with their thread when `reopen` can make a new source.

    Args:
        name: The camera, for logs and thread names.
        source: What is read; opened, read and closed by the reading thread only.
        policy: latest: the newest frame wins, overwritten ones are counted; every: the source waits.
        masks: Polygons in pixels that are painted black before anybody sees the frame.
        on_state: Called with the state and its reason whenever one changes, from our threads: be short.
        reopen: Makes the same source anew, to replace one that is stuck; None: a stuck source stays stalled.
        clock: Monotonic seconds.
        wait: Sleeps so many seconds; None: until `stop` at most.
        draw: Random numbers in [0, 1).
    """

    def __init__(
        self,
        name: str,
        source: Source,
        policy: Policy,
        masks: Sequence[Polygon] = (),
        on_state: StateCallback | None = None,
        *,
        reopen: Callable[[], Source] | None = None,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._name = name
        self._policy = policy
        self._masks = [np.round(np.asarray(mask, np.float64)).astype(np.int32) for mask in masks]
        self._on_state = on_state
        self._reopen = reopen
        self._clock = clock
        self._stopping = threading.Event()
        self._wait = wait or self._stopping.wait
        self._resumed = threading.Event()
        self._resumed.set()
        self._backoff = Backoff(draw)
        self._slot = LatestFrameSlot()
        self._status = CaptureStatus(name, on_state)
        self._lock = threading.Lock()
        self._arrivals_s: deque[float] = deque(maxlen=RATE_FRAMES)
        self._last_arrival_s: float | None = None
        self._counts: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()
        self._reader = _Reader(source)
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start reading; once."""
        self._start_thread("watch", self._watch)
        self._start_reader(self._reader)

    def next_frame(self, timeout_s: float) -> Frame | None:
        """The next frame for reading, waiting for it; None if none came in time or the source has ended."""
        return self._slot.take(timeout_s)

    @property
    def ended(self) -> bool:
        """Whether no frame will come any more: the last was taken, the source failed for good, or we were stopped."""
        return self._slot.is_drained

    @property
    def state(self) -> CameraState:
        """What the camera does; `reconnecting` before the first frame."""
        return self._status.state

    @property
    def reason(self) -> str | None:
        """Why, if the state needs one."""
        return self._status.reason

    def stats(self) -> CaptureStats:
        """The counters so far."""
        now_s = self._clock()
        with self._lock:
            arrivals_s = self._arrivals_s
            span_s = arrivals_s[-1] - arrivals_s[0] if arrivals_s else 0.0
            flows = self.state == "streaming" and span_s > 0
            return CaptureStats(
                frames_in=self._counts["frames_in"],
                frames_dropped=dict(self._dropped),
                reconnects=self._counts["reconnects"],
                stalls=self._counts["stalls"],
                fps=(len(arrivals_s) - 1) / span_s if flows else None,
                frame_age_s=None if self._last_arrival_s is None else max(0.0, now_s - self._last_arrival_s),
            )

    def pause(self) -> None:
        """Give out no frames until `resume`; a camera is read on, so that it stays fresh."""
        self._resumed.clear()
        self._status.change("paused", None)

    def resume(self) -> None:
        """Give out frames again."""
        if not self._resumed.is_set():
            self._status.change("reconnecting", "resumed, waiting for a frame")
            self._resumed.set()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Stop reading and release the source. A read that is stuck is left to its daemon thread."""
        self._stopping.set()
        self._resumed.set()
        self._slot.close()
        deadline_s = time.monotonic() + timeout_s
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline_s - time.monotonic()))

    # The reading thread.

    def _read_until_stopped(self, reader: "_Reader") -> None:
        try:
            while self._is_wanted(reader):
                reason = self._read_once_opened(reader)
                reader.close()
                if reason is None or not self._is_wanted(reader):
                    break
                if not reader.is_live:
                    self._status.change("failed", reason)
                    break
                self._wait_to_reconnect(reason)
        finally:
            reader.close()
            if reader is self._reader:
                self._slot.close()

    def _read_once_opened(self, reader: "_Reader") -> str | None:
        """Open and read until the source ends (None) or fails (the reason)."""
        try:
            reader.busy_since_s = self._clock()
            reader.source.open()
            with self._lock:
                self._counts["reconnects"] += self._counts["opened"] > 0
                self._counts["opened"] += 1
            opened_s = self._clock()
            while self._is_wanted(reader):
                reader.busy_since_s = self._clock()
                frame = reader.source.read()
                reader.busy_since_s = None
                if frame is None or not self._is_wanted(reader):
                    return None
                if self._clock() - opened_s > GOOD_AFTER_S:
                    self._backoff.reset()
                self._take_in(frame, reader)
        except SourceError as error:
            return redact(str(error))
        except Exception as error:
            # Whatever a driver or decoder raises: this camera is opened anew, the others are not touched.
            log.exception("%s: unexpected error while reading", self._name)
            return redact(f"{reader.source.description}: {type(error).__name__}: {error}")
        finally:
            reader.busy_since_s = None
        return None

    def _take_in(self, frame: Frame, reader: "_Reader") -> None:
        with self._lock:
            self._counts["frames_in"] += 1
            self._last_arrival_s = self._clock()
            self._arrivals_s.append(self._last_arrival_s)
        if not self._resumed.is_set():
            self._status.change("paused", None)
            if reader.is_live:
                self._drop("paused")
                return
            self._resumed.wait()
        self._status.change("streaming", None)
        frame = self._masked(frame)
        if self._policy == "every":
            if not self._slot.put_when_empty(frame):
                self._drop("stopped")
        elif self._slot.put(frame):
            self._drop("overwritten")

    def _masked(self, frame: Frame) -> Frame:
        if not self._masks:
            return frame
        image = frame.image.copy()
        cv2.fillPoly(image, self._masks, (0, 0, 0))
        return replace(frame, image=image)

    def _drop(self, cause: str) -> None:
        with self._lock:
            self._dropped[cause] += 1

    def _wait_to_reconnect(self, reason: str) -> None:
        self._forget_rate()
        self._status.change("reconnecting", reason)
        wait_s = self._backoff.next_s()
        log.info("%s: next attempt in %.1f s", self._name, wait_s)
        self._wait(wait_s)

    def _forget_rate(self) -> None:
        with self._lock:
            self._arrivals_s.clear()

    def _is_wanted(self, reader: "_Reader") -> bool:
        return reader is self._reader and not self._stopping.is_set()

    # The watching thread.

    def _watch(self) -> None:
        while not self._stopping.wait(WATCH_EVERY_S) and not self._slot.is_drained:
            self.check_freshness()

    def check_freshness(self) -> None:
        """Mark the camera stalled if a read takes too long, and abandon the read if it takes far too long.

        Our own watching thread does this every second.
        """
        reader = self._reader
        since_s = reader.busy_since_s
        if since_s is None or self._stopping.is_set():
            return
        busy_s = self._clock() - since_s
        gap_s = 1 / (reader.source.nominal_fps or 1.0)
        if self.state == "streaming" and busy_s > max(STALLED_AFTER_S, STALLED_AFTER_GAPS * gap_s):
            with self._lock:
                self._counts["stalls"] += 1
            self._forget_rate()
            self._status.change("stalled", f"no frame for {busy_s:.0f} s")
        if reader.is_live and self._reopen is not None and busy_s > ABANDONED_AFTER_S:
            self._abandon(self._reopen)

    def _abandon(self, reopen: Callable[[], Source]) -> None:
        with self._lock:
            self._counts["abandoned"] += 1
            n_abandoned = self._counts["abandoned"]
        if n_abandoned > MAX_ABANDONED:
            self._status.change("failed", f"{n_abandoned} reads never returned; restart edge-ocr")
            self._slot.close()
            self._stopping.set()
            return
        self._status.change("reconnecting", f"a read did not return within {ABANDONED_AFTER_S:.0f} s; opening anew")
        self._reader = _Reader(reopen())
        self._start_reader(self._reader)

    def _start_reader(self, reader: "_Reader") -> None:
        self._start_thread("read", lambda: self._read_until_stopped(reader))

    def _start_thread(self, what: str, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, name=f"{what}-{self._name}", daemon=True)
        self._threads.append(thread)
        thread.start()


class _Reader:
    """A source and what its thread is doing."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.is_live = source.is_live
        self.busy_since_s: float | None = None
        """When the open or read began that is still running; None while none is."""

    def close(self) -> None:
        """Close the source; in its own thread only, OpenCV crashes otherwise."""
        try:
            self.source.close()
        except Exception:
            log.exception("%s: error while closing", self.source.description)
