"""Batches of two sources."""

from dataclasses import dataclass

import numpy as np

from train.task import Batch, Batches, Share


@dataclass(frozen=True)
class MixedBatches:
    """Batches of one source among those of another, by chance of the step; see `train.task.Batches`."""

    usual: Batches
    other: Batches
    share: float
    """Of the other source."""
    seed: int
    salt: int = 1
    """Tells mixtures of mixtures apart."""

    def __call__(self, step: int, share: Share) -> Batch:
        """The batch of a step, of one source or the other; all processes choose alike."""
        is_other = np.random.default_rng([self.seed, step, self.salt]).random() < self.share
        return self.other(step, share) if is_other else self.usual(step, share)
