"""What is made of single latencies: distribution, price of a line, drift, queueing."""

import pytest

from runtime.profiling.analysis import (
    MAX_BINS,
    FrameCost,
    cost_by_lines,
    drift,
    fit_lines,
    histogram,
    newest_first,
    queue_points,
)


def frames_of(*costs: tuple[float, int, float, int]) -> list[FrameCost]:
    return [FrameCost(*cost) for cost in costs]


def test_a_histogram_counts_every_sample() -> None:
    one = histogram([10.0, 11.0, 11.5, 14.0])
    assert sum(one.counts) + one.above == 4
    assert one.first_ms <= 10.0
    assert len(one.counts) <= MAX_BINS


def test_a_histogram_has_bins_of_a_round_width() -> None:
    one = histogram([float(ms) for ms in range(100, 201)])
    assert one.width_ms == 5.0
    assert one.first_ms == 100.0
    assert one.counts[:3] == (5, 5, 5)


def test_a_spike_is_counted_beyond_the_last_bin() -> None:
    one = histogram([10.0 + index / 100 for index in range(200)] + [5000.0])
    assert one.above == 1
    assert one.first_ms + one.width_ms * len(one.counts) < 100


@pytest.mark.parametrize("ms", [0.004, 1.0, 250.0])
def test_equal_samples_share_one_bin(ms: float) -> None:
    one = histogram([ms] * 5)
    assert (one.counts, one.above) == ((5,), 0)


def test_frames_are_grouped_by_their_lines() -> None:
    costs = cost_by_lines(frames_of((0, 0, 30.0, 2), (1, 1, 10.0, 0), (2, 2, 50.0, 2)))
    assert [(cost.lines, cost.frames, cost.p50_ms, cost.max_ms) for cost in costs] == [
        (0, 1, None, 10.0),
        (2, 2, 30.0, 50.0),
    ]
    assert cost_by_lines([]) == ()


def test_a_line_has_a_price() -> None:
    fit = fit_lines([FrameCost(0.0, 0, 40.0 + 5.0 * lines, lines) for lines in range(8)])
    assert fit is not None
    assert (round(fit.base_ms, 6), round(fit.per_line_ms, 6), round(fit.explained, 6)) == (40.0, 5.0, 1.0)


def test_equally_many_lines_have_no_price() -> None:
    assert fit_lines(frames_of((0, 0, 30.0, 2), (1, 1, 40.0, 2))) is None
    assert fit_lines([]) is None


def test_drift_compares_the_same_pictures() -> None:
    # The second half shows other pictures too, which are slower: that is no drift.
    early = [FrameCost(index / 10, index, 10.0 + index, 1) for index in range(20)]
    late = [FrameCost(5 + index / 10, index, (10.0 + index) * 1.1, 1) for index in range(20)]
    others = [FrameCost(9.0, 100 + index, 900.0, 1) for index in range(20)]
    found = drift([*early, *late, *others], 10.0)
    assert found is not None
    assert (round(found.ratio, 6), found.pairs) == (1.1, 20)


def test_too_few_pictures_say_nothing_about_drift() -> None:
    assert drift([FrameCost(index / 10, index, 10.0, 1) for index in range(50)], 5.0) is None


def test_a_reader_that_is_fast_enough_lets_nobody_wait() -> None:
    waits, responses, n_arrived = newest_first([50.0], fps=10.0, n_frames=4)
    assert (waits, responses, n_arrived) == ([0.0] * 4, [50.0] * 4, 4)


def test_a_slow_reader_takes_the_newest_frame() -> None:
    # Frames every 100 ms, reads of 250 ms: at 250 ms the frames of 100 and 200 ms are there, the older one is left out.
    waits, responses, n_arrived = newest_first([250.0], fps=10.0, n_frames=3)
    assert waits == [0.0, 50.0, 0.0]
    assert responses == [250.0, 300.0, 250.0]
    assert n_arrived == 6


def test_queueing_is_computed_for_every_rate() -> None:
    slow, fast = queue_points([100.0] * 10, (20.0, 5.0))
    assert (slow.fps, slow.load, slow.skipped) == (5.0, 0.5, 0.0)
    assert slow.waiting.p95 == 0.0
    assert fast.load == 2.0
    assert fast.skipped == pytest.approx(0.5, abs=0.01)
    assert queue_points([]) == ()
