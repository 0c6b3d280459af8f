"""A damaged spool file: out of the way, but kept for who wants to look at it."""

import contextlib
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

KEPT = 3
"""Damaged files that stay; older ones are deleted, so that a failing disk does not fill up with them."""


def set_aside(path: Path) -> Path:
    """Rename a database to `NAME.damaged-TIME`, and its log with it; the new name.

    Raises:
        OSError: it cannot be renamed.
    """
    aside = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
    for part in (log_of(path), path):
        if part.exists():
            part.rename(aside if part == path else log_of(aside))
    _delete_older(path)
    return aside


def try_counts(path: Path) -> tuple[int, dict[str, int]]:
    """What can still be learnt from a damaged spool: the number of events in it, and its counts; else nothing.

    Nothing is changed by looking; so what only the log holds is not in it.
    """
    n_events, counts = 0, {}
    with contextlib.suppress(sqlite3.Error, ValueError, TypeError):
        connection = sqlite3.connect(f"file:{quote(str(path.absolute()))}?immutable=1", uri=True)
        with contextlib.closing(connection):
            counts = {str(name): int(n) for name, n in connection.execute("SELECT name, n FROM counts")}
            (n_events,) = connection.execute("SELECT count(*) FROM events").fetchone()
    return n_events, counts


def log_of(path: Path) -> Path:
    """The write-ahead log that SQLite keeps beside a database."""
    return path.with_name(f"{path.name}-wal")


def _delete_older(path: Path) -> None:
    beside = [one for one in path.parent.iterdir() if one.name.startswith(f"{path.name}.damaged-")]
    kept = sorted({one.name.removesuffix("-wal") for one in beside})[-KEPT:]
    for one in beside:
        if one.name.removesuffix("-wal") not in kept:
            one.unlink(missing_ok=True)
