"""Opening the spool's file: locked, checked, and made where there is none."""

import contextlib
import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from runtime.spool.set_aside import log_of

APPLICATION_ID = 0x654F4352
"""`eOCR`: marks a database as ours, as https://sqlite.org/pragma.html#pragma_application_id proposes."""
VERSION = 1
"""Of the tables."""
WAL_PAGES = 128
"""The write-ahead log is copied into the database, and begun anew, when it is this long."""
WAL_BYTES = 2**20
"""What the log is cut to; a transaction of the events of some frames fits between the two bounds."""
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


class DamagedError(Exception):
    """A file that is not a sound spool; its text says why."""


class InUseError(Exception):
    """Another process has the file open."""


class ForeignError(Exception):
    """A sound database of somebody else."""


def open_database(path: Path) -> sqlite3.Connection:
    """The database of a spool, locked for this process; a new one where there is no file.

    Raises:
        DamagedError: it has to be set aside.
        InUseError: another process uses it.
        ForeignError: it belongs to another application.
        sqlite3.Error, OSError: it cannot be opened or made at present.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        _make(path)
    if path.stat().st_size == 0:  # SQLite would take it for new, and delete a log that still holds events
        raise DamagedError("it is empty")
    with contextlib.suppress(OSError):
        path.chmod(0o600)  # the log gets the same mode from SQLite
    connection = _connect(path)
    try:
        _prepare(connection)
    except sqlite3.Error as error:
        connection.close()
        code = error_code(error)
        if code == sqlite3.SQLITE_BUSY:
            raise InUseError from error
        if code in DAMAGE:
            raise DamagedError(str(error)) from error
        raise
    except BaseException:
        connection.close()
        raise
    return connection


def error_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code. Where Python's own binding found content that no spool has, that is damage."""
    own = sqlite3.SQLITE_CORRUPT if isinstance(error, sqlite3.OperationalError) else sqlite3.SQLITE_MISUSE
    return getattr(error, "sqlite_errorcode", own) & 0xFF


def _make(path: Path) -> None:
    """Make an empty spool: all of it, or none."""
    log_of(path).unlink(missing_ok=True)  # of a database that is gone: it fits no other
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with contextlib.closing(_connect(part)) as connection:
            marks = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};"
            connection.executescript(f"BEGIN; {TABLES} {marks} COMMIT;")
        try:
            os.link(part, path)  # unlike a rename it replaces nothing
        except FileExistsError:
            pass  # another process was faster; the lock will tell
        except PermissionError:
            part.rename(path)  # FAT knows no links
    finally:
        part.unlink(missing_ok=True)


def _connect(path: Path) -> sqlite3.Connection:
    uri = f"file:{quote(str(path.absolute()))}?mode=rw"
    return sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None, check_same_thread=False)


def _prepare(connection: sqlite3.Connection) -> None:
    """Lock the database and check it.

    Raises:
        DamagedError: it is damaged, or of another version.
        ForeignError: it is not a spool.
    """
    # Before the first access: then the log's index is in our memory, and the lock is kept until the file is closed.
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    if application_id != APPLICATION_ID:
        raise ForeignError
    connection.execute("PRAGMA journal_mode = WAL").fetchall()
    connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}").fetchall()
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}").fetchall()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version != VERSION:
        raise DamagedError(f"its tables are of version {version}, not {VERSION}")
    (finding,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if finding != "ok":
        raise DamagedError(" ".join(finding.split()))
    connection.execute("BEGIN IMMEDIATE")  # a file that cannot be written shows itself now
    connection.execute("ROLLBACK")
