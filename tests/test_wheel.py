"""The wheel by itself: built, installed into an empty environment, used outside the checkout.

It installs a whole environment, so only `make test-wheel` runs it.
"""

import json
import os
import subprocess
import venv
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        "EDGE_OCR_TEST_WHEEL" not in os.environ, reason="installs an environment; make test-wheel runs it"
    ),
]

ROOT = Path(__file__).parent.parent
DEMO_TIMEOUT_S = 180


def run(*command: str | Path, cwd: Path, timeout_s: float = 600) -> str:
    """Run a command without a trace of the checkout in its environment, and return its stdout."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout_s, check=False)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment without anything in it."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def wheel(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(python, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", folder, ROOT, cwd=folder)
    return next(folder.glob("edge_ocr-*.whl"))


@pytest.fixture(scope="module")
def edge_ocr(python: Path, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of an installation."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    constraints = ROOT / "constraints.txt"
    run(python, "-m", "pip", "install", "-q", "-c", constraints, f"edge-ocr[demo] @ {wheel.as_uri()}", cwd=elsewhere)
    return python.parent / "edge-ocr"


def test_the_wheel_carries_what_a_device_needs_and_no_more(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    folders = {name.split("/")[0] for name in names}
    assert {folder for folder in folders if not folder.endswith(".dist-info")} == {"edge_ocr", "runtime"}
    checkout = {path.name for path in (ROOT / "profiles").glob("*.yaml")}
    assert {name.split("/")[-1] for name in names if name.startswith("edge_ocr/profiles/")} == checkout
    for needed in ("edge_ocr/packs/latin/pack.yaml", "runtime/assets/kiosk.mp4", "runtime/schemas/event.json"):
        assert needed in names
    for licence in ("LICENSE", "NOTICE"):
        assert any(name.endswith(f".dist-info/licenses/{licence}") for name in names)
    assert not any(name.endswith(("ruff.toml", ".pyc")) for name in names)


def test_nothing_of_training_is_installed(python: Path, edge_ocr: Path, tmp_path: Path) -> None:
    installed = {one["name"] for one in json.loads(run(python, "-m", "pip", "list", "--format=json", cwd=tmp_path))}
    assert "edge-ocr" in installed
    assert installed.isdisjoint({"torch", "nncf", "onnx", "onnxruntime", "pytest"})


def test_it_reads_an_image(edge_ocr: Path, tmp_path: Path) -> None:
    image = np.full((160, 640, 3), 255, dtype=np.uint8)
    cv2.putText(image, "GATE 4711", (40, 100), cv2.FONT_HERSHEY_SIMPLEX, 2, (0, 0, 0), 4, cv2.LINE_AA)
    cv2.imwrite(str(tmp_path / "gate.png"), image)
    page = json.loads(run(edge_ocr, "read", "--json", "gate.png", cwd=tmp_path))
    assert [line["text"].replace(" ", "") for line in page["lines"]] == ["GATE4711"]


def test_it_finds_packs_and_profiles_elsewhere(edge_ocr: Path, tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()  # somebody else's folder of that name must not matter
    assert run(edge_ocr, "pack", "list", cwd=tmp_path).startswith("latin ")
    assert "ok" in run(edge_ocr, "check", "--profile", "xeon-gold-6148", cwd=tmp_path)


def test_the_demo_runs(edge_ocr: Path, tmp_path: Path) -> None:
    said = run(edge_ocr, "demo", cwd=tmp_path, timeout_s=DEMO_TIMEOUT_S)
    assert "lines of the clip published exactly" in said
