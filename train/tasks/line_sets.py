"""Batches of labelled lines for a recogniser: checked, sorted into width buckets, padded."""

import logging
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from edge_ocr.charset import Charset
from edge_ocr.errors import ConfigError
from edge_ocr.images import SUFFIXES
from edge_ocr.recognition import pad_crop, scale_line
from train.ctc_targets import classes_of, pack_targets
from train.data.augment import augment_line
from train.datasets.buckets import BucketPlan
from train.datasets.formats import read_labels
from train.datasets.labelled import LabelledLine, lines_of_pages
from train.errors import LabelError
from train.task import Batch, Share, sample_rng

_log = logging.getLogger(__name__)


def read_lines(sets: Sequence[Path]) -> list[LabelledLine]:
    """The lines of some label files; those of pages are cut out by their labels."""
    labelled = [read_labels(path) for path in sets]
    return [line for one in labelled for line in (one.lines or lines_of_pages(one.pages))]


def checked_lines(
    lines: Sequence[LabelledLine], charset: Charset, *, height: int, stride: int, max_width: int, drop: bool
) -> list[tuple[LabelledLine, float]]:
    """The lines that CTC can learn, each with its width at a height.

    Args:
        lines: To look at.
        charset: That labels must keep to.
        height: Of the network.
        stride: Columns per time step.
        max_width: Wider lines are squeezed to this.
        drop: Leave out what cannot be learnt, counted, instead of refusing it.

    Raises:
        LabelError: a line that cannot be learnt, unless these are dropped.
        ConfigError: no line is left.
    """
    kept, dropped = [], []
    for line in lines:
        # The network gets whole time steps of a padded picture, so a short line has a step or two to spare.
        width = min(max(line.aspect() * height, stride), max_width)
        try:
            classes_of(line.text, charset, n_steps=-(-int(width) // stride), where=line.where)
        except LabelError as error:
            if not drop:
                raise
            dropped.append(error)
        else:
            kept.append((line, width))
    if dropped:
        _log.warning("%d of %d lines dropped; the first: %s", len(dropped), len(lines), dropped[0])
    if not kept:
        raise ConfigError(f"no line to learn from: {len(lines)} given, {len(dropped)} dropped")
    return kept


def unlabelled_lines(folders: Sequence[Path], *, height: int, max_width: int) -> list[tuple[LabelledLine, float]]:
    """Pictures of lines without labels, for a teacher to read, each with its width at a height; text is "".

    Raises:
        ConfigError: a folder has no image.
    """
    lines = []
    for folder in folders:
        found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        if not found:
            raise ConfigError(f"{folder}: no image in it to learn from without labels")
        lines += [LabelledLine(path, "", str(path)) for path in found]
    return [(line, min(line.aspect() * height, max_width)) for line in lines]


class LabelledBatches:
    """Batches of lines from files; see `train.task.Batches`.

    Args:
        lines: From `checked_lines` or `unlabelled_lines`.
        charset: Of the labels.
        height: Of the network.
        stride: Columns per time step.
        buckets: Widths to pad to, ascending.
        batch_size: Lines over all processes.
        seed: Of the order.
        augment: Probability of each change of `augment_line`.
    """

    def __init__(
        self,
        lines: Sequence[tuple[LabelledLine, float]],
        charset: Charset,
        *,
        height: int,
        stride: int,
        buckets: Sequence[int],
        batch_size: int,
        seed: int,
        augment: float = 0.0,
    ) -> None:
        self.lines = [line for line, _ in lines]
        self.charset = charset
        self.height = height
        self.stride = stride
        self.seed = seed
        self.augment = augment
        self.plan = BucketPlan([width for _, width in lines], buckets, batch_size, seed=seed)

    def __call__(self, step: int, share: Share) -> Batch:
        """Load one process's lines of a step."""
        chosen = self.plan.batch(step)
        lines = [self.lines[i] for i in share.of(chosen.items)]
        first = step * self.plan.batch_size
        rngs = [sample_rng(self.seed, first + i) for i in share.of(range(self.plan.batch_size))]
        drawn = [augment_line(rng, line.load(self.height), self.augment) for rng, line in zip(rngs, lines, strict=True)]
        images = [fitted(image, self.height, chosen.width) for image in drawn]
        n_steps = chosen.width // self.stride
        classes = [
            classes_of(line.text, self.charset, n_steps=n_steps, where=line.where) if line.text else []
            for line in lines
        ]
        return line_batch(images, classes, [line.text for line in lines])


def held_out_batches(
    lines: Sequence[LabelledLine], *, height: int, buckets: Sequence[int], batch_size: int
) -> list[tuple[torch.Tensor, list[str]]]:
    """Lines to evaluate on, narrow ones first: (N, 3, height, width) uint8 and their texts; N up to batch_size.

    Every line stays, whatever its label: one that could not be learnt counts as misread.
    """
    widths = [buckets[min(bisect_left(buckets, line.aspect() * height), len(buckets) - 1)] for line in lines]
    made = []
    for width in sorted(set(widths)):
        members = [line for line, own in zip(lines, widths, strict=True) if own == width]
        for start in range(0, len(members), batch_size):
            chosen = members[start : start + batch_size]
            images = np.stack([fitted(line.load(height), height, width) for line in chosen])
            made.append((torch.from_numpy(images).permute(0, 3, 1, 2), [line.text for line in chosen]))
    return made


def line_batch(images: Sequence[NDArray[np.uint8]], classes: Sequence[Sequence[int]], texts: Sequence[str]) -> Batch:
    """A recogniser's batch.

    Args:
        images: (H, W, 3) uint8 each, of one shape.
        classes: Of each line.
        texts: Of each line.

    Returns:
        `image_NCHW` uint8, `targets` (N, L) and `lengths` (N,) int64, `texts`.
    """
    targets, lengths = pack_targets(classes)
    image_NCHW = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()
    return {"image_NCHW": image_NCHW, "targets": targets, "lengths": lengths, "texts": list(texts)}


def fitted(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """A line at the network's height, squeezed to the width or padded up to it; (height, width, 3)."""
    line = scale_line(image, height)
    if line.shape[1] > width:
        line = np.asarray(cv2.resize(line, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    padded: NDArray[np.uint8] = pad_crop(line, [width])[0]
    return padded
