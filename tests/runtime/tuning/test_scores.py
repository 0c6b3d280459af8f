"""What is said of two profiles by the reads of the same pages."""

import math

import pytest

from runtime.tuning.goal import Goal
from runtime.tuning.scores import Quotient, Score, quotient
from tests.runtime.tuning.fakes import read


def score(ms: float, *, hits: int = 10, n: int = 20) -> Score:
    return Score(tuple(read(f"page {number}", ms, hits=hits) for number in range(n)))


def test_the_word_f1_is_over_all_pages() -> None:
    both = Score((read("a", 1.0, hits=10), read("b", 1.0, hits=5)))
    assert both.f1 == 0.75
    assert both.n_pages == 2


def test_the_search_goes_by_a_p90_of_few_reads_and_prints_none() -> None:
    few = Score(tuple(read(f"page {number}", float(number)) for number in range(1, 11)))
    assert few.p90_ms == 9.0
    assert few.summary.p90 is None


def test_a_profile_that_is_always_faster_is_faster() -> None:
    fast = [read(f"page {number}", 80.0 + number) for number in range(20)]
    slow = [read(f"page {number}", 100.0 + number) for number in range(20)]
    found = quotient(fast, slow)
    assert found.middle == pytest.approx(0.82, abs=0.02)
    assert found.is_faster
    assert not found.is_slower
    assert quotient(slow, fast).is_slower


def test_a_disturbed_read_decides_nothing() -> None:
    fast = [read(f"page {number}", 9000.0 if number == 7 else 80.0) for number in range(20)]
    slow = [read(f"page {number}", 100.0) for number in range(20)]
    assert quotient(fast, slow).is_faster


def test_noise_is_not_faster() -> None:
    one = [read(f"page {number}", 100.0 + 20 * (number % 2)) for number in range(20)]
    other = [read(f"page {number}", 120.0 - 20 * (number % 2)) for number in range(20)]
    found = quotient(one, other)
    assert not found.is_faster
    assert not found.is_slower


def test_a_gain_too_small_to_care_is_none() -> None:
    assert not Quotient(0.995, 0.99, 0.999).is_faster


def test_few_pages_have_no_interval() -> None:
    found = quotient([read("a", 1.0)], [read("a", 2.0)])
    assert found.middle == pytest.approx(0.5)
    assert (found.low, found.high) == (0.0, math.inf)
    assert quotient([], []).high == math.inf


def test_of_several_reads_of_a_page_the_median_counts() -> None:
    one = [read("a", ms) for ms in (10.0, 12.0, 500.0)]
    assert quotient(one, [read("a", 12.0)]).middle == pytest.approx(1.0)


FASTER, SLOWER, SAME = Quotient(0.8, 0.7, 0.9), Quotient(1.2, 1.1, 1.3), Quotient(1.0, 0.95, 1.05)


@pytest.mark.parametrize(
    ("new", "time", "why"),
    [
        pytest.param(score(80), FASTER, None, id="faster and as accurate"),
        pytest.param(score(80, hits=9), FASTER, "less accurate than asked for", id="faster but less accurate"),
        pytest.param(score(100), SAME, "not clearly faster", id="the same"),
        pytest.param(score(120), SLOWER, "slower", id="slower"),
    ],
)
def test_without_a_budget_the_fastest_at_the_floor_wins(new: Score, time: Quotient, why: str | None) -> None:
    assert Goal(floor_f1=1.0).why_not(new, score(100), time) == why


@pytest.mark.parametrize(
    ("new", "old", "time", "why"),
    [
        pytest.param(score(80, hits=9), score(120), FASTER, None, id="first into the budget"),
        pytest.param(
            score(80, hits=7), score(120), FASTER, "less accurate than asked for", id="but not below the floor"
        ),
        pytest.param(score(95), score(80, hits=9), SLOWER, None, id="then more accurate within it"),
        pytest.param(score(110), score(80, hits=9), SLOWER, "over the budget", id="not beyond it"),
        pytest.param(score(70), score(80), FASTER, None, id="at the same accuracy faster"),
        pytest.param(
            score(70, hits=9),
            score(80),
            FASTER,
            "less accurate, and the budget is kept without it",
            id="nothing is given away",
        ),
    ],
)
def test_with_a_budget_the_most_accurate_within_it_wins(
    new: Score, old: Score, time: Quotient, why: str | None
) -> None:
    assert Goal(floor_f1=0.8, max_p90_ms=100.0).why_not(new, old, time) == why


def test_what_is_slower_is_given_up_early_unless_the_budget_allows_it() -> None:
    more_accurate, old = score(95), score(80, hits=8)
    assert Goal(0.8).is_hopeless(more_accurate, old, SLOWER)
    assert not Goal(0.8, 100.0).is_hopeless(more_accurate, old, SLOWER)
    assert Goal(0.8).is_hopeless(score(50, hits=5), old, FASTER)
    assert not Goal(0.8).is_hopeless(score(50, hits=8), old, FASTER)


def test_of_several_winners_the_best_by_the_goal_is_taken() -> None:
    found = [("fast", score(70, hits=8), FASTER), ("right", score(90, hits=9), SAME)]
    assert Goal(0.8).best(found) == "fast"
    assert Goal(0.8, 100.0).best(found) == "right"
    assert Goal(0.8, 80.0).best(found) == "fast"


def test_a_result_has_to_hold_in_the_end() -> None:
    base = score(100)
    assert Goal(1.0).keeps_its_promise(score(80), base, FASTER)
    assert not Goal(1.0).keeps_its_promise(score(120), base, SLOWER)
    assert not Goal(1.0).keeps_its_promise(score(80, hits=9), base, FASTER)
    assert Goal(0.8, 90.0).keeps_its_promise(score(80, hits=9), base, FASTER)
    assert not Goal(0.8, 110.0).keeps_its_promise(score(80, hits=9), base, FASTER), "the budget is kept without it"
