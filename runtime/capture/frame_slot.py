"""Between the thread that reads a camera and the one that looks at its frames: room for one frame."""

import threading

from runtime.frames import Frame


class LatestFrameSlot:
    """Room for one frame between the reading thread and whoever takes it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._is_closed = False

    def put(self, frame: Frame) -> str | None:
        """Put a frame in, over the one that is there.

        Returns:
            Why a frame was lost, this one or the one before: overwritten or stopped; None when none was.
        """
        with self._changed:
            if self._is_closed:
                return "stopped"
            was_full = self._frame is not None
            self._frame = frame
            self._changed.notify_all()
            return "overwritten" if was_full else None

    def put_when_empty(self, frame: Frame) -> bool:
        """Wait until the last frame was taken, and put this one in; False if the slot was closed meanwhile."""
        with self._changed:
            self._changed.wait_for(lambda: self._frame is None or self._is_closed)
            if self._is_closed:
                return False
            self._frame = frame
            self._changed.notify_all()
            return True

    def take(self, timeout_s: float) -> Frame | None:
        """The frame, waiting for it; None if none came in time, or none will come any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._frame is not None or self._is_closed, timeout_s)
            frame, self._frame = self._frame, None
            self._changed.notify_all()
            return frame

    def clear(self) -> bool:
        """Throw the frame away; True if there was one."""
        return self.take(0) is not None

    def close(self) -> None:
        """No more frames; the one that is in can still be taken."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    @property
    def is_drained(self) -> bool:
        """Closed, and the last frame was taken."""
        with self._changed:
            return self._is_closed and self._frame is None
