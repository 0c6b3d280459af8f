"""ONNX networks through ONNX Runtime: TensorRT or CUDA on NVIDIA GPUs, and the CPU to compare them with.

Why ONNX Runtime's TensorRT provider and not TensorRT's own API: one session code serves both T4 profiles, and the CPU
provider runs the same code and files where there is no GPU, so that packs and results are tested without one. It also
owns the device's memory and streams, which would be the larger part of an engine of ours. The price is TensorRT 10
instead of 11, and one optimisation profile an engine (onnxruntime#23965, #31624): widths that share an engine share its
kernels, and the detector's sizes have an engine each.

A provider that cannot do its work makes ONNX Runtime go on with the next one, and with the CPU in the end. Here that is
refused three times: its retries are off, it may not put a node on the CPU, and what it says of every node is checked.
"""

import logging
import threading
from collections import Counter, OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge_ocr.engines import Arrays
from edge_ocr.engines.cache import cache_folder
from edge_ocr.engines.nvidia import INSTALL, Gpu, find_gpu, load_tensorrt
from edge_ocr.engines.tensorrt_cache import Shapes, engine_folder
from edge_ocr.errors import ConfigError, ModelError

try:
    import onnxruntime as ort
    from onnxruntime.capi import onnxruntime_pybind11_state as ort_state
except ImportError as missing:
    raise ConfigError(f"this profile's engine needs ONNX Runtime ({missing}): {INSTALL}") from missing

Provider = Literal["tensorrt", "cuda", "cpu"]

PROVIDERS: dict[Provider, str] = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
INFERENCE_PRECISION: dict[Provider, str] = {"tensorrt": "f16", "cuda": "f16", "cpu": "f32"}
"""What the float layers of a pack's FP16 files are computed in. The CPU has no FP16 arithmetic: it computes in FP32 and
rounds to FP16 in between."""
USUAL_WIDTH = 320
"""A line of ten to fifteen letters, which is what there is most of."""
IMAGE_INPUT, BIAS_INPUT = "image", "class_bias"
"""Inputs of a network with an arg-max; others have the image only."""
MAX_SHAPES = 32
"""Engines kept in memory per network; the one unused for longest goes first."""
ERRORS = (
    ort_state.EPFail,
    ort_state.Fail,
    ort_state.InvalidArgument,
    ort_state.InvalidGraph,
    ort_state.InvalidProtobuf,
    ort_state.NoSuchFile,
    ort_state.NotImplemented,
    ort_state.RuntimeException,
    RuntimeError,
    ValueError,
)
"""What ONNX Runtime raises; its own have no base in common but Exception."""

log = logging.getLogger(__name__)


class OnnxRuntimeEngine:
    """Runs networks with one execution provider."""

    suffix = ".onnx"

    def __init__(self, *, provider: Provider, threads: int, inference_precision: str) -> None:
        """Look for the provider's GPU and libraries.

        Args:
            provider: tensorrt, cuda or cpu.
            threads: CPU threads for inference; a GPU needs none.
            inference_precision: What the profile says that float layers are computed in.

        Raises:
            ConfigError: the machine lacks something, or the provider computes in another precision.
        """
        if inference_precision != INFERENCE_PRECISION[provider]:
            raise ConfigError(
                f"inference_precision {inference_precision}: this engine computes in {INFERENCE_PRECISION[provider]};"
                f" set inference_precision: {INFERENCE_PRECISION[provider]} in the profile"
            )
        self.provider: Provider = provider
        self.threads = threads if provider == "cpu" else 1
        self.gpu: Gpu | None = None
        self.built_for: dict[str, str] = {}
        if provider != "cpu":
            self.gpu = find_gpu()
            self.built_for = {**self.gpu.facts(), "onnxruntime": str(ort.__version__)}
        if PROVIDERS[provider] not in ort.get_available_providers():
            raise ConfigError(
                f"onnxruntime {ort.__version__} lacks {PROVIDERS[provider]}: pip uninstall onnxruntime, then {INSTALL}"
            )
        if provider != "cpu":
            ort.preload_dlls()
        if provider == "tensorrt":
            self.built_for["tensorrt"] = load_tensorrt()

    @property
    def builds(self) -> bool:
        """Whether networks are built for shapes; the others take any shape."""
        return self.provider == "tensorrt"

    def load(self, path: Path, *, streams: int, widths: Sequence[int] | None = None) -> "OnnxNetwork":
        """Open an ONNX file; see `Engine.load`. Sessions take any number of callers, whatever `streams` says."""
        return OnnxNetwork(self, path, widths)

    def open_session(self, path: Path, shapes: Shapes | None) -> Any:
        """An `onnxruntime.InferenceSession` that runs on this engine's provider and on nothing else.

        Args:
            path: The ONNX file.
            shapes: What TensorRT builds for; None for a provider that takes any shape.

        Raises:
            ModelError: the file cannot be read, or the provider cannot run it.
        """
        if shapes is None:
            return self._open(path, {})
        options = tensorrt_options(path, shapes)
        cache = cache_folder("tensorrt")
        if cache is None:
            log.warning("%s: no folder to keep TensorRT's engine in; it is built at every start", path.name)
            return self._open(path, options)
        with engine_folder(cache, path, shapes, self.built_for) as folder:
            return self._open(path, options | cache_options(folder))

    def look_at(self, path: Path) -> Any:
        """A session on the CPU that tells a file's inputs and is never run."""
        settings = _settings(threads=1)
        settings.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        return _create_session(path, settings, [PROVIDERS["cpu"]])

    def _open(self, path: Path, options: dict[str, str]) -> Any:
        settings = _settings(self.threads)
        providers: list[Any] = [PROVIDERS[self.provider]]
        if self.provider != "cpu":
            settings.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        if self.provider == "tensorrt":
            # CUDA takes what TensorRT leaves, on the same device, and that is said.
            providers = [(PROVIDERS["tensorrt"], options), PROVIDERS["cuda"]]
        session = _create_session(path, settings, providers)
        check_assignment(path, self.provider, nodes_by_provider(session))
        return session


class OnnxNetwork:
    """One ONNX file; see `CompiledNetwork`."""

    def __init__(self, engine: OnnxRuntimeEngine, path: Path, widths: Sequence[int] | None) -> None:
        self._engine = engine
        self._path = path
        self._widths = widths
        self._lock = threading.Lock()
        self._sessions: OrderedDict[Shapes | None, Any] = OrderedDict()
        # Opened now, so that a file that is no network is refused now; TensorRT would have to build an engine first.
        opened = engine.look_at(path) if engine.builds else self._session_for(None)
        sides = {entry.name: entry.shape for entry in opened.get_inputs()}
        self._n_classes = int(sides[BIAS_INPUT][0]) if BIAS_INPUT in sides else None

    def prepare(self, shape: tuple[int, int, int]) -> None:
        """Nothing: a session takes every shape alike; see `CompiledNetwork.prepare`."""

    def head_classes(self) -> int | None:
        """Classes of the arg-max in the graph; see `CompiledNetwork.head_classes`."""
        return self._n_classes

    def infer(self, input_NHWC: NDArray[np.uint8], class_bias: NDArray[np.float32] | None = None) -> Arrays:
        """Run the network; see `CompiledNetwork.infer`."""
        session = self._session_for(self._shapes(input_NHWC.shape) if self._engine.builds else None)
        feed: dict[str, NDArray[Any]] = {IMAGE_INPUT: np.ascontiguousarray(input_NHWC)}
        if self._n_classes is not None:
            feed[BIAS_INPUT] = np.zeros(self._n_classes, np.float32) if class_bias is None else class_bias
        try:
            return tuple(session.run(None, feed))
        except ERRORS as error:
            shape = list(input_NHWC.shape)
            raise ModelError(f"{self._path}: cannot be run on input {shape} ({_one_line(error)})") from error

    def describe(self) -> dict[str, Any]:
        """What really runs, as ONNX Runtime reports it of an open session."""
        with self._lock:
            sessions = dict(self._sessions)
        facts: dict[str, Any] = {
            "file": self._path.name,
            "shapes": [shapes.label for shapes in sessions if shapes],
            "inference_precision": INFERENCE_PRECISION[self._engine.provider],
            "threads": self._engine.threads,
            "device": self._engine.built_for,
        }
        if sessions:
            facts["nodes"] = dict(nodes_by_provider(next(iter(sessions.values()))))
        return facts

    def _shapes(self, shape: tuple[int, ...]) -> Shapes:
        if not self._widths:
            return Shapes(shape, shape, shape)
        usual = min(self._widths, key=lambda width: abs(width - USUAL_WIDTH))
        smallest, middle, largest = (
            (shape[0], shape[1], width, shape[3]) for width in (self._widths[0], usual, self._widths[-1])
        )
        return Shapes(smallest, middle, largest)

    def _session_for(self, shapes: Shapes | None) -> Any:
        # One lock for looking up and building: two threads that meet a new shape build it once.
        with self._lock:
            session = self._sessions.get(shapes)
            if session is None:
                session = self._sessions[shapes] = self._engine.open_session(self._path, shapes)
                if len(self._sessions) > MAX_SHAPES:
                    self._sessions.popitem(last=False)
            self._sessions.move_to_end(shapes)
            return session


def tensorrt_options(network: Path, shapes: Shapes) -> dict[str, str]:
    """Options of the TensorRT provider for one engine.

    Args:
        network: The ONNX file, FP16 or with explicit Q/DQ.
        shapes: What it is built for.
    """
    # Allows integer kernels; which layers have them is said by the Q/DQ pairs in the file, without a calibration table.
    has_pairs = b"QuantizeLinear" in network.read_bytes()
    return {
        "trt_fp16_enable": "True",
        "trt_int8_enable": str(has_pairs),
        "trt_profile_min_shapes": _profile(shapes.smallest),
        "trt_profile_opt_shapes": _profile(shapes.usual),
        "trt_profile_max_shapes": _profile(shapes.largest),
    }


def cache_options(folder: Path) -> dict[str, str]:
    """Where the TensorRT provider keeps an engine, and the kernel timings that all engines of a device share."""
    return {
        "trt_engine_cache_enable": "True",
        "trt_engine_cache_path": str(folder),
        "trt_timing_cache_enable": "True",
        "trt_timing_cache_path": str(folder.parent),
    }


def nodes_by_provider(session: Any) -> Counter[str]:
    """How many nodes each provider runs, as the session itself tells."""
    counts: Counter[str] = Counter()
    for part in session.get_provider_graph_assignment_info():
        counts[str(part.ep_name)] += len(part.get_nodes())
    return counts


def check_assignment(path: Path, provider: Provider, nodes: Counter[str]) -> None:
    """Say which providers run a network, and refuse one that does not run where it was asked to.

    Args:
        path: The ONNX file, for messages.
        provider: The one asked for.
        nodes: How many nodes each provider runs.

    Raises:
        ModelError: a node is on the CPU though a GPU was asked for, or none is on the provider.
    """
    wanted = PROVIDERS[provider]
    said = ", ".join(f"{n} nodes on {name}" for name, n in nodes.items()) or "no node anywhere"
    if not nodes[wanted] or (provider != "cpu" and nodes[PROVIDERS["cpu"]]):
        raise ModelError(f"{path}: asked for {wanted}, ONNX Runtime would run {said}; refused: {INSTALL}")
    log.log(logging.INFO if len(nodes) == 1 else logging.WARNING, "%s: %s", path.name, said)


def _settings(threads: int) -> Any:
    settings = ort.SessionOptions()
    settings.log_severity_level = 3  # errors; its warnings are about fusions that it did not find
    settings.intra_op_num_threads = threads
    settings.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    return settings


def _create_session(path: Path, settings: Any, providers: list[Any]) -> Any:
    try:
        return ort.InferenceSession(str(path), settings, providers=providers, enable_fallback=0)
    except ERRORS as error:
        wanted = providers[0] if isinstance(providers[0], str) else providers[0][0]
        raise ModelError(f"{path}: {wanted} cannot run it ({_one_line(error)}); copy the pack again") from error


def _profile(shape: tuple[int, ...]) -> str:
    return f"{IMAGE_INPUT}:{'x'.join(map(str, shape))}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
