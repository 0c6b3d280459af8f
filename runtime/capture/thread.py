"""One camera's frames in a thread of their own: opened, read, and opened again when they stop.

    source -> LatestFrameSlot -> next_frame()

Whatever happens to the source, the rest of the program sees only a frame or None, a state and counters.
"""

import logging
import random
import threading
import time
from collections.abc import Callable
from typing import Literal

from edge_ocr.errors import SourceError
from runtime.backoff import Backoff
from runtime.capture.counters import CaptureCounters, CaptureStats
from runtime.capture.frame_slot import LatestFrameSlot
from runtime.capture.status import CaptureStatus, StateCallback
from runtime.events import CameraState
from runtime.frames import CameraFault, Cancellable, CountsLosses, Frame, Source
from runtime.redact import redact
from runtime.sources.faults import NEEDS_A_PERSON, CameraError, fault_of

GOOD_AFTER_S = 10.0
"""Frames for this long, and the next outage's waits begin at the shortest again."""
SOON_S = 2.0
"""Longest wait for a camera that may return by itself: with the time to open it, it is back within ten seconds."""
CANCELLED_AFTER_STALLS = 2.0
"""A read that takes this many times the silence of a stalled camera is cancelled."""
WATCH_EVERY_S = 1.0

log = logging.getLogger(__name__)

Policy = Literal["latest", "every"]


class CaptureThread:
    """Reads one source in a thread and keeps it alive.

    A live source that fails, or gives no frame for too long, is opened again for ever. A file that fails has ended.

    Args:
        name: The camera, for logs and thread names.
        source: What is read; opened, read and closed by the reading thread only.
        policy: latest: the newest frame wins, overwritten ones are counted; every: the source waits.
        on_state: Called with the state and its reason whenever one changes, from our threads: be short.
        clock: Monotonic seconds.
        wait: Sleeps so many seconds; None: until `stop` at most.
        draw: Random numbers in [0, 1).
    """

    def __init__(
        self,
        name: str,
        source: Source,
        policy: Policy,
        on_state: StateCallback | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._name = name
        self._source = source
        self._policy = policy
        self._clock = clock
        self._stopping = threading.Event()
        self._wait = wait or self._stopping.wait
        self._resumed = threading.Event()
        self._resumed.set()
        # Apart, so that a camera whose stream is not there yet when it returns is not waited for as for a long outage.
        self._soon, self._later = Backoff(draw), Backoff(draw)
        self._slot = LatestFrameSlot()
        self._status = CaptureStatus(name, on_state)
        self._counters = CaptureCounters()
        self._waiting_since_s: float | None = None
        """When the read began that is still running; None while none is."""
        self._silence: CameraError | None = None
        """Why a read was cancelled."""
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start reading; once."""
        for what, target in (("watch", self._watch), ("read", self._read_until_stopped)):
            thread = threading.Thread(target=target, name=f"{what}-{self._name}", daemon=True)
            self._threads.append(thread)
            thread.start()

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

    @property
    def fault(self) -> CameraFault | None:
        """The kind of fault that keeps frames from coming, if it is known."""
        return self._status.fault

    def stats(self) -> CaptureStats:
        """The counters so far."""
        losses = self._source.losses() if isinstance(self._source, CountsLosses) else {}
        return self._counters.stats(self._clock(), losses, flows=self.state == "streaming")

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
        """Stop reading and release the source; a frame that nobody took is counted.

        Args:
            timeout_s: For the read at hand. After it the read is cancelled, or else left to its daemon thread.
        """
        self._stopping.set()
        self._resumed.set()
        self._slot.close()
        if self._slot.clear():
            self._counters.dropped("stopped")
        if timeout_s > 0:
            self._join(timeout_s / 2)
            if isinstance(self._source, Cancellable):
                self._source.cancel()
            self._join(timeout_s / 2)

    def _join(self, timeout_s: float) -> None:
        deadline_s = time.monotonic() + timeout_s
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline_s - time.monotonic()))

    # The reading thread.

    def _read_until_stopped(self) -> None:
        try:
            while not self._stopping.is_set():
                error = self._read_once_opened()
                self._close_source()
                if error is None or self._stopping.is_set():
                    break
                if not self._source.is_live or fault_of(error) == "cut_short":
                    self._status.change("failed", redact(str(error)), fault_of(error))
                    break
                self._wait_to_reconnect(error)
        finally:
            self._close_source()
            self._slot.close()

    def _read_once_opened(self) -> SourceError | None:
        """Open and read until the source ends (None) or fails (why)."""
        self._silence = None
        try:
            self._source.open()
            self._counters.opened()
            opened_s = self._clock()
            while not self._stopping.is_set() and (frame := self._read()) is not None:
                if self._clock() - opened_s > GOOD_AFTER_S:
                    self._soon.reset()
                    self._later.reset()
                self._take_in(frame)
        except SourceError as error:
            return self._silence or error
        except Exception as error:
            # Whatever a driver or decoder raises: this camera is opened anew, the others are not touched.
            log.exception("%s: unexpected error while reading", self._name)
            return SourceError(f"{self._source.description}: {type(error).__name__}: {error}")
        return None

    def _read(self) -> Frame | None:
        self._waiting_since_s = self._clock()
        try:
            return self._source.read()
        finally:
            self._waiting_since_s = None

    def _take_in(self, frame: Frame) -> None:
        self._counters.frame_in(self._clock())
        if self._stopping.is_set():
            self._counters.dropped("stopped")
            return
        if not self._resumed.is_set():
            self._status.change("paused", None)
            if self._source.is_live:
                self._counters.dropped("paused")
                return
            self._resumed.wait()
        self._status.change("streaming", None)
        if self._policy == "every":
            if not self._slot.put_when_empty(frame):
                self._counters.dropped("stopped")
        elif (lost := self._slot.put(frame)) is not None:
            self._counters.dropped(lost)

    def _wait_to_reconnect(self, error: SourceError) -> None:
        self._counters.interrupted()
        fault = fault_of(error)
        self._status.change("reconnecting", redact(str(error)), fault)
        wait_s = self._later.next_s() if fault in NEEDS_A_PERSON else self._soon.next_s(SOON_S)
        log.debug("%s: next attempt in %.1f s", self._name, wait_s)
        self._wait(wait_s)

    def _close_source(self) -> None:
        """Close the source; in its own thread only, OpenCV crashes otherwise."""
        try:
            self._source.close()
        except Exception:
            log.exception("%s: error while closing", self._source.description)

    # The watching thread.

    def _watch(self) -> None:
        while not self._stopping.wait(WATCH_EVERY_S) and not self._slot.is_drained:
            self.check_freshness()

    def check_freshness(self) -> None:
        """Mark the camera stalled if a read takes too long for it, and cancel the read if it takes far too long.

        Our own watching thread does this every second.
        """
        since_s = self._waiting_since_s
        if since_s is None or self._stopping.is_set():
            return
        silent_s = self._clock() - since_s
        limit_s = self._counters.stalled_after_s
        reason = f"no frame for {silent_s:.0f} s"
        if self.state == "streaming" and silent_s > limit_s:
            self._counters.stalled()
            self._status.change("stalled", reason, "timeout")
        if silent_s > CANCELLED_AFTER_STALLS * limit_s and isinstance(self._source, Cancellable):
            self._silence = CameraError("timeout", f"{self._source.description}: {reason}; opening it anew")
            self._source.cancel()
