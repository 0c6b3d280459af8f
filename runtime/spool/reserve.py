"""A page on the spool's own disk that is allocated at start: it says what only memory knows, when nothing else can.

While the disk is full, events are held in memory and their fate is counted there. To overwrite a page takes no room (on
a file system that does not copy on write), so the total goes there; after a crash the next run knows how many went
with this one.
"""

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from runtime.spool.file import SeqKey

logger = logging.getLogger(__name__)

PAGE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Record:
    """Totals since the spool was made, of which the spool may not know all."""

    put: int
    """Events ever put: pending, sent and dropped."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """What became of those that are not pending."""
    seqs: Mapping[SeqKey, int] = field(default_factory=dict)
    """The newest `seq` of every run of a camera, so that the next run gives none out for the second time."""

    def unknown_to(self, n_events: int, counts: Mapping[str, int]) -> tuple[dict[str, int], int]:
        """What a spool with these totals does not know.

        Args:
            n_events: Events in it.
            counts: What it has counted.

        Returns:
            What to count besides, and the number of events of which nothing else is known than that they are gone.
        """
        n_missing = max(self.put - n_events - sum(counts.values()), 0)
        besides = {}
        for name, n in self.counts.items():
            n_more = min(n - counts.get(name, 0), n_missing)
            if n_more > 0:
                besides[name] = n_more
                n_missing -= n_more
        return besides, n_missing


class Reserve:
    """The page beside a spool. One thread at a time; nothing raises for what is wrong with the disk."""

    def __init__(self, path: Path) -> None:
        """A reserve that is not allocated yet.

        Args:
            path: The spool; the page lies beside it.
        """
        self._path = reserve_of(path)
        self._fd: int | None = None
        self._noted: Record | None = None
        self._is_said = False

    def allocate(self) -> None:
        """Make or open the page, unless that is done; it may have been deleted meanwhile."""
        if self._fd is not None and os.fstat(self._fd).st_nlink:
            return
        self.close()
        try:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._noted = self._read()
            if os.fstat(self._fd).st_size < PAGE_BYTES:
                self._write(self._noted)
                os.fsync(self._fd)
        except OSError as error:
            self.close()
            self._say(error)

    def read(self) -> Record | None:
        """What an earlier run has left: events that only its memory held; None when there were none."""
        return self._noted

    def note(self, record: Record | None) -> None:
        """Overwrite the page, if that says something new; None: the spool knows all."""
        if self._fd is None or record == self._noted:
            return
        try:
            self._write(record)
        except OSError as error:
            self._say(error)

    def close(self) -> None:
        """Let the page be."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _read(self) -> Record | None:
        assert self._fd is not None
        try:
            said = json.loads(os.pread(self._fd, PAGE_BYTES, 0).rstrip(b"\0 ") or b"null")
            if said is None:
                return None
            seqs = {(topic, boot_id): int(seq) for topic, boot_id, seq in said["seqs"]}
            return Record(int(said["put"]), dict(said["counts"]), seqs)
        except (ValueError, TypeError, KeyError):  # a power cut in the middle of a write
            logger.warning("%s: damaged; how many events the last run held in memory is not known", self._path)
            return None

    def _write(self, record: Record | None) -> None:
        assert self._fd is not None
        os.pwrite(self._fd, _page(record), 0)
        # An acknowledgement costs no fsync, here as in the spool: after a power cut the page tells of too many.
        if record is not None and (self._noted is None or record.put > self._noted.put):
            os.fdatasync(self._fd)
        self._noted = record

    def _say(self, error: OSError) -> None:
        if not self._is_said:
            self._is_said = True
            logger.warning(
                "%s: cannot be written (%s); events that are held in memory would go uncounted in a crash",
                self._path, error.strerror,
            )  # fmt: skip


def _page(record: Record | None) -> bytes:
    """What stands on the page; of too many runs the oldest are left out."""
    if record is None:
        return b"null".ljust(PAGE_BYTES)
    seqs = [(*key, seq) for key, seq in record.seqs.items()]
    while True:
        said = json.dumps({"put": record.put, "counts": dict(record.counts), "seqs": seqs}, separators=(",", ":"))
        if len(said) <= PAGE_BYTES or not seqs:
            return said.encode().ljust(PAGE_BYTES)
        del seqs[0]


def reserve_of(path: Path) -> Path:
    """The page beside a spool."""
    return path.with_name(f"{path.name}-held")
