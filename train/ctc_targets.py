"""Texts as CTC targets, and what cannot be learnt by CTC refused with its reason."""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from edge_ocr.charset import Charset
from train.errors import LabelError


def classes_of(text: str, charset: Charset, *, n_steps: int, where: str) -> list[int]:
    """The classes of a text.

    Args:
        text: The label.
        charset: The characters in class order.
        n_steps: Time steps that the network has for it.
        where: Where the label stands, for the message.

    Raises:
        LabelError: the text is empty, has a character outside the charset, or needs more time steps than there are.
    """
    if not text:
        raise LabelError(f"{where}: the label is empty; CTC would learn to read nothing: drop the line")
    unknown = sorted(set(text) - set(charset))
    if unknown:
        shown = " ".join(map(repr, unknown[:5]))
        raise LabelError(f"{where}: {text!r} has {shown}, which the charset lacks: add the characters or drop the line")
    needed = steps_needed(text)
    if needed > n_steps:
        raise LabelError(
            f"{where}: {text!r} needs {needed} time steps, its picture gives {n_steps}:"
            " CTC cannot reach it; make the line wider or drop it"
        )
    return [charset.index(character) + 1 for character in text]


def steps_needed(text: str) -> int:
    """Time steps that CTC needs for a text: one a character, and a blank between equal neighbours."""
    return len(text) + sum(one == other for one, other in itertools.pairwise(text))


def pack_targets(classes: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Targets of a batch as torch's CTC loss takes them.

    Returns:
        (N, L) int64 classes, padded with 0, and (N,) int64 lengths.
    """
    lengths = torch.tensor([len(one) for one in classes], dtype=torch.int64)
    padded = torch.zeros(len(classes), int(lengths.max()) if len(classes) else 0, dtype=torch.int64)
    for row, one in zip(padded, classes, strict=True):
        row[: len(one)] = torch.tensor(one, dtype=torch.int64)
    return padded, lengths
