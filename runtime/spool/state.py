"""The state of the spool: what an error means, and one line in the log for every change."""

import logging
import os
import shutil
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from runtime.events import SpoolState
from runtime.spool.opening import error_code

logger = logging.getLogger(__name__)

FREE_AGAIN_BYTES = 2**20
"""Free space at which a disk that was full is not full any more; single transactions may fit before."""
ROOM_AGAIN = 0.5
"""Filling below which a spool that dropped events has room again."""


class SpoolCondition:
    """The state of the spool in one file."""

    def __init__(self, path: Path) -> None:
        self.state: SpoolState = "ok"
        self._path = path

    @property
    def is_writable(self) -> bool:
        """Whether the last transaction that put events succeeded."""
        return self.state in {"ok", "dropping"}

    def committed(self, *, n_dropped: int, filling: float, dropped_so_far: Mapping[str, int]) -> None:
        """A transaction succeeded.

        Args:
            n_dropped: Events that had to make room in it.
            filling: Part of the bound that is used.
            dropped_so_far: By cause.
        """
        if self.state == "full" and self._free_bytes() < FREE_AGAIN_BYTES:
            return
        if n_dropped or (self.state == "dropping" and filling > ROOM_AGAIN):
            if self._change("dropping"):
                logger.warning("spool %s: as large as spool.max_mb allows; the oldest events are dropped", self._path)
        elif self._change("ok"):
            dropped = ", ".join(f"{n} {cause}" for cause, n in dropped_so_far.items())
            logger.info("spool %s: in order again; dropped so far: %s", self._path, dropped or "none")

    def broke(self, error: sqlite3.Error) -> None:
        """A transaction failed, by other than damage."""
        code = error_code(error)
        if code == sqlite3.SQLITE_FULL:
            self.fail("full", "the disk is full; make room")
        # A disk that was mounted read-only shows itself as an I/O error.
        elif code == sqlite3.SQLITE_READONLY or self._is_mounted_read_only():
            self.fail("read-only", "it cannot be written; mount the disk writable, or set another spool.path")
        else:
            self.fail("failed", f"it cannot be used ({error}); check the disk")

    def fail(self, state: SpoolState, why: str) -> None:
        """Nothing can be put."""
        if self._change(state):
            logger.warning("spool %s: %s. Until then events are sent from memory", self._path, why)

    def _free_bytes(self) -> int:
        try:
            return shutil.disk_usage(self._path.parent).free
        except OSError:  # the folder is gone
            return 0

    def _is_mounted_read_only(self) -> bool:
        try:
            return bool(os.statvfs(self._path.parent).f_flag & os.ST_RDONLY)
        except OSError:
            return False

    def _change(self, state: SpoolState) -> bool:
        is_news = state != self.state
        self.state = state
        return is_news
