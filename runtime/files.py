"""Files that a command writes for its user: all of it, or an error in one line."""

import os
import tempfile
from pathlib import Path

from edge_ocr.errors import ConfigError, EdgeOcrError


def check_writable(path: Path) -> None:
    """Refuse now what could not be written after minutes of work.

    Raises:
        ConfigError: the folder is missing, the path is a folder, or we may not write there.
    """
    folder = path.absolute().parent
    if path.is_dir() or not folder.is_dir():
        raise ConfigError(f"{path}: cannot be written; its folder must exist and it must not be a folder itself")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise ConfigError(f"{path}: cannot be written (no permission); name a file in a folder of your own")


def write_file(path: Path, content: bytes) -> None:
    """Write a file in one piece: whoever looks at it finds the old one or the new one, never a part.

    Raises:
        EdgeOcrError: it cannot be written; the old one is still there.
    """
    try:
        if path.exists() and not path.is_file():  # /dev/stdout and the like
            path.write_bytes(content)
            return
        _replace(path.resolve(), content)
    except OSError as error:
        raise EdgeOcrError(f"{path}: cannot be written ({error.strerror}); name another file or make room") from error


def _replace(path: Path, content: bytes) -> None:
    number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    part = Path(name)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
        part.chmod(path.stat().st_mode if path.exists() else 0o666 & ~_umask())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
