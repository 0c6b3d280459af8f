"""The training batches in order, made ahead by worker processes."""

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from train.task import Batch, Batches, Share


class _Steps(Dataset[Batch]):
    """Batches as a list that is computed: item `step` is batch `step`, whoever asks, so order and resume are exact."""

    def __init__(self, batches: Batches, share: Share) -> None:
        self.batches = batches
        self.share = share

    def __getitem__(self, step: int) -> Batch:
        return self.batches(step, self.share)


def iter_batches(
    batches: Batches, steps: range, share: Share, *, n_workers: int = 0, pin_memory: bool = False
) -> Iterator[Batch]:
    """Yield the batches of some steps, in order.

    Args:
        batches: What makes them.
        steps: Which ones.
        share: This process's part of each.
        n_workers: Processes that make them ahead; 0 makes them in this one. The batches are the same.
        pin_memory: Put them where a GPU can fetch them.
    """
    # Not forked: a fork that inherits an OpenMP or OpenVINO thread pool can hang for ever. Nor from a fork server:
    # workers watch their parent, which the server is then, and would outlive a trainer that was killed.
    options: dict[str, Any] = {"prefetch_factor": 4, "multiprocessing_context": "spawn"} if n_workers else {}
    return iter(
        DataLoader(
            _Steps(batches, share),
            batch_size=None,
            sampler=steps,
            num_workers=n_workers,
            pin_memory=pin_memory,
            worker_init_fn=_init_worker,
            # Its own: with the global one, opening a stream would change the random state of the training.
            generator=torch.Generator(),
            **options,
        )
    )


def _init_worker(number: int) -> None:
    """One thread a worker: OpenCV and torch would take all cores in each of them."""
    del number
    import cv2

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
