from pathlib import Path

import cv2
import pytest

from train.__main__ import main


@pytest.mark.slow
def test_sheet_draws_a_picture(tmp_path: Path, font_folder: Path) -> None:
    out = tmp_path / "new" / "sheet.png"
    assert main(["sheet", "--out", str(out), "--fonts", str(font_folder)]) == 0
    assert cv2.imread(str(out)) is not None


def test_a_folder_without_fonts_is_one_line_and_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["clip", "--out", str(tmp_path / "clip.mp4"), "--fonts", str(tmp_path)]) == 2
    complaint = capsys.readouterr().err
    assert complaint.startswith("train clip: ")
    assert complaint.count("\n") == 1
    assert not (tmp_path / "clip.mp4").exists()
