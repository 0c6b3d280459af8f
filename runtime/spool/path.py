"""Where the spool is, and whether it can be there."""

import os
import shutil
from pathlib import Path

from edge_ocr.errors import ConfigError
from runtime.config.kiosk import KioskConfig
from runtime.spool.set_aside import log_of
from runtime.spool.spool import Spool

MIB = 2**20


def spool_path(config: KioskConfig) -> Path:
    """The configured file, or `NODE.db` in the folder for lasting data of whoever runs us.

    That is systemd's `StateDirectory=`, else /var/lib/edge-ocr for root, else $XDG_STATE_HOME/edge-ocr, else
    ~/.local/state/edge-ocr (https://specifications.freedesktop.org/basedir-spec/).

    Raises:
        ConfigError: there is no such folder, and none is configured.
    """
    if config.spool.path is not None:
        return config.spool.path
    return _state_folder() / f"{config.node}.db"


def open_spool(config: KioskConfig) -> Spool:
    """The spool of a configuration, open.

    Raises:
        EdgeOcrError: another process uses it.
        ConfigError: the file cannot be a spool.
    """
    wanted = config.spool
    return Spool(spool_path(config), max_bytes=wanted.max_mb * MIB, max_age_s=wanted.max_age_h * 3600)


def check_spool(config: KioskConfig) -> str:
    """Whether the spool can be written and grow to its bound; it may be in use meanwhile. Changes nothing.

    Returns:
        Where it is, and how large.

    Raises:
        ConfigError: it cannot.
    """
    path, bound = spool_path(config).absolute(), config.spool.max_mb * MIB
    folder = next(parent for parent in path.parents if parent.exists())
    if path.is_dir() or not folder.is_dir():
        raise ConfigError(f"spool.path: {path} cannot be a file there; name another")
    if not os.access(path if path.exists() else folder, os.W_OK) or not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"spool.path: {path} cannot be written by us; allow it, or name a file in a folder of ours")
    size = sum(part.stat().st_size for part in (path, log_of(path)) if part.exists())
    free = shutil.disk_usage(folder).free
    if size + free < bound:
        raise ConfigError(
            f"spool: {free // MIB} MiB free for up to {bound // MIB} MiB; make room, or lower spool.max_mb"
        )
    return f"{path}: {size / MIB:.1f} of at most {bound // MIB} MiB, {free // MIB} MiB free"


def _state_folder() -> Path:
    given = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if given:
        return Path(given)
    if os.geteuid() == 0:
        return Path("/var/lib/edge-ocr")
    try:
        return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "edge-ocr"
    except RuntimeError as error:
        raise ConfigError("spool.path: there is no home folder to put it into; set it") from error
