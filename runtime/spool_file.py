"""The file of the spool: one SQLite database that this process alone has open.

    events      what the broker has not acknowledged, by rising key
    counts      what became of all others: sent, and dropped by cause
    open_texts  the newest event of every text that has begun and not ended
    last_seqs   the newest `seq` of every topic

Only statements are here; what to do when they fail is decided in `runtime.spool`. Every method but `open` may raise
sqlite3.Error, and nothing of its transaction has happened then.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from runtime.set_aside import log_of

APPLICATION_ID = 0x654F4352
"""`eOCR`: marks a database as ours, as https://sqlite.org/pragma.html#pragma_application_id proposes."""
VERSION = 1
"""Of the tables."""
PAGE_BYTES = 4096
WAL_PAGES = 128
"""The write-ahead log is copied into the database, and begun anew, when it is this long."""
WAL_BYTES = 2**20
"""Kept free below the bound for the write-ahead log, which ends up a transaction longer than `WAL_PAGES`."""
ROWS_A_STEP = 16
"""Rows dropped at a time to make room: a few pages."""

DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
"""Results of SQLite that no further try will mend."""

TABLES = """
CREATE TABLE events (
    key INTEGER PRIMARY KEY, topic TEXT NOT NULL, payload BLOB NOT NULL, arrival_ts REAL NOT NULL, put_ts REAL NOT NULL
);
CREATE TABLE counts (name TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE open_texts (
    topic TEXT NOT NULL, boot_id TEXT NOT NULL, track_id INTEGER NOT NULL, payload BLOB NOT NULL,
    PRIMARY KEY (topic, boot_id, track_id)
) WITHOUT ROWID;
CREATE TABLE last_seqs (topic TEXT NOT NULL, boot_id TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (topic, boot_id))
    WITHOUT ROWID;
"""

TextKey = tuple[str, str, int]
"""(topic, boot_id, track_id) of a text."""
SeqKey = tuple[str, str]
"""(topic, boot_id): one run of one camera."""


class DamagedError(Exception):
    """A file that is not a sound spool; its text says why."""


class InUseError(Exception):
    """Another process has the file open."""


class ForeignError(Exception):
    """A sound database of somebody else."""


@dataclass(frozen=True, slots=True)
class Row:
    """One event in the file; times are seconds since the epoch."""

    key: int
    topic: str
    payload: bytes
    arrival_ts: float
    put_ts: float


class SpoolFile:
    """An open spool file. One thread at a time."""

    def __init__(self, connection: sqlite3.Connection, max_bytes: int) -> None:
        """Use `open` instead."""
        self.connection = connection
        self._max_pages = max((max_bytes - WAL_BYTES) // PAGE_BYTES, 1)

    @classmethod
    def open(cls, path: Path, *, max_bytes: int) -> "SpoolFile":
        """Open a spool, or make a new one where there is no file.

        Raises:
            DamagedError: it has to be set aside.
            InUseError: another process uses it.
            ForeignError: it belongs to another application.
            sqlite3.Error, OSError: it cannot be opened or made at present.
        """
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        is_new = not path.exists()
        if is_new:
            log_of(path).unlink(missing_ok=True)  # of a database that is gone: it fits no other
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        elif path.stat().st_size == 0:  # SQLite would take it for new, and delete a log that still holds events
            raise DamagedError("it is empty")
        try:
            return cls(_connect(path), max_bytes)
        except sqlite3.Error as error:
            if is_new:
                path.unlink(missing_ok=True)
            code = error_code(error)
            if code == sqlite3.SQLITE_BUSY:
                raise InUseError from error
            if code in DAMAGE:
                raise DamagedError(str(error)) from error
            raise

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


def error_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; an error of Python's own binding means content that no spool has."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF


def _connect(path: Path) -> sqlite3.Connection:
    with contextlib.suppress(OSError):
        path.chmod(0o600)  # the log gets the same mode from SQLite
    uri = f"file:{quote(str(path.absolute()))}?mode=rw"
    connection = sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        _prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    """Lock the file, check it, make its tables if it is new.

    Raises:
        DamagedError: it is damaged, or of another version.
        ForeignError: it is not a spool.
    """
    # Before the first access: then the log's index is in our memory, and the lock is kept until the file is closed.
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("PRAGMA journal_mode = WAL").fetchall()
    connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}").fetchall()
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}").fetchall()
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    is_new = not connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
    if application_id != APPLICATION_ID and not is_new:
        raise ForeignError
    if is_new:
        _make_tables(connection)
    elif version != VERSION:
        raise DamagedError(f"its tables are of version {version}, not {VERSION}")
    (finding,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if finding != "ok":
        raise DamagedError(" ".join(finding.split()))
    connection.execute("BEGIN IMMEDIATE")  # a file that cannot be written shows itself now
    connection.execute("ROLLBACK")


def _make_tables(connection: sqlite3.Connection) -> None:
    marks = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};"
    connection.executescript(f"BEGIN IMMEDIATE; {TABLES} {marks} COMMIT;")
