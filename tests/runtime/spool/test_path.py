"""The spool is where its user expects it, and `check` says when it cannot be there."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from edge_ocr.errors import ConfigError
from runtime.config.kiosk import KioskConfig
from runtime.spool.path import check_spool, open_spool, spool_path


def config(**spool: Any) -> KioskConfig:
    return KioskConfig.model_validate({"node": "n1", "cameras": {"cam0": {"source": "test:"}}, "spool": spool})


@pytest.mark.parametrize(
    ("environment", "uid", "folder"),
    [
        pytest.param({"STATE_DIRECTORY": "/state/a:/state/b"}, 0, "/state/a", id="systemd's, the first"),
        pytest.param({}, 0, "/var/lib/edge-ocr", id="root's"),
        pytest.param({"XDG_STATE_HOME": "/xdg"}, 1000, "/xdg/edge-ocr", id="the desktop's"),
        pytest.param({"HOME": "/home/u"}, 1000, "/home/u/.local/state/edge-ocr", id="the user's"),
    ],
)
def test_the_default_is_a_file_of_the_node_in_the_folder_for_lasting_data(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], uid: int, folder: str
) -> None:
    for name in ("STATE_DIRECTORY", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    assert spool_path(config()) == Path(folder) / "n1.db"


def test_the_configured_file_is_opened_with_its_bounds(tmp_path: Path) -> None:
    with open_spool(config(path=str(tmp_path / "new" / "s.db"), max_mb=4, max_age_h=0.5)) as spool:
        assert (spool.state, spool.counts().pending) == ("ok", 0)
    assert (tmp_path / "new" / "s.db").exists()


def test_a_check_makes_nothing_and_tells_size_and_room(tmp_path: Path) -> None:
    found = check_spool(config(path=str(tmp_path / "new" / "s.db"), max_mb=4))
    assert found.startswith(f"{tmp_path}/new/s.db: 0.0 of at most 4 MiB, ")
    assert list(tmp_path.iterdir()) == []
    for name in ("s.db", "s.db-wal"):
        (tmp_path / name).write_bytes(bytes(2**20))
    assert "s.db: 2.0 of at most 4 MiB, " in check_spool(config(path=str(tmp_path / "s.db"), max_mb=4))


def test_a_check_fails_without_room_or_where_no_file_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "s.db"):
        with pytest.raises(ConfigError, match="cannot be a file there"):
            check_spool(config(path=str(path)))
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=3 * 2**20))
    with pytest.raises(ConfigError, match="3 MiB free for up to 4 MiB; make room, or lower"):
        check_spool(config(path=str(tmp_path / "s.db"), max_mb=4))
    monkeypatch.setattr(os, "access", lambda *args: False)
    with pytest.raises(ConfigError, match="cannot be written by us"):
        check_spool(config(path=str(tmp_path / "s.db")))
