"""The systemd unit, as systemd's own checker sees it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from runtime.appliance import INTAKE_STOP_S, READ_STOP_S, STOP_TIMEOUT_S

UNIT = Path(__file__).parent.parent / "packaging" / "edge-ocr.service"
ANALYZE = shutil.which("systemd-analyze")


def settings() -> dict[str, str]:
    pairs = (line.partition("=") for line in UNIT.read_text().splitlines() if "=" in line and line[0] not in "#[")
    return {key: value for key, _, value in pairs}


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
def test_the_unit_is_right_and_hardened(tmp_path: Path) -> None:
    assert ANALYZE is not None
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/edge-ocr/bin/edge-ocr", "/bin/true"))
    verified = subprocess.run([ANALYZE, "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stderr) == (0, "")
    # The threshold is systemd's exposure level times ten; below 2.0 it calls a service "OK".
    command = [ANALYZE, "security", "--offline=true", "--threshold=20", str(unit)]
    judged = subprocess.run(command, capture_output=True, text=True, check=False)
    assert judged.returncode == 0, judged.stdout


def test_the_times_of_the_unit_fit_those_of_the_appliance() -> None:
    unit = settings()
    assert int(unit["TimeoutStopSec"]) > READ_STOP_S + STOP_TIMEOUT_S + INTAKE_STOP_S
    # A reload may wait that long for the frame at hand, and the watchdog is fed between.
    assert int(unit["WatchdogSec"]) >= 2 * READ_STOP_S
    assert unit["Type"] == "notify"
    assert "MemoryDenyWriteExecute" not in unit, "OpenVINO makes machine code at run time"
