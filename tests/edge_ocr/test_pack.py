import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge_ocr.charset import Charset
from edge_ocr.errors import ModelError
from edge_ocr.pack import PACKS, file_sha256, list_packs, load_pack
from edge_ocr.reader import Reader
from tests.edge_ocr.fakes import tiny_profile

CENTRED = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}
GATE = {"measure": "word accuracy", "dataset": "rendered", "fp": 0.9, "int8": 0.895, "margin": 0.007}
Change = Callable[[dict[str, Any], Path], None]


def network(name: str, *, int8: bool = False, **facts: Any) -> dict[str, Any]:
    files = {"fp": f"{name}.fp.xml"} | ({"int8": f"{name}.int8.xml"} if int8 else {})
    return {"files": files, "normalization": CENTRED, **facts}


@pytest.fixture
def make_pack(tmp_path: Path) -> Callable[..., Path]:
    """Write a pack whose networks are placeholders; `change` edits the manifest and the folder last."""

    def make(change: Change = lambda manifest, folder: None) -> Path:
        folder = tmp_path / "toy"
        folder.mkdir()
        Charset("ab ").to_file(folder / "charset.txt")
        for stem in ("detector.fp", "recognizer.fp", "recognizer.int8"):
            (folder / f"{stem}.xml").write_text(f"<{stem}/>")
            (folder / f"{stem}.bin").write_bytes(b"weights")
        manifest = {
            "format": "edge-ocr.pack/1",
            "name": "toy",
            "version": "1",
            "description": "for tests",
            "licence": "Apache-2.0",
            "origin": [{"what": "noise", "source": "here", "licence": "CC0-1.0", "sha256": "0" * 64}],
            "charset": "charset.txt",
            "detector": network("detector"),
            "recognizer": network("recognizer", int8=True, gates=[GATE]),
            "sha256": {file.name: file_sha256(file) for file in sorted(folder.iterdir())},
        }
        change(manifest, folder)
        (folder / "pack.yaml").write_text(yaml.safe_dump(manifest, sort_keys=False))
        return folder

    return make


def test_a_pack_is_loaded_by_its_folder(make_pack: Callable[..., Path]) -> None:
    pack = load_pack(make_pack())
    assert (pack.name, pack.version, list(pack.charset)) == ("toy", "1", ["a", "b", " "])
    assert list(pack.networks) == ["detector", "recognizer"]
    assert pack.sha256 == file_sha256(pack.folder / "pack.yaml")


def test_the_default_pack_is_loaded_by_its_name() -> None:
    pack = load_pack("latin")
    assert pack.folder == PACKS / "latin"
    assert pack.folder in list_packs()
    assert {chr(code) for code in range(32, 127)} <= set(pack.charset)
    assert list(pack.networks) == ["detector", "recognizer", "orientation"]


def test_the_default_pack_says_where_its_weights_come_from() -> None:
    manifest = load_pack("latin").manifest
    assert manifest.licence
    assert all(origin.licence and re.fullmatch("[0-9a-f]{64}", origin.sha256) for origin in manifest.origin)


def altered(manifest: dict[str, Any], folder: Path) -> None:
    (folder / "detector.fp.bin").write_bytes(b"Weights")


def missing(manifest: dict[str, Any], folder: Path) -> None:
    (folder / "recognizer.fp.bin").unlink()


def without_hash(manifest: dict[str, Any], folder: Path) -> None:
    del manifest["sha256"]["recognizer.int8.bin"]


def without_charset(manifest: dict[str, Any], folder: Path) -> None:
    (folder / "charset.txt").unlink()


def repeated_character(manifest: dict[str, Any], folder: Path) -> None:
    (folder / "charset.txt").write_text("a\na\n")
    manifest["sha256"]["charset.txt"] = file_sha256(folder / "charset.txt")


def other_format(manifest: dict[str, Any], folder: Path) -> None:
    manifest["format"] = "edge-ocr.pack/2"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(altered, r"toy/detector.fp.bin: not the file .*\(wrong sha256\)", id="an altered file"),
        pytest.param(missing, "toy/recognizer.fp.bin: missing, though pack.yaml names it", id="a missing file"),
        pytest.param(without_charset, "toy/charset.txt: missing", id="a missing charset"),
        pytest.param(without_hash, "sha256 of recognizer.int8.bin is missing", id="a file without its hash"),
        pytest.param(repeated_character, r"\['a'\] occur more than once", id="a charset with a repeated character"),
        pytest.param(other_format, "pack.yaml:1: format: should be 'edge-ocr.pack/1'", id="another format"),
    ],
)
def test_a_damaged_pack_is_refused(make_pack: Callable[..., Path], change: Change, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        load_pack(make_pack(change))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["../charset.txt", "/etc/passwd", "sub/charset.txt", "..", "", ".hidden", "a\\b"])
@pytest.mark.parametrize("place", ["charset", "detector", "sha256"])
def test_a_file_name_that_leaves_the_pack_is_refused(make_pack: Callable[..., Path], name: str, place: str) -> None:
    def leave(manifest: dict[str, Any], folder: Path) -> None:
        if place == "detector":
            manifest["detector"]["files"]["fp"] = name
        elif place == "sha256":
            manifest["sha256"][name] = "0" * 64
        else:
            manifest["charset"] = name

    with pytest.raises(ModelError, match=rf"pack.yaml:\d+: {place}.*must be a plain file name inside the pack"):
        load_pack(make_pack(leave))


def test_an_unknown_key_is_refused_with_its_line(make_pack: Callable[..., Path]) -> None:
    def misspell(manifest: dict[str, Any], folder: Path) -> None:
        manifest["detector"]["treshold"] = 0.3

    folder = make_pack(misspell)
    lines = (folder / "pack.yaml").read_text().splitlines()
    number = 1 + next(i for i, line in enumerate(lines) if "treshold" in line)
    with pytest.raises(ModelError, match=rf"pack.yaml:{number}: detector.treshold: unknown key"):
        load_pack(folder)


@pytest.mark.parametrize("name", ["nowhere", "/nowhere", "../latin-2", ""])
def test_a_pack_that_is_not_there_names_those_that_are(name: str) -> None:
    with pytest.raises(ModelError, match=f"pack '{name}': no pack.yaml there; name a folder, or one of: .*latin"):
        load_pack(name)


@pytest.mark.parametrize(
    ("network_name", "wanted", "chosen"),
    [
        pytest.param("recognizer", "best", "recognizer.int8.xml", id="best is INT8 that passed"),
        pytest.param("recognizer", "int8", "recognizer.int8.xml", id="INT8 that passed"),
        pytest.param("recognizer", "fp", "recognizer.fp.xml", id="FP when asked for"),
        pytest.param("detector", "best", "detector.fp.xml", id="best is FP where there is no INT8"),
    ],
)
def test_a_precision_is_chosen(make_pack: Callable[..., Path], network_name: str, wanted: Any, chosen: str) -> None:
    path, precision = load_pack(make_pack()).choose(network_name, wanted)
    assert path.name == chosen
    assert precision in path.name


def ungated(manifest: dict[str, Any], folder: Path) -> None:
    manifest["recognizer"]["gates"] = []


def failed(manifest: dict[str, Any], folder: Path) -> None:
    manifest["recognizer"]["gates"] = [GATE, {**GATE, "int8": 0.89}]


@pytest.mark.parametrize("change", [ungated, failed])
def test_int8_that_did_not_pass_every_gate_is_not_run(make_pack: Callable[..., Path], change: Change) -> None:
    pack = load_pack(make_pack(change))
    assert pack.choose("recognizer", "best")[1] == "fp"
    with pytest.raises(ModelError, match="INT8 recognizer did not pass its accuracy gate; set precision recognizer"):
        pack.choose("recognizer", "int8")


def test_int8_that_the_pack_lacks_is_refused_when_asked_for(make_pack: Callable[..., Path]) -> None:
    with pytest.raises(ModelError, match="INT8 detector is not in the pack; set precision detector: best or fp"):
        load_pack(make_pack()).choose("detector", "int8")


def test_a_loss_of_exactly_the_margin_passes(make_pack: Callable[..., Path]) -> None:
    def at_the_margin(manifest: dict[str, Any], folder: Path) -> None:
        manifest["recognizer"]["gates"] = [{**GATE, "int8": 0.893}]

    assert load_pack(make_pack(at_the_margin)).choose("recognizer", "best")[1] == "int8"


def test_a_charset_that_does_not_fit_the_head_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "short"
    shutil.copytree(PACKS / "latin", folder)
    characters = list(Charset.from_file(folder / "charset.txt"))
    hash_before = file_sha256(folder / "charset.txt")
    Charset(characters[:-1]).to_file(folder / "charset.txt")
    manifest = (folder / "pack.yaml").read_text()
    (folder / "pack.yaml").write_text(manifest.replace(hash_before, file_sha256(folder / "charset.txt")))
    n = len(characters)
    with pytest.raises(ModelError, match=f"has {n - 1} characters, the recogniser's head {n + 1} classes"):
        Reader(folder, tiny_profile())


def test_networks_that_are_no_networks_are_refused(make_pack: Callable[..., Path]) -> None:
    with pytest.raises(ModelError, match=r"detector.fp.xml: OpenVINO cannot read it .*copy the pack again") as caught:
        Reader(make_pack(), tiny_profile())
    assert "\n" not in str(caught.value)
