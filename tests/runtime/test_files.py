"""Files written for the user: whole, or an error that says why."""

import os
from pathlib import Path

import pytest

from edge_ocr.errors import ConfigError, EdgeOcrError
from runtime.files import check_writable, write_file


def test_a_file_is_written_and_replaced_as_one_piece(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    write_file(file, b"first")
    file.chmod(0o640)
    write_file(file, b"second")
    assert file.read_bytes() == b"second"
    assert file.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [file]


def test_a_new_file_has_the_users_usual_mode(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    write_file(tmp_path / "ours", b"")
    assert (tmp_path / "ours").stat().st_mode == plain.stat().st_mode


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    (tmp_path / "link").symlink_to("there")
    write_file(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there").read_bytes() == b"new"


def test_what_fails_halfway_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "report.json"
    write_file(file, b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(EdgeOcrError, match=r"report\.json: cannot be written \(No space left on device\)"):
        write_file(file, b"new")
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_device_is_written_to_and_not_replaced() -> None:
    write_file(Path(os.devnull), b"gone")
    assert not Path(os.devnull).is_file()


@pytest.mark.parametrize("name", ["missing/report.json", "."])
def test_a_place_that_cannot_hold_a_file_is_refused_early(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be written; its folder must exist"):
        check_writable(tmp_path / name)


def test_a_folder_of_somebody_else_is_refused_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(ConfigError, match=r"no permission"):
        check_writable(tmp_path / "report.json")
