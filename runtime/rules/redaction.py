"""Texts that must not leave the device as they are: dropped, masked or hashed, before anything is stored.

Not to be confused with `runtime.redact`, which keeps credentials out of logs.
"""

import hashlib
import hmac
import logging
import os
import secrets
import stat
from pathlib import Path
from typing import Literal

from edge_ocr.errors import ConfigError

Redaction = Literal["drop", "mask", "hmac"]
"""drop: sent without its text; mask: every character is a `*`; hmac: a keyed hash instead of the text."""
MASK = "*"
KEY_BYTES = 32
MIN_KEY_BYTES = 16

logger = logging.getLogger(__name__)


class Redactor:
    """Applies one device's redactions; its key never shows."""

    def __init__(self, key: bytes | None = None) -> None:
        """Keep the key; None where no rule asks for `hmac`."""
        self._key = key

    def __repr__(self) -> str:
        return "Redactor()"

    def apply(self, text: str, how: Redaction | None) -> str:
        """What is published instead of a text.

        Args:
            text: The text; an empty one stays empty.
            how: None leaves it as it is.

        Returns:
            The text itself, "" (drop), as many `*` as it has characters (mask), or 64 hexadecimal digits (hmac:
            HMAC-SHA256 of its UTF-8 bytes; the same text gives the same digits as long as the key stays).
        """
        if how is None or not text:
            return text
        if how == "drop":
            return ""
        if how == "mask":
            return MASK * len(text)
        assert self._key is not None
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()


def load_key(path: Path) -> bytes:
    """Read the device's key; make one where there is none yet, for the owner's eyes only (mode 0600).

    Raises:
        ConfigError: the file cannot be read or made, others may read it, or it is too short.
    """
    try:
        return read_key(path) if path.exists() else _make_key(path)
    except OSError as error:
        raise ConfigError(f"redaction_key_file: {path}: {error.strerror}") from error


def read_key(path: Path) -> bytes:
    """Read the key of a file that is there.

    Raises:
        ConfigError: others may read it, or it is too short.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        key = file.read().strip()
    if mode & 0o077:
        raise ConfigError(f"redaction_key_file: {path}: others may read it (mode {mode:04o}); chmod 600 it")
    if len(key) < MIN_KEY_BYTES:
        raise ConfigError(f"redaction_key_file: {path}: shorter than {MIN_KEY_BYTES} bytes; delete it to get a new key")
    return key


def _make_key(path: Path) -> bytes:
    key = secrets.token_hex(KEY_BYTES).encode()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key + b"\n")
        file.flush()
        os.fsync(file.fileno())
    logger.warning("%s: made a new redaction key; hashes made with another one do not compare", path)
    return key
