"""Latency statistics: what is counted, what is kept, and when a percentile may be stated."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from runtime.monitoring.latency import (
    MIN_SAMPLES,
    LatencyRecorder,
    align,
    format_table,
    min_samples,
    nearest_rank,
    single_stream_estimate,
    slow_allowed,
    summarize,
)


def recorder_with(stage: str, samples: list[float], capacity: int = 10_000) -> LatencyRecorder:
    recorder = LatencyRecorder(capacity)
    for ms in samples:
        recorder.add(stage, ms)
    return recorder


def test_a_summary_of_a_thousand_samples_has_every_percentile() -> None:
    samples = [float(ms) for ms in range(1, 1001)]
    random.Random(0).shuffle(samples)
    summary = recorder_with("detect", samples).summary()["detect"]
    assert (summary.count, summary.mean, summary.max) == (1000, 500.5, 1000.0)
    assert (summary.p50, summary.p90, summary.p95, summary.p99) == (500.0, 900.0, 950.0, 990.0)


@pytest.mark.parametrize(
    ("count", "given"),
    [
        pytest.param(1, [False, False, False, False], id="one sample has no percentile"),
        pytest.param(2, [True, False, False, False], id="two have a median"),
        pytest.param(63, [True, False, False, False], id="63 have no p90"),
        pytest.param(64, [True, True, False, False], id="64 have a p90"),
        pytest.param(129, [True, True, False, False], id="129 have no p95"),
        pytest.param(130, [True, True, True, False], id="130 have a p95"),
        pytest.param(661, [True, True, True, False], id="661 have no p99"),
        pytest.param(662, [True, True, True, True], id="662 have a p99"),
    ],
)
def test_a_percentile_waits_for_enough_samples(count: int, given: list[bool]) -> None:
    summary = summarize([1.0] * count)
    assert [value is not None for value in (summary.p50, summary.p90, summary.p95, summary.p99)] == given


def test_percentiles_forget_what_count_mean_and_maximum_remember() -> None:
    recorder = recorder_with("total", [900.0] * 100 + [1.0] * 200, capacity=150)
    summary = recorder.summary()["total"]
    assert summary.count == 300
    assert summary.max == 900.0
    assert summary.mean == pytest.approx((90_000 + 200) / 300)
    assert summary.p95 == 1.0
    assert len(recorder.samples("total")) == 150


def test_kept_samples_come_oldest_first() -> None:
    assert recorder_with("total", [1.0, 2.0, 3.0, 4.0, 5.0], capacity=3).samples("total") == [3.0, 4.0, 5.0]
    assert LatencyRecorder().samples("total") == []


def test_stages_are_listed_in_the_order_of_the_way_of_a_frame() -> None:
    recorder = LatencyRecorder()
    for stage in ("own", "publish", "detect", "decode"):
        recorder.add(stage, 1.0)
    assert list(recorder.summary()) == ["decode", "detect", "publish", "own"]


def test_all_timings_of_a_page_at_once() -> None:
    recorder = LatencyRecorder()
    recorder.add_all({"detect": 3.0, "total": 5.0})
    assert {stage: summary.mean for stage, summary in recorder.summary().items()} == {"detect": 3.0, "total": 5.0}


def test_reset_forgets_everything() -> None:
    recorder = recorder_with("detect", [1.0])
    recorder.reset()
    assert recorder.summary() == {}


def test_no_sample_is_lost_between_threads() -> None:
    recorder = LatencyRecorder()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda ms: recorder.add("publish", float(ms)), range(2000)))
    assert recorder.summary()["publish"].count == 2000


def test_the_table_shows_a_dash_for_too_few_samples() -> None:
    lines = recorder_with("recognize", [1.0, 2.0, 3.0]).table().splitlines()
    assert lines[0].split() == ["stage", "count", "mean", "p50", "p90", "p95", "p99", "max"]
    assert lines[1].split() == ["recognize", "3", "2.00", "2.00", "-", "-", "-", "3.00"]
    assert len({len(line) for line in lines}) == 1


def test_an_empty_table_is_its_header() -> None:
    assert format_table({}).split() == ["stage", "count", "mean", "p50", "p90", "p95", "p99", "max"]


def test_plain_data_has_null_for_too_few_samples() -> None:
    plain = summarize([1.23456, 2.0]).to_dict()
    assert plain == {"count": 2, "mean": 1.617, "p50": 1.235, "p90": None, "p95": None, "p99": None, "max": 2.0}


def test_a_summary_of_nothing_is_no_error() -> None:
    summary = summarize([])
    assert (summary.count, summary.mean, summary.max, summary.p50) == (0, 0.0, 0.0, None)


@pytest.mark.parametrize(
    ("percentile", "rank"),
    [(0.05, 1.0), (0.5, 10.0), (0.95, 19.0), (0.951, 20.0), (1.0, 20.0)],
)
def test_nearest_rank(percentile: float, rank: float) -> None:
    assert nearest_rank([float(ms) for ms in range(1, 21)], percentile) == rank


@pytest.mark.parametrize(
    ("percentile", "n_slow", "n_samples"),
    [
        (0.90, 1, 64),
        (0.95, 1, 130),
        (0.99, 1, 662),
        (0.90, 2, 81),
        (0.95, 2, 165),
        (0.99, 2, 838),
    ],
)
def test_early_stopping_sizes_are_those_of_mlperf(percentile: float, n_slow: int, n_samples: int) -> None:
    assert min_samples(percentile, n_slow=n_slow) == n_samples
    assert slow_allowed(n_samples, percentile) == n_slow
    assert slow_allowed(n_samples - 1, percentile) == n_slow - 1


@pytest.mark.parametrize("percentile", [0.90, 0.95, 0.99])
def test_the_sizes_for_a_percentile_are_the_early_stopping_sizes(percentile: float) -> None:
    assert MIN_SAMPLES[percentile] == min_samples(percentile)


@pytest.mark.parametrize(
    ("n_samples", "estimate"),
    [
        pytest.param(63, None, id="too few"),
        pytest.param(64, 64.0, id="the slowest of 64"),
        pytest.param(80, 80.0, id="still the slowest"),
        pytest.param(81, 80.0, id="the second slowest of 81"),
    ],
)
def test_single_stream_estimate(n_samples: int, estimate: float | None) -> None:
    assert single_stream_estimate([float(ms) for ms in range(n_samples, 0, -1)]) == estimate


def test_the_estimate_lies_above_the_percentile_and_approaches_it() -> None:
    samples = [float(ms) for ms in range(1, 30_001)]
    estimate = single_stream_estimate(samples)
    assert estimate is not None
    assert 27_000 < estimate < 27_000 * 1.01


def test_columns_are_aligned() -> None:
    assert align([("a", "b"), ("long", "1.00")]) == "a        b\nlong  1.00"
