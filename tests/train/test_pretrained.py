"""Published weights as a start. Tests of the weights need the wheel, and are skipped without it:

pip download --no-deps rapidocr-onnxruntime==1.2.13
EDGE_OCR_PUBLISHED_WHEEL=rapidocr_onnxruntime-1.2.13-py3-none-any.whl pytest tests/train
"""

import hashlib
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge_ocr.charset import Charset
from edge_ocr.errors import ConfigError, ModelError
from train.nets.ctc import Recognizer, ppocrv2_recognizer, ppocrv3_recognizer
from train.pretrained import (
    DETECTOR_FILE,
    ORIENTATION_FILE,
    RECOGNIZER_FILE,
    V6_RECOGNIZER_FILE,
    PublishedModels,
    published_v6,
    restrict_charset,
)
from train.tasks.recognition_recipe import LATIN_CHARSET

WHEEL_VARIABLE = "EDGE_OCR_PUBLISHED_WHEEL"
TEACHER_VARIABLE = "EDGE_OCR_TEACHER_WHEEL"
TOLERANCE = 1e-4
TEXT_TOLERANCE = 1e-3
"""At the steep edges of text, rounding alone moves a prob by up to 1e-4: onnxruntime's own distance to float64."""
TEXT = "EDGE 2026"


@pytest.fixture(scope="module")
def wheel() -> Path:
    path = os.environ.get(WHEEL_VARIABLE)
    if not path:
        pytest.skip(f"needs the published weights: set {WHEEL_VARIABLE} to the wheel rapidocr-onnxruntime 1.2.13")
    return Path(path)


@pytest.fixture(scope="module")
def published(wheel: Path) -> PublishedModels:
    return PublishedModels(wheel)


def text_image(height: int, width: int, *, scale: float = 1.3, n_lines: int = 1) -> NDArray[np.uint8]:
    """(height, width, 3) uint8 image with dark text on grey."""
    image = np.full((height, width, 3), 200, np.uint8)
    for row in range(n_lines):
        origin = (8, (row + 1) * height // n_lines - 12)
        cv2.putText(image, TEXT, origin, cv2.FONT_HERSHEY_SIMPLEX, scale, (20, 30, 40), 2, cv2.LINE_AA)
    return image


def normalised(images: Sequence[NDArray[np.uint8]], mean: Sequence[float], std: Sequence[float]) -> Tensor:
    stacked = (np.stack(images) / 255 - np.array(mean)) / np.array(std)
    return torch.from_numpy(stacked.astype(np.float32).transpose(0, 3, 1, 2).copy())


def line_input(*images: NDArray[np.uint8]) -> Tensor:
    return normalised(images, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def page_input(*images: NDArray[np.uint8]) -> Tensor:
    return normalised(images, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def read_greedily(probs_TC: Tensor, characters: Sequence[str]) -> str:
    classes = torch.unique_consecutive(probs_TC.argmax(1)).tolist()
    return "".join(characters[number - 1] for number in classes if number)


def onnxruntime_output(wheel: Path, name: str, image: Tensor) -> NDArray[np.float32]:
    import onnxruntime

    with zipfile.ZipFile(wheel) as archive:
        content = archive.read(next(member for member in archive.namelist() if member.endswith(name)))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    output: NDArray[np.float32] = session.run(None, {session.get_inputs()[0].name: image.numpy()})[0]
    return output


def agreement(wheel: Path, name: str, net: nn.Module, image: Tensor) -> float:
    with torch.inference_mode():
        ours = net(image).numpy()
    theirs = onnxruntime_output(wheel, name, image)
    assert ours.shape == theirs.shape
    return float(np.abs(ours - theirs).max())


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("image", "tolerance"),
    [
        pytest.param(noise(1, 3, 32, 32), TOLERANCE, id="noise, smallest"),
        pytest.param(noise(2, 3, 96, 160), TOLERANCE, id="noise, two images"),
        pytest.param(noise(1, 3, 320, 256), TOLERANCE, id="noise, larger"),
        pytest.param(page_input(text_image(192, 320, n_lines=3)), TEXT_TOLERANCE, id="text"),
        pytest.param(
            page_input(text_image(320, 256), text_image(320, 256, n_lines=4)), TEXT_TOLERANCE, id="text, two images"
        ),
    ],
)
def test_detector_agrees_with_onnxruntime(
    wheel: Path, published: PublishedModels, image: Tensor, tolerance: float
) -> None:
    assert agreement(wheel, DETECTOR_FILE, published.detector(), image) <= tolerance


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(noise(1, 3, 48, 16), id="noise, narrow"),
        pytest.param(noise(1, 3, 48, 320), id="noise, usual"),
        pytest.param(noise(6, 3, 48, 328), id="noise, six lines"),
        pytest.param(line_input(text_image(48, 320)), id="text"),
        pytest.param(line_input(text_image(48, 800), text_image(48, 800, scale=1.0)), id="text, wide lines"),
    ],
)
def test_recognizer_agrees_with_onnxruntime(wheel: Path, published: PublishedModels, image: Tensor) -> None:
    assert agreement(wheel, RECOGNIZER_FILE, published.recognizer()[0], image) <= TOLERANCE


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(noise(1, 3, 48, 192), id="noise"),
        pytest.param(noise(6, 3, 48, 192), id="noise, six lines"),
        pytest.param(noise(2, 3, 48, 320), id="noise, wide"),
        pytest.param(line_input(text_image(48, 192, scale=0.8)), id="text"),
    ],
)
def test_orientation_agrees_with_onnxruntime(wheel: Path, published: PublishedModels, image: Tensor) -> None:
    assert agreement(wheel, ORIENTATION_FILE, published.orientation(), image) <= TOLERANCE


@pytest.fixture(scope="module")
def v6_wheel() -> Path:
    path = os.environ.get(TEACHER_VARIABLE)
    if not path:
        pytest.skip(f"needs the published weights: set {TEACHER_VARIABLE} to the wheel rapidocr 3.10.0")
    return Path(path)


def test_the_recognizer_of_v6_agrees_with_onnxruntime_and_has_our_characters(v6_wheel: Path) -> None:
    recognizer, characters = published_v6(v6_wheel)
    image = torch.cat([noise(1, 3, 48, 328), line_input(text_image(48, 328))])
    assert agreement(v6_wheel, V6_RECOGNIZER_FILE, recognizer, image) <= TOLERANCE
    assert set(Charset.from_file(LATIN_CHARSET)) <= set(characters)


def test_a_path_without_the_v6_recognizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"no {V6_RECOGNIZER_FILE} inside: give rapidocr-3.10.0"):
        published_v6(tmp_path)


def test_published_detector_finds_the_text_and_nothing_else(published: PublishedModels) -> None:
    image = text_image(96, 320)
    image[:, 260:] = 200
    with torch.inference_mode():
        prob = published.detector()(page_input(image))[0, 0]
    assert prob[60:80, 20:220].mean() > 0.5
    assert prob[:, 280:].max() < 0.1


def test_published_recognizer_reads_with_the_full_and_with_a_small_charset(published: PublishedModels) -> None:
    recognizer, characters = published.recognizer()
    small = [*"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", " "]
    image = line_input(text_image(48, 240))
    with torch.inference_mode():
        assert read_greedily(recognizer(image)[0], characters) == TEXT
        assert read_greedily(restrict_charset(recognizer, characters, small)(image)[0], small) == TEXT


def test_published_charset_has_the_space_last_and_all_printable_ascii(published: PublishedModels) -> None:
    _, characters = published.recognizer()
    assert len(characters) == len(set(characters)) == 6624
    assert characters[-1] == " "
    assert {chr(code) for code in range(32, 127)} <= set(characters)


def test_published_orientation_knows_a_line_upside_down(published: PublishedModels) -> None:
    upright = text_image(48, 192, scale=1.0)
    with torch.inference_mode():
        probs = published.orientation()(line_input(upright, np.ascontiguousarray(upright[::-1, ::-1])))
    assert probs.argmax(1).tolist() == [0, 1]


def test_published_models_are_ready_for_inference(published: PublishedModels) -> None:
    assert not any(net.training for net in (published.detector(), published.recognizer()[0], published.orientation()))


def test_origin_tells_the_hash_of_each_file(tmp_path: Path) -> None:
    for name in (DETECTOR_FILE, RECOGNIZER_FILE, ORIENTATION_FILE):
        (tmp_path / name).write_bytes(name.encode())
    assert PublishedModels(tmp_path).origin() == {
        name: hashlib.sha256(name.encode()).hexdigest() for name in (DETECTOR_FILE, RECOGNIZER_FILE, ORIENTATION_FILE)
    }


def test_the_three_files_are_found_in_a_wheel_and_below_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "unpacked" / "models"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(tmp_path / "models.whl", "w") as archive:
        for name in (DETECTOR_FILE, RECOGNIZER_FILE, ORIENTATION_FILE):
            (folder / name).write_bytes(name.encode())
            archive.writestr(f"package/models/{name}", name.encode())
    assert PublishedModels(tmp_path / "models.whl").origin() == PublishedModels(tmp_path / "unpacked").origin()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(lambda path: None, "no such file or folder", id="nothing there"),
        pytest.param(Path.mkdir, f"no {DETECTOR_FILE}, .* inside", id="an empty folder"),
        pytest.param(lambda path: path.write_bytes(b"PK but no wheel"), "not a readable wheel", id="a damaged wheel"),
    ],
)
def test_a_path_without_the_models_is_refused_in_one_line(tmp_path: Path, make: Any, message: str) -> None:
    make(tmp_path / "models")
    with pytest.raises(ModelError, match=f"models: {message}.*rapidocr_onnxruntime-1.2.13") as caught:
        PublishedModels(tmp_path / "models")
    assert "\n" not in str(caught.value)


def test_a_damaged_file_in_the_wheel_is_refused(tmp_path: Path) -> None:
    for name in (DETECTOR_FILE, RECOGNIZER_FILE, ORIENTATION_FILE):
        (tmp_path / name).write_bytes(b"\xff\xff\xff")
    with pytest.raises(ModelError, match=f"{DETECTOR_FILE}: not an ONNX file"):
        PublishedModels(tmp_path).detector()


@pytest.mark.parametrize("build", [ppocrv2_recognizer, ppocrv3_recognizer])
def test_restrict_charset_keeps_the_blank_and_the_rows_asked_for_in_that_order(build: Any) -> None:
    recognizer: Recognizer = build(6).eval()
    restricted = restrict_charset(recognizer, "abcd ", " bd")
    assert not restricted.training
    old, new = recognizer.head.classes, restricted.head.classes
    assert old.out_features == 6
    torch.testing.assert_close(new.weight, old.weight[[0, 5, 2, 4]])
    torch.testing.assert_close(new.bias, old.bias[[0, 5, 2, 4]])


def test_restrict_charset_leaves_the_relative_scores_of_the_kept_characters() -> None:
    recognizer = ppocrv3_recognizer(6).eval()
    image = noise(1, 3, 48, 32)
    kept = recognizer(image)[..., [0, 5, 2]]
    probs = restrict_charset(recognizer, "abcd ", " b")(image)
    torch.testing.assert_close(probs, kept / kept.sum(2, keepdim=True))


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        pytest.param(["a", "é", "€"], "lacks 'é' '€'", id="characters that the head lacks"),
        pytest.param(["a", "b", "a"], "'a' more than once", id="a repeated character"),
        pytest.param([], "no characters to keep", id="nothing"),
    ],
)
def test_restrict_charset_refuses(keep: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        restrict_charset(ppocrv3_recognizer(3), "ab", keep)


def test_restrict_charset_refuses_characters_that_do_not_fit_the_head() -> None:
    with pytest.raises(ModelError, match="3 characters and the blank do not fit a head of 3 classes"):
        restrict_charset(ppocrv3_recognizer(3), "abc", "a")
