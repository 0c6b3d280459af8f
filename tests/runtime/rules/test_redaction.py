"""What stands for a redacted text, and the key that hashes are made with."""

import hashlib
import hmac
import logging
import stat
from pathlib import Path

import pytest

from edge_ocr.errors import ConfigError
from runtime.rules.redaction import Redaction, Redactor, load_key

KEY = b"0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("how", "shown"),
    [
        pytest.param(None, "AB 12", id="not redacted"),
        pytest.param("drop", "", id="dropped"),
        pytest.param("mask", "*****", id="masked, the space too"),
        pytest.param("hmac", hmac.new(KEY, b"AB 12", hashlib.sha256).hexdigest(), id="hashed"),
    ],
)
def test_what_stands_for_a_text(how: Redaction | None, shown: str) -> None:
    assert Redactor(KEY).apply("AB 12", how) == shown
    assert Redactor(KEY).apply("", how) == ""


def test_hashes_compare_under_one_key_only() -> None:
    assert Redactor(KEY).apply("ÄB", "hmac") == Redactor(KEY).apply("ÄB", "hmac")
    assert Redactor(KEY).apply("ÄB", "hmac") != Redactor(KEY[::-1]).apply("ÄB", "hmac")


def test_a_key_is_made_once_for_its_owners_eyes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "key"
    with caplog.at_level(logging.WARNING):
        key = load_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(key) >= 32
    assert load_key(path) == key
    assert load_key(tmp_path / "other") != key
    assert key.decode() not in caplog.text + repr(Redactor(key))
    assert "made a new redaction key" in caplog.text


@pytest.mark.parametrize(
    ("mode", "content", "message"),
    [
        pytest.param(0o640, KEY, r"others may read it \(mode 0640\); chmod 600 it", id="readable by a group"),
        pytest.param(0o600, b"k3y\n", "shorter than 16 bytes", id="short"),
    ],
)
def test_a_key_that_protects_nothing_is_refused(tmp_path: Path, mode: int, content: bytes, message: str) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(mode)
    with pytest.raises(ConfigError, match=message) as raised:
        load_key(path)
    assert content.decode().strip() not in str(raised.value)


def test_a_key_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"redaction_key_file: .*/none/key: No such file or directory"):
        load_key(tmp_path / "none" / "key")
