"""How right and how fast one profile is, and how it compares with another on the same pages at the same time."""

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict

from edge_ocr.metrics import Tally
from runtime.monitoring.latency import StageSummary, summarize

Z = 1.96
"""Of the interval of a quotient: 95 %."""
GAIN = 0.01
"""What a change must at least save to be worth it."""


class Read(BaseModel):
    """One page read once."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    page: str
    ms: float
    """Wall time of the call, seen from outside the reader."""
    cpu_ms: float
    hits: int
    """Words that were read and are there."""
    predicted: int
    labelled: int


@dataclass(frozen=True, slots=True)
class Score:
    """All reads of one profile."""

    reads: tuple[Read, ...]

    @property
    def n_pages(self) -> int:
        """Pages that were read, each counted once."""
        return len({read.page for read in self.reads})

    @property
    def f1(self) -> float:
        """Bag-of-words F1 over all pages (edge_ocr/metrics.py); 0 without any word."""
        tally = Tally()
        for read in self.reads:
            tally.add(read.hits, read.predicted, read.labelled)
        return tally.f1

    @property
    def summary(self) -> StageSummary:
        """Wall time per page; a percentile is None while there are too few reads for it."""
        return summarize(read.ms for read in self.reads)

    @property
    def p90_ms(self) -> float:
        """90th percentile, nearest rank, of however many reads there are: what the search goes by."""
        ordered = sorted(read.ms for read in self.reads)
        return ordered[max(math.ceil(0.9 * len(ordered) - 1e-9), 1) - 1]

    @property
    def cpu_ms(self) -> float:
        """Mean CPU time of a page."""
        return statistics.fmean(read.cpu_ms for read in self.reads)


@dataclass(frozen=True, slots=True)
class Quotient:
    """Time of one profile over that of another, page by page."""

    middle: float
    low: float
    high: float
    """Ends of its 95 % interval; 0 and infinity where there are too few pages for one."""

    @property
    def is_faster(self) -> bool:
        """Whether the first is faster, beyond doubt and by enough to care."""
        return self.high < 1 and self.middle <= 1 - GAIN

    @property
    def is_slower(self) -> bool:
        """Whether the first is slower beyond doubt."""
        return self.low > 1


def quotient(one: Iterable[Read], other: Iterable[Read]) -> Quotient:
    """Compare two profiles on the pages that both have read; of several reads of a page the median counts.

    Per page, because pages differ more than profiles do. The median of the means of all pairs of logarithms, because
    single reads are disturbed and some changes touch some pages only.

    Reference:
        Hodges and Lehmann 1963; the interval is that of Wilcoxon's signed ranks (Hollander and Wolfe, section 3.2).
    """
    times, others = _by_page(one), _by_page(other)
    logs = np.log([times[page] / others[page] for page in sorted(times.keys() & others.keys())])
    n = len(logs)
    if not n:
        return Quotient(1.0, 0.0, math.inf)
    means = np.sort(np.add.outer(logs, logs)[np.triu_indices(n)] / 2)
    rank = math.floor(n * (n + 1) / 4 - Z * math.sqrt(n * (n + 1) * (2 * n + 1) / 24))
    low, high = (means[rank - 1], means[-rank]) if rank >= 1 else (-math.inf, math.inf)
    return Quotient(math.exp(np.median(means)), math.exp(low), math.exp(high))


def _by_page(reads: Iterable[Read]) -> dict[str, float]:
    times: dict[str, list[float]] = defaultdict(list)
    for read in reads:
        times[read.page].append(read.ms)
    return {page: statistics.median(ms) for page, ms in times.items()}
