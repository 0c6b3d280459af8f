"""Numbers that the benchmarks make of what they measured."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.against_peers import compare
from benchmarks.dataset import LabelledImage, LabelledSet
from benchmarks.false_lines import count_lines
from benchmarks.memory import draw_page, growth
from benchmarks.peers import PeerError, ReadImage, ReadLine
from benchmarks.report import print_table, run_script, time_summary
from edge_ocr.errors import ConfigError
from edge_ocr.metrics import Label

SQUARE = np.array([[0, 0], [10, 0], [10, 10], [0, 10]], np.float32)


def read_of(text: str, elapsed_ms: float) -> ReadImage:
    return ReadImage((ReadLine(text, 0.9, SQUARE),), elapsed_ms)


def test_compare_states_accuracy_and_time_as_multiples_of_ours() -> None:
    pages = LabelledSet("pages", [LabelledImage(Path("a"), "a", labels=[Label(SQUARE, "one")]) for _ in range(3)])
    reads = {
        "ours": [read_of("One.", ms) for ms in (10, 10, 20)],
        "peer": [read_of(text, ms) for text, ms in (("one", 20), ("two", 30), ("one", 190))],
    }
    result = compare(pages, reads)
    assert (result["ours"]["word_f1"], result["peer"]["word_f1"]) == (1.0, 0.6667)
    assert result["ours"]["times_ours"] == {"total": 1.0, "median": 1.0}
    assert result["peer"]["times_ours"] == {"total": 6.0, "median": 3.0}


def test_compare_of_crops_counts_words() -> None:
    crops = LabelledSet("crops", [LabelledImage(Path(text), text, text=text) for text in ("A1", "B2")])
    result = compare(crops, {"ours": [read_of("a1", 1), read_of("82", 1)]})
    assert result["ours"]["word_accuracy"] == 0.5


def test_count_lines_counts_lines_and_images() -> None:
    counted = count_lines([read_of("logo", 10), ReadImage((), 30)])
    assert (counted["n_lines"], counted["n_images"], counted["median_ms"]) == (1, 1, 20)


def test_time_summary_of_nothing_is_empty() -> None:
    assert time_summary([]) == {}


@pytest.mark.parametrize(
    ("samples_mib", "growth_percent"),
    [
        pytest.param([100.0] * 40, 0.0, id="flat"),
        pytest.param([100.0] * 20 + [150.0] * 20, 50.0, id="a step"),
        pytest.param([100.0] * 39 + [500.0], 0.0, id="one late sample is no growth"),
    ],
)
def test_growth_compares_the_ends_by_medians(samples_mib: list[float], growth_percent: float) -> None:
    assert growth(samples_mib)["growth_percent"] == growth_percent


def test_drawn_pages_are_within_their_limits_and_repeat_with_their_seed() -> None:
    pages = [draw_page(np.random.default_rng(seed), 64) for seed in (1, 1, 2)]
    assert np.array_equal(pages[0], pages[1])
    assert all(16 <= side <= 64 for page in pages for side in page.shape[:2])


def test_the_last_line_of_a_script_is_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    def measure() -> dict[str, object]:
        print_table(["set", "f1"], [["pages", 0.5]])
        return {"benchmark": "x"}

    assert run_script(measure) == 0
    *_, last = capsys.readouterr().out.splitlines()
    record = json.loads(last)
    assert record["benchmark"] == "x"
    assert record["machine"]["usable_threads"] >= 1


@pytest.mark.parametrize(
    ("error", "status"),
    [
        pytest.param(ConfigError("--set x: no such set"), 2, id="wrong usage"),
        pytest.param(PeerError("peer: ended"), 1, id="a failure"),
    ],
)
def test_a_script_that_fails_says_so_in_one_line(
    error: Exception, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure() -> dict[str, object]:
        raise error

    assert run_script(measure) == status
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"error: {error}\n")
