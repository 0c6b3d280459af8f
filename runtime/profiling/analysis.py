"""What single latencies say beyond percentiles: their distribution, drift, price of a line, and queueing."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

import numpy as np

from runtime.monitoring.latency import StageSummary, nearest_rank, summarize
from runtime.profiling.record import Record

MAX_BINS = 40
"""Bins of a histogram up to the 99th percentile; what is slower is counted in one more."""
MIN_PAIRS = 10
"""Frames read early and late, below which nothing is said about drift."""
QUEUE_FPS = (1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 12.5, 15.0, 20.0, 25.0, 30.0)
"""Rates of a camera that queueing is computed for."""
QUEUE_FRAMES = 2_000
"""Frames read in each computation."""


@dataclass(frozen=True, slots=True)
class FrameCost:
    """One frame of the closed loop."""

    at_s: float
    """Since the start of the measurement."""
    index: int
    """Which picture of the input it is; the same number again is the same picture again."""
    total_ms: float
    n_lines: int


class Histogram(Record):
    """How often a stage took how long."""

    first_ms: float
    """Lower bound of the first bin."""
    width_ms: float
    counts: tuple[int, ...]
    above: int
    """Samples beyond the last bin."""


class LinesCost(Record):
    """Frames with the same number of lines."""

    lines: int
    frames: int
    p50_ms: float | None
    max_ms: float


class LinesFit(Record):
    """The straight line through all frames, by least squares: total = base + per_line * lines."""

    base_ms: float
    per_line_ms: float
    explained: float
    """Share of the variance that it explains, r squared."""


class Drift(Record):
    """The same pictures in the second half of the measurement against the first."""

    ratio: float
    """Median over the pictures of late / early; 1.02 is 2 % slower at the end."""
    pairs: int


class QueuePoint(Record):
    """A camera of one rate in front of one reader that always takes the newest frame: computed, not measured."""

    fps: float
    load: float
    """Mean time of a read over the time between two frames; above 1 frames must be left out."""
    skipped: float
    """Share of the frames that a newer one replaced before they were read."""
    waiting: StageSummary
    """From a frame's arrival to the start of its read."""
    response: StageSummary
    """From its arrival to the end of its read."""


def histogram(samples_ms: Sequence[float]) -> Histogram:
    """Count samples in bins of a round width, so that 99 % of them share at most `MAX_BINS` bins.

    Args:
        samples_ms: At least one.
    """
    ordered = sorted(samples_ms)
    low, high = ordered[0], nearest_rank(ordered, 0.99)
    width = _round_up(max((high - low) / (MAX_BINS - 2), high * 1e-3, 1e-3))
    first = math.floor(low / width)
    bins = [math.floor(ms / width + 1e-9) - first for ms in ordered]
    n_bins = math.floor(high / width + 1e-9) - first + 1
    counts = np.bincount([max(number, 0) for number in bins if number < n_bins], minlength=n_bins)
    above = sum(number >= n_bins for number in bins)
    return Histogram(first_ms=first * width, width_ms=width, counts=tuple(map(int, counts)), above=above)


def cost_by_lines(frames: Iterable[FrameCost]) -> tuple[LinesCost, ...]:
    """Frames grouped by their number of lines, ascending; none for no frame."""
    groups: dict[int, list[float]] = defaultdict(list)
    for frame in frames:
        groups[frame.n_lines].append(frame.total_ms)
    summaries = ((lines, summarize(groups[lines])) for lines in sorted(groups))
    return tuple(LinesCost(lines=lines, frames=s.count, p50_ms=s.p50, max_ms=s.max) for lines, s in summaries)


def fit_lines(frames: Sequence[FrameCost]) -> LinesFit | None:
    """What a frame costs and what each line adds; None unless there are frames with different numbers of lines."""
    lines = np.array([frame.n_lines for frame in frames], dtype=np.float64)
    totals = np.array([frame.total_ms for frame in frames])
    if len(set(lines.tolist())) < 2:
        return None
    per_line, base = np.polyfit(lines, totals, 1)
    spread = float(((totals - totals.mean()) ** 2).sum())
    left = float(((totals - base - per_line * lines) ** 2).sum())
    explained = 1 - left / spread if spread else 1.0
    return LinesFit(base_ms=float(base), per_line_ms=float(per_line), explained=max(explained, 0.0))


def drift(frames: Sequence[FrameCost], duration_s: float) -> Drift | None:
    """Whether the machine became slower, told by pictures read in both halves: their content is the same.

    Returns:
        None where fewer than `MIN_PAIRS` pictures were read in both halves.
    """
    halves: tuple[dict[int, list[float]], dict[int, list[float]]] = (defaultdict(list), defaultdict(list))
    for frame in frames:
        halves[frame.at_s >= duration_s / 2][frame.index].append(frame.total_ms)
    early, late = halves
    ratios = [float(np.median(late[index]) / np.median(early[index])) for index in sorted(early.keys() & late.keys())]
    return Drift(ratio=float(np.median(ratios)), pairs=len(ratios)) if len(ratios) >= MIN_PAIRS else None


def queue_points(service_ms: Sequence[float], rates_fps: Iterable[float] = QUEUE_FPS) -> tuple[QueuePoint, ...]:
    """Let cameras of several rates deliver frames to a reader with these service times; none without a service time."""
    if not service_ms:
        return ()
    mean_s = sum(service_ms) / len(service_ms) / 1000
    points = []
    for fps in sorted(set(rates_fps)):
        waits_ms, responses_ms, n_arrived = newest_first(service_ms, fps, n_frames=QUEUE_FRAMES)
        points.append(
            QueuePoint(
                fps=fps,
                load=mean_s * fps,
                skipped=1 - len(waits_ms) / n_arrived,
                waiting=summarize(waits_ms),
                response=summarize(responses_ms),
            )
        )
    return tuple(points)


def newest_first(service_ms: Sequence[float], fps: float, *, n_frames: int) -> tuple[list[float], list[float], int]:
    """An open loop: frames arrive at a fixed rate, and whoever is free reads the newest one that was not read yet.

    Args:
        service_ms: How long the reads take, one after the other, from the start again at the end.
        fps: Arrivals a second.
        n_frames: Frames to read.

    Returns:
        Per frame read its waiting time and its response time (waiting and service), and how many frames had arrived.
    """
    period_ms = 1000 / fps
    waits_ms, responses_ms = [], []
    free_ms, newest = 0.0, -1
    for service in islice(cycle(service_ms), n_frames):
        # The newest that is there when the reader becomes free, else the next to come.
        newest = max(newest + 1, math.floor(free_ms / period_ms + 1e-9))
        arrival_ms = newest * period_ms
        start_ms = max(free_ms, arrival_ms)
        free_ms = start_ms + service
        waits_ms.append(start_ms - arrival_ms)
        responses_ms.append(free_ms - arrival_ms)
    return waits_ms, responses_ms, newest + 1


def _round_up(value: float) -> float:
    """The next number at or above it that is 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    return next((step * power for step in (1, 2, 5) if step * power >= value * (1 - 1e-9)), 10 * power)
