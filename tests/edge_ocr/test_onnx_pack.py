"""Packs of ONNX files: loaded, read with through ONNX Runtime on the CPU, and refused where they do not fit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from edge_ocr.charset import Charset
from edge_ocr.errors import ConfigError, ModelError
from edge_ocr.pack import file_sha256, load_pack
from edge_ocr.reader import Reader
from tests.edge_ocr.fakes import tiny_profile
from tests.edge_ocr.onnx_toys import write_toy_detector, write_toy_recognizer

CENTRED = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}


@pytest.fixture
def make_pack(tmp_path: Path) -> Callable[..., Path]:
    """Write a pack of toys; `change` edits the manifest."""

    def make(change: Callable[[dict[str, Any]], None] = lambda manifest: None) -> Path:
        folder = tmp_path / "toy"
        folder.mkdir()
        Charset("ab ").to_file(folder / "charset.txt")
        write_toy_detector(folder / "detector.fp.onnx")
        write_toy_recognizer(folder / "recognizer.fp.onnx")
        manifest = {
            "format": "edge-ocr.pack/1",
            "name": "toy",
            "version": "1",
            "description": "for tests",
            "licence": "CC0-1.0",
            "origin": [],
            "charset": "charset.txt",
            "detector": {"files": {"fp": "detector.fp.onnx"}, "normalization": CENTRED},
            "recognizer": {"files": {"fp": "recognizer.fp.onnx"}, "normalization": CENTRED},
            "sha256": {file.name: file_sha256(file) for file in sorted(folder.iterdir())},
        }
        change(manifest)
        (folder / "pack.yaml").write_text(yaml.safe_dump(manifest, sort_keys=False))
        return folder

    return make


def test_an_onnx_network_is_one_file(make_pack: Callable[..., Path]) -> None:
    pack = load_pack(make_pack())
    assert pack.choose("detector", "best") == (pack.folder / "detector.fp.onnx", "fp")


def test_files_of_another_kind_are_refused(make_pack: Callable[..., Path]) -> None:
    def change(manifest: dict[str, Any]) -> None:
        manifest["detector"]["files"]["fp"] = "detector.plan"

    with pytest.raises(ModelError, match=r"detector\.files\.fp: must be an IR \(\.xml\) or an ONNX file"):
        load_pack(make_pack(change))


def test_a_reader_finds_and_reads_lines_with_it(make_pack: Callable[..., Path]) -> None:
    reader = Reader(make_pack(), tiny_profile(engine="onnx-cpu"))
    image = np.zeros((320, 640, 3), dtype=np.uint8)
    image[100:148, 100:500] = 255  # the toy takes bright pixels for text
    detection = reader.detect(image)
    assert len(detection.quads) == 1
    assert len(reader.recognize(image, detection.quads).lines) == 1
    nodes = [network["nodes"] for network in reader.describe()["networks"].values()]
    assert [list(counts) for counts in nodes] == [["CPUExecutionProvider"]] * 2


def test_a_charset_that_does_not_fit_the_head_is_refused(make_pack: Callable[..., Path]) -> None:
    folder = make_pack(lambda manifest: manifest["sha256"].pop("charset.txt"))
    Charset("a").to_file(folder / "charset.txt")
    manifest = yaml.safe_load((folder / "pack.yaml").read_text())
    manifest["sha256"]["charset.txt"] = file_sha256(folder / "charset.txt")
    (folder / "pack.yaml").write_text(yaml.safe_dump(manifest))
    with pytest.raises(ModelError, match="has 1 characters, the recogniser's head 4 classes"):
        Reader(folder, tiny_profile(engine="onnx-cpu"))


def test_an_engine_that_cannot_read_the_pack_says_so(make_pack: Callable[..., Path]) -> None:
    with pytest.raises(ConfigError, match=r"pack toy holds \.onnx networks, the engine of profile tiny reads \.xml"):
        Reader(make_pack(), tiny_profile())
    with pytest.raises(ConfigError, match=r"pack latin holds \.xml networks, the engine of profile tiny reads \.onnx"):
        Reader("latin", tiny_profile(engine="onnx-cpu"))


@pytest.mark.parametrize("name", ["t4-tensorrt", "t4-cuda"])
def test_a_machine_without_gpu_is_told_so_in_one_line(
    name: str, make_pack: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no nvidia-smi, wherever the tests run
    with pytest.raises(ConfigError, match="no NVIDIA GPU or driver on this machine") as refused:
        Reader(make_pack(), name)
    assert "\n" not in str(refused.value)
