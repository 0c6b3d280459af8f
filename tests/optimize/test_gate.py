from pathlib import Path

import pytest

from edge_ocr.errors import ModelError
from optimize.gate import GateSet, hold_against

FP, INT8 = Path("net.fp.xml"), Path("net.int8.xml")


def gate_set(fp: float, int8: float, *, margin: float = 0.01, name: str = "rendered") -> GateSet:
    """A set on which each precision has a known measure."""
    return GateSet(name, "word accuracy", margin, lambda xml: {FP: fp, INT8: int8}[xml])


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
    (gate,) = hold_against(FP, INT8, [gate_set(fp, int8)])
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


@pytest.mark.parametrize("n_lines", range(2, 140))
def test_one_line_of_a_small_set_may_be_lost_and_no_second(n_lines: int) -> None:
    for n_read in range(2, n_lines + 1):
        one, two = (gate_set(n_read / n_lines, (n_read - k) / n_lines, margin=1 / n_lines) for k in (1, 2))
        assert hold_against(FP, INT8, [one])[0].passed
        with pytest.raises(ModelError, match="refused"):
            hold_against(FP, INT8, [two])


def test_int8_beyond_the_margin_is_refused_with_the_figures() -> None:
    with pytest.raises(ModelError) as caught:
        hold_against(FP, INT8, [gate_set(0.9, 0.8894)])
    assert str(caught.value) == (
        "net.int8.xml: refused, INT8 loses 0.0106 word accuracy on rendered (FP 0.9000, INT8 0.8894),"
        " the margin is 0.01; calibrate with other data, or build with --no-int8"
    )


def test_one_failed_set_is_enough_and_the_worst_is_named() -> None:
    sets = [gate_set(0.9, 0.95), gate_set(0.9, 0.85, name="bad"), gate_set(0.9, 0.7, name="worst")]
    with pytest.raises(ModelError, match="on worst "):
        hold_against(FP, INT8, sets)


def test_a_measure_that_is_no_number_does_not_pass() -> None:
    with pytest.raises(ModelError, match="refused"):
        hold_against(FP, INT8, [gate_set(0.9, float("nan"))])


def test_every_set_is_recorded() -> None:
    gates = hold_against(FP, INT8, [gate_set(0.9, 0.9, name="one"), gate_set(0.8, 0.8, name="two", margin=0.5)])
    assert [(gate.dataset, gate.margin) for gate in gates] == [("one", 0.01), ("two", 0.5)]


def test_figures_are_rounded_before_they_are_judged() -> None:
    (gate,) = hold_against(FP, INT8, [gate_set(0.90004, 0.89)])
    assert (gate.fp, gate.passed) == (0.9, True)
