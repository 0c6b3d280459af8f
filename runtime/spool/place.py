"""Whether the spool's file is still where it was made.

An open file that was deleted goes on working, and is lost when it is closed. Up to then it can be read: so what it
holds is put back where it should be.
"""

import os
from pathlib import Path

from runtime.spool.file import SpoolFile
from runtime.spool.set_aside import log_of

Identity = tuple[int, int] | None
"""(device, inode) of a file; None where there is none."""


class NotOursError(Exception):
    """Somebody has put another file into the place."""


class Place:
    """Where an open spool stands: the database, and the log beside it."""

    def __init__(self, path: Path) -> None:
        """Remember what stands there now.

        Args:
            path: The database, which is open.
        """
        self._path = path
        self._database, self._log = _identity(path), _identity(log_of(path))

    def is_kept(self) -> bool:
        """Whether the files are still there under their names."""
        return (_identity(self._path), _identity(log_of(self._path))) == (self._database, self._log)

    def put_back(self, file: SpoolFile) -> None:
        """Write the content of the open spool, its log included, to its place, and close it. It can be opened anew.

        Raises:
            NotOursError: another file is there.
            sqlite3.Error, OSError: it cannot be written at present; the spool is still open.
        """
        if _identity(self._path) not in {None, self._database}:
            raise NotOursError
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            part.unlink(missing_ok=True)
            os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            file.copy_to(part)
            _sync(part)
            log_of(self._path).unlink(missing_ok=True)  # it fits no other database than the one that is gone
            part.rename(self._path)
            _sync(self._path.parent)
            # Before the new one is opened: SQLite deletes the log of a database that it closes, by its name.
            file.close()
        finally:
            part.unlink(missing_ok=True)


def _identity(path: Path) -> Identity:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
