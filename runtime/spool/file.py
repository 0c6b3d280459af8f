"""The file of the spool: one SQLite database that this process alone has open.

    events      what the broker has not acknowledged, by rising key
    counts      what became of all others: sent, and dropped by cause
    open_texts  the newest event of every text that has begun and not ended
    last_seqs   the newest `seq` of every topic

Only statements are here; what to do when they fail is decided in `runtime.spool.spool`. Every method may raise
sqlite3.Error, and nothing of its transaction has happened then.
"""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runtime.spool.opening import WAL_BYTES

PAGE_BYTES = 4096
ROWS_A_STEP = 16
"""Rows dropped at a time to make room: a few pages."""

TextKey = tuple[str, str, int]
"""(topic, boot_id, track_id) of a text."""
SeqKey = tuple[str, str]
"""(topic, boot_id): one run of one camera."""


@dataclass(frozen=True, slots=True)
class Row:
    """One event in the file; times are seconds since the epoch."""

    key: int
    topic: str
    payload: bytes
    arrival_ts: float
    put_ts: float


class SpoolFile:
    """The statements of an open spool. One thread at a time."""

    def __init__(self, connection: sqlite3.Connection, max_bytes: int) -> None:
        """Use an open database.

        Args:
            connection: From `runtime.spool.opening`.
            max_bytes: Bound for the database and its log together.
        """
        self.connection = connection
        self._max_pages = max((max_bytes - WAL_BYTES) // PAGE_BYTES, 1)

    def close(self) -> None:
        """Close the file; the log is copied into the database where that is possible."""
        self.connection.close()

    @contextmanager
    def transaction(self, *, durable: bool) -> Iterator[None]:
        """All or nothing. A durable one is on the disk when it ends; another survives the process, not a power cut."""
        self.connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self.connection.execute("ROLLBACK")
            raise

    def shorten_log(self) -> None:
        """Copy the log into the database: on a full disk the next transaction uses the log's space again."""
        self.connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()

    def copy_to(self, path: Path) -> None:
        """Write all of it, the log included, into an empty file; not durable yet."""
        self.connection.execute("VACUUM INTO ?", (str(path),))

    # -- events

    def n_events(self) -> int:
        """Rows in the file."""
        return int(self.connection.execute("SELECT count(*) FROM events").fetchone()[0])

    def key_range(self) -> tuple[int, int] | None:
        """The smallest and the largest key; None without events."""
        first, last = self.connection.execute("SELECT min(key), max(key) FROM events").fetchone()
        return None if first is None else (first, last)

    def peek(self, after: int, limit: int) -> list[Row]:
        """The oldest events with a key above `after`."""
        found = self.connection.execute(
            "SELECT key, topic, payload, arrival_ts, put_ts FROM events WHERE key > ? ORDER BY key LIMIT ?",
            (after, limit),
        )
        return [Row(*values) for values in found]

    def insert(self, rows: Iterable[Row]) -> None:
        """Add events."""
        self.connection.executemany(
            "INSERT INTO events VALUES (?, ?, ?, ?, ?)",
            ((row.key, row.topic, row.payload, row.arrival_ts, row.put_ts) for row in rows),
        )

    def delete(self, key: int) -> int:
        """Remove an event; how many there were, 0 or 1."""
        return self.connection.execute("DELETE FROM events WHERE key = ?", (key,)).rowcount

    def drop_excess(self) -> int:
        """Remove the oldest events until the database fits its bound; how many.

        What counts are pages in use. The file itself never shrinks: its free pages take the next events.
        """
        n_dropped = 0
        while self._used_pages() > self._max_pages:
            n = self.connection.execute(
                f"DELETE FROM events WHERE key IN (SELECT key FROM events ORDER BY key LIMIT {ROWS_A_STEP})"
            ).rowcount
            if not n:
                break
            n_dropped += n
        return n_dropped

    def drop_older(self, put_ts: float) -> int:
        """Remove the events that were put before a time; how many. Looks at no more rows than that."""
        first_kept = self.connection.execute(
            "SELECT key FROM events WHERE put_ts >= ? ORDER BY key LIMIT 1", (put_ts,)
        ).fetchone()
        if first_kept is None:
            return self.connection.execute("DELETE FROM events").rowcount
        return self.connection.execute("DELETE FROM events WHERE key < ?", first_kept).rowcount

    def filling(self) -> float:
        """Pages in use, of those that may be."""
        return self._used_pages() / self._max_pages

    def _used_pages(self) -> int:
        """Pages that hold something."""
        (pages,) = self.connection.execute("PRAGMA page_count").fetchone()
        (free,) = self.connection.execute("PRAGMA freelist_count").fetchone()
        return int(pages) - int(free)

    # -- what else is known

    def counts(self) -> dict[str, int]:
        """What became of the events that are gone."""
        return dict(self.connection.execute("SELECT name, n FROM counts"))

    def add_counts(self, more: Mapping[str, int]) -> None:
        """Count up."""
        self.connection.executemany(
            "INSERT INTO counts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET n = n + excluded.n",
            ((name, n) for name, n in more.items() if n),
        )

    def open_texts(self) -> dict[TextKey, bytes]:
        """The newest event of every text without an end, in the order of their `track_id`."""
        found = self.connection.execute("SELECT topic, boot_id, track_id, payload FROM open_texts ORDER BY 1, 2, 3")
        return {(topic, boot_id, track_id): payload for topic, boot_id, track_id, payload in found}

    def last_seqs(self) -> dict[SeqKey, int]:
        """The newest `seq` of every run of a camera."""
        found = self.connection.execute("SELECT topic, boot_id, seq FROM last_seqs")
        return {(topic, boot_id): seq for topic, boot_id, seq in found}

    def forget_texts(self) -> None:
        """Remove all open texts and numbers."""
        self.connection.execute("DELETE FROM open_texts")
        self.connection.execute("DELETE FROM last_seqs")

    def save_text(self, key: TextKey, payload: bytes | None) -> None:
        """Remember the newest event of a text; None: it has ended."""
        if payload is None:
            self.connection.execute("DELETE FROM open_texts WHERE (topic, boot_id, track_id) = (?, ?, ?)", key)
        else:
            self.connection.execute("REPLACE INTO open_texts VALUES (?, ?, ?, ?)", (*key, payload))

    def save_seq(self, key: SeqKey, seq: int) -> None:
        """Remember the newest `seq`."""
        self.connection.execute("REPLACE INTO last_seqs VALUES (?, ?, ?)", (*key, seq))
