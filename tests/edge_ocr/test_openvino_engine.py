import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from edge_ocr.engines import openvino as engine_module
from edge_ocr.engines.openvino import OpenVinoEngine, OpenVinoNetwork, model_cache_folder
from edge_ocr.errors import ModelError

OPTIONS: dict[str, Any] = {"threads": 1, "inference_precision": "f32", "hint": "latency", "pinning": False}


def toy_model(*, with_head: bool = False) -> ov.Model:
    """(N, H, W, 3) uint8 to its means (N, 3) and itself as float; or to the best of 3 classes."""
    image = ops.parameter([-1, -1, -1, 3], np.uint8, name="image")
    values = ops.multiply(ops.convert(image, "f32"), np.ones(3, dtype=np.float32))
    means = ops.reduce_mean(values, np.array([1, 2]), keep_dims=False)
    if with_head:
        best = ops.topk(means, np.int64(1), axis=-1, mode="max", sort="none")
        return ov.Model([best.output(1)], [image], "toy")
    return ov.Model([means, values], [image], "toy")


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ir") / "toy.xml"
    ov.save_model(toy_model(), path)
    return path


@pytest.fixture
def network(toy: Path, monkeypatch: pytest.MonkeyPatch) -> OpenVinoNetwork:
    monkeypatch.setenv("EDGE_OCR_CACHE", "")
    return OpenVinoEngine(**OPTIONS).load(toy, streams=1)


def image(value: int, height: int = 2, width: int = 4) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.full((1, height, width, 3), value, dtype=np.uint8)


def test_outputs_come_in_the_networks_order(network: OpenVinoNetwork) -> None:
    means, values = network.infer(image(7))
    assert means.tolist() == [[7, 7, 7]]
    assert values.shape == (1, 2, 4, 3)


def test_outputs_are_the_callers_own(network: OpenVinoNetwork) -> None:
    given = image(1)
    first = network.infer(given)
    network.infer(image(200))
    given[:] = 99
    assert [float(output.max()) for output in first] == [1, 1]
    for output in first:
        output[:] = 5
    assert float(network.infer(image(3))[0][0, 0]) == 3


def test_views_and_read_only_arrays_are_taken(network: OpenVinoNetwork) -> None:
    ramp = np.arange(2 * 8 * 3, dtype=np.uint8).reshape(1, 2, 8, 3)
    ramp.flags.writeable = False
    view = ramp[:, ::-1, ::2, ::-1]
    np.testing.assert_array_equal(network.infer(view)[1], view)
    np.testing.assert_array_equal(network.infer(ramp)[1], ramp)


def test_a_shape_is_compiled_when_it_is_first_met(network: OpenVinoNetwork) -> None:
    assert network.describe()["shapes"] == []
    for width in (4, 8, 4):
        network.infer(image(0, width=width))
    assert network.describe()["shapes"] == [[1, 2, 8, 3], [1, 2, 4, 3]]


def test_with_a_free_width_all_widths_share_one_network(toy: Path) -> None:
    network = OpenVinoEngine(**OPTIONS).load(toy, streams=1, widths=[8, 16])
    assert [network.infer(image(9, width=width))[1].shape[2] for width in (4, 8, 5)] == [4, 8, 5]
    assert len(network.describe()["shapes"]) == 1


def test_a_shape_that_comes_often_gets_a_network_for_itself(toy: Path) -> None:
    network = OpenVinoEngine(**OPTIONS).load(toy, streams=1, widths=[8, 16])
    network.prepare((1, 2, 8))
    assert [network.infer(image(9, width=width))[1].shape[2] for width in (8, 16, 4)] == [8, 16, 4]
    assert network.describe()["shapes"] == [[1, 2, 8, 3], [-1, 2, -1, 3]]


def test_the_shape_unused_for_longest_is_dropped(network: OpenVinoNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "MAX_SHAPES", 2)
    for width in (4, 8, 4, 16):
        network.infer(image(0, width=width))
    assert [shape[2] for shape in network.describe()["shapes"]] == [4, 16]
    assert network.infer(image(5, width=8))[0].tolist() == [[5, 5, 5]]


def test_threads_that_share_a_network_get_their_own_results(network: OpenVinoNetwork) -> None:
    def run(value: int) -> bool:
        means, values = network.infer(image(value, width=4 + value % 3))
        return bool((means == value).all() and (values == value).all())

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(run, range(200)))


def test_what_really_runs_is_described(network: OpenVinoNetwork) -> None:
    network.infer(image(0))
    facts = network.describe()
    assert facts["file"] == "toy.xml"
    assert facts["inference_precision"] == "f32"
    assert (facts["threads"], facts["streams"], facts["pinning"]) == (1, 1, False)


def test_a_class_bias_changes_what_the_arg_max_chooses_and_nothing_after_it(tmp_path: Path) -> None:
    ov.save_model(toy_model(with_head=True), tmp_path / "head.xml")
    network = OpenVinoEngine(**OPTIONS).load(tmp_path / "head.xml", streams=1)
    given = np.array([[[[30, 20, 10]]]], dtype=np.uint8)
    bias = np.array([-25, 0, 0], dtype=np.float32)
    chosen = [int(network.infer(given, class_bias)[0].item()) for class_bias in (None, bias, None, bias * 0)]
    assert chosen == [0, 1, 0, 0]


def test_threads_with_different_class_biases_get_their_own_choice(tmp_path: Path) -> None:
    ov.save_model(toy_model(with_head=True), tmp_path / "head.xml")
    network = OpenVinoEngine(**OPTIONS).load(tmp_path / "head.xml", streams=1)
    biases = [None, *np.eye(3, dtype=np.float32) * 300]

    def choose(i: int) -> int:
        return int(network.infer(np.array([[[[30, 20, 10]]]], dtype=np.uint8), biases[i % 4])[0].item())

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(choose, range(100))) == [0, 0, 1, 2] * 25


def test_a_head_tells_its_classes(tmp_path: Path, network: OpenVinoNetwork) -> None:
    ov.save_model(toy_model(with_head=True), tmp_path / "head.xml")
    assert OpenVinoEngine(**OPTIONS).load(tmp_path / "head.xml", streams=1).head_classes() == 3
    assert network.head_classes() is None


@pytest.mark.parametrize("content", [pytest.param("no network", id="text"), pytest.param(None, id="no file")])
def test_a_file_that_is_no_network_is_refused_in_one_line(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "bad.xml").write_text(content)
    with pytest.raises(ModelError, match=r"bad.xml: OpenVINO cannot read it .*copy the pack again") as caught:
        OpenVinoEngine(**OPTIONS).load(tmp_path / "bad.xml", streams=1)
    assert "\n" not in str(caught.value)


def test_an_input_the_network_cannot_take_is_refused(network: OpenVinoNetwork) -> None:
    with pytest.raises(ModelError, match=r"toy.xml: cannot be compiled for input \[1, 2, 4, 5\]") as caught:
        network.infer(np.zeros((1, 2, 4, 5), dtype=np.uint8))
    assert "\n" not in str(caught.value)


class OldCpu(ov.Core):  # type: ignore[misc]
    """OpenVINO on a CPU that computes in FP32 and INT8 only."""

    def get_property(self, *name: str) -> Any:
        return ["FP32", "INT8"] if name == ("CPU", "OPTIMIZATION_CAPABILITIES") else super().get_property(*name)


@pytest.mark.parametrize("precision", ["bf16", "f16"])
def test_a_precision_that_the_cpu_would_emulate_is_refused(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "shared_core", OldCpu)
    with pytest.raises(ModelError, match=f"inference_precision {precision}: .*FP32, INT8; .*set f32 in the profile"):
        OpenVinoEngine(**OPTIONS | {"inference_precision": precision})
    OpenVinoEngine(**OPTIONS)


class NewCpu(ov.Core):  # type: ignore[misc]
    """OpenVINO on a CPU that computes in BF16 too."""

    def get_property(self, *name: str) -> Any:
        return ["BF16", "FP32"] if name == ("CPU", "OPTIMIZATION_CAPABILITIES") else super().get_property(*name)


def test_a_precision_that_was_taken_from_the_cpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "shared_core", NewCpu)
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    OpenVinoEngine(**OPTIONS | {"inference_precision": "bf16"})
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "avx512_core")
    with pytest.raises(ModelError, match=r"inference_precision bf16: .* natively in FP32;"):
        OpenVinoEngine(**OPTIONS | {"inference_precision": "bf16"})


def test_nothing_phones_home() -> None:
    script = (
        "import sys, edge_ocr.engines.openvino\n"
        "loaded = [name for name in sys.modules if name.startswith('openvino_telemetry')]\n"
        "assert all(sys.modules[name] is None for name in loaded), loaded\n"
        "import openvino\n"
        "openvino.Core()\n"
        "assert sys.modules['openvino_telemetry'] is None\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(engine_module.__file__).parents[2])


@pytest.mark.parametrize(
    ("first", "is_loaded"), [("edge_ocr.engines.openvino", False), ("openvino", True)], ids=["ours", "the caller's"]
)
def test_the_model_converter_is_loaded_when_asked_for(first: str, is_loaded: bool) -> None:
    script = (
        f"import sys, {first}, edge_ocr.engines.openvino\n"
        f"assert ('openvino.tools.ovc' in sys.modules) == {is_loaded}\n"
        "import openvino\n"
        "assert not hasattr(openvino, 'convert_modle')\n"
        "from openvino import convert_model\n"
        "assert convert_model is openvino.tools.ovc.convert_model\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(engine_module.__file__).parents[2])


def mode(folder: Path) -> int:
    return stat.S_IMODE(folder.stat().st_mode)


@pytest.mark.parametrize("variable", ["EDGE_OCR_CACHE", "XDG_CACHE_HOME"])
def test_the_cache_is_a_folder_of_the_user_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.delenv("EDGE_OCR_CACHE", raising=False)
    monkeypatch.setenv(variable, str(tmp_path / "deep" / "cache"))
    folder = model_cache_folder()
    assert folder is not None
    assert folder.is_relative_to(tmp_path / "deep" / "cache")
    assert mode(folder) == mode(folder.parent) == 0o700


def test_a_cache_that_others_may_write_to_is_closed_to_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_OCR_CACHE", str(tmp_path))
    folder = model_cache_folder()
    assert folder is not None
    folder.chmod(0o777)
    assert model_cache_folder() == folder
    assert mode(folder) == 0o700


def test_an_empty_variable_turns_the_cache_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_OCR_CACHE", "")
    assert model_cache_folder() is None


def test_without_a_place_for_the_cache_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("EDGE_OCR_CACHE", str(tmp_path / "file" / "cache"))
    assert model_cache_folder() is None


def test_compiled_networks_are_kept_in_the_cache(toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_OCR_CACHE", str(tmp_path))
    OpenVinoEngine(**OPTIONS).load(toy, streams=1).infer(image(0))
    assert any(file.is_file() and file.stat().st_size for file in tmp_path.rglob("*"))


def test_engines_that_come_and_go_leave_signals_alone() -> None:
    script = (
        "import os, signal\n"
        "from edge_ocr.engines.openvino import OpenVinoEngine\n"
        f"options = {OPTIONS!r}\n"
        "first, second = OpenVinoEngine(**options), OpenVinoEngine(**options)\n"
        "del first\n"
        "del second\n"
        "signal.signal(signal.SIGTERM, lambda *_: print('handled'))\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
    )
    root = Path(engine_module.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script], check=True, cwd=root, capture_output=True, text=True)
    assert done.stdout == "handled\n"
