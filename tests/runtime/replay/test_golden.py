"""What the whole path makes of the bundled clip, event by event.

When it changes on purpose: edge-ocr replay runtime/assets/kiosk.mp4 --expect tests/runtime/golden/kiosk.jsonl --update
"""

from pathlib import Path

import pytest

from runtime.cli import main
from runtime.commands.demo import CLIP

GOLDEN = Path(__file__).parents[1] / "golden" / "kiosk.jsonl"


@pytest.mark.slow
def test_the_bundled_clip_gives_the_events_of_the_golden_file(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["replay", str(CLIP), "--expect", str(GOLDEN)])
    assert status == 0, capsys.readouterr().out
