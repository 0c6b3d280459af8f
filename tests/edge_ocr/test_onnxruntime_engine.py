"""ONNX networks through ONNX Runtime.

What runs here: the engine's session code on ONNX Runtime's CPU provider, and its refusals. What does not: TensorRT and
CUDA. Where they are named, a fake stands for ONNX Runtime with a GPU; it checks what is asked of it and in which order,
and proves nothing about engines, results or times on a device.
"""

import json
import logging
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from edge_ocr.engines import onnxruntime as engine_module
from edge_ocr.engines.nvidia import Gpu
from edge_ocr.engines.onnxruntime import (
    PROVIDERS,
    OnnxRuntimeEngine,
    Provider,
    check_assignment,
    tensorrt_options,
)
from edge_ocr.engines.tensorrt_cache import Shapes
from edge_ocr.errors import ConfigError, ModelError
from tests.edge_ocr.onnx_toys import N_CLASSES, write_toy_detector, write_toy_recognizer

T4 = Gpu("Tesla T4", "7.5", "580.95.05")


def cpu_engine() -> OnnxRuntimeEngine:
    return OnnxRuntimeEngine(provider="cpu", threads=1, inference_precision="f32")


def image(width: int, height: int = 48) -> NDArray[np.uint8]:
    return np.random.default_rng(width).integers(0, 256, (1, height, width, 3), dtype=np.uint8)


class FakeGpuRuntime:
    """ONNX Runtime as if it had a T4: notes what it is asked, and computes on the CPU."""

    __version__ = onnxruntime.__version__
    SessionOptions = onnxruntime.SessionOptions
    GraphOptimizationLevel = onnxruntime.GraphOptimizationLevel

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.opened: list[tuple[Any, list[Any], int]] = []
        self.fused_by = "TensorrtExecutionProvider"

    def get_available_providers(self) -> list[str]:
        return list(PROVIDERS.values())

    def preload_dlls(self) -> None:
        self.calls.append("preload CUDA")

    def InferenceSession(self, path: str, options: Any, *, providers: list[Any], enable_fallback: int) -> Any:  # noqa: N802
        if providers == ["CPUExecutionProvider"]:
            self.calls.append("look")
            return onnxruntime.InferenceSession(path, options, providers=providers)
        self.calls.append("build")
        self.opened.append((options, providers, enable_fallback))
        real = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        nodes = [SimpleNamespace(ep_name=self.fused_by, get_nodes=lambda: [None] * 9)]
        return SimpleNamespace(
            get_inputs=real.get_inputs, run=real.run, get_provider_graph_assignment_info=lambda: nodes
        )


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeGpuRuntime:
    fake = FakeGpuRuntime()

    def load_tensorrt() -> str:
        fake.calls.append("load TensorRT")
        return "10.16.1"

    monkeypatch.setattr(engine_module, "ort", fake)
    monkeypatch.setattr(engine_module, "find_gpu", lambda: T4)
    monkeypatch.setattr(engine_module, "load_tensorrt", load_tensorrt)
    monkeypatch.setenv("EDGE_OCR_CACHE", str(tmp_path / "cache"))
    return fake


def gpu_engine(provider: Provider = "tensorrt") -> OnnxRuntimeEngine:
    return OnnxRuntimeEngine(provider=provider, threads=2, inference_precision="f16")


def test_on_the_cpu_any_shape_is_read_with_one_session(tmp_path: Path) -> None:
    network = cpu_engine().load(write_toy_detector(tmp_path / "d.onnx"), streams=1)
    for width in (16, 32):
        (prob_map,) = network.infer(image(width))
        assert prob_map.dtype == np.uint8
        np.testing.assert_allclose(prob_map, image(width).mean(axis=3), atol=1)
    assert network.head_classes() is None


def test_a_bias_keeps_classes_from_being_chosen(tmp_path: Path) -> None:
    network = cpu_engine().load(write_toy_recognizer(tmp_path / "r.onnx"), streams=1, widths=[16])
    classes, scores = network.infer(image(16))
    bias = np.full(N_CLASSES, -2, np.float32)
    bias[2] = 0
    only, low = network.infer(image(16), bias)
    assert (only == 2).all()
    assert (low <= scores).all()
    again, _ = network.infer(image(16))
    np.testing.assert_array_equal(again, classes)
    assert network.head_classes() == N_CLASSES


def test_the_provider_that_runs_is_described(tmp_path: Path) -> None:
    network = cpu_engine().load(write_toy_recognizer(tmp_path / "r.onnx"), streams=1)
    facts = network.describe()
    assert (facts["file"], facts["inference_precision"], facts["threads"]) == ("r.onnx", "f32", 1)
    assert list(facts["nodes"]) == ["CPUExecutionProvider"]


def test_a_file_that_is_no_network_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"no network")
    with pytest.raises(ModelError, match=r"bad\.onnx: CPUExecutionProvider cannot run it") as refused:
        cpu_engine().load(tmp_path / "bad.onnx", streams=1)
    assert "\n" not in str(refused.value)


def test_an_input_that_the_network_cannot_take_is_refused(tmp_path: Path) -> None:
    network = cpu_engine().load(write_toy_detector(tmp_path / "d.onnx"), streams=1)
    with pytest.raises(ModelError, match=r"d\.onnx: cannot be run on input \[2, 8, 8, 3\]"):
        network.infer(np.zeros((2, 8, 8, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    ("provider", "precision", "said"),
    [
        pytest.param("cpu", "f16", "computes in f32", id="the CPU has no FP16"),
        pytest.param("tensorrt", "f32", "computes in f16", id="TensorRT with FP16 files"),
        pytest.param("cuda", "bf16", "computes in f16", id="a T4 has no BF16"),
    ],
)
def test_a_precision_that_is_not_the_engines_is_refused(provider: Provider, precision: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        OnnxRuntimeEngine(provider=provider, threads=1, inference_precision=precision)


@pytest.mark.parametrize("provider", ["tensorrt", "cuda"])
def test_an_onnxruntime_without_gpu_support_is_refused(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "find_gpu", lambda: T4)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(ConfigError, match=rf"lacks {PROVIDERS[provider]}: .*edge-ocr\[tensorrt\]"):
        gpu_engine(provider)


@pytest.mark.filterwarnings("ignore:Specified provider")
@pytest.mark.parametrize("provider", ["tensorrt", "cuda"])
def test_the_real_runtime_does_not_fall_back_to_the_cpu(
    provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The installed ONNX Runtime is told to use a GPU that it does not have."""
    monkeypatch.setattr(engine_module, "find_gpu", lambda: T4)
    monkeypatch.setattr(engine_module, "load_tensorrt", lambda: "10.16.1")
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: list(PROVIDERS.values()))
    monkeypatch.setenv("EDGE_OCR_CACHE", str(tmp_path / "cache"))
    path = write_toy_detector(tmp_path / "d.onnx")
    with pytest.raises(ModelError, match=rf"{PROVIDERS[provider]} cannot run it .*fallback to CPU EP"):
        gpu_engine(provider).load(path, streams=1).infer(image(32))


def test_fake_gpu_libraries_are_loaded_before_an_engine_is_built(gpu: FakeGpuRuntime, tmp_path: Path) -> None:
    network = gpu_engine().load(write_toy_recognizer(tmp_path / "r.onnx"), streams=1, widths=[16, 32])
    assert network.head_classes() == N_CLASSES
    assert gpu.calls == ["preload CUDA", "load TensorRT", "look"]
    network.infer(image(16))
    assert gpu.calls[3:] == ["build"]


def test_fake_gpu_has_one_engine_for_all_widths(gpu: FakeGpuRuntime, tmp_path: Path) -> None:
    widths = [128, 288, 320, 640]
    network = gpu_engine().load(write_toy_recognizer(tmp_path / "r.onnx"), streams=1, widths=widths)
    for width in widths:
        network.infer(image(width))
    ((_, providers, _),) = gpu.opened
    (name, options), helper = providers
    assert (name, helper) == ("TensorrtExecutionProvider", "CUDAExecutionProvider")
    assert options["trt_profile_min_shapes"] == "image:1x48x128x3"
    assert options["trt_profile_opt_shapes"] == "image:1x48x320x3"
    assert options["trt_profile_max_shapes"] == "image:1x48x640x3"


def test_fake_gpu_has_an_engine_for_every_size_of_the_detector(gpu: FakeGpuRuntime, tmp_path: Path) -> None:
    network = gpu_engine().load(write_toy_detector(tmp_path / "d.onnx"), streams=1)
    for width in (64, 96, 64):
        network.infer(image(width))
    profiles = [providers[0][1]["trt_profile_opt_shapes"] for _, providers, _ in gpu.opened]
    assert profiles == ["image:1x48x64x3", "image:1x48x96x3"]
    assert sorted(network.describe()["shapes"]) == ["1x48x64x3", "1x48x96x3"]


@pytest.mark.parametrize("provider", ["tensorrt", "cuda"])
def test_fake_gpu_sessions_may_not_fall_back(provider: Provider, gpu: FakeGpuRuntime, tmp_path: Path) -> None:
    gpu.fused_by = PROVIDERS[provider]
    gpu_engine(provider).load(write_toy_detector(tmp_path / "d.onnx"), streams=1).infer(image(32))
    ((options, _, enable_fallback),) = gpu.opened
    assert enable_fallback == 0
    assert options.get_session_config_entry("session.disable_cpu_ep_fallback") == "1"


def test_fake_gpu_engines_are_kept_with_what_they_were_built_for(gpu: FakeGpuRuntime, tmp_path: Path) -> None:
    network = gpu_engine().load(write_toy_detector(tmp_path / "d.onnx"), streams=1)
    network.infer(image(32))
    ((_, providers, _),) = gpu.opened
    options = providers[0][1]
    folder = Path(options["trt_engine_cache_path"])
    assert (options["trt_engine_cache_enable"], options["trt_timing_cache_enable"]) == ("True", "True")
    assert Path(options["trt_timing_cache_path"]) == folder.parent == tmp_path / "cache" / "tensorrt"
    built_for = json.loads((folder / "built_for.json").read_text())
    assert built_for == {
        "name": "Tesla T4",
        "compute_capability": "7.5",
        "driver": "580.95.05",
        "onnxruntime": onnxruntime.__version__,
        "tensorrt": "10.16.1",
    }
    assert network.describe()["device"] == built_for


def test_fake_gpu_without_a_cache_folder_says_that_it_builds_every_time(
    gpu: FakeGpuRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("EDGE_OCR_CACHE", "")
    gpu_engine().load(write_toy_detector(tmp_path / "d.onnx"), streams=1).infer(image(32))
    assert "built at every start" in caplog.text
    assert "trt_engine_cache_enable" not in gpu.opened[0][1][0][1]


def test_fake_gpu_that_leaves_everything_to_cuda_is_refused(gpu: FakeGpuRuntime, tmp_path: Path) -> None:
    gpu.fused_by = "CUDAExecutionProvider"
    network = gpu_engine().load(write_toy_detector(tmp_path / "d.onnx"), streams=1)
    with pytest.raises(ModelError, match=r"asked for TensorrtExecutionProvider, .* 9 nodes on CUDAExecutionProvider"):
        network.infer(image(32))


@pytest.mark.parametrize(
    ("provider", "nodes"),
    [
        pytest.param("tensorrt", {"CPUExecutionProvider": 5}, id="all on the CPU"),
        pytest.param("tensorrt", {"TensorrtExecutionProvider": 5, "CPUExecutionProvider": 1}, id="one on the CPU"),
        pytest.param("cuda", {"CUDAExecutionProvider": 5, "CPUExecutionProvider": 1}, id="CUDA and one on the CPU"),
        pytest.param("cuda", {}, id="nothing known"),
    ],
)
def test_nodes_that_run_elsewhere_are_refused(provider: Provider, nodes: dict[str, int]) -> None:
    with pytest.raises(ModelError, match=rf"x\.onnx: asked for {PROVIDERS[provider]}, .*refused"):
        check_assignment(Path("x.onnx"), provider, Counter(nodes))


def test_nodes_that_cuda_takes_from_tensorrt_are_said(caplog: pytest.LogCaptureFixture) -> None:
    nodes = Counter({"TensorrtExecutionProvider": 90, "CUDAExecutionProvider": 2})
    with caplog.at_level(logging.WARNING):
        check_assignment(Path("x.onnx"), "tensorrt", nodes)
    assert "x.onnx: 90 nodes on TensorrtExecutionProvider, 2 nodes on CUDAExecutionProvider" in caplog.text


@pytest.mark.parametrize(
    ("content", "int8"), [(b"..DequantizeLinear..QuantizeLinear..", "True"), (b"..Conv..", "False")]
)
def test_integer_kernels_are_allowed_where_the_file_has_qdq_pairs(tmp_path: Path, content: bytes, int8: str) -> None:
    (tmp_path / "x.onnx").write_bytes(content)
    shape = (1, 48, 320, 3)
    options = tensorrt_options(tmp_path / "x.onnx", Shapes(shape, shape, shape))
    assert (options["trt_fp16_enable"], options["trt_int8_enable"]) == ("True", int8)
