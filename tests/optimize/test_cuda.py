"""The pack for NVIDIA GPUs: the same results as OpenVINO's within a stated tolerance, INT8 behind the gate.

ONNX Runtime computes here on the CPU. Not run: TensorRT, CUDA, and the parser that reads these files on a device.

    EDGE_OCR_PUBLISHED_WHEEL=rapidocr_onnxruntime-1.2.13-py3-none-any.whl pytest tests/optimize/test_cuda.py
"""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray

from edge_ocr.engines import CompiledNetwork
from edge_ocr.engines.onnxruntime import OnnxRuntimeEngine
from edge_ocr.engines.openvino import OpenVinoEngine
from edge_ocr.errors import ModelError
from edge_ocr.pack import Files, load_pack
from edge_ocr.reader import Reader
from optimize import build, gate
from optimize.build import CENTRED, Ingredients, Quantisation, build_pack
from optimize.cuda import ONNX, cuda_ingredients
from optimize.facts import facts_of
from optimize.formats import IR, NetworkFormat
from optimize.onnx_export import to_onnx
from optimize.qdq_lint import lint
from tests.edge_ocr.fakes import drawn, tiny_profile
from tests.optimize.toys import ToyAttention, ToyClassifier, ToyDetector, ToyRecognizer, noise, toy_ingredients
from train.nets.ctc import ppocrv6_recognizer

WHEEL_VARIABLE = "EDGE_OCR_PUBLISHED_WHEEL"
V6_WHEEL_VARIABLE = "EDGE_OCR_TEACHER_WHEEL"
PROB_TOLERANCE = 1
"""Of 255: FP16 between the layers, where OpenVINO has FP32."""
SCORE_TOLERANCE = 5e-3
QUAD_TOLERANCE_PX = 2.0


def toys(form: NetworkFormat) -> Ingredients:
    """The same random networks in either format."""
    torch.manual_seed(0)
    modules = {"detector": ToyDetector(), "recognizer": ToyAttention(), "orientation": ToyClassifier()}
    toy = toy_ingredients()
    files = {name: Files(fp=f"{name}.fp{form.suffix}") for name in modules}
    assert toy.orientation_spec
    return replace(
        toy,
        form=form,
        detector=lambda: form.convert(modules["detector"], "detector"),
        recognizer=lambda: form.convert(modules["recognizer"], "recognizer"),
        orientation=lambda: form.convert(modules["orientation"], "orientation"),
        detector_spec=toy.detector_spec.model_copy(update={"files": files["detector"]}),
        recognizer_spec=toy.recognizer_spec.model_copy(update={"files": files["recognizer"]}),
        orientation_spec=toy.orientation_spec.model_copy(update={"files": files["orientation"]}),
    )


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """FP packs of the toys, as IR and as ONNX."""
    folder = tmp_path_factory.mktemp("packs")
    for name, form in (("ir", IR), ("onnx", ONNX)):
        build_pack(toys(form), folder / name, None)
    return {name: folder / name for name in ("ir", "onnx")}


def test_files_carry_what_the_pack_says_in_their_metadata(tmp_path: Path) -> None:
    build_pack(toys(ONNX), tmp_path / "toy", None)
    pack = load_pack(tmp_path / "toy")
    for network, spec in pack.networks.items():
        props = {prop.key: prop.value for prop in onnx.load(pack.folder / spec.files.fp).metadata_props}
        assert props == {f"edge_ocr.{name}": value for name, value in facts_of(network, spec, pack.charset).items()}


def both(packs: dict[str, Path], network: str) -> tuple[CompiledNetwork, CompiledNetwork]:
    """A network through OpenVINO, and through ONNX Runtime on the CPU."""
    ir = OpenVinoEngine(threads=1, inference_precision="f32", hint="latency", pinning=False)
    cpu = OnnxRuntimeEngine(provider="cpu", threads=1, inference_precision="f32")
    return (
        ir.load(load_pack(packs["ir"]).choose(network, "fp")[0], streams=1),
        cpu.load(load_pack(packs["onnx"]).choose(network, "fp")[0], streams=1),
    )


@pytest.mark.parametrize("size", [(32, 64), (96, 32)])
def test_both_engines_see_the_same_text(packs: dict[str, Path], size: tuple[int, int]) -> None:
    one, other = (network.infer(noise(1, *size, 3))[0] for network in both(packs, "detector"))
    assert one.dtype == other.dtype == np.uint8
    np.testing.assert_allclose(other.astype(int), one.astype(int), atol=PROB_TOLERANCE)


@pytest.mark.parametrize("bias", [None, np.array([-2, 0, -2, 0, -2], np.float32)], ids=["any", "allowed characters"])
def test_both_engines_read_the_same(packs: dict[str, Path], bias: NDArray[np.float32] | None) -> None:
    networks = both(packs, "recognizer")
    (classes, scores), (other_classes, other_scores) = (n.infer(noise(1, 48, 160, 3), bias) for n in networks)
    assert classes.dtype == other_classes.dtype
    np.testing.assert_allclose(other_scores, scores, atol=SCORE_TOLERANCE)
    np.testing.assert_array_equal(other_classes, classes)
    assert [network.head_classes() for network in networks] == [5, 5]


def test_both_engines_judge_the_same(packs: dict[str, Path]) -> None:
    one, other = (network.infer(noise(1, 48, 192, 3))[0] for network in both(packs, "orientation"))
    np.testing.assert_allclose(other, one, atol=SCORE_TOLERANCE)


def test_the_packs_differ_in_their_files_only(packs: dict[str, Path]) -> None:
    one, other = (load_pack(packs[name]).manifest.model_dump(exclude={"sha256"}) for name in ("ir", "onnx"))
    for manifest in (one, other):
        for network in ("detector", "recognizer", "orientation"):
            assert manifest[network].pop("files")
    assert one == other


def test_int8_is_made_by_the_rules_and_held_against_fp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, font_folder: Path
) -> None:
    monkeypatch.setattr(build, "N_LINES", 6)
    monkeypatch.setattr(build, "CALIBRATION_LINES", 6)
    monkeypatch.setattr(build, "N_PAGES", 1)
    for name in ("DETECTOR_MARGIN", "RECOGNIZER_MARGIN"):
        monkeypatch.setattr(gate, name, 1.0)
    build_pack(toys(ONNX).with_int8(), tmp_path / "toy", Quantisation(fonts=font_folder))
    pack = load_pack(tmp_path / "toy")
    assert (pack.networks["orientation"].files.int8, pack.networks["orientation"].gates) == (None, ())
    for name in ("detector", "recognizer"):
        assert [one.dataset for one in pack.networks[name].gates] == ["rendered"]
        path, precision = pack.choose(name, "best")
        assert (path.name, precision) == (f"{name}.int8.onnx", "int8")
        model = onnx.load(path)
        assert lint(model) == []
        assert any(node.op_type == "QuantizeLinear" for node in model.graph.node)
    image = np.full((40, 60, 3), 200, dtype=np.uint8)
    assert Reader(tmp_path / "toy", tiny_profile(engine="onnx-cpu")).read(image).width == 60


def test_a_network_that_tensorrt_would_not_read_is_not_exported(tmp_path: Path) -> None:
    """TensorRT reads an LSTM as a loop, and its initial state would be computed on the CPU."""
    with pytest.raises(ModelError, match=r"recognizer\.fp\.onnx: not for TensorRT: /net/lstm/Shape: "):
        build_pack(replace(toys(ONNX), recognizer=ToyRecognizer), tmp_path / "toy", None)
    assert not (tmp_path / "toy").exists()


@pytest.mark.slow
@pytest.mark.skipif(WHEEL_VARIABLE not in os.environ, reason=f"{WHEEL_VARIABLE} does not name the wheel")
def test_the_published_networks_read_a_page_as_the_default_pack_does(tmp_path: Path) -> None:
    """FP16 on both sides; one engine rounds to it between the layers, the other only in its weights."""
    manifest = build_pack(cuda_ingredients(Path(os.environ[WHEEL_VARIABLE])), tmp_path / "latin-cuda", None)
    default = load_pack("latin").manifest
    assert manifest.name == "latin-cuda"
    assert (tmp_path / "latin-cuda" / "charset.txt").read_bytes() == (
        load_pack("latin").folder / "charset.txt"
    ).read_bytes()
    assert manifest.detector.thresholds == default.detector.thresholds
    image = drawn(("Ticket 4711", 30, 60), ("Counter 5", 30, 150), ("please wait", 320, 250), height=300, width=600)
    fp = {"detector": "fp", "recognizer": "fp", "orientation": "fp"}
    reader = Reader("latin", tiny_profile(precision=fp))
    # Engines that build a network for one height have one look: the same one here, so that the networks are compared.
    reader._second_look = None
    reader._lines = reader._line_reader(manifest.recognizer, reader.profile.recognizer.widths)
    expected = reader.read(image)
    page = Reader(tmp_path / "latin-cuda", tiny_profile(precision=fp, engine="onnx-cpu")).read(image)
    assert [line.text for line in page.lines] == [line.text for line in expected.lines]
    assert len(page.lines) == 3
    for line, other in zip(page.lines, expected.lines, strict=True):
        np.testing.assert_allclose(line.quad, other.quad, atol=QUAD_TOLERANCE_PX)
        assert line.score == pytest.approx(other.score, abs=0.02)


def test_the_default_recogniser_leaves_no_shape_to_compute() -> None:
    """Its paddings and squeezes would: the exporter spells their sizes out."""
    assert lint(to_onnx(ppocrv6_recognizer(20).eval(), "recognizer", CENTRED)) == []
