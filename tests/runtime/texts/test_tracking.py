"""Tracks over synthetic pages: what is published when texts jitter, slide, flicker, split and change."""

from collections.abc import Iterable, Sequence

import numpy as np
import pytest

from edge_ocr import Line, Page
from runtime.texts.tracking import Tracker, TrackerConfig, TrackEvent

FPS = 15.0
CHAR = 16.0
"""Width of a character in pixels; lines are 30 px high."""
Shown = tuple[str, float, float]
"""Text, left and top in pixels."""

RECEIPT: tuple[Shown, ...] = (
    ("DELICIA SCOTCH", 100, 100),
    ("3.72", 400, 100),
    ("2", 520, 100),
    ("0", 600, 100),
    ("0", 660, 100),
    ("TOTAL SALES", 100, 145),
    ("12.50", 400, 145),
    ("CHANGE", 100, 190),
    ("THANK YOU", 100, 235),
)


def line(text: str, x: float, y: float, score: float = 0.95, height: float = 30) -> Line:
    right, bottom = x + CHAR * len(text), y + height
    return Line(text, score, np.array([[x, y], [right, y], [right, bottom], [x, bottom]], dtype=np.float32))


def page(lines: Iterable[Line]) -> Page:
    return Page(width=1280, height=720, lines=tuple(lines))


def shown(lines: Sequence[Shown], dx: float = 0, dy: float = 0) -> Page:
    return page(line(text, x + dx, y + dy) for text, x, y in lines)


class Stream:
    """Feeds pages to a tracker at a frame rate and keeps what it says."""

    def __init__(self, config: TrackerConfig | None = None, fps: float = FPS) -> None:
        self.tracker = Tracker(config)
        self.events: list[TrackEvent] = []
        self.ts = 1_000_000.0
        self._step_s = 1 / fps

    def show(self, *pages: Page) -> "Stream":
        for each in pages:
            self.ts += self._step_s
            self.events += self.tracker.update(each, self.ts)
        return self

    def repeat(self, each: Page, n: int) -> "Stream":
        return self.show(*[each] * n)

    def nothing(self, n: int) -> "Stream":
        return self.repeat(page([]), n)

    def texts(self, kind: str) -> list[str]:
        return [event.text for event in self.events if event.type == kind]

    @property
    def brief(self) -> list[tuple[str, str]]:
        return [(event.type, event.text) for event in self.events]


HELLO = page([line("HELLO", 100, 100)])
TOTAL = ("TOTAL SALES", 100.0, 100.0)


# -- begin


def test_a_text_begins_once_when_two_reads_agree() -> None:
    stream = Stream(TrackerConfig(settle_s=0)).repeat(HELLO, 1)
    assert stream.brief == []
    stream.repeat(HELLO, 40)
    assert stream.brief == [("begin", "HELLO")]
    begin = stream.events[0]
    assert (begin.track_id, begin.reads, begin.agreeing_reads) == (1, 2, 2)
    assert begin.score == pytest.approx(0.95)
    assert begin.last_seen - begin.first_seen == pytest.approx(1 / FPS)


def test_a_text_that_was_not_there_long_enough_waits() -> None:
    stream = Stream(TrackerConfig(settle_s=0.3)).repeat(HELLO, 4)
    assert stream.brief == []
    assert stream.repeat(HELLO, 3).brief == [("begin", "HELLO")]


def test_a_single_read_is_never_published() -> None:
    assert Stream().repeat(HELLO, 1).nothing(30).brief == []


def test_reads_below_the_minimum_score_are_not_published() -> None:
    assert Stream().repeat(page([line("HELLO", 100, 100, score=0.49)]), 30).brief == []


def test_a_doubtful_mark_is_no_text() -> None:
    assert Stream().repeat(page([line("+", 100, 100, score=0.8)]), 30).brief == []
    assert Stream().repeat(page([line("--.--", 100, 100, score=0.95)]), 30).brief == [("begin", "--.--")]


def test_unsettled_flicker_is_not_published() -> None:
    rng = np.random.default_rng(1)
    pages = [page([line("".join(rng.choice(list("ABCDEFGH"), 5)), 100, 100)]) for _ in range(60)]
    assert Stream().show(*pages).brief == []


def test_empty_texts_and_empty_pages_are_nothing() -> None:
    assert Stream().show(page([line("", 10, 10), line("  ", 60, 60)])).nothing(3).brief == []


def test_a_misread_at_first_is_corrected_by_an_update_of_the_same_track() -> None:
    wrong, right = page([line("HELL0", 100, 100)]), HELLO
    stream = Stream(TrackerConfig(settle_s=0)).repeat(wrong, 2).repeat(right, 10)
    assert stream.brief == [("begin", "HELL0"), ("update", "HELLO")]
    assert len({event.track_id for event in stream.events}) == 1


def test_misreads_of_a_settled_text_change_nothing() -> None:
    misread = page([line("HEL1O", 100, 100)])
    stream = Stream().repeat(HELLO, 5)
    for _ in range(10):
        stream.repeat(misread, 2).repeat(HELLO, 3)
    assert stream.brief == [("begin", "HELLO")]
    now = stream.tracker.visible()[0]
    assert (now.reads, now.agreeing_reads) == (55, 35)


def test_misreads_that_come_in_runs_do_not_go_back_and_forth_for_ever() -> None:
    rng = np.random.default_rng(5)
    stream = Stream(fps=12)
    for _ in range(60):
        stream.repeat(page([line("CASH :", 100, 100)]), int(rng.integers(3, 12)))
        stream.repeat(page([line("Cash :", 100, 100)]), int(rng.integers(3, 12)))
    assert len(stream.texts("begin")) == 1
    assert len(stream.texts("update")) <= 3


def test_a_display_that_alternates_is_followed() -> None:
    stream = Stream(fps=10)
    for _ in range(4):
        stream.repeat(page([line("OPEN TODAY", 100, 100)]), 30).repeat(page([line("WELCOME IN", 100, 100)]), 30)
    assert stream.texts("begin") == ["OPEN TODAY", "WELCOME IN"] * 4


def test_two_equal_texts_side_by_side_are_two_tracks() -> None:
    stream = Stream().repeat(shown([("10", 600, 100), ("10", 660, 100)]), 20)
    assert stream.brief == [("begin", "10"), ("begin", "10")]
    assert [event.track_id for event in stream.events] == [1, 2]


def test_jitter_of_position_and_size_keeps_tracks() -> None:
    rng = np.random.default_rng(2)
    stream = Stream()
    for _ in range(60):
        dx, dy = rng.normal(0, 3, 2)
        jittered = [line(t, x + dx + rng.normal(0, 1.5), y + dy, height=30 + rng.normal(0, 2)) for t, x, y in RECEIPT]
        stream.show(page(jittered))
    assert sorted(stream.texts("begin")) == sorted(text for text, _, _ in RECEIPT)
    assert len(stream.events) == len(RECEIPT)


# -- end


def test_a_text_ends_after_the_time_out() -> None:
    stream = Stream(TrackerConfig(end_after_s=0.7)).repeat(HELLO, 5)
    assert stream.nothing(10).texts("end") == []
    stream.nothing(2)
    assert stream.brief == [("begin", "HELLO"), ("end", "HELLO")]
    end = stream.events[-1]
    assert end.reason == "gone"
    assert end.last_seen == pytest.approx(1_000_000 + 5 / FPS)
    assert stream.tracker.visible() == []


def test_a_short_occlusion_is_not_an_end() -> None:
    stream = Stream().repeat(HELLO, 5)
    for _ in range(5):
        stream.nothing(9).repeat(HELLO, 3)
    assert stream.brief == [("begin", "HELLO")]


def test_one_missed_frame_ends_nothing_when_reading_is_slow() -> None:
    stream = Stream(fps=1).repeat(HELLO, 3).nothing(1).repeat(HELLO, 3)
    assert stream.brief == [("begin", "HELLO")]


def test_low_scores_show_that_a_published_text_is_still_there() -> None:
    blurred = page([line("HE11O", 100, 100, score=0.3)])
    stream = Stream().repeat(HELLO, 5).repeat(blurred, 40)
    assert stream.brief == [("begin", "HELLO")]
    assert stream.tracker.visible()[0].text_raw == "HELLO"


def test_finish_ends_what_is_published_and_nothing_else() -> None:
    stream = Stream().repeat(HELLO, 5).show(page([line("HELLO", 100, 100), line("NEW", 300, 300)]))
    assert [(event.type, event.text, event.reason) for event in stream.tracker.finish()] == [
        ("end", "HELLO", "stopped")
    ]
    assert stream.tracker.finish() == []


def test_a_clock_that_steps_back_or_far_ahead_loses_no_end() -> None:
    stream = Stream().repeat(HELLO, 5)
    stream.ts -= 3600
    stream.repeat(HELLO, 5).nothing(12)
    assert stream.brief == [("begin", "HELLO"), ("end", "HELLO")]


def test_the_same_text_shortly_after_its_end_does_not_begin_anew_until_the_guard_is_over() -> None:
    stream = Stream(TrackerConfig(guard_s=1.0)).repeat(HELLO, 5).nothing(12).repeat(HELLO, 10)
    assert stream.brief == [("begin", "HELLO"), ("end", "HELLO")]
    # It stays: then it is there, and an event for each occurrence is promised.
    assert stream.repeat(HELLO, 10).brief[2:] == [("begin", "HELLO")]


def test_another_text_at_that_place_begins_at_once() -> None:
    stream = Stream().repeat(HELLO, 5).nothing(12).repeat(page([line("WORLD", 100, 100)]), 4)
    assert stream.brief == [("begin", "HELLO"), ("end", "HELLO"), ("begin", "WORLD")]


# -- update


def test_a_display_that_counts_on_updates_its_track() -> None:
    stream = Stream().repeat(page([line("146.00", 100, 100)]), 10).repeat(page([line("146.53", 100, 100)]), 10)
    assert stream.brief == [("begin", "146.00"), ("update", "146.53")]
    assert stream.events[0].track_id == stream.events[1].track_id


def test_an_unlike_text_at_the_same_place_is_another_occurrence() -> None:
    stream = Stream().repeat(page([line("GATE 12", 100, 100)]), 10).repeat(page([line("BOARDED", 100, 100)]), 10)
    assert stream.brief == [("begin", "GATE 12"), ("end", "GATE 12"), ("begin", "BOARDED")]
    assert [event.reason for event in stream.events] == [None, "replaced", None]
    assert [event.track_id for event in stream.events] == [1, 1, 2]


# -- motion


def slide(n: int, start: float, stop: float) -> list[float]:
    """Positions of something pulled by hand: it starts and stops gently."""
    return [start + (stop - start) * (1 - np.cos(np.pi * i / n)) / 2 for i in range(n + 1)]


@pytest.mark.parametrize("fps", [5.0, 15.0, 30.0])
def test_a_document_that_slides_in_and_out_begins_and_ends_every_line_once(fps: float) -> None:
    rng = np.random.default_rng(3)
    stream = Stream(fps=fps)
    n_slide, n_dwell = int(0.6 * fps), int(2.5 * fps)
    positions = [*slide(n_slide, 1280, 0), *[0.0] * n_dwell, *slide(n_slide, 0, -1100)]
    for dx in positions:
        dx, dy = dx + rng.normal(0, 1), rng.normal(0, 1)
        stream.show(page(cut(line(text, x + dx, y + dy)) for text, x, y in RECEIPT if -CHAR < x + dx < 1260))
    stream.nothing(int(2 * fps))
    expected = sorted(text for text, _, _ in RECEIPT)
    assert sorted(stream.texts("begin")) == expected
    assert sorted(stream.texts("end")) == expected
    assert stream.texts("update") == []


def cut(whole: Line) -> Line:
    """What of a line is inside the frame."""
    left, right = float(whole.quad[0, 0]), float(whole.quad[1, 0])
    first = max(int(np.ceil(-left / CHAR)), 0)
    last = len(whole.text) - max(int(np.ceil((right - 1280) / CHAR)), 0)
    return line(whole.text[first:last], left + first * CHAR, float(whole.quad[0, 1]))


def test_text_that_never_stands_still_is_not_published() -> None:
    stream = Stream()
    for i in range(60):
        stream.show(shown(RECEIPT, dx=14.0 * i - 300))
    assert stream.brief == []


def test_a_document_pushed_aside_keeps_its_tracks() -> None:
    stream = Stream().repeat(shown(RECEIPT), 8)
    n_begun = len(stream.events)
    for dx in slide(9, 0, 300):
        stream.show(shown(RECEIPT, dx=dx, dy=dx / 3))
    stream.repeat(shown(RECEIPT, dx=300, dy=100), 20)
    assert n_begun == len(RECEIPT)
    assert len(stream.events) == n_begun
    assert stream.tracker.visible()[0].quad[0].tolist() == [400, 200]


def test_one_document_slides_while_another_lies_still() -> None:
    still = [("STILL HERE", 100.0, 500.0), ("42", 400.0, 500.0)]
    stream = Stream().repeat(shown([*RECEIPT, *still]), 8)
    for dx in slide(6, 0, 200):
        moving = shown(RECEIPT, dx=dx)
        stream.show(page([*moving.lines, *shown(still).lines]))
    assert len(stream.events) == len(RECEIPT) + len(still)


def test_the_next_document_with_the_same_words_begins_again() -> None:
    stream = Stream().repeat(shown(RECEIPT), 20).nothing(28).repeat(shown(RECEIPT, dx=3), 20)
    assert len(stream.texts("begin")) == 2 * len(RECEIPT)
    assert len(stream.texts("end")) == len(RECEIPT)


# -- pieces

WHOLE = page([line("TOTAL SALES 12.50", 100, 100)])
HALVES = page([line("TOTAL SALES", 100, 100), line("12.50", 100 + 12 * CHAR, 100)])


def test_a_line_cut_in_two_for_a_moment_stays_one() -> None:
    stream = Stream().repeat(WHOLE, 6).repeat(HALVES, 3).repeat(WHOLE, 6).repeat(HALVES, 3).repeat(WHOLE, 3)
    assert stream.brief == [("begin", "TOTAL SALES 12.50")]


def test_two_lines_joined_for_a_moment_stay_two() -> None:
    stream = Stream().repeat(HALVES, 6).repeat(WHOLE, 3).repeat(HALVES, 6).repeat(WHOLE, 3).repeat(HALVES, 20)
    assert stream.brief == [("begin", "TOTAL SALES"), ("begin", "12.50")]


def test_a_fragment_published_first_becomes_the_whole_line() -> None:
    fragment = page([line("TOTAL SA", 100, 100)])
    stream = Stream(TrackerConfig(settle_s=0)).repeat(fragment, 2).repeat(WHOLE, 30)
    assert stream.brief == [("begin", "TOTAL SA"), ("update", "TOTAL SALES 12.50")]
    assert len({event.track_id for event in stream.events}) == 1


def test_a_line_that_stays_cut_in_two_goes_on_as_its_parts() -> None:
    stream = Stream().repeat(WHOLE, 6).repeat(HALVES, 60)
    assert stream.brief[:2] == [("begin", "TOTAL SALES 12.50"), ("update", "TOTAL SALES")]
    assert stream.brief[2:] == [("begin", "12.50")]


def test_two_lines_that_stay_joined_go_on_as_one() -> None:
    stream = Stream().repeat(HALVES, 6).repeat(WHOLE, 60)
    assert sorted(stream.brief[2:]) == [("end", "12.50"), ("update", "TOTAL SALES 12.50")]
    assert [event.text for event in stream.tracker.visible()] == ["TOTAL SALES 12.50"]


def test_a_part_of_a_line_that_just_ended_does_not_begin() -> None:
    stream = Stream().repeat(WHOLE, 6).nothing(12).repeat(page([line("SALES 12", 100 + 6 * CHAR, 100)]), 6).nothing(20)
    assert stream.brief == [("begin", "TOTAL SALES 12.50"), ("end", "TOTAL SALES 12.50")]


def test_pieces_keep_no_text_alive_for_ever() -> None:
    # The piece never settles, so it takes nothing over.
    stream = Stream(TrackerConfig(support_s=1.0)).repeat(WHOLE, 6)
    for i in range(30):
        stream.show(page([line(f"TOTAL{'ABCDEFGH'[i % 8]}", 100, 100)]))
    assert ("end", "TOTAL SALES 12.50") in stream.brief


# -- what is legible now


def test_visible_texts_come_in_reading_order() -> None:
    stream = Stream().repeat(shown(RECEIPT[::-1]), 10)
    assert [event.text for event in stream.tracker.visible()] == [text for text, _, _ in RECEIPT]


def test_tilted_lines_close_to_each_other_stay_apart() -> None:
    def tilted(text: str, y: float) -> Line:
        right, slope = 100 + CHAR * len(text), 0.05 * CHAR * len(text)
        corners = [[100, y], [right, y + slope], [right, y + 30 + slope], [100, y + 30]]
        return Line(text, 0.9, np.array(corners, dtype=np.float32))

    lines = [tilted("THE FIRST LINE OF A TILTED PAGE", 100), tilted("THE SECOND LINE IS JUST BELOW IT", 134)]
    stream = Stream().repeat(page(lines), 10).repeat(page(lines[:1]), 20)
    assert sorted(stream.brief) == [("begin", lines[0].text), ("begin", lines[1].text), ("end", lines[1].text)]


def test_memory_is_flat_over_endless_flicker() -> None:
    rng = np.random.default_rng(4)
    stream = Stream()
    for i in range(300):
        text = f"{i % 97:05d}"
        stream.show(page([line(text, *rng.uniform(0, 600, 2)) for _ in range(5)]))
    assert len(stream.tracker._tracks) < 5 * FPS * 1.5


# -- what is one: a short, doubtful text that stands alone may be a texture


@pytest.mark.parametrize(
    ("text", "score", "begins_after_s"),
    [
        pytest.param("7", 0.998, 0.1, id="a clear digit on a display at once"),
        pytest.param("7", 0.99, 3.0, id="one like a texture when it has lasted"),
        pytest.param("42", 0.97, 0.1, id="two clear ones at once"),
        pytest.param("00", 0.93, 3.0, id="two letters likewise"),
        pytest.param("%", 0.97, 3.0, id="a mark however clear"),
        pytest.param("GATE", 0.8, 0.1, id="a word is none"),
    ],
)
def test_a_short_text_alone_has_to_be_clear_or_to_last(text: str, score: float, begins_after_s: float) -> None:
    stream = Stream().repeat(page([line(text, 100, 100, score)]), round(FPS * begins_after_s))
    assert stream.texts("begin") == []
    stream.repeat(page([line(text, 100, 100, score)]), 3)
    assert stream.texts("begin") == [text]


def test_a_short_text_beside_another_one_of_its_size_has_not_to_last() -> None:
    total, digit = line("TOTAL SALES", 100, 100), line("0", 400, 100, 0.8)
    assert Stream().repeat(page([total, digit]), 8).texts("begin") == ["TOTAL SALES", "0"]
    poster = line("TOTAL SALES", 100, 100, height=90)
    assert Stream().repeat(page([poster, digit]), 8).texts("begin") == ["TOTAL SALES"]
