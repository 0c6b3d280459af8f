from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_ocr.charset import Charset
from edge_ocr.errors import ConfigError, ModelError
from edge_ocr.pack import Gate, file_sha256, load_pack
from edge_ocr.reader import Reader
from optimize import build, gate
from optimize.build import Quantisation, build_pack
from optimize.evaluate import Crop
from optimize.formats import IR
from optimize.quantize import Tensor
from optimize.rendered import rendered_lines
from tests.edge_ocr.fakes import tiny_profile
from tests.optimize.toys import SKEWED, noise, toy_ingredients


@pytest.fixture(scope="module")
def toy_pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("packs") / "deep" / "toy"
    build_pack(toy_ingredients(), out, None)
    return out


@pytest.fixture
def few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "N_LINES", 6)
    monkeypatch.setattr(build, "CALIBRATION_LINES", 6)
    monkeypatch.setattr(build, "N_PAGES", 1)


@pytest.fixture
def set_margins(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    def set_all(margin: float) -> None:
        for name in ("DETECTOR_MARGIN", "RECOGNIZER_MARGIN"):
            monkeypatch.setattr(gate, name, margin)

    return set_all


def content(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_pack_holds_networks_charset_and_a_manifest_with_every_hash(toy_pack: Path) -> None:
    manifest = load_pack(toy_pack).manifest
    names = {file.name for file in toy_pack.iterdir()}
    assert names == {
        "pack.yaml",
        "charset.txt",
        *(f"{network}.fp.{kind}" for network in ("detector", "recognizer", "orientation") for kind in ("xml", "bin")),
    }
    assert manifest.sha256 == {name: file_sha256(toy_pack / name) for name in names - {"pack.yaml"}}
    assert (manifest.name, manifest.version, manifest.licence) == ("toy", "7", "CC0-1.0")
    assert manifest.detector.normalization == SKEWED


def test_a_pack_without_int8_names_none_and_has_no_gates(toy_pack: Path) -> None:
    networks = load_pack(toy_pack).networks.values()
    assert [(network.files.int8, network.gates) for network in networks] == [(None, ())] * 3


def test_a_reader_runs_a_built_pack(toy_pack: Path) -> None:
    page = Reader(toy_pack, tiny_profile()).read(noise(40, 60, 3))
    assert (page.width, page.height) == (60, 40)
    assert all(0 <= line.score <= 1 for line in page.lines)


def test_nothing_but_the_pack_is_left_beside_it(toy_pack: Path) -> None:
    assert [path.name for path in toy_pack.parent.iterdir()] == ["toy"]


def test_a_pack_without_a_classifier_has_none(tmp_path: Path) -> None:
    build_pack(toy_ingredients(orientation=None, orientation_spec=None), tmp_path / "toy", None)
    assert list(load_pack(tmp_path / "toy").networks) == ["detector", "recognizer"]


def test_an_old_pack_is_replaced_whole(tmp_path: Path) -> None:
    out = tmp_path / "toy"
    build_pack(toy_ingredients(), out, None)
    (out / "left-over.txt").write_text("old")
    build_pack(toy_ingredients(version="8", orientation=None), out, None)
    assert load_pack(out).version == "8"
    assert not (out / "left-over.txt").exists()
    assert not (out / "orientation.fp.xml").exists()


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "toy").mkdir()
    build_pack(toy_ingredients(), tmp_path / "toy", None)
    assert load_pack(tmp_path / "toy").name == "toy"


def a_folder(out: Path) -> None:
    out.mkdir()
    (out / "thesis.txt").write_text("the only copy")


def a_file(out: Path) -> None:
    out.write_text("the only copy")


@pytest.mark.parametrize("make", [a_folder, a_file])
def test_what_is_not_a_pack_is_not_replaced(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "home")
    before = content(tmp_path)
    with pytest.raises(ConfigError, match="home: is there and is not a pack; name another folder"):
        build_pack(toy_ingredients(), tmp_path / "home", None)
    assert content(tmp_path) == before


def test_a_charset_that_does_not_fit_is_refused_and_the_old_pack_stays(tmp_path: Path) -> None:
    out = tmp_path / "toy"
    build_pack(toy_ingredients(), out, None)
    before = content(tmp_path)
    with pytest.raises(ModelError, match="charset has 2 characters, the recogniser's head 5 classes"):
        build_pack(toy_ingredients(charset=Charset("ab")), out, None)
    assert content(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["toy"]


def test_int8_that_passes_lies_beside_fp_with_its_figures(
    tmp_path: Path, few_pictures: None, set_margins: Callable[[float], None], font_folder: Path
) -> None:
    set_margins(1.0)
    out = tmp_path / "toy"
    build_pack(toy_ingredients().with_int8(), out, Quantisation(fonts=font_folder))
    pack = load_pack(out)
    assert (pack.networks["orientation"].files.int8, pack.networks["orientation"].gates) == (None, ())
    for name in ("detector", "recognizer"):
        network = pack.networks[name]
        assert network.files.int8 == f"{name}.int8.xml"
        assert [one.dataset for one in network.gates] == ["rendered"]
        assert all(0 <= one.int8 <= 1 and one.margin == 1.0 for one in network.gates)
        assert pack.choose(name, "best")[1] == "int8"
    image = np.full((40, 60, 3), 200, dtype=np.uint8)
    assert Reader(out, tiny_profile()).read(image).width == 60


def test_each_network_is_quantised_by_its_own_recipe(
    tmp_path: Path, few_pictures: None, set_margins: Callable[[float], None], font_folder: Path
) -> None:
    used = []

    def quantize(model: Any, recipe: str, calibration: Sequence[Tensor]) -> Any:
        used.append(recipe)
        return IR.quantize(model, recipe, calibration)

    set_margins(1.0)
    ingredients = replace(
        toy_ingredients().with_int8(),
        form=replace(IR, quantize=quantize),
        detector_recipe="detector_with_float_joins",
        recognizer_recipe="recognizer_with_float_start",
    )
    build_pack(ingredients, tmp_path / "toy", Quantisation(fonts=font_folder))
    assert used == ["detector_with_float_joins", "recognizer_with_float_start"]


def test_int8_that_does_not_pass_leaves_nothing_behind(
    tmp_path: Path, few_pictures: None, set_margins: Callable[[float], None], font_folder: Path
) -> None:
    set_margins(-2.0)
    with pytest.raises(ModelError, match=r"detector.int8.xml: refused, INT8 loses .* detection Hmean on rendered"):
        build_pack(toy_ingredients().with_int8(), tmp_path / "packs" / "toy", Quantisation(fonts=font_folder))
    assert content(tmp_path) == {}
    assert list((tmp_path / "packs").iterdir()) == []


@pytest.mark.parametrize("n_refused", [0, 2, 3])
def test_a_recogniser_is_calibrated_with_other_lines_until_it_passes(
    tmp_path: Path,
    few_pictures: None,
    set_margins: Callable[[float], None],
    font_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    n_refused: int,
) -> None:
    hold_against, seeds, held = gate.hold_against, list[int](), list[str]()

    def hold(fp_scores: Sequence[gate.Score], int8: Path, sets: Sequence[gate.GateSet]) -> tuple[Gate, ...]:
        held.append(int8.name)
        if held.count("recognizer.int8.xml") <= n_refused and int8.name == "recognizer.int8.xml":
            raise gate.GateError("recognizer.int8.xml: refused, by this test")
        return hold_against(fp_scores, int8, sets)

    def drawn(n: int, seed: int, fonts: Path | None, characters: frozenset[str]) -> list[Crop]:
        seeds.append(seed)
        return rendered_lines(n, seed, fonts, characters)

    set_margins(1.0)
    monkeypatch.setattr(gate, "hold_against", hold)
    monkeypatch.setattr(build, "rendered_lines", drawn)
    make = partial(build_pack, toy_ingredients().with_int8(), tmp_path / "toy", Quantisation(fonts=font_folder))
    if n_refused < build.CALIBRATIONS:
        make()
        assert load_pack(tmp_path / "toy").choose("recognizer", "best")[1] == "int8"
    else:
        with pytest.raises(gate.GateError, match="by this test"):
            make()
        assert content(tmp_path) == {}
    n_tried = min(n_refused + 1, build.CALIBRATIONS)
    first = build.CALIBRATION_LINES_SEED
    assert [seed for seed in seeds if first <= seed < first + 10] == list(range(first, first + n_tried))
    assert (f"calibration {n_tried} of 3" in capsys.readouterr().err) == (n_tried > 1)


def test_without_quantisation_the_int8_that_was_asked_for_is_left_out(tmp_path: Path) -> None:
    build_pack(toy_ingredients().with_int8(), tmp_path / "toy", None)
    assert load_pack(tmp_path / "toy").manifest.detector.files.int8 is None
