"""Latencies per stage: recorded from any thread in bounded memory, summarised as percentiles that the count can carry.

A percentile is given only when there are enough samples for an upper bound at 99 % confidence, by the early-stopping
rule of MLPerf Inference's load generator. Below that the number says more about luck than about the device.
"""

import math
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from threading import Lock

import numpy as np
from numpy.typing import NDArray

CAPACITY = 10_000
"""Samples a recorder keeps per stage: at 10 frames a second the last quarter of an hour."""
CONFIDENCE = 0.99
"""How sure an early-stopping estimate is to lie at or above the true percentile."""
MIN_SAMPLES = {0.50: 2, 0.90: 64, 0.95: 130, 0.99: 662}
"""Samples from which a percentile is given. The three tails are `min_samples(percentile)`."""
BUCKETS_MS = (1, 2.5, 5, 10, 25, 50, 75, 100, 150, 250, 500, 1000, 2500, 5000, 10_000)
"""Upper bounds of the histograms' buckets; one without a bound follows."""
STAGES = (
    "decode",
    "capture_wait",
    "detect",
    "crop",
    "orient",
    "recognize",
    "infer",
    "total",
    "track",
    "spool",
    "publish",
    "capture_to_spool",
    "capture_to_publish",
)
"""Names in the order of the way a frame takes; other names follow in the order they were first added.

`total` is the reader's (`Page.timings_ms`), of which `infer` is the part inside the networks. The stream adds the
stages around it; `capture_to_publish` ends with the broker's acknowledgement.
"""
NOT_ENOUGH = "-"
"""What a table shows for a percentile with too few samples."""


@dataclass(frozen=True, slots=True)
class StageSummary:
    """The latencies of one stage in milliseconds; a percentile is None while there are too few samples for it."""

    count: int
    """All samples ever added, of which the percentiles see the last `CAPACITY`."""
    mean: float
    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    max: float

    def to_dict(self) -> dict[str, float | None]:
        """The summary as plain data, rounded to a microsecond."""
        return {name: None if value is None else round(value, 3) for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class StageHistogram:
    """All latencies of one stage since the start, counted by size."""

    cumulative: tuple[tuple[float | None, int], ...]
    """(upper bound in ms, samples at or below it) per bucket; the last has no bound and counts all."""
    total_ms: float
    """Sum of all samples."""


class LatencyRecorder:
    """Collects latencies by stage from any number of threads.

    Count, mean, maximum and histogram are exact; percentiles are those of the last `capacity` samples of each stage.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._stages: dict[str, _Stage] = {}
        self._lock = Lock()

    def add(self, stage: str, ms: float) -> None:
        """Record one latency of a stage, a finite number of milliseconds."""
        assert math.isfinite(ms), f"{stage}: {ms} ms"
        with self._lock:
            if stage not in self._stages:
                self._stages[stage] = _Stage()
            self._stages[stage].add(ms, self._capacity)

    def add_all(self, timings_ms: Mapping[str, float]) -> None:
        """Record one latency for each stage of, say, `Page.timings_ms`."""
        for stage, ms in timings_ms.items():
            self.add(stage, ms)

    def samples(self, stage: str) -> list[float]:
        """The kept samples of a stage, oldest first; empty for a stage that never was."""
        with self._lock:
            return self._stages[stage].in_order().tolist() if stage in self._stages else []

    def summary(self, last: int | None = None) -> dict[str, StageSummary]:
        """One summary per stage that has samples, in the order of `STAGES`.

        Args:
            last: Percentiles of so many of the latest samples; None: of all that are kept.
        """
        with self._lock:
            copies = [
                (name, stage.count, stage.total, stage.max, stage.in_order()[-(last or 0) :])
                for name, stage in self._sorted()
            ]
        # Sorting happens outside the lock: whoever records must not wait for whoever reports.
        return {name: _summarize(count, total, top, kept) for name, count, total, top, kept in copies}

    def histograms(self) -> dict[str, StageHistogram]:
        """One histogram per stage that has samples, in the order of `STAGES`."""
        with self._lock:
            return {
                name: StageHistogram(
                    tuple(zip((*BUCKETS_MS, None), accumulate(stage.buckets), strict=True)), stage.total
                )
                for name, stage in self._sorted()
            }

    def table(self) -> str:
        """The summary as aligned text; only the header when nothing was recorded."""
        return format_table(self.summary())

    def reset(self) -> None:
        """Forget everything, for example after the warm-up."""
        with self._lock:
            self._stages.clear()

    def _sorted(self) -> list[tuple[str, "_Stage"]]:
        return sorted(self._stages.items(), key=lambda item: stage_rank(item[0]))


def stage_rank(stage: str) -> int:
    """A sorting key that puts stages in the order of `STAGES`, unknown ones last."""
    return STAGES.index(stage) if stage in STAGES else len(STAGES)


def summarize(samples_ms: Iterable[float]) -> StageSummary:
    """The summary of some samples; of none it is all zero and None."""
    samples = list(samples_ms)
    return _summarize(len(samples), sum(samples), max(samples, default=0.0), array("d", samples))


def format_table(summaries: Mapping[str, StageSummary]) -> str:
    """Summaries as a text table, one row a stage, milliseconds; `-` where a percentile has too few samples."""
    header = ("stage", "count", "mean", "p50", "p90", "p95", "p99", "max")
    rows = [
        (name, str(s.count), *(format_ms(value) for value in (s.mean, s.p50, s.p90, s.p95, s.p99, s.max)))
        for name, s in summaries.items()
    ]
    return align([header, *rows])


def format_ms(value: float | None) -> str:
    """Milliseconds with two digits; `-` for None."""
    return NOT_ENOUGH if value is None else f"{value:.2f}"


def align(rows: Sequence[Sequence[str]]) -> str:
    """Rows of equal length as text with the first column flush left and the others flush right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if index else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def nearest_rank(ordered: Sequence[float] | NDArray[np.float64], percentile: float) -> float:
    """The smallest sample with at least this share of all samples at or below it.

    Args:
        ordered: Ascending, at least one.
        percentile: In (0, 1].
    """
    # 1e-9: 0.95 * 20 is 19.000000000000004 in some orders of multiplication, and its ceiling is 20.
    return float(ordered[max(math.ceil(percentile * len(ordered) - 1e-9), 1) - 1])


def single_stream_estimate(
    samples_ms: Iterable[float], percentile: float = 0.9, confidence: float = CONFIDENCE
) -> float | None:
    """MLPerf's single-stream figure: an upper estimate of a percentile that holds with the stated confidence.

    With n samples, t of them may be slower than the true percentile before doubt is allowed. The t - 1 slowest are
    dropped and the slowest left is the estimate.

    Returns:
        Milliseconds, or None when there are fewer samples than `min_samples`.

    Reference:
        MLPerf Inference rules, "early stopping criterion" with tolerance 0 (loadgen/early_stopping.cc and results.cc).
    """
    ordered = sorted(samples_ms)
    n_slow = slow_allowed(len(ordered), percentile, confidence)
    return ordered[-n_slow] if n_slow else None


def slow_allowed(n_samples: int, percentile: float, confidence: float = CONFIDENCE) -> int:
    """The largest t for which at most t slow ones among n samples would be a surprise.

    If a share of more than 1 - percentile were slow, t or fewer slow ones would be seen with a probability of at most
    1 - confidence, the lower tail of the binomial distribution.

    Returns:
        t, or 0 when n is too small for any estimate.
    """
    log_slow, log_fast = math.log1p(-percentile), math.log(percentile)
    tail, n_slow = 0.0, -1
    for k in range(n_samples + 1):
        log_ways = math.lgamma(n_samples + 1) - math.lgamma(k + 1) - math.lgamma(n_samples - k + 1)
        tail += math.exp(log_ways + k * log_slow + (n_samples - k) * log_fast)
        if tail > 1 - confidence:
            break
        n_slow = k
    return max(n_slow, 0)


def min_samples(percentile: float, confidence: float = CONFIDENCE, n_slow: int = 1) -> int:
    """Samples needed before `n_slow` slow ones are allowed, so before an estimate can be made at all."""
    n_samples = n_slow
    while slow_allowed(n_samples, percentile, confidence) < n_slow:
        n_samples += 1
    return n_samples


class _Stage:
    """Exact totals and a ring of the last samples; the ring grows as it fills."""

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0
        self.max = -math.inf
        self.buckets = [0] * (len(BUCKETS_MS) + 1)
        self._ring = array("d")

    def add(self, ms: float, capacity: int) -> None:
        if len(self._ring) < capacity:
            self._ring.append(ms)
        else:
            self._ring[self.count % capacity] = ms
        self.count += 1
        self.total += ms
        self.max = max(self.max, ms)
        self.buckets[bisect_left(BUCKETS_MS, ms)] += 1

    def in_order(self) -> "array[float]":
        oldest = self.count % len(self._ring)
        return self._ring[oldest:] + self._ring[:oldest]


def _summarize(count: int, total: float, top: float, kept: "array[float]") -> StageSummary:
    # As NumPy's doubles, 80 KB a stage: as Python's they would be 320, for every stage and whoever asks at the moment.
    ordered = np.sort(np.asarray(kept, dtype=np.float64))
    p50, p90, p95, p99 = (
        nearest_rank(ordered, percentile) if len(ordered) >= needed else None
        for percentile, needed in MIN_SAMPLES.items()
    )
    return StageSummary(count=count, mean=total / count if count else 0.0, p50=p50, p90=p90, p95=p95, p99=p99, max=top)
