import json
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge_ocr.errors import ConfigError, EdgeOcrError
from train.data import kiosk_clip
from train.data.kiosk_clip import FPS, SIZE_HW, ground_truth, render_frames, write_clip
from train.data.kiosk_papers import SHOWINGS, Showing, kiosk_fonts

ASSET = Path(__file__).parents[3] / "runtime" / "assets" / "kiosk.mp4"


@pytest.fixture(scope="module")
def truth() -> Any:
    return json.loads(ASSET.with_suffix(".json").read_text(encoding="utf-8"))


def test_the_asset_is_small_and_as_long_as_its_truth_says(truth: Any) -> None:
    assert ASSET.stat().st_size <= 2_000_000
    clip = cv2.VideoCapture(str(ASSET))
    assert clip.get(cv2.CAP_PROP_FRAME_COUNT) == truth["frames"]
    assert clip.get(cv2.CAP_PROP_FPS) == truth["fps"] == FPS
    assert [clip.get(cv2.CAP_PROP_FRAME_WIDTH), clip.get(cv2.CAP_PROP_FRAME_HEIGHT)] == truth["size"]
    assert 15 <= truth["frames"] / truth["fps"] <= 20


def test_the_assets_documents_follow_each_other_and_lie_still_long_enough(truth: Any) -> None:
    gone_s = 0.0
    for document in truth["documents"]:
        still_from_s, still_to_s = document["still_s"]
        assert gone_s <= document["enter_s"] < still_from_s < still_to_s < document["leave_s"]
        assert still_to_s - still_from_s >= 1.2
        assert 4 <= len(document["lines"]) <= 8
        gone_s = document["leave_s"]
    assert gone_s <= truth["frames"] / truth["fps"]


def test_the_assets_lines_are_legible_and_inside_the_frame(truth: Any) -> None:
    for document in truth["documents"]:
        texts = [line["text"] for line in document["lines"]]
        assert len(set(texts)) == len(texts)
        for line in document["lines"]:
            quad = np.array(line["quad"])
            assert line["text"].strip()
            assert 20 <= line["height_px"] <= 50
            assert (quad >= 0).all()
            assert (quad < truth["size"]).all()


def test_the_assets_truth_is_what_the_script_says(truth: Any, role_fonts: dict[str, Path]) -> None:
    # Other fonts move the quads; the texts and times stay.
    said = ground_truth(role_fonts, seed=1)
    for document, as_said in zip(truth["documents"], said["documents"], strict=True):
        assert [line["text"] for line in document["lines"]] == [line["text"] for line in as_said["lines"]]
        assert document["still_s"] == as_said["still_s"]
    assert truth["frames"] == said["frames"]


def test_frames_are_the_same_for_the_same_seed(role_fonts: dict[str, Path]) -> None:
    # The first two show the empty counter, the third a paper.
    first, again = (np.stack(list(islice(render_frames(role_fonts, seed=2), 3))) for _ in range(2))
    assert first.shape == (3, *SIZE_HW, 3)
    np.testing.assert_array_equal(first, again)
    assert np.abs(first[2].astype(int) - first[1]).max() > 60


@pytest.mark.parametrize("showing", SHOWINGS, ids=lambda showing: showing.name)
def test_a_paper_comes_from_outside_the_frame_and_goes_there(role_fonts: dict[str, Path], showing: Showing) -> None:
    _, corners = kiosk_clip._at_rest(showing, role_fonts, 1)
    assert (corners > 0).all()
    assert (corners < SIZE_HW[::-1]).all()
    away = np.array(showing.enters_from)
    for direction in (away, -away):
        far = corners + kiosk_clip._way_out(corners, direction) * direction
        assert (far <= 1e-6).all(axis=0).any() or (far >= np.array(SIZE_HW[::-1]) - 1e-6).all(axis=0).any()


def test_a_missing_font_is_named_with_what_to_install(fonts: tuple[Path, ...]) -> None:
    with pytest.raises(ConfigError, match=r"font .* not found.*apt-get install"):
        kiosk_fonts(fonts)


def test_a_clip_by_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"clip\.avi.*must end in \.mp4"):
        write_clip(tmp_path / "clip.avi", fonts_folder=None, seed=1)


def test_a_missing_ffmpeg_is_said_and_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="apt-get install ffmpeg"):
        kiosk_clip._encode(iter(()), tmp_path / "clip.mp4")
    assert list(tmp_path.iterdir()) == []


def test_what_ffmpeg_complains_of_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "ffmpeg"
    fake.write_text("#!/bin/sh\necho 'Unknown encoder libx264' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(EdgeOcrError, match="ffmpeg failed: Unknown encoder libx264"):
        kiosk_clip._encode(iter([np.zeros((720, 1280, 3), np.uint8)] * 2), tmp_path / "clip.mp4")
    assert list(tmp_path.iterdir()) == [fake]


def test_the_command_line_imports_no_torch() -> None:
    code = "import sys, train.__main__, train.data.kiosk_clip, train.data.pages; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ASSET.parents[2], check=False).returncode == 0
