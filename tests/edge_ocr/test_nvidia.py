"""What is said of a machine without GPU, driver or libraries. Here nvidia-smi is a script and TensorRT a fake."""

from pathlib import Path

import pytest

from edge_ocr.engines.nvidia import Gpu, find_gpu, load_tensorrt
from edge_ocr.errors import ConfigError


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder where programs are looked for."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tmp_path


def write_nvidia_smi(folder: Path, script: str) -> None:
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_the_first_gpu_is_told(programs: Path) -> None:
    write_nvidia_smi(programs, "echo 'Tesla T4, 7.5, 580.95.05'; echo 'Tesla T4, 7.5, 580.95.05'")
    assert find_gpu() == Gpu("Tesla T4", "7.5", "580.95.05")


def test_the_gpu_that_cuda_will_use_is_asked_for(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_nvidia_smi(programs, 'echo "$3, 7.5, 580"')
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,0")
    assert find_gpu().name == "--id=1"


def test_without_a_driver_one_line_says_so(programs: Path) -> None:
    with pytest.raises(ConfigError, match=r"no NVIDIA GPU or driver on this machine .*install driver 580"):
        find_gpu()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        pytest.param("echo 'No devices were found'", "No devices were found", id="a driver and no GPU"),
        pytest.param("echo 'Driver mismatch' >&2; exit 18", "Driver mismatch", id="a driver that fails"),
        pytest.param("exit 9", "exit status 9", id="a driver that fails silently"),
    ],
)
def test_what_the_driver_says_is_passed_on(programs: Path, script: str, said: str) -> None:
    write_nvidia_smi(programs, script)
    with pytest.raises(ConfigError, match=f"no usable NVIDIA GPU: .*{said}") as refused:
        find_gpu()
    assert "\n" not in str(refused.value)


def test_without_tensorrt_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_ocr.engines.nvidia.TENSORRT_LIBRARY", "libnvinfer.so.0")
    monkeypatch.setattr("edge_ocr.engines.nvidia.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"TensorRT 10 is not installed .*pip install 'edge-ocr\[tensorrt\]'"):
        load_tensorrt()


@pytest.mark.parametrize(("number", "version"), [(101601, "10.16.1"), (100000, "10.0.0"), (101302, "10.13.2")])
def test_the_version_of_tensorrt_is_what_its_library_says(
    number: int, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Library:
        def __init__(self, name: str) -> None: ...

        def getInferLibVersion(self) -> int:  # noqa: N802
            return number

    monkeypatch.setattr("edge_ocr.engines.nvidia.ctypes.CDLL", Library)
    monkeypatch.setattr("edge_ocr.engines.nvidia.find_spec", lambda name: None)
    assert load_tensorrt() == version
