"""Published PP-OCR ONNX files (v3, v4, v6 small) as packs for our reader."""

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import openvino as ov

from edge_ocr.charset import Charset
from edge_ocr.detection import DetectorThresholds, ScaleRule
from edge_ocr.errors import ModelError
from edge_ocr.pack import (
    DetectorSpec,
    Files,
    Normalization,
    OrientationSpec,
    Origin,
    RecognizerSpec,
    SecondLook,
    file_sha256,
)
from optimize.build import CENTRED, IMAGENET, Ingredients
from optimize.ir import from_onnx, restrict_head


@dataclass(frozen=True, slots=True)
class Family:
    """One generation of PP-OCR as a wheel carries it."""

    detector: str
    """Glob of its ONNX file."""
    recognizer: str
    orientation: str
    detector_normalization: Normalization
    squeeze: float = 1.0
    """`width_scale` of lines of pages with many lines; few lines, labels and signs, are shown as the network was."""
    recognizer_recipe: str = "recognizer"
    """Of `optimize.quantize.RECIPES`."""


FAMILIES = {
    "v3": Family("*PP-OCRv3_det*.onnx", "*PP-OCRv3_rec*.onnx", "*ppocr_mobile_v2.0_cls*.onnx", IMAGENET),
    # RapidOCR's settings for these two normalise with 0.5 (its config.yaml), and so do we, to read alike.
    "v4": Family("*PP-OCRv4_det*.onnx", "*PP-OCRv4_rec*.onnx", "*ppocr_mobile_v2.0_cls*.onnx", CENTRED),
    # Word F1 at 1, .9 and .8 of the width (INT8, 16 receipts, 24 forms, 13 pages): .882 .892 .891, .860 .858 .860, .960
    # .957 .954, in 1, .92 and .87 of the time; single words lose: .623 .614 .567 on 24 street scenes.
    "v6": Family(
        "*PP-OCRv6_det*.onnx",
        "*PP-OCRv6_rec*.onnx",
        "*ppocr_mobile_v2.0_cls*.onnx",
        CENTRED,
        squeeze=0.85,
        recognizer_recipe="recognizer_with_float_start",
    ),
}
HEIGHT = 48
"""Rows of a line."""
FEW_LINES = 8
"""As in the pack `latin`."""
RAPIDOCR_SCALE = ScaleRule(limit_side="min", limit_px=736, max_scale=1000.0)
"""What these networks are usually run with: the shorter side raised to 736."""


@dataclass(frozen=True, kw_only=True)
class OnnxFiles:
    """The files of one import."""

    family: str
    detector: Path
    recognizer: Path
    orientation: Path | None


def find_onnx(source: Path, family: str, unpack_to: Path) -> OnnxFiles:
    """Find a family's ONNX files in a wheel or a folder.

    Args:
        source: A wheel (unpacked into `unpack_to`) or a folder that holds the files at any depth.
        family: A key of `FAMILIES`.
        unpack_to: A folder that lives as long as the files are needed.

    Raises:
        ModelError: `source` is neither, or the detector or recogniser is not in it.
    """
    folder = source
    if source.is_file():
        try:
            with zipfile.ZipFile(source) as wheel:
                wheel.extractall(unpack_to, [name for name in wheel.namelist() if name.endswith(".onnx")])
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise ModelError(f"{source}: neither a wheel nor a folder; download the wheel anew") from error
        folder = unpack_to
    names = FAMILIES[family]
    detector, recognizer, orientation = (
        next(iter(sorted(folder.rglob(pattern))), None)
        for pattern in (names.detector, names.recognizer, names.orientation)
    )
    if detector is None or recognizer is None:
        lacking = names.detector if detector is None else names.recognizer
        raise ModelError(f"{source}: no file {lacking} in it; name the wheel or folder that carries PP-OCR{family}")
    return OnnxFiles(family=family, detector=detector, recognizer=recognizer, orientation=orientation)


def imported_ingredients(files: OnnxFiles, name: str, charset: Sequence[str] | None) -> Ingredients:
    """What a pack of published files is made of.

    Args:
        files: The ONNX files.
        name: The pack's name.
        charset: Characters to restrict the head to; None for all it has.

    Raises:
        ModelError: the recogniser does not carry its characters.
        ConfigError: the head lacks some of `charset`.
    """
    characters = onnx_characters(files.recognizer)

    def recognizer() -> ov.Model:
        model = from_onnx(files.recognizer, "recognizer")
        if charset is not None:
            restrict_head(model, characters, charset)
        return model

    orientation = files.orientation
    family = FAMILIES[files.family]
    return Ingredients(
        name=name,
        version="1",
        description=f"Published PP-OCR{files.family}" + (", its head restricted" if charset else ""),
        licence="Apache-2.0",
        origin=tuple(
            Origin(what=path.name, source="PaddleOCR, as ONNX", licence="Apache-2.0", sha256=file_sha256(path))
            for path in (files.detector, files.recognizer, orientation)
            if path
        ),
        charset=Charset(characters if charset is None else charset),
        detector=lambda: from_onnx(files.detector, "detector"),
        detector_spec=DetectorSpec(
            files=Files(fp="detector.fp.xml"),
            normalization=family.detector_normalization,
            scale=RAPIDOCR_SCALE,
            thresholds=DetectorThresholds(bin=0.3, box=0.5, unclip=1.6, dilate=True),
        ),
        recognizer=recognizer,
        recognizer_recipe=family.recognizer_recipe,
        recognizer_spec=RecognizerSpec(
            files=Files(fp="recognizer.fp.xml"),
            normalization=CENTRED,
            height=HEIGHT,
            width_scale=family.squeeze,
            second_look=SecondLook(below=0.0, few_lines=FEW_LINES, height=HEIGHT) if family.squeeze < 1 else None,
            min_width=320,
            stride=8,
            min_score=0.5,
        ),
        orientation=(lambda: from_onnx(orientation, "orientation")) if orientation else None,
        orientation_spec=OrientationSpec(
            files=Files(fp="orientation.fp.xml"), normalization=CENTRED, height=48, width=192
        ),
    )


def onnx_characters(path: Path) -> list[str]:
    """The characters a published recogniser carries in its metadata, in class order, and the space it reads last.

    Raises:
        ModelError: the file carries none, or they do not fit its head.
    """
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.load(path, load_external_data=False)
    except DecodeError as error:
        raise ModelError(f"{path}: not an ONNX file; get the wheel again") from error
    found = [entry.value for entry in model.metadata_props if entry.key == "character"]
    if not found:
        raise ModelError(f"{path}: carries no characters; only recognisers with 'character' in their metadata import")
    characters: list[str] = found[0].split("\n")
    while characters and characters[-1] == "":
        characters.pop()
    if " " not in characters:
        characters.append(" ")
    return characters
