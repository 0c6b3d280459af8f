"""What a camera does at the moment, and who is told when that changes."""

import logging
import threading
from collections.abc import Callable

from runtime.events import CameraState
from runtime.frames import CameraFault

StateCallback = Callable[[CameraState, str | None], None]

STARTING = "starting"
"""Reason before the first report."""

log = logging.getLogger(__name__)


class CaptureStatus:
    """The state with its reason; changes are logged and reported in order."""

    def __init__(self, name: str, on_state: StateCallback | None) -> None:
        self.state: CameraState = "reconnecting"
        self.reason: str | None = STARTING
        self.fault: CameraFault | None = None
        self._name = name
        self._on_state = on_state
        self._lock = threading.RLock()

    def change(self, state: CameraState, reason: str | None, fault: CameraFault | None = None) -> None:
        """Set the state; nothing happens if it is that already."""
        with self._lock:
            if (state, reason) == (self.state, self.reason):
                return
            is_new = (state, fault) != (self.state, self.fault) or self.reason == STARTING
            self.state, self.reason, self.fault = state, reason, fault
            if is_new:
                level = logging.INFO if state in {"streaming", "paused"} else logging.WARNING
                log.log(level, "%s: %s%s", self._name, state, f": {reason}" if reason else "")
            if self._on_state is None:
                return
            try:
                self._on_state(state, reason)
            except Exception:
                log.exception("%s: the listener failed", self._name)
