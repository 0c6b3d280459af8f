"""One process or several: what `torchrun` says of them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist

from edge_ocr.errors import ConfigError
from train.task import Share

MAX_WAIT = timedelta(hours=2)
"""How long the others wait while the first process evaluates."""


@dataclass(frozen=True, slots=True)
class Process:
    """This process among those that train together."""

    share: Share
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this is the process that evaluates, writes and reports."""
        return self.share.rank == 0

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.share.n > 1:
            dist.barrier()


@contextmanager
def joined(device: str | None) -> Iterator[Process]:
    """Join the group that `torchrun` started; without it, be the only process.

    Args:
        device: `cpu`, `cuda`, `cuda:1`, ...; when not given, a GPU if there is one. With torchrun `cuda` means the GPU
            of each process's number.

    Raises:
        ConfigError: there is no such device.
    """
    share = Share(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))
    chosen = _device(device, int(os.environ.get("LOCAL_RANK", "0")) if share.n > 1 else None)
    if share.n == 1:
        yield Process(share, chosen)
        return
    dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo", timeout=MAX_WAIT)
    try:
        yield Process(share, chosen)
    finally:
        dist.destroy_process_group()


def _device(name: str | None, local_rank: int | None) -> torch.device:
    name = name or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"--device {name}: write cpu, cuda or cuda:N") from error
    if device.type != "cuda":
        return device
    if local_rank is not None:
        device = torch.device("cuda", local_rank)
    n_devices = torch.cuda.device_count()
    if (device.index or 0) >= n_devices:
        raise ConfigError(f"--device {name}: there are {n_devices} GPUs here")
    torch.cuda.set_device(device)
    return device
