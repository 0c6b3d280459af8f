"""What an installation is: light imports, one version, licences, and profiles and packs beside the code."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import edge_ocr
from edge_ocr.pack import list_packs
from edge_ocr.profile import list_profiles, profiles_folder

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NOT_ON_A_DEVICE = ["torch", "nncf", "onnx", "onnxruntime", "train", "optimize", "tests"]


def modules_after(statement: str) -> set[str]:
    """Names of the modules that a fresh interpreter holds after a statement."""
    program = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("import edge_ocr", id="edge_ocr"),
        pytest.param("from edge_ocr import Reader", id="the reader"),
        pytest.param("import runtime, runtime.appliance", id="the appliance"),
        pytest.param("import runtime.cli", id="the command line"),
        pytest.param("import runtime.commands.profile, runtime.commands.demo", id="the larger commands"),
    ],
)
def test_importing_what_a_device_runs_brings_nothing_of_training(statement: str) -> None:
    assert modules_after(statement).isdisjoint(NOT_ON_A_DEVICE)


@pytest.mark.parametrize("module", ["edge_ocr", "runtime.cli"])
def test_openvino_is_imported_only_by_what_reads(module: str) -> None:
    assert modules_after(f"import {module}").isdisjoint(["openvino", "cv2"])


def test_all_names_what_is_there() -> None:
    for name in edge_ocr.__all__:
        assert getattr(edge_ocr, name) is not None
    assert sorted(edge_ocr.__all__) == list(edge_ocr.__all__)


def test_there_is_one_version() -> None:
    assert edge_ocr.__version__ == PROJECT["version"]
    assert f"\n## {edge_ocr.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_licence_files_are_there() -> None:
    for name in PROJECT["license-files"]:
        assert (ROOT / name).is_file()
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_the_notice_names_every_file_that_weights_came_from() -> None:
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    for pack in list_packs():
        manifest = (pack / "pack.yaml").read_text(encoding="utf-8")
        sources = {line.split(": ")[1] for line in manifest.splitlines() if line.startswith("- what: ")}
        assert sources
        assert [source for source in sources if source not in notice] == []


def test_a_checkout_finds_its_profiles_and_packs() -> None:
    assert profiles_folder() == ROOT / "profiles"
    assert "generic-cpu" in list_profiles()
    assert ROOT / "edge_ocr" / "packs" / "latin" in list_packs()


def test_every_requirement_is_pinned() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert [pin for pin in pins if pin.count("==") != 1 or "+" in pin] == []
    pinned = {pin.partition("==")[0].lower().replace("_", "-") for pin in pins}
    wanted = [*PROJECT["dependencies"], *(one for extra in PROJECT["optional-dependencies"].values() for one in extra)]
    names = {want.split(">")[0].split("[")[0].lower() for want in wanted} - {"edge-ocr"}
    assert names <= pinned
