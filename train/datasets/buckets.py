"""Batches of lines of about the same width, as a function of the step.

A line is padded to the width of its batch. Batches of chance lines would be padded to the widest of them; batches of
one bucket waste little, and a recogniser sees few shapes.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np


@dataclass(frozen=True, slots=True)
class BucketBatch:
    """Some lines that go together."""

    width: int
    """Pixels that they are padded to; a wider line is squeezed."""
    items: tuple[int, ...]
    """Numbers of the lines."""


class BucketPlan:
    """Which lines make batch number `step`: each epoch sees every line, in another order.

    Batches are all full: where a bucket leaves a rest, lines of the same bucket come twice in that epoch. Picklable,
    and any worker can ask for any step.

    Args:
        widths: Pixels of each line at the height of the network.
        buckets: Widths to pad to, ascending.
        batch_size: Lines of a batch.
        seed: Of the order.
    """

    def __init__(self, widths: Sequence[float], buckets: Sequence[int], batch_size: int, *, seed: int) -> None:
        assert widths, "no line to make batches of"
        assert buckets, "no bucket to put lines in"
        self.buckets = tuple(buckets)
        self.batch_size = batch_size
        self.seed = seed
        numbers = np.array([min(bisect_left(buckets, width), len(buckets) - 1) for width in widths])
        self.members = [np.flatnonzero(numbers == number) for number in range(len(buckets))]
        self.n_batches = sum(-(-len(members) // batch_size) for members in self.members)
        """Batches of an epoch."""

    def batch(self, step: int) -> BucketBatch:
        """The lines of a step, from 0."""
        epoch, number = divmod(step, self.n_batches)
        return _epoch(self, epoch)[number]

    def order(self, epoch: int) -> list[BucketBatch]:
        """All batches of an epoch."""
        rng = np.random.default_rng([self.seed, epoch])
        batches = []
        for width, members in zip(self.buckets, self.members, strict=True):
            shuffled = rng.permutation(members)
            for start in range(0, len(shuffled), self.batch_size):
                # np.resize repeats from the start: also a bucket of two lines fills a batch of eight.
                chosen = np.resize(np.concatenate([shuffled[start:], shuffled[:start]]), self.batch_size)
                batches.append(BucketBatch(width, tuple(chosen.tolist())))
        return [batches[i] for i in rng.permutation(len(batches))]


@lru_cache(maxsize=4)
def _epoch(plan: BucketPlan, epoch: int) -> list[BucketBatch]:
    """An epoch's batches, kept while its steps are asked for."""
    return plan.order(epoch)
