"""Which lines of a page are read in one request."""

from collections import defaultdict
from collections.abc import Hashable, Sequence

MAX_BATCHED_PX = 320
"""Wider lines are read one by one. A request has a price beside its columns, which four lines share: with PP-OCRv6
small in INT8 a line takes 0.6 of its time at 64 px, 0.8 at 192, 0.85 at 320; beyond, that is not worth the memory."""
LEAST_TASKS = 2
"""Full batches that each stream must get on average, or lines stay single: with few tasks one stream ends late."""


def plan_batches(widths: Sequence[int], kinds: Sequence[Hashable], *, batch: int, streams: int) -> list[list[int]]:
    """Group lines for as many streams as read side by side.

    Args:
        widths: Static width of each line.
        kinds: For each line what only lines of one request can share.
        batch: Lines of a request. A group is of this size or one line, so that few shapes are met.
        streams: Requests that run side by side.

    Returns:
        Indices of lines, the most work first, so that no stream is left with a long task at the end.
    """
    if len(widths) < LEAST_TASKS * batch * streams:
        batch = 1
    alike: defaultdict[Hashable, list[int]] = defaultdict(list)
    for i, (width, kind) in enumerate(zip(widths, kinds, strict=True)):
        alike[width, kind].append(i)
    tasks = []
    for members in alike.values():
        size = batch if widths[members[0]] <= MAX_BATCHED_PX else 1
        n_batched = len(members) // size * size
        tasks += [members[start : start + size] for start in range(0, n_batched, size)]
        tasks += [[i] for i in members[n_batched:]]
    return sorted(tasks, key=lambda task: -len(task) * widths[task[0]])
