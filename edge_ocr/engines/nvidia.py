"""The NVIDIA GPU of this machine and the libraries it is used through; what is missing is said in one line."""

import ctypes
import os
import shutil
import subprocess
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.util import find_spec

from edge_ocr.errors import ConfigError

QUERY = "name,compute_cap,driver_version"
TIMEOUT_S = 30
"""A driver that is being loaded takes seconds to answer."""
TENSORRT_LIBRARY = "libnvinfer.so.10"
"""What onnxruntime-gpu 1.31's TensorRT provider is linked against; TensorRT 11 does not serve it."""
INSTALL = "pip install 'edge-ocr[tensorrt]' (docs/t4.md)"


@dataclass(frozen=True, slots=True)
class Gpu:
    """What an engine depends on beside the software."""

    name: str
    compute_capability: str
    driver: str

    def facts(self) -> dict[str, str]:
        """As plain data."""
        return asdict(self)


def find_gpu() -> Gpu:
    """The GPU that CUDA will use: the first one, or the first that CUDA_VISIBLE_DEVICES names.

    Raises:
        ConfigError: there is none, or its driver does not answer.
    """
    program = shutil.which("nvidia-smi")
    if program is None:
        raise ConfigError(
            "no NVIDIA GPU or driver on this machine (nvidia-smi is missing): install driver 580 or newer,"
            " or name a profile of a CPU, such as auto"
        )
    command = [program, f"--query-gpu={QUERY}", "--format=csv,noheader"]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip()
    if visible:
        command.append(f"--id={visible}")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"nvidia-smi does not answer ({error}); restart the machine or its driver") from error
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    fields = [field.strip() for field in lines[0].split(",")] if lines else []
    if done.returncode or len(fields) != len(QUERY.split(",")):
        said = " ".join((done.stderr or done.stdout).split()) or f"exit status {done.returncode}"
        raise ConfigError(f"no usable NVIDIA GPU: nvidia-smi says {said!r}; install driver 580 or newer")
    return Gpu(*fields)


def load_tensorrt() -> str:
    """Load TensorRT's libraries and tell their version, such as 10.16.1.

    Raises:
        ConfigError: they are not installed.
    """
    if find_spec("tensorrt_libs"):
        import_module("tensorrt_libs")  # loads them from where pip put them, which is on no search path
    try:
        number = int(ctypes.CDLL(TENSORRT_LIBRARY).getInferLibVersion())
    except (OSError, AttributeError) as error:
        raise ConfigError(f"TensorRT 10 is not installed ({TENSORRT_LIBRARY} is missing): {INSTALL}") from error
    return f"{number // 10_000}.{number // 100 % 100}.{number % 100}"
