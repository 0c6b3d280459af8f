"""OpenVINO on CPUs: few shapes, compiled when first met, bounded in number, cached on disk.

A network is compiled per shape (the detector: 15 % faster than with free sides), or once with a free width and then for
some shapes besides (the recogniser). With a free width a line of 256 x 48 takes 5.1 ms, and 7.6 behind one of another
width; with a network of its own 4.4, and 28 MB a stream. Free does not mean arbitrary: oneDNN keeps its kernels per
shape met, so that arbitrary widths would grow memory without end.
"""

import importlib
import os
import queue
import sys
import threading
from collections import OrderedDict
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_ocr.engines import Arrays
from edge_ocr.engines.cache import cache_folder
from edge_ocr.errors import ModelError

# OpenVINO reports its use over the network unasked, from its import on. Without this module it has a stub instead.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

# OpenVINO loads its model converter and numpy.ma, an eighth of all that reading imports, for one name that readers
# never use: here that name loads them. A process that has imported OpenVINO itself is left as it is.
CONVERTER = "openvino.tools.ovc"
_is_ours = "openvino" not in sys.modules and sys.modules.setdefault(CONVERTER, None) is None  # type: ignore[arg-type]

import openvino as ov  # noqa: E402
from openvino import opset13 as ops  # noqa: E402


def _converter(name: str) -> Any:
    if name != "convert_model":
        raise AttributeError(f"module 'openvino' has no attribute {name!r}")
    return importlib.import_module(CONVERTER).convert_model


if _is_ours:
    del sys.modules[CONVERTER]
    ov.__getattr__ = _converter

MAX_SHAPES = 32
"""Compiled shapes kept per network; the one unused for longest goes first."""
ANY = -1
CHANNELS = 3
ISA_WITHOUT_BF16 = frozenset({"SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI"})
"""Values of oneDNN's `ONEDNN_MAX_CPU_ISA` under which it emulates BF16 (oneDNN, "CPU dispatcher control")."""
IMAGE_INPUT, BIAS_INPUT = 0, 1
"""Inputs of a network with a folded arg-max; others have the image only."""


@cache
def shared_core() -> ov.Core:
    """The process's one core, never given up.

    Its CPU plugin gives the thread that loads it an alternate signal stack and unmaps that when the core goes. If two
    cores go in the wrong order, or one goes in another thread, the next signal ends the process (2026.4.1).
    """
    return ov.Core()


class OpenVinoEngine:
    """Compiles networks for this CPU."""

    suffix = ".xml"

    def __init__(self, *, threads: int, inference_precision: str, hint: str, pinning: bool) -> None:
        """Prepare OpenVINO.

        Args:
            threads: Threads for inference.
            inference_precision: f32, bf16 or f16: what float layers are computed in.
            hint: latency or throughput.
            pinning: Whether threads are bound to cores; off where several processes share them.

        Raises:
            ModelError: the CPU cannot compute in that precision natively.
        """
        self._core = shared_core()
        capabilities = native_precisions(self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
        native = {"f32": "FP32", "bf16": "BF16", "f16": "FP16"}[inference_precision]
        if native not in capabilities:
            raise ModelError(
                f"inference_precision {inference_precision}: this CPU computes natively in {', '.join(capabilities)};"
                " emulation is many times slower, so set f32 in the profile"
            )
        self._threads = threads
        self._config: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": inference_precision,
            "PERFORMANCE_HINT": hint.upper(),
            "INFERENCE_NUM_THREADS": threads,
            "ENABLE_CPU_PINNING": pinning,
        }
        cache = model_cache_folder()
        if cache:
            self._config["CACHE_DIR"] = str(cache)

    def load(self, path: Path, *, streams: int, widths: Sequence[int] | None = None) -> "OpenVinoNetwork":
        """Open an IR; see `Engine.load`."""
        try:
            model = self._core.read_model(path)
        except RuntimeError as error:
            raise ModelError(f"{path}: OpenVINO cannot read it ({_first_line(error)}); copy the pack again") from error
        return OpenVinoNetwork(self._core, model, {**self._config, "NUM_STREAMS": streams}, path, bool(widths))


class OpenVinoNetwork:
    """One IR; see `CompiledNetwork`."""

    def __init__(self, core: ov.Core, model: ov.Model, config: dict[str, Any], path: Path, free_width: bool) -> None:
        self._free_width = free_width
        self._core = core
        self._model = model
        self._config = config
        self._path = path
        self._n_classes = add_class_bias(model)
        self._lock = threading.Lock()
        self._compiled: OrderedDict[tuple[int, ...], _CompiledShape] = OrderedDict()
        self._prepared: set[tuple[int, ...]] = set()

    def prepare(self, shape: tuple[int, int, int]) -> None:
        """Compile for one shape, whatever others share; see `CompiledNetwork.prepare`.

        Raises:
            ModelError: the network does not take this shape.
        """
        self._for_shape((*shape, CHANNELS))
        self._prepared.add((*shape, CHANNELS))

    def head_classes(self) -> int | None:
        """Classes of the arg-max folded into the graph; see `CompiledNetwork.head_classes`."""
        return self._n_classes

    def infer(self, input_NHWC: NDArray[np.uint8], class_bias: NDArray[np.float32] | None = None) -> Arrays:
        """Run the network; see `CompiledNetwork.infer`."""
        shape = input_NHWC.shape
        if self._free_width and shape not in self._prepared:
            shape = (ANY, shape[1], ANY, shape[3])
        return self._for_shape(shape).infer(input_NHWC, class_bias)

    def describe(self) -> dict[str, Any]:
        """What really runs, as OpenVINO reports it of a compiled shape."""
        with self._lock:
            shapes = list(self._compiled)
            compiled = self._compiled[shapes[0]].compiled if shapes else None
        facts: dict[str, Any] = {"file": self._path.name, "shapes": [list(shape) for shape in shapes]}
        if compiled is not None:
            facts |= {
                "inference_precision": str(compiled.get_property("INFERENCE_PRECISION_HINT").to_string()),
                "threads": int(compiled.get_property("INFERENCE_NUM_THREADS")),
                "streams": int(compiled.get_property("NUM_STREAMS")),
                "pinning": bool(compiled.get_property("ENABLE_CPU_PINNING")),
                "isa": _property_or_none(compiled, "RUNTIME_REQUIREMENTS"),
            }
        return facts

    def _for_shape(self, shape: tuple[int, ...]) -> "_CompiledShape":
        # One lock for looking up and compiling: two threads that meet a new shape compile it once.
        with self._lock:
            found = self._compiled.get(shape)
            if found is None:
                model = self._model.clone()
                try:
                    model.reshape({model.inputs[0]: ov.PartialShape(list(shape))})
                    compiled = self._core.compile_model(model, "CPU", self._config)
                except RuntimeError as error:
                    raise ModelError(
                        f"{self._path}: cannot be compiled for input {list(shape)} ({_first_line(error)})"
                    ) from error
                found = self._compiled[shape] = _CompiledShape(compiled)
                if len(self._compiled) > MAX_SHAPES:
                    self._compiled.popitem(last=False)
            self._compiled.move_to_end(shape)
            return found


class _CompiledShape:
    """A compiled model and its idle infer requests: every call has a request to itself."""

    def __init__(self, compiled: ov.CompiledModel) -> None:
        self.compiled = compiled
        has_bias = len(compiled.inputs) > BIAS_INPUT
        self._no_bias = ov.Tensor(np.zeros(compiled.inputs[BIAS_INPUT].shape, np.float32)) if has_bias else None
        self._idle: queue.SimpleQueue[ov.InferRequest] = queue.SimpleQueue()

    def infer(self, input_NHWC: NDArray[np.uint8], class_bias: NDArray[np.float32] | None) -> Arrays:
        try:
            request = self._idle.get_nowait()
        except queue.Empty:
            request = self._create_request()
        try:
            if class_bias is not None:
                request.set_input_tensor(BIAS_INPUT, _as_tensor(class_bias))
            request.infer({IMAGE_INPUT: _as_tensor(input_NHWC)})
            # Copies: the request's own buffers belong to whoever takes it next.
            return tuple(tensor.data.copy() for tensor in request.output_tensors)
        finally:
            if class_bias is not None:
                request.set_input_tensor(BIAS_INPUT, self._no_bias)
            self._idle.put(request)

    def _create_request(self) -> ov.InferRequest:
        """A request that adds nothing to the classes until told to; setting that once costs later calls nothing."""
        request = self.compiled.create_infer_request()
        if self._no_bias is not None:
            request.set_input_tensor(BIAS_INPUT, self._no_bias)
        return request


def _as_tensor(array: NDArray[Any]) -> ov.Tensor:
    return ov.Tensor(np.require(array, requirements=["C", "W"]), shared_memory=True)


def native_precisions(capabilities: Sequence[str]) -> list[str]:
    """What the CPU computes in without emulation, of what OpenVINO says it can.

    `ONEDNN_MAX_CPU_ISA` takes instruction sets from oneDNN and not from what OpenVINO says.
    """
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper()
    return [name for name in capabilities if name not in {"BF16", "FP16"} or limit not in ISA_WITHOUT_BF16]


def add_class_bias(model: ov.Model) -> int | None:
    """Give a network with a folded arg-max a second input, in place: (C,) float32 added to what it chooses from.

    Added after the softmax, so that an allowed character keeps the probability that the network gave it, and a text of
    other characters gets the low score it deserves. Costs nothing that can be measured beside the head.

    Returns:
        Classes of the arg-max; None for a network without one, which stays as it is.
    """
    for node in model.get_ops():
        if node.get_type_name() == "TopK":
            probs = node.input_value(0)
            n_classes = int(probs.get_partial_shape()[-1].get_length())
            bias = ops.parameter([n_classes], np.float32, name="class_bias")
            node.input(0).replace_source_output(ops.add(probs, bias).output(0))
            model.add_parameters([bias])
            model.validate_nodes_and_infer_types()
            return n_classes
    return None


def model_cache_folder() -> Path | None:
    """The folder of OpenVINO's compiled models; see `edge_ocr.engines.cache.cache_folder`."""
    return cache_folder(f"openvino-{ov.get_version().split('-')[0]}")


def _property_or_none(compiled: ov.CompiledModel, name: str) -> str | None:
    try:
        return str(compiled.get_property(name))
    except RuntimeError:
        return None


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
