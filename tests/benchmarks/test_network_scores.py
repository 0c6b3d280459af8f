"""What INT8 may cost a network: the rule, and what is judged at all."""

import json
from pathlib import Path

import pytest

from benchmarks.int8_accuracy import chosen_sets
from benchmarks.int8_tables import print_costs, print_verdicts
from benchmarks.kept import Kept
from benchmarks.network_scores import ALL_SETS, NATIVE, Score, is_spellable, judge_sets, turns
from edge_ocr.charset import Charset
from edge_ocr.errors import ConfigError


def crops(hits: int, n: int) -> Score:
    return Score(hits=hits, predicted=n, labelled=n, images=n)


@pytest.mark.parametrize(
    ("hits", "n", "passed"),
    [
        pytest.param(890, 900, False, id="more than a point of many"),
        pytest.param(892, 900, True, id="less than a point of many"),
        pytest.param(9, 10, True, id="one image of few"),
        pytest.param(8, 10, False, id="two images of few"),
        pytest.param(10, 10, True, id="nothing"),
    ],
)
def test_a_set_may_lose_a_point_or_one_image(hits: int, n: int, passed: bool) -> None:
    assert judge_sets({"a": crops(n, n)}, {"a": crops(hits, n)})[0].passed == passed


def test_all_sets_together_may_lose_three_tenths_of_a_point() -> None:
    fp = {"large": crops(900, 1000), "small": crops(10, 10)}
    lost_four = judge_sets(fp, {"large": crops(896, 1000), "small": crops(10, 10)})
    assert [verdict.passed for verdict in lost_four] == [True, True, False]
    lost_three = judge_sets(fp, {"large": crops(897, 1000), "small": crops(10, 10)})[-1]
    assert (lost_three.name, lost_three.images, lost_three.passed) == (ALL_SETS, 1010, True)


def test_a_gain_is_no_loss() -> None:
    assert all(verdict.passed for verdict in judge_sets({"a": crops(0, 10)}, {"a": crops(10, 10)}))


def test_of_pages_the_measure_is_the_hmean() -> None:
    assert Score(hits=3, predicted=4, labelled=6, images=2).value == pytest.approx(0.6)


def test_a_set_without_labels_is_not_judged() -> None:
    nothing = Score.total([])
    assert judge_sets({"photographs": nothing}, {"photographs": nothing}) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("Ab-1", True, id="case and punctuation do not matter"),
        pytest.param("皖A1", False, id="a character that the charset lacks"),
        pytest.param("--", False, id="neither letter nor digit"),
    ],
)
def test_only_texts_that_the_charset_can_spell_are_judged(text: str, expected: bool) -> None:
    assert is_spellable(text, Charset("aB1")) == expected


@pytest.mark.parametrize(("text", "expected"), [("0", False), ("NOON", False), ("10", True), ("Total", True)])
def test_a_text_that_is_one_on_its_head_too_has_no_orientation(text: str, expected: bool) -> None:
    assert turns(text) == expected


def test_what_was_kept_is_found_again_and_a_line_cut_short_is_not(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    Kept(path).add({"set": "a", "limit": 0}, {"hits": 3})
    with path.open("a", encoding="utf-8") as file:
        file.write('{"key": {"set": "b"}, "val')
    again = Kept(path)
    assert again.find({"limit": 0, "set": "a"}) == {"hits": 3}
    again.add({"set": "b"}, 1)
    assert (Kept(path).find({"set": "b"}), Kept(path).find({"set": "c"})) == (1, None)


def test_a_file_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"notes\.txt: line 1 was not written by a benchmark"):
        Kept(path)


def test_sets_are_those_with_labels_unless_they_are_named(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "labels.jsonl").touch()
    (tmp_path / "notes").mkdir()
    assert [folder.name for folder in chosen_sets(tmp_path, [])] == ["a", "b"]
    assert [folder.name for folder in chosen_sets(tmp_path, ["b"])] == ["b"]
    with pytest.raises(ConfigError, match=r"notes: no labels\.jsonl there"):
        chosen_sets(tmp_path, ["notes"])


def test_the_tables_say_points_and_parts_of_fp32(capsys: pytest.CaptureFixture[str]) -> None:
    verdicts = [{"isa": NATIVE, **one.to_dict()} for one in judge_sets({"a": crops(99, 100)}, {"a": crops(90, 100)})]
    costs = [
        {"precision": name, "isa": NATIVE, "kib": kib, "accuracy": 0.9, "ms": {"48 x 320": ms}}
        for name, kib, ms in (("FP32", 200, 4.0), ("INT8", 100, 1.0))
    ]
    results = json.loads(json.dumps({"net": {"measure": "m", "verdicts": verdicts, "costs": costs, "not_run": []}}))
    print_verdicts(results)
    print_costs(results)
    rows = [row.split() for row in capsys.readouterr().out.splitlines() if row]
    assert rows[1] == ["a", "100", "99.00", "90.00", "9.00", "1.00", "TOO", "MUCH"]
    assert rows[-1] == ["net", "INT8", "100", "90.00", "1.00", "0.25"]
