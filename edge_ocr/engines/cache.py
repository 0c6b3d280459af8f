"""Where engines keep compiled networks: the user's own folder."""

import logging
import os
from pathlib import Path

CACHE_ENV = "EDGE_OCR_CACHE"

log = logging.getLogger(__name__)


def cache_folder(name: str) -> Path | None:
    """The user's own folder (mode 0700) for what one engine compiled; None where it cannot be had.

    The environment variable EDGE_OCR_CACHE names another place; an empty value turns the cache off.

    Args:
        name: A folder name of the engine and its version.
    """
    named = os.environ.get(CACHE_ENV)
    if named == "":
        return None
    base = Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edge-ocr"
    folder = base / name
    try:
        base.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)  # fails where the folder is another user's: what lies in it would be run
        writable = os.access(folder, os.W_OK)
    except (OSError, RuntimeError) as error:
        log.info("no model cache: %s", error)
        return None
    return folder if writable else None
