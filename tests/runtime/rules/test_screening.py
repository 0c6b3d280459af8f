"""From what the tracks say to what is published: filters, causes that are counted, redaction."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest

from runtime.config.zones import MAX_TEXT, TextRules, ZoneConfig
from runtime.rules import filters
from runtime.rules.filters import TextFilter, Verdict
from runtime.rules.redaction import Redactor
from runtime.rules.screening import REFUSED_AFTER_S, Screen
from runtime.rules.zones import Zones
from runtime.texts.tracking import TrackEvent
from tests.edge_ocr.test_mrz import TD1

LEFT, RIGHT = 50, 150
"""Where the middle of the zone `left`, 100 px wide, and that of no zone is."""


def rules(**given: Any) -> TextRules:
    return TextRules.model_validate(given)


def verdict(text: str, score: float = 0.9, **given: Any) -> Verdict:
    text_filter = TextFilter(rules(**given))
    replaced = text_filter.replaced(text)
    return Verdict(cause="timeout") if replaced is None else text_filter.judge(replaced, score)


@pytest.mark.parametrize(
    ("given", "text", "expected"),
    [
        pytest.param({}, "AB 12", Verdict("AB 12"), id="no rules let everything pass"),
        pytest.param({"min_score": 0.9}, "A", Verdict("A"), id="the least score itself passes"),
        pytest.param({"min_score": 0.91}, "A", Verdict(cause="min_score"), id="a lower score"),
        pytest.param({"min_length": 3}, "AB", Verdict(cause="min_length"), id="too short"),
        pytest.param({"max_length": 1}, "AB", Verdict(cause="max_length"), id="too long"),
        pytest.param({"match": "[A-Z]{2}"}, "AB", Verdict("AB"), id="matches"),
        pytest.param({"match": "[A-Z]{2}"}, "AB1", Verdict(cause="match"), id="matches at its start only"),
        pytest.param({"match": "B"}, "AB", Verdict(cause="match"), id="matches at its end only"),
        pytest.param({"mrz": ["td3"]}, "AB", Verdict(cause="mrz"), id="no machine-readable zone"),
        pytest.param(
            {"replace": [{"pattern": " ", "with": ""}], "max_length": 4},
            "A B12",
            Verdict("AB12"),
            id="lengths count after replacing",
        ),
        pytest.param(
            {"replace": [{"pattern": r"(\d+)-(\d+)", "with": r"\2/\1"}, {"pattern": "/", "with": ":"}]},
            "12-34",
            Verdict("34:12"),
            id="rules follow each other and know groups",
        ),
        pytest.param(
            {"replace": [{"pattern": ".*", "with": ""}]}, "A", Verdict(cause="min_length"), id="nothing is left"
        ),
    ],
)
def test_a_text_passes_its_rules_or_is_refused_by_the_first_it_fails(
    given: dict[str, Any], text: str, expected: Verdict
) -> None:
    assert verdict(text, **given) == expected


@pytest.mark.parametrize("key", ["match", "replace"])
def test_an_expression_that_never_ends_is_given_up(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filters, "TIMEOUT_S", 0.001)
    endless = "(a|aa)+$"
    given = {"match": endless} if key == "match" else {"replace": [{"pattern": endless, "with": ""}]}
    assert verdict("a" * 60 + "b", **given) == Verdict(cause="timeout")


def test_expressions_are_not_tried_on_texts_beyond_all_bounds() -> None:
    assert verdict("a" * (MAX_TEXT + 1), match="a*") == Verdict(cause="max_length")


# -- over time


def state(
    text: str,
    *,
    kind: Literal["begin", "update", "end"] = "begin",
    track_id: int = 1,
    x: float = LEFT,
    y: float = 20,
    score: float = 0.9,
) -> TrackEvent:
    quad = np.array([[x - 20, y - 5], [x + 20, y - 5], [x + 20, y + 5], [x - 20, y + 5]], np.float32)
    return TrackEvent(kind, track_id, text, f"{text}?", score, 3, 2, quad, 1.0, 2.0)


class Shown:
    """A screen, and what was published by it."""

    def __init__(self, *, outside: dict[str, Any] | None = None, key: bytes | None = None, **left: Any) -> None:
        zone = ZoneConfig.model_validate({"polygon": [[0, 0], [100, 0], [100, 100], [0, 100]], **left})
        beyond = None if outside is None else rules(**outside)
        self.screen = Screen(Zones({"left": zone}, outside=beyond), Redactor(key))
        self.standing: dict[int, TrackEvent] = {}

    def frame(self, *changes: TrackEvent, ts: float = 0.0) -> list[tuple[str, str]]:
        """What is published of one frame's changes."""
        for change in changes:
            if change.type == "end":
                self.standing.pop(change.track_id)
            else:
                self.standing[change.track_id] = change
        return [(event.type, event.text) for event in self.events(changes, ts)]

    def events(self, changes: Sequence[TrackEvent], ts: float = 0.0) -> list[TrackEvent]:
        return self.screen.pass_on(changes, lambda: list(self.standing.values()), ts)

    def rescore(self, track_id: int, score: float) -> None:
        self.standing[track_id] = replace(self.standing[track_id], score=score)

    def visible(self) -> list[str]:
        return [event.text for event in self.screen.visible(list(self.standing.values()))]


def test_without_zones_everything_passes_as_it_is() -> None:
    change = state("A")
    screen = Screen()
    assert screen.pass_on([change], lambda: [], 0.0) == [change]
    assert screen.visible([change]) == [change]
    assert screen.refused() == {}


def test_an_accepted_text_carries_its_zone_and_what_was_read() -> None:
    shown = Shown(replace=[{"pattern": "O", "with": "0"}])
    shown.standing[1] = state("1O")
    (event,) = shown.events([state("1O")])
    assert (event.type, event.text, event.text_raw, event.zone, event.redaction) == ("begin", "10", "1O?", "left", None)


def test_a_refused_text_is_never_seen_and_counted_once_at_its_end() -> None:
    shown = Shown(match=r"\d+")
    assert shown.frame(state("A")) == []
    assert shown.frame(state("B", kind="update"), ts=0.1) == []
    assert shown.visible() == []
    assert shown.screen.refused() == {}
    assert shown.frame(state("B", kind="end"), ts=0.2) == []
    assert shown.screen.refused() == {"left": {"match": 1}}


def test_a_text_that_stays_refused_is_counted_while_it_stands_and_once() -> None:
    shown = Shown(match=r"\d+")
    shown.frame(state("A"), ts=10.0)
    for after_s in (0.5, REFUSED_AFTER_S, 5.0):
        shown.frame(ts=10.0 + after_s)
    assert shown.screen.refused() == {"left": {"match": 1}}
    shown.frame(state("A", kind="end"), ts=20.0)
    assert shown.screen.refused() == {"left": {"match": 1}}


def test_a_text_begins_when_its_score_has_risen_and_was_not_refused_then() -> None:
    shown = Shown(min_score=0.8)
    assert shown.frame(state("A", score=0.7)) == []
    shown.rescore(1, 0.8)
    assert shown.frame(ts=0.3) == [("begin", "A")]
    assert shown.frame(ts=0.4) == []
    assert shown.frame(state("A", kind="end"), ts=9.0) == [("end", "A")]
    assert shown.screen.refused() == {}


def test_what_was_accepted_stands_when_a_later_reading_is_refused() -> None:
    shown = Shown(match=r"\d+")
    assert shown.frame(state("12")) == [("begin", "12")]
    assert shown.frame(state("1Z", kind="update"), ts=0.1) == []
    assert shown.visible() == ["12"]
    assert shown.frame(state("13", kind="update"), ts=0.2) == [("update", "13")]
    assert shown.frame(state("1Z", kind="update"), ts=0.3) == []
    assert shown.frame(state("1Z", kind="end"), ts=0.4) == [("end", "13")]
    assert shown.screen.refused() == {"left": {"match": 1}}


def test_an_update_that_replacing_undoes_is_none() -> None:
    shown = Shown(replace=[{"pattern": "O", "with": "0"}])
    assert shown.frame(state("1O")) == [("begin", "10")]
    assert shown.frame(state("10", kind="update")) == []


def test_a_line_across_zones_that_none_holds_is_counted_as_outside() -> None:
    shown = Shown()
    shown.frame(state("A", x=RIGHT))
    shown.frame(state("A", x=RIGHT, kind="end"))
    assert shown.screen.refused() == {"outside": {"outside": 1}}


def test_what_is_outside_has_rules_of_its_own() -> None:
    shown = Shown(match=r"\d+", outside={"match": "[A-Z]+"})
    assert shown.frame(state("A"), state("B", track_id=2, x=RIGHT)) == [("begin", "B")]
    shown.frame(state("A", kind="end"), state("B", track_id=2, x=RIGHT, kind="end"))
    assert shown.screen.refused() == {"left": {"match": 1}}


def test_a_text_that_wanders_keeps_the_rules_of_the_zone_it_began_in() -> None:
    shown = Shown(redact="mask", outside={})
    assert shown.frame(state("AB")) == [("begin", "**")]
    assert shown.frame(state("ABC", kind="update", x=RIGHT)) == [("update", "***")]
    assert shown.frame(state("ABC", kind="end", x=RIGHT)) == [("end", "***")]


def test_a_document_is_published_when_all_its_lines_have_settled() -> None:
    shown = Shown(mrz=["td1"])
    rows = [state(text, track_id=i + 1, y=20 + 20 * i) for i, text in enumerate(TD1)]
    assert shown.frame(rows[1]) == []
    assert shown.frame(rows[2], ts=0.1) == []
    assert shown.frame(rows[0], ts=0.2) == [("begin", TD1[1]), ("begin", TD1[2]), ("begin", TD1[0])]
    assert shown.frame(*(replace(row, type="end") for row in rows), ts=5.0) == [("end", row) for row in TD1]
    assert shown.screen.refused() == {}


def test_a_document_on_its_head_is_read_in_its_own_order() -> None:
    shown = Shown(mrz=["td1"])
    rows = [state(text, track_id=i + 1, y=80 - 20 * i) for i, text in enumerate(TD1)]
    turned = [replace(row, quad=row.quad[[2, 3, 0, 1]]) for row in rows]
    assert len(shown.frame(*turned)) == 3


# -- redaction

SECRET = "AB1234"


@pytest.mark.parametrize("how", ["drop", "mask", "hmac"])
def test_a_redacted_text_leaves_no_trace_of_itself(how: str) -> None:
    shown = Shown(redact=how, match="[A-Z]{2}[0-9]{4}", key=b"k" * 32)
    out: list[Any] = []
    for change in (state(SECRET), state("AB9999", kind="update"), state("AB99X9", kind="update")):
        shown.standing[1] = change
        out += shown.events([change])
        out += shown.screen.visible(list(shown.standing.values()))
    out += shown.events([state("AB99X9", kind="end")])
    assert [event.type for event in out] == ["begin", "begin", "update", "update", "update", "end"]
    assert {event.redaction for event in out} == {how}
    assert not any(part in repr(out) for part in (SECRET, "9999", "X9"))


def test_a_picture_hides_what_began_in_a_redacted_zone_wherever_it_wanders() -> None:
    shown = Shown(redact="mask", outside={})
    shown.frame(state("AB"), state("CD", track_id=2, x=RIGHT, y=60))
    shown.standing[1] = state("AB", kind="update", x=RIGHT)
    picture = shown.screen.hide_redacted(np.full((100, 200, 3), 9, np.uint8), list(shown.standing.values()))
    assert not picture[20, RIGHT].any()
    assert not picture[60, LEFT].any()
    assert picture[60, RIGHT].all()


def test_filters_see_the_text_before_it_is_redacted() -> None:
    shown = Shown(redact="mask", match=r"\d+")
    assert shown.frame(state("12"), state("AB", track_id=2, y=60)) == [("begin", "**")]
