"""Where the search goes, with readers whose speed and accuracy are known."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edge_ocr import ConfigError, EdgeOcrError
from edge_ocr.pack import load_pack
from edge_ocr.profile import DeviceProfile
from runtime.tuning.contest import Contest
from runtime.tuning.journal import Journal, Round
from runtime.tuning.pages import LabelledPage
from runtime.tuning.search import Search, rounds
from runtime.tuning.space import dimensions, effective_threads
from tests.runtime.tuning.fakes import BASE, CPU, WORDS, FakeReaders, pages, read

HEADER = {"device": "a test's"}
N_PAGES = 16


def plain_cost(profile: DeviceProfile) -> tuple[float, int]:
    """More threads are faster, floats too; at less than all of its scale the detector is faster and misses a word."""
    ms = 100 / effective_threads(profile, CPU) ** 0.5
    ms *= 0.8 if profile.precision.detector == "fp" else 1.0
    ms *= profile.detector.scale
    ms *= 0.9 if profile.inference_precision == "bf16" else 1.0
    return ms, WORDS if profile.detector.scale == 1 else WORDS - 1


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.tuning.contest.PAUSE_S", 0.0)


def search_with(
    readers: FakeReaders, *, journal: Journal | None = None, base: DeviceProfile = BASE, **goal: Any
) -> Search:
    found: Sequence[LabelledPage] = pages(N_PAGES)
    return Search(
        base=base,
        dimensions=dimensions(base, CPU, load_pack("latin"), [(720, 1280)]),
        n_pages=N_PAGES,
        open_contest=partial(
            Contest,
            pack="toy",
            pages=found,
            journal=journal or Journal(None, HEADER),
            open_contestant=readers,
            sizes_hw=[(720, 1280)],
        ),
        **goal,
    )


def test_the_fastest_profile_without_a_loss_is_found() -> None:
    readers = FakeReaders(plain_cost)
    outcome = search_with(readers).run()
    profile = outcome.profile
    assert not outcome.is_base
    assert (profile.threads, profile.precision.detector, profile.inference_precision) == (4, "fp", "bf16")
    assert profile.detector.scale == 1.0, "faster, but it loses a word"
    assert outcome.time.middle == pytest.approx(0.8 * 0.9 / 2**0.5)
    assert outcome.best.f1 == outcome.base.f1 == 1.0
    assert readers.n_open == 0, "every reader was closed"


def test_accuracy_is_given_up_only_as_far_as_is_allowed() -> None:
    outcome = search_with(FakeReaders(plain_cost), min_f1=0.9).run()
    assert outcome.profile.detector.scale == 0.6
    assert outcome.best.f1 == pytest.approx(18 / 19)


def test_a_budget_is_met_with_the_most_accurate_profile_within_it() -> None:
    roomy = search_with(FakeReaders(plain_cost), min_f1=0.9, max_p90_ms=500.0).run()
    assert roomy.best.f1 == 1.0
    tight = search_with(FakeReaders(plain_cost), min_f1=0.9, max_p90_ms=70.0).run()
    assert tight.goal.is_met(tight.best)
    assert tight.profile.detector.scale < 1


def test_hand_written_values_stay_where_nothing_is_better() -> None:
    outcome = search_with(FakeReaders(lambda profile: (100.0, WORDS))).run()
    assert outcome.is_base
    assert outcome.profile == BASE
    assert outcome.why_base == "nothing that was tried is better"
    assert all(one.refused == "not clearly faster" or "worse" in str(one.refused) for one in outcome.tried)


def test_what_does_not_hold_in_the_end_is_not_written() -> None:
    readers = FakeReaders(plain_cost)

    class Fickle(FakeReaders):
        """Fast while it is tried, slow in the last comparison, where everything is read several times."""

        def __call__(self, profile: DeviceProfile, pack: str, sizes_hw: Sequence[tuple[int, int]]) -> Any:
            reader = super().__call__(profile, pack, sizes_hw)
            if effective_threads(profile, CPU) == 4 and self.n_reads > n_reads_before_the_end:
                reader.readers = FakeReaders(lambda _: (900.0, WORDS))
            return reader

    n_reads_before_the_end = 10**9
    search_with(readers).run()
    n_reads_before_the_end = readers.n_reads - 2 * N_PAGES * 4 - 1
    outcome = search_with(Fickle(plain_cost)).run()
    assert outcome.is_base
    assert "did not hold in the end" in str(outcome.why_base)
    assert outcome.best == outcome.base


def test_a_value_that_cannot_be_used_here_is_passed_over() -> None:
    readers = FakeReaders(plain_cost)
    readers.refused = ["bf16"]
    outcome = search_with(readers).run()
    assert outcome.profile.inference_precision == "f32"
    assert next(one.refused for one in outcome.tried if one.label == "bf16") == (
        "cannot be used: inference_precision bf16: not on this CPU"
    )


def test_a_hand_written_profile_that_cannot_be_used_is_an_error() -> None:
    readers = FakeReaders(plain_cost)
    readers.refused = ["f32"]
    with pytest.raises(EdgeOcrError, match=r"profile base: .* not on this CPU"):
        search_with(readers).run()


def test_few_pages_are_read_by_many_and_all_by_few() -> None:
    assert rounds(8) == [8]
    assert rounds(40) == [8, 16, 32, 40]
    readers = FakeReaders(plain_cost)
    outcome = search_with(readers).run()
    given_up = [one for one in outcome.tried if one.n_pages == 8]
    assert given_up
    assert all("first 8 pages" in str(one.refused) for one in given_up)


def test_an_interrupted_search_goes_on_and_comes_to_the_same(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml.state.jsonl"
    whole = FakeReaders(plain_cost)
    expected = search_with(whole).run()
    first = FakeReaders(plain_cost, stop_after=whole.n_reads // 2)
    with pytest.raises(KeyboardInterrupt):
        search_with(first, journal=Journal(path, HEADER)).run()
    assert first.n_open == 0, "every reader was closed"
    second = FakeReaders(plain_cost)
    outcome = search_with(second, journal=Journal(path, HEADER)).run()
    assert (outcome.profile, outcome.tried) == (expected.profile, expected.tried)
    assert second.n_reads < whole.n_reads
    third = FakeReaders(plain_cost)
    assert search_with(third, journal=Journal(path, HEADER)).run().tried == expected.tried
    assert third.n_reads == 0, "all of it was known"


def a_round(number: int) -> Round:
    return Round(contest=1, number=number, reads={"k": (read("a", 1.5),)})


def test_a_journal_is_taken_up_up_to_a_line_that_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "state"
    journal = Journal(path, HEADER)
    journal.add(a_round(0))
    journal.add(a_round(1))
    path.write_text(path.read_text()[:-20])
    again = Journal(path, HEADER)
    assert again.n_rounds == 1
    again.add(a_round(1))
    assert Journal(path, HEADER).find(1, 1, ["k"]) == a_round(1)


def test_the_journal_of_another_search_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state"
    Journal(path, HEADER).add(a_round(0))
    with pytest.raises(ConfigError, match=r"was begun with another device; start anew with --restart"):
        Journal(path, {"device": "another"})
    with pytest.raises(ConfigError, match="another version's search"):
        Journal(path, HEADER).find(1, 0, ["other"])
    path.write_text("no JSON")
    with pytest.raises(ConfigError, match="not the state of a search"):
        Journal(path, HEADER)
