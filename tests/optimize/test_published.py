import zipfile
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from edge_ocr.errors import ConfigError, ModelError
from edge_ocr.pack import load_pack
from optimize.build import build_pack
from optimize.ir import head_classes
from optimize.published import FAMILIES, find_onnx, imported_ingredients, onnx_characters
from tests.optimize.toys import CHARACTERS, onnx_recognizer

DETECTOR = "ch_PP-OCRv3_det_infer.onnx"
RECOGNIZER = "ch_PP-OCRv3_rec_infer.onnx"
CLASSIFIER = "ch_ppocr_mobile_v2.0_cls_infer.onnx"


def as_wheel(folder: Path, wheel: Path) -> Path:
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*.onnx")):
            archive.write(file, f"rapidocr_onnxruntime/models/{file.name}")
        archive.writestr("rapidocr_onnxruntime/main.py", "raise SystemExit")
    return wheel


def test_the_files_are_found_below_a_folder(published: Path, tmp_path: Path) -> None:
    files = find_onnx(published, "v3", tmp_path / "unpacked")
    assert files.orientation is not None
    assert [path.name for path in (files.detector, files.recognizer, files.orientation)] == [
        DETECTOR,
        RECOGNIZER,
        CLASSIFIER,
    ]
    assert not (tmp_path / "unpacked").exists()


def test_the_files_are_unpacked_from_a_wheel_and_nothing_else(published: Path, tmp_path: Path) -> None:
    files = find_onnx(as_wheel(published, tmp_path / "toy.whl"), "v3", tmp_path / "unpacked")
    assert files.detector.read_bytes() == (published / "models" / DETECTOR).read_bytes()
    assert {file.suffix for file in (tmp_path / "unpacked").rglob("*") if file.is_file()} == {".onnx"}


def test_a_wheel_may_lack_the_classifier(published: Path, tmp_path: Path) -> None:
    (published / "models" / CLASSIFIER).unlink()
    files = find_onnx(published, "v3", tmp_path)
    assert files.orientation is None
    assert imported_ingredients(files, "toy", None).orientation is None


def corrupt(wheel: Path) -> None:
    content = bytearray(wheel.read_bytes())
    content[120:400] = bytes(280)
    wheel.write_bytes(content)


def cut_short(wheel: Path) -> None:
    wheel.write_bytes(wheel.read_bytes()[:-100])


def no_wheel(wheel: Path) -> None:
    wheel.write_text("no wheel")


@pytest.mark.parametrize("damage", [corrupt, cut_short, no_wheel])
def test_a_damaged_wheel_is_refused(published: Path, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    wheel = as_wheel(published, tmp_path / "toy.whl")
    damage(wheel)
    with pytest.raises(ModelError, match=r"toy.whl: neither a wheel nor a folder; download the wheel anew"):
        find_onnx(wheel, "v3", tmp_path / "unpacked")


@pytest.mark.parametrize(
    ("name", "lacking"),
    [
        pytest.param(DETECTOR, r"\*PP-OCRv3_det\*.onnx", id="no detector"),
        pytest.param(RECOGNIZER, r"\*PP-OCRv3_rec\*.onnx", id="no recogniser"),
    ],
)
def test_a_folder_without_a_needed_file_is_refused(published: Path, tmp_path: Path, name: str, lacking: str) -> None:
    (published / "models" / name).unlink()
    with pytest.raises(ModelError, match=f"published: no file {lacking} in it; .* carries PP-OCRv3"):
        find_onnx(published, "v3", tmp_path)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_path_that_is_not_there_is_refused(tmp_path: Path, family: str) -> None:
    with pytest.raises(ModelError, match=f"nowhere: no file .* carries PP-OCR{family}"):
        find_onnx(tmp_path / "nowhere", family, tmp_path)


@pytest.mark.parametrize(
    ("metadata", "characters"),
    [
        pytest.param("a\nb\nc\n", "abc ", id="the space is read last"),
        pytest.param("a\nb\nc\n\n", "abc ", id="empty lines at the end are dropped"),
        pytest.param("a\n \nb", "a b", id="a space that is there stays where it is"),
        pytest.param("a\n\u2028\nb", "a\u2028b ", id="signs that look like line ends are characters"),
    ],
)
def test_the_characters_are_read_from_the_metadata(tmp_path: Path, metadata: str, characters: str) -> None:
    onnx.save(onnx_recognizer(characters=metadata), tmp_path / "rec.onnx")
    assert onnx_characters(tmp_path / "rec.onnx") == list(characters)


def test_a_recogniser_without_characters_is_refused(tmp_path: Path) -> None:
    onnx.save(onnx_recognizer(characters=None), tmp_path / "rec.onnx")
    with pytest.raises(ModelError, match=r"rec.onnx: carries no characters"):
        onnx_characters(tmp_path / "rec.onnx")


def test_a_recogniser_that_is_no_onnx_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rec.onnx").write_bytes(b"\xff\xd8\xff\xe0 JFIF")
    with pytest.raises(ModelError, match=r"rec.onnx: not an ONNX file"):
        onnx_characters(tmp_path / "rec.onnx")


def test_an_imported_pack_says_where_its_files_come_from(published: Path, tmp_path: Path) -> None:
    ingredients = imported_ingredients(find_onnx(published, "v3", tmp_path), "toy", None)
    build_pack(ingredients, tmp_path / "pack", None)
    pack = load_pack(tmp_path / "pack")
    assert list(pack.charset) == list(CHARACTERS)
    assert [origin.what for origin in pack.manifest.origin] == [DETECTOR, RECOGNIZER, CLASSIFIER]
    assert pack.manifest.description == "Published PP-OCRv3"


def test_the_head_is_restricted_to_the_characters_asked_for(published: Path, tmp_path: Path) -> None:
    ingredients = imported_ingredients(find_onnx(published, "v3", tmp_path), "toy", ["c", " "])
    assert head_classes(ingredients.recognizer()) == 3
    assert list(ingredients.charset) == ["c", " "]
    assert ingredients.description.endswith("its head restricted")


def test_characters_that_the_head_lacks_are_refused(published: Path, tmp_path: Path) -> None:
    ingredients = imported_ingredients(find_onnx(published, "v3", tmp_path), "toy", ["c", "é"])
    with pytest.raises(ConfigError, match="the published head cannot read 'é'"):
        build_pack(ingredients, tmp_path / "pack", None)
    assert not (tmp_path / "pack").exists()


def test_metadata_that_does_not_fit_the_head_is_refused(published: Path, tmp_path: Path) -> None:
    onnx.save(onnx_recognizer(characters="a\nb\n"), published / "models" / RECOGNIZER)
    ingredients = imported_ingredients(find_onnx(published, "v3", tmp_path), "toy", None)
    with pytest.raises(ModelError, match="charset has 3 characters, the recogniser's head 5 classes"):
        build_pack(ingredients, tmp_path / "pack", None)


def test_long_lines_of_v6_are_squeezed_and_a_few_lines_are_not(published: Path, tmp_path: Path) -> None:
    v3 = imported_ingredients(find_onnx(published, "v3", tmp_path), "toy", None).recognizer_spec
    assert (v3.width_scale, v3.second_look) == (1.0, None)
    for file in (published / "models").iterdir():
        file.rename(file.with_name(file.name.replace("PP-OCRv3", "PP-OCRv6")))
    v6 = imported_ingredients(find_onnx(published, "v6", tmp_path), "toy", None).recognizer_spec
    assert v6.width_scale < 1
    assert v6.second_look is not None
    assert (v6.second_look.height, v6.second_look.width_scale) == (v6.height, 1.0)
    # Nothing is read twice.
    assert v6.second_look.below == 0


@pytest.mark.parametrize(("family", "recipe"), [("v3", "recognizer"), ("v6", "recognizer_with_float_start")])
def test_a_familys_recogniser_has_a_recipe_that_its_int8_passes_with(
    published: Path, tmp_path: Path, family: str, recipe: str
) -> None:
    for file in (published / "models").iterdir():
        file.rename(file.with_name(file.name.replace("PP-OCRv3", f"PP-OCR{family}")))
    assert imported_ingredients(find_onnx(published, family, tmp_path), "toy", None).recognizer_recipe == recipe
