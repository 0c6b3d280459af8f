from pathlib import Path

import numpy as np
import pytest

from edge_ocr.errors import ModelError
from edge_ocr.metrics import Tally
from edge_ocr.pack import Gate
from optimize.gate import GateSet, Score, hold_against, standard_error

FP, INT8 = Path("net.fp.xml"), Path("net.int8.xml")
Figures = tuple[GateSet, Score, Score]


def gate_set(fp: float, int8: float, *, margin: float = 0.01, name: str = "rendered") -> Figures:
    """A set on which each precision has a known measure."""
    return judged(Score(fp), Score(int8), margin=margin, name=name)


def judged(fp: Score, int8: Score, *, margin: float = 0.01, name: str = "rendered") -> Figures:
    """A set on which each precision has a known score."""
    return GateSet(name, "word accuracy", margin, lambda xml: {FP: fp, INT8: int8}[xml]), fp, int8


def hold(*figures: Figures) -> tuple[Gate, ...]:
    return hold_against([fp for _, fp, _ in figures], INT8, [one for one, _, _ in figures])


def lines(n: int, n_lost: int, n_gained: int = 0) -> tuple[Score, Score]:
    """Of n lines, all but the gained ones read in float."""
    fp, int8 = np.ones(n, bool), np.ones(n, bool)
    int8[:n_lost] = False
    fp[n - n_gained :] = False
    return Score.of_hits(fp), Score.of_hits(int8)


@pytest.mark.parametrize(
    ("fp", "int8"),
    [
        pytest.param(0.9, 0.95, id="better"),
        pytest.param(0.9, 0.9, id="equal"),
        pytest.param(0.9, 0.895, id="within the margin"),
        pytest.param(0.9, 0.89, id="exactly the margin"),
        pytest.param(0.0, 0.0, id="both nothing"),
    ],
)
def test_int8_within_the_margin_passes(fp: float, int8: float, capsys: pytest.CaptureFixture[str]) -> None:
    (gate,) = hold(gate_set(fp, int8))
    assert gate.passed
    assert (gate.dataset, gate.measure, gate.fp, gate.int8, gate.margin) == (
        "rendered",
        "word accuracy",
        fp,
        int8,
        0.01,
    )
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"gate net.int8.xml: word accuracy on rendered: FP {fp:.4f}, INT8 {int8:.4f}" in captured.err


@pytest.mark.parametrize("n_lines", range(1, 58))
def test_one_line_of_a_small_set_may_be_lost_and_no_second(n_lines: int) -> None:
    assert hold(judged(*lines(n_lines, 1)))[0].passed
    if n_lines > 1:
        with pytest.raises(ModelError, match="refused"):
            hold(judged(*lines(n_lines, 2)))


@pytest.mark.parametrize(("n_lost", "n_gained", "passes"), [(30, 20, True), (35, 20, False), (20, 20, True)])
def test_lines_that_only_int8_reads_count_against_those_that_it_loses(n_lost: int, n_gained: int, passes: bool) -> None:
    """Of 1000: a loss of 10 is less than a margin of 5 and sqrt(50); one of 15 is more than 5 and sqrt(55)."""
    figures = judged(*lines(1000, n_lost, n_gained), margin=0.005)
    if passes:
        assert hold(figures)[0].standard_error == round((n_lost + n_gained) ** 0.5 / 1000, 4)
    else:
        with pytest.raises(ModelError, match=r"margin is 0.005 and a standard error of 0.0074; calibrate"):
            hold(figures)


def pages(*found: int) -> Score:
    """Pages of 10 lines, so many of which are found, without a false one."""
    return Score.of_tallies([Tally(n, n, 10) for n in found])


def test_the_score_of_pages_is_their_hmean() -> None:
    assert pages(10, 5).value == pytest.approx(2 * 15 / 35)
    assert pages().value == 0


def test_the_standard_error_of_pages_is_that_of_their_differences() -> None:
    """Which pages are hard for both says nothing of what INT8 loses; a few pages that it alone loses say little."""
    assert standard_error(pages(10, 2, 7, 9), pages(10, 2, 7, 9)) == 0
    rng = np.random.default_rng(0)
    fp = rng.integers(3, 11, 100)
    int8 = np.maximum(fp - rng.integers(0, 2, 100), 0)
    draws = [rng.integers(0, 100, 100) for _ in range(2000)]
    bootstrap = np.std([pages(*fp[draw]).value - pages(*int8[draw]).value for draw in draws])
    assert standard_error(pages(*fp), pages(*int8)) == pytest.approx(bootstrap, rel=0.1)


def test_the_standard_error_of_what_is_not_counted_in_lines_is_not_known() -> None:
    hits = Score.of_hits(np.array([True, False]))
    assert standard_error(Score(0.5), hits) == standard_error(hits, Score(0.5)) == 0
    nothing = Score.of_hits(np.array([], bool))
    assert (nothing.value, standard_error(nothing, nothing)) == (0, 0)


def test_int8_beyond_the_margin_is_refused_with_the_figures() -> None:
    with pytest.raises(ModelError) as caught:
        hold(gate_set(0.9, 0.8894))
    assert str(caught.value) == (
        "net.int8.xml: refused, INT8 loses 0.0106 word accuracy on rendered (FP 0.9000, INT8 0.8894),"
        " the margin is 0.01 and a standard error of 0.0000; calibrate with other data, or build with --no-int8"
    )


def test_one_failed_set_is_enough_and_the_worst_is_named() -> None:
    sets = [gate_set(0.9, 0.95), gate_set(0.9, 0.85, name="bad"), gate_set(0.9, 0.7, name="worst")]
    with pytest.raises(ModelError, match="on worst "):
        hold(*sets)


def test_a_measure_that_is_no_number_does_not_pass() -> None:
    with pytest.raises(ModelError, match="refused"):
        hold(gate_set(0.9, float("nan")))


def test_every_set_is_recorded() -> None:
    gates = hold(gate_set(0.9, 0.9, name="one"), gate_set(0.8, 0.8, name="two", margin=0.5))
    assert [(gate.dataset, gate.margin) for gate in gates] == [("one", 0.01), ("two", 0.5)]


def test_figures_are_rounded_before_they_are_judged() -> None:
    (gate,) = hold(gate_set(0.90004, 0.89))
    assert (gate.fp, gate.passed) == (0.9, True)
