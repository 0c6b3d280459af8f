"""CTC decoding, the same for training, evaluation and every engine."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_ocr.charset import BLANK
from edge_ocr.errors import ModelError
from edge_ocr.page import Reading

Span = tuple[int, int, int]
"""Where a line stands: its row, its first time step and the one behind its last."""


def decode_best_path(
    classes_NT: NDArray[np.integer],
    scores_NT: NDArray[np.floating],
    charset: Sequence[str],
    spans: Sequence[Span] | None = None,
) -> list[Reading]:
    """Read CTC output by best path: merge repeats, drop blanks.

    Args:
        classes_NT: (N, T) class with the highest probability per time step; 0 is the blank.
        scores_NT: (N, T) that probability, in [0, 1].
        charset: The C - 1 characters in class order, without the blank.
        spans: Where the lines stand; None: every row is one.

    Returns:
        A reading of each line; one with no character has text "" and score 0. A reading's score is the mean probability
        of its characters, each taken at the first step it stands on.

    Raises:
        ModelError: a class is beyond the charset.

    Reference:
        Graves et al. 2006, section 3.2, "best path decoding".
    """
    if classes_NT.size and int(classes_NT.max()) > len(charset):
        raise ModelError(f"recogniser gave class {int(classes_NT.max())}, the charset has {len(charset)} characters")
    if spans is None:
        spans = [(n, 0, classes_NT.shape[1]) for n in range(classes_NT.shape[0])]
    # Plain numbers: NumPy takes three times as long over the few of a line.
    classes, scores = classes_NT.tolist(), scores_NT.tolist()
    return [_decode_line(classes[n][start:stop], scores[n][start:stop], charset) for n, start, stop in spans]


def _decode_line(classes: list[int], scores: list[float], charset: Sequence[str]) -> Reading:
    characters, kept_scores, last = [], [], BLANK
    for c, score in zip(classes, scores, strict=True):
        # Merge before dropping blanks: in "a-a" the blank is what keeps the doubled letter.
        if c != last and c != BLANK:
            characters.append(charset[c - 1])
            kept_scores.append(score)
        last = c
    mean = sum(kept_scores) / len(kept_scores) if kept_scores else 0.0
    mean = min(mean, 1.0) if math.isfinite(mean) else 0.0
    # A network that overflowed gives NaN, which is no confidence at all: it is not above 0.
    return Reading("".join(characters), mean, tuple([min(one, 1.0) if one > 0 else 0.0 for one in kept_scores]))


def decode_probs(probs_NTC: NDArray[np.floating], charset: Sequence[str]) -> list[Reading]:
    """Read CTC probabilities by best path; see `decode_best_path`.

    Args:
        probs_NTC: (N, T, C) softmax output; class 0 is the blank.
        charset: The C - 1 characters in class order, without the blank.

    Raises:
        ModelError: C differs from len(charset) + 1.
    """
    if probs_NTC.shape[-1] != len(charset) + 1:
        raise ModelError(f"recogniser has {probs_NTC.shape[-1]} classes, the charset needs {len(charset) + 1}")
    return decode_best_path(probs_NTC.argmax(axis=-1), probs_NTC.max(axis=-1), charset)
