"""A pack with a recogniser of one's own and everything else from another pack."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from edge_ocr.charset import Charset
from edge_ocr.errors import ModelError
from edge_ocr.pack import load_pack
from optimize import build, finetuned
from optimize.__main__ import main
from optimize.build import build_pack
from optimize.finetuned import finetuned_ingredients
from tests.optimize.toys import ToyRecognizer, toy_ingredients
from train.checkpoint import write_weights
from train.nets.ctc import FORMS, RecognizerForm

CHARACTERS = "ab1 "


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("packs") / "toy"
    build_pack(toy_ingredients(), out, None)
    return out


@pytest.fixture
def make_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    monkeypatch.setitem(FORMS, "ppocrv3", RecognizerForm(ToyRecognizer, 48, 8))  # type: ignore[arg-type]

    def make(network: str = "ppocrv3") -> Path:
        form = FORMS[network]
        torch.manual_seed(0)
        details = {"network": network, "height": form.height, "stride": form.stride, "charset": list(CHARACTERS)}
        about = {"task": "recognition", "released": "student", "step": 5, "revision": "abc", "details": details}
        path = tmp_path / "run" / "last.safetensors"
        path.parent.mkdir()
        write_weights(path, nn.ModuleDict({"student": form.make(1 + len(CHARACTERS))}), about)
        return path

    return make


@pytest.fixture
def gate_set(tmp_path: Path) -> Path:
    """A page with one labelled line."""
    cv2.imwrite(str(tmp_path / "page.png"), np.full((60, 200, 3), 220, np.uint8))
    polygon = [[10, 10], [90, 10], [90, 40], [10, 40]]
    labels = tmp_path / "heldout.jsonl"
    labels.write_text(json.dumps({"image": "page.png", "lines": [{"polygon": polygon, "text": "ab"}]}))
    return labels


def test_the_command_replaces_the_recogniser_and_tells_what_has_changed(
    base: Path,
    make_checkpoint: Callable[..., Path],
    gate_set: Path,
    tmp_path: Path,
    font_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for module in (build, finetuned):
        monkeypatch.setattr(module, "N_LINES", 3)
    monkeypatch.setattr(build, "CALIBRATION_LINES", 3)
    options = [
        "--base",
        str(base),
        "--fonts",
        str(font_folder),
        "--gate-set",
        str(gate_set),
        "--calibrate",
        str(gate_set),
    ]
    assert main(["finetuned", str(make_checkpoint()), "--out", str(tmp_path / "own"), *options]) == 0
    made, old = load_pack(tmp_path / "own"), load_pack(base)
    assert (made.name, list(made.charset)) == ("own", list(CHARACTERS))
    assert made.manifest.detector == old.manifest.detector
    for name in ("detector.fp.xml", "detector.fp.bin", "orientation.fp.bin"):
        assert made.manifest.sha256[name] == old.manifest.sha256[name]
    assert made.choose("recognizer", "best")[1] == "int8"
    assert [one.dataset for one in made.manifest.recognizer.gates] == ["rendered", "heldout"]
    assert made.manifest.training_runs == ("run, step 5, revision abc",)
    assert made.manifest.origin[-1].what == "last.safetensors"
    said = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in said[-2:]] == ["word accuracy on rendered", "word accuracy on heldout"]


def test_without_int8_nothing_is_judged(
    base: Path, make_checkpoint: Callable[..., Path], tmp_path: Path, font_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finetuned, "N_LINES", 1)
    options = ["--base", str(base), "--fonts", str(font_folder), "--no-int8", "--name", "other"]
    assert main(["finetuned", str(make_checkpoint()), "--out", str(tmp_path / "own"), *options]) == 0
    recognizer = load_pack(tmp_path / "own").manifest.recognizer
    assert (recognizer.files.int8, recognizer.gates) == (None, ())


def test_a_recogniser_that_takes_other_lines_is_refused(base: Path, make_checkpoint: Callable[..., Path]) -> None:
    with pytest.raises(ModelError, match="takes lines of height 32 with a step per 4 columns, toy of 48 and 8"):
        finetuned_ingredients(make_checkpoint("ppocrv2"), load_pack(base), name="own")


def test_a_pack_for_gpus_is_refused(base: Path, make_checkpoint: Callable[..., Path]) -> None:
    pack = load_pack(base)
    files = pack.manifest.recognizer.files.model_copy(update={"fp": "recognizer.onnx"})
    recognizer = pack.manifest.recognizer.model_copy(update={"files": files})
    gpu = type(pack)(pack.folder, pack.manifest.model_copy(update={"recognizer": recognizer}), Charset(CHARACTERS))
    with pytest.raises(ModelError, match="a pack for GPUs"):
        finetuned_ingredients(make_checkpoint(), gpu, name="own")
