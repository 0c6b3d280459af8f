"""What all tests of the appliance share."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test writes into the spool of the machine it runs on."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
