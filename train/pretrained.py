"""Published PP-OCRv3 weights as a start: from ONNX files into our modules.

The files are those of the wheel rapidocr-onnxruntime==1.2.13 (Apache-2.0), which RapidOCR converted from PaddleOCR's
models (Apache-2.0) keeping names and batch norms. Nothing is downloaded here:

    pip download --no-deps rapidocr-onnxruntime==1.2.13
"""

import copy
import hashlib
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import torch
from torch import nn

from edge_ocr.errors import ConfigError, ModelError
from train.nets.ctc import BLANK, Recognizer, ppocrv3_recognizer, ppocrv6_recognizer
from train.nets.db import DBDetector, ppocrv3_detector
from train.nets.onnx_merged import parse_merged
from train.nets.onnx_weights import OnnxFile, load_onnx
from train.nets.orientation import OrientationClassifier

WHEEL = "rapidocr_onnxruntime-1.2.13-py3-none-any.whl"
DETECTOR_FILE = "ch_PP-OCRv3_det_infer.onnx"
RECOGNIZER_FILE = "ch_PP-OCRv3_rec_infer.onnx"
ORIENTATION_FILE = "ch_ppocr_mobile_v2.0_cls_infer.onnx"
V6_WHEEL = "rapidocr-3.10.0-py3-none-any.whl"
V6_RECOGNIZER_FILE = "PP-OCRv6_rec_small.onnx"


class PublishedModels:
    """The three networks of a published PP-OCRv3 as our modules, in eval mode.

    Args:
        path: The wheel, or a folder that holds the three ONNX files at any depth.

    Raises:
        ModelError: `path` is neither, or a file is missing in it.
    """

    def __init__(self, path: Path) -> None:
        self._contents = _read_files(path, (DETECTOR_FILE, RECOGNIZER_FILE, ORIENTATION_FILE))

    def detector(self) -> DBDetector:
        """Detector of PP-OCRv3. Its threshold branch, which is not published, starts random."""
        detector = ppocrv3_detector()
        load_onnx(detector, self._parse(DETECTOR_FILE), torch.zeros(1, 3, 32, 32), fresh="head.threshold")
        return detector

    def recognizer(self) -> tuple[Recognizer, tuple[str, ...]]:
        """Recogniser of PP-OCRv3 and its characters in class order, without the blank and with the space (last)."""
        graph_file = self._parse(RECOGNIZER_FILE)
        characters = _characters(graph_file)
        recognizer = ppocrv3_recognizer(1 + len(characters))
        load_onnx(recognizer, graph_file, torch.zeros(1, 3, 48, 16))
        return recognizer, characters

    def orientation(self) -> OrientationClassifier:
        """The 0/180 degree classifier; PP-OCRv3 kept the one of PP-OCR mobile 2.0."""
        classifier = OrientationClassifier()
        load_onnx(classifier, self._parse(ORIENTATION_FILE), torch.zeros(1, 3, 48, 192))
        return classifier

    def origin(self) -> dict[str, str]:
        """Name and sha256 of each file read."""
        return _hashes(self._contents)

    def _parse(self, name: str) -> OnnxFile:
        return OnnxFile.parse(name, self._contents[name])


def published_v6(path: Path) -> tuple[Recognizer, tuple[str, ...]]:
    """Recogniser of PP-OCRv6 small and its characters in class order, without the blank and with the space (last).

    Args:
        path: The wheel rapidocr 3.10.0 (Apache-2.0), a folder that holds its ONNX file at any depth, or that file.

    Raises:
        ModelError: the file is not there, or is another network's.
    """
    graph_file = parse_merged(V6_RECOGNIZER_FILE, published_v6_file(path))
    characters = _characters(graph_file)
    recognizer = ppocrv6_recognizer(1 + len(characters))
    load_onnx(recognizer, graph_file, torch.zeros(1, 3, 48, 64))
    return recognizer, characters


def published_v6_file(path: Path) -> bytes:
    """The ONNX file of PP-OCRv6 small's recogniser, from where `published_v6` finds it."""
    return _read_files(path, (V6_RECOGNIZER_FILE,), wheel=V6_WHEEL)[V6_RECOGNIZER_FILE]


def v6_origin(path: Path) -> dict[str, str]:
    """Name and sha256 of the file that `published_v6` reads."""
    return _hashes({V6_RECOGNIZER_FILE: published_v6_file(path)})


def restrict_charset(recognizer: Recognizer, characters: Sequence[str], keep: Sequence[str]) -> Recognizer:
    """Give a recogniser a smaller head by keeping the rows of some characters.

    Args:
        recognizer: Left as it is.
        characters: The characters of its head in class order, without the blank.
        keep: Those of the new head, in the new class order.

    Returns:
        A copy whose classes are the blank and `keep`.

    Raises:
        ModelError: `characters` does not fit the head.
        ConfigError: `keep` is empty, repeats a character or names one the head lacks.
    """
    old = recognizer.head.classes
    if old.out_features != 1 + len(characters):
        raise ModelError(f"{len(characters)} characters and the blank do not fit a head of {old.out_features} classes")
    class_of = {character: number for number, character in enumerate(characters, start=1)}
    lacking = [character for character in keep if character not in class_of]
    if lacking:
        raise ConfigError(f"charset: the published head lacks {' '.join(map(repr, lacking))}: leave them out")
    repeated = [character for character, count in Counter(keep).items() if count > 1]
    if repeated:
        raise ConfigError(f"charset: {' '.join(map(repr, repeated))} more than once: every character has one class")
    if not keep:
        raise ConfigError("charset: no characters to keep")
    rows = torch.tensor([BLANK, *(class_of[character] for character in keep)], device=old.weight.device)
    restricted = copy.deepcopy(recognizer)
    new = nn.Linear(old.in_features, len(rows), device=old.weight.device, dtype=old.weight.dtype)
    with torch.no_grad():
        new.weight.copy_(old.weight[rows])
        new.bias.copy_(old.bias[rows])
    restricted.head.classes = new
    return restricted


def _hashes(contents: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}


def _read_files(path: Path, names: Sequence[str], *, wheel: str = WHEEL) -> dict[str, bytes]:
    """Find files by name in a wheel or below a folder; where one is looked for, it may be given itself."""
    if not path.exists():
        raise ModelError(f"{path}: no such file or folder: give {wheel} or a folder with its models")
    if path.is_dir():
        contents = {file.name: file.read_bytes() for file in sorted(path.rglob("*.onnx")) if file.name in names}
    elif path.suffix == ".onnx":
        contents = {path.name: path.read_bytes()}
    else:
        contents = _read_archive(path, names, wheel)
    missing = [name for name in names if name not in contents]
    if missing:
        raise ModelError(f"{path}: no {', '.join(missing)} inside: give {wheel} or a folder with its models")
    return {name: contents[name] for name in names}


def _read_archive(path: Path, names: Sequence[str], wheel: str) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = {PurePosixPath(member).name: member for member in archive.namelist()}
            return {name: archive.read(members[name]) for name in names if name in members}
    except (zipfile.BadZipFile, zlib.error, OSError) as error:
        raise ModelError(f"{path}: not a readable wheel ({error}): give {wheel} or a folder with its models") from error


def _characters(file: OnnxFile) -> tuple[str, ...]:
    """The dictionary in the metadata, one character a line, and the space, which PP-OCR adds as the last class."""
    text = file.metadata.get("character")
    if text is None:
        raise ModelError(f"{file.name}: no entry 'character' in its metadata, so its classes have no names")
    # Not splitlines(), which also splits at characters that a dictionary may hold.
    return (*text.split("\n"), " ")
