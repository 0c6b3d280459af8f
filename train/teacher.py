"""A published larger recogniser as teacher: PP-OCRv6 small through onnxruntime, on the machine's cores.

The file is that of the wheel rapidocr==3.10.0 (Apache-2.0), converted from PaddleOCR's model (Apache-2.0). Nothing is
downloaded here:

    pip download --no-deps rapidocr==3.10.0

Teacher and student both give a time step per 8 columns of a line of height 48, so their steps mean the same places and
posteriors can be compared one by one. Their charsets differ: of the teacher's 18,710 columns those of our characters
and of the blank are kept and divided by their sum, `mass`. Where the teacher is sure of a character that we do not have
the mass is near 0; it weighs the step in the loss, or noise among what is left would be taught there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from edge_ocr.errors import ConfigError, ModelError
from train.pretrained import V6_RECOGNIZER_FILE, published_v6_file
from train.task import Batch, Batches, Share

HEIGHT, STRIDE = 48, 8
LINES_AT_ONCE = 8
"""More take longer a line: 18,710 columns of 40 steps are 3 MB a line."""


@dataclass(frozen=True, slots=True)
class Teacher:
    """Which network teaches which characters. Small, and the same in every worker process."""

    path: Path
    """The wheel, a folder with the ONNX file, or that file."""
    characters: tuple[str, ...]
    """Of the student, in class order without the blank."""

    def posteriors(self, image_NCHW: NDArray[np.uint8]) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
        """Read lines.

        Args:
            image_NCHW: (N, 3, 48, W) uint8 BGR.

        Returns:
            (N, T, C) probabilities of the student's classes, T = W / 8, each step's sum 1 up to rounding; and (N, T)
            their sum before that.
        """
        loaded = _load(self.path, self.characters)
        probs, masses = [], []
        for start in range(0, len(image_NCHW), LINES_AT_ONCE):
            normalised = image_NCHW[start : start + LINES_AT_ONCE].astype(np.float32) / 127.5 - 1
            (output,) = loaded.session.run(None, {loaded.session.get_inputs()[0].name: normalised})
            chosen, mass = keep_columns(output, loaded.columns)
            probs.append(chosen.astype(np.float16))
            masses.append(mass.astype(np.float16))
        return np.concatenate(probs), np.concatenate(masses)


@dataclass(frozen=True)
class TaughtBatches:
    """Batches with what a teacher reads in them; made where the pictures are made, in the worker processes."""

    batches: Batches
    teacher: Teacher

    def __call__(self, step: int, share: Share) -> Batch:
        """A process's lines of a step, with `teacher_NTC` and `mass_NT`."""
        batch = self.batches(step, share)
        probs_NTC, mass_NT = self.teacher.posteriors(batch["image_NCHW"].numpy())
        return {**batch, "teacher_NTC": torch.from_numpy(probs_NTC), "mass_NT": torch.from_numpy(mass_NT)}


def keep_columns(
    probs_NTC: NDArray[np.float32], columns: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Restrict posteriors to some classes.

    Args:
        probs_NTC: Over all classes.
        columns: Those to keep, the blank's first; -1 for one that the teacher lacks, which gets 0.

    Returns:
        (N, T, len(columns)) probabilities that add up to 1, and (N, T) their sum before; where it is 0, the blank.
    """
    kept = np.where(columns < 0, np.float32(0), probs_NTC[..., np.maximum(columns, 0)])
    mass = kept.sum(-1)
    kept[..., 0] = np.where(mass > 0, kept[..., 0], 1.0)
    return kept / kept.sum(-1, keepdims=True), mass


class _Loaded(NamedTuple):
    session: Any
    columns: NDArray[np.int64]


@lru_cache(maxsize=1)
def _load(path: Path, characters: Sequence[str]) -> _Loaded:
    """The network, once a process, on one thread: as many workers run as there are cores."""
    try:
        import onnxruntime
    except ImportError as error:
        raise ConfigError("learn.teacher needs the package onnxruntime: pip install onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(published_v6_file(path), options, providers=["CPUExecutionProvider"])
    names = session.get_modelmeta().custom_metadata_map.get("character")
    if names is None:
        raise ModelError(
            f"{path}: no entry 'character' in the metadata of {V6_RECOGNIZER_FILE}, so its classes have no names"
        )
    # Not splitlines(), which also splits at characters that a dictionary may hold. The space is the last class.
    column_of = {name: column for column, name in enumerate([*names.split("\n"), " "], start=1)}
    columns = np.array([0, *(column_of.get(character, -1) for character in characters)])
    if (columns < 0).mean() > 0.5:
        raise ModelError(f"{path}: lacks more than half of the charset; another teacher is needed")
    return _Loaded(session, columns)
