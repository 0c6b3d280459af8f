"""A published recogniser as teacher. The test of the network itself needs the wheel rapidocr 3.10.0:

pip download --no-deps rapidocr==3.10.0
EDGE_OCR_TEACHER_WHEEL=rapidocr-3.10.0-py3-none-any.whl pytest tests/train
"""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_ocr.ctc import decode_probs
from edge_ocr.errors import ModelError
from train.teacher import Teacher, keep_columns

WHEEL_VARIABLE = "EDGE_OCR_TEACHER_WHEEL"


def test_columns_of_our_characters_are_kept_and_add_up_to_one() -> None:
    probs = np.array([[[0.2, 0.3, 0.1, 0.4], [0.0, 0.0, 0.0, 1.0]]], np.float32)
    kept, mass = keep_columns(probs, np.array([0, 2, -1]))
    np.testing.assert_allclose(mass, [[0.3, 0.0]], rtol=1e-6)
    np.testing.assert_allclose(kept[0, 0], [2 / 3, 1 / 3, 0], rtol=1e-6)
    np.testing.assert_array_equal(kept[0, 1], [1, 0, 0])


def test_a_missing_teacher_says_which_file_to_give(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    with pytest.raises(ModelError, match=r"no such file or folder: give rapidocr-3.10.0"):
        Teacher(tmp_path / "x.whl", ("a",)).posteriors(np.zeros((1, 3, 48, 16), np.uint8))


def test_the_teacher_reads_in_our_charset() -> None:
    path = os.environ.get(WHEEL_VARIABLE)
    if not path:
        pytest.skip(f"needs the teacher: set {WHEEL_VARIABLE} to the wheel rapidocr 3.10.0")
    image = np.full((48, 160, 3), 230, np.uint8)
    cv2.putText(image, "EDGE 2026", (6, 34), cv2.FONT_HERSHEY_SIMPLEX, 0.85, (20, 20, 20), 2, cv2.LINE_AA)
    charset = tuple("0123456789EDGX ")
    probs, mass = Teacher(Path(path), charset).posteriors(image.transpose(2, 0, 1)[None].copy())
    assert probs.shape == (1, 20, 16)
    assert decode_probs(probs.astype(np.float32), charset)[0].text == "EDGE 2026"
    assert mass.mean() > 0.9
