"""The default pack, end to end."""

import json
import unicodedata
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Barrier
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PILImage
from PIL import ImageDraw, ImageFont

from edge_ocr.clock import Call
from edge_ocr.errors import ConfigError, ImageError, ModelError
from edge_ocr.geometry import Quad, quad_size
from edge_ocr.orientation import Verdict
from edge_ocr.page import STAGES, Line, Page, Reading
from edge_ocr.reader import UNDER_WAY, Reader
from edge_ocr.recognition import Allowed, TimedReading
from tests.edge_ocr.fakes import drawn, tiny_profile

Image = NDArray[np.uint8]


def texts(page: Page) -> list[str]:
    return [line.text for line in page.lines]


def letters(text: str) -> str:
    """The text without spaces and accents: what a test of finding and turning needs to agree on."""
    plain = unicodedata.normalize("NFKD", text)
    return "".join(character for character in plain if character.isalnum())


def printed(text: str, *, size: float = 40, height: int = 80, width: int = 400) -> Image:
    """A text in Pillow's own font."""
    canvas = PILImage.new("RGB", (width, height), "white")
    ImageDraw.Draw(canvas).text((20, 12), text, fill="black", font=ImageFont.load_default(size=size))
    return np.asarray(canvas)[:, :, ::-1].copy()


@pytest.fixture(scope="module")
def notice() -> Image:
    return drawn(("Ticket 4711", 20, 60), ("Counter 5", 20, 130), ("please wait", 20, 200), height=240, width=360)


@pytest.fixture(scope="module")
def dozen() -> list[Image]:
    """Pictures of different sizes, with text and without."""
    pages = [
        drawn((f"No {i * 137}", 15, 50), ("Gate B" * (i % 3), 15, 110), height=130 + 7 * i, width=200 + 60 * i)
        for i in range(11)
    ]
    return [*pages, np.full((90, 120, 3), 200, dtype=np.uint8)]


def as_data(page: Page) -> dict[str, Any]:
    """A page without its timings, floats exact."""
    return page.to_dict("x") | {"timings_ms": None, "exact": [(line.score, line.quad.tolist()) for line in page.lines]}


def test_what_was_drawn_is_read_from_the_top(reader: Reader, notice: Image) -> None:
    page = reader.read(notice)
    assert [letters(text) for text in texts(page)] == ["Ticket4711", "Counter5", "pleasewait"]
    assert page.text.count("\n") == 2
    assert (page.width, page.height) == (360, 240)


@pytest.mark.parametrize("text", ["Invoice 2026-07", "TOTAL 14,90", "Room 3.14"])
def test_printed_text_is_read_with_its_spaces_and_signs(reader: Reader, text: str) -> None:
    assert texts(reader.read(printed(text))) == [text]


def test_detecting_and_recognizing_are_the_two_halves_of_reading(reader: Reader, notice: Image) -> None:
    page, detection = reader.read(notice), reader.detect(notice)
    assert (detection.width, detection.height) == (360, 240)
    recognition = reader.recognize(notice, detection.quads)
    halves = Page(360, 240, tuple(line for line in recognition.lines if line.text))
    assert as_data(halves) == as_data(page)
    for step in (detection, recognition):
        assert set(step.timings_ms) == set(STAGES)


def test_single_lines_are_read_as_they_are_asked_for(reader: Reader, notice: Image) -> None:
    first, _, last = reader.detect(notice).quads
    blank = np.array([[5, 210], [60, 210], [60, 235], [5, 235]], dtype=np.float32)
    lines = reader.recognize(notice, [last, blank, first]).lines
    assert [letters(line.text) for line in lines] == ["pleasewait", "", "Ticket4711"]
    assert (lines[1].score, lines[1].char_scores) == (0.0, ())
    assert reader.recognize(notice, []).lines == ()


@pytest.mark.parametrize("turn", [pytest.param(None, id="upright"), pytest.param(cv2.ROTATE_180, id="on its head")])
def test_each_line_is_read_with_the_characters_it_may_hold(reader: Reader, notice: Image, turn: int | None) -> None:
    image = notice if turn is None else np.asarray(cv2.rotate(notice, turn), np.uint8)
    quads = reader.detect(image).quads
    allowed = [frozenset("0123456789"), frozenset("Counter 5"), None][:: 1 if turn is None else -1]
    digits, counter, free = reader.recognize(image, quads, allowed=allowed).lines[:: 1 if turn is None else -1]
    assert set(digits.text) <= set("0123456789")
    assert digits.text.endswith("4711")
    assert (counter.text, free.text) == ("Counter 5", "please wait")


def test_a_line_of_other_characters_than_it_may_hold_says_nothing(reader: Reader, notice: Image) -> None:
    """The score of a character is that among all characters, so a digit that letters are taken for has nearly none."""
    quads = reader.detect(notice).quads
    digits = [line.text for line in reader.recognize(notice, quads, allowed=[frozenset("0123456789")] * 3).lines]
    assert (digits[0], digits[2]) == ("4711", "")
    assert digits[1] in {"", "5"}


@pytest.mark.parametrize(
    ("text", "score", "said"),
    [
        pytest.param("7", 0.9, "", id="one character, nearly sure"),
        pytest.param("4 2", 0.9, "", id="two, and a space that does not count"),
        pytest.param("7", 0.99, "7", id="one character, sure"),
        pytest.param("A77", 0.9, "A77", id="three"),
        pytest.param("A77", 0.7, "", id="three, doubtful"),
    ],
)
def test_short_texts_need_a_higher_score(reader: Reader, text: str, score: float, said: str) -> None:
    quad = np.array([[0, 0], [9, 0], [9, 9], [0, 9]], dtype=np.float32)
    assert reader._line(quad, Reading(text, score)).text == said


@pytest.mark.parametrize(
    ("first", "second", "looks", "said"),
    [
        pytest.param(0.95, 0.99, 1, "first", id="sure"),
        pytest.param(0.85, 0.89, 2, "second", id="doubtful, then surer"),
        pytest.param(0.85, 0.84, 2, "first", id="doubtful, then no surer"),
        pytest.param(0.30, 0.99, 1, "", id="no text at all"),
    ],
)
def test_a_doubtful_line_gets_a_second_look(
    reader: Reader,
    notice: Image,
    monkeypatch: pytest.MonkeyPatch,
    first: float,
    second: float,
    looks: int,
    said: str,
) -> None:
    heights: list[int] = []

    def read(text: str, score: float) -> Callable[..., list[TimedReading]]:
        def stub(strips: Sequence[Sequence[Image]], allowed: Allowed = None) -> list[TimedReading]:
            crops = [crop for strip in strips for crop in strip]
            heights.extend(crop.shape[0] for crop in crops)
            return [TimedReading(Reading(text, score)) for _ in crops]

        return stub

    spec = reader.pack.manifest.recognizer
    assert spec.second_look is not None
    assert reader._lines_again is not None
    monkeypatch.setattr(reader._lines, "read_strips", read("first", first))
    monkeypatch.setattr(reader._lines_again, "read_strips", read("second", second))
    quads = [np.array([[5, 5], [80, 5], [80, 30], [5, 30]], np.float32)] * (spec.second_look.few_lines + 1)
    monkeypatch.setattr(reader, "_judge", None)  # whether it stands on its head is another question
    assert {line.text for line in reader.recognize(notice, quads).lines} == {said}
    # Side by side: a doubtful line does not wait until all lines have had their first look.
    assert sorted(heights) == [height for height in [spec.height, spec.second_look.height][:looks] for _ in quads]


@pytest.mark.parametrize(("n_lines", "height"), [pytest.param(8, 48, id="a label"), pytest.param(9, 32, id="a page")])
def test_few_lines_are_read_in_large_crops(
    reader: Reader, notice: Image, monkeypatch: pytest.MonkeyPatch, n_lines: int, height: int
) -> None:
    look = reader.pack.manifest.recognizer.second_look
    assert look is not None
    assert look.few_lines == 8
    seen: list[int] = []

    def stub(strips: Sequence[Sequence[Image]], allowed: Allowed = None) -> list[TimedReading]:
        crops = [crop for strip in strips for crop in strip]
        seen.extend(crop.shape[0] for crop in crops)
        return [TimedReading(Reading("text", 0.95)) for _ in crops]

    assert reader._lines_again is not None
    for lines in (reader._lines, reader._lines_again):
        monkeypatch.setattr(lines, "read_strips", stub)
    quad = np.array([[5, 5], [80, 5], [80, 30], [5, 30]], np.float32)
    assert [line.text for line in reader.recognize(notice, [quad] * n_lines).lines] == ["text"] * n_lines
    assert seen == [height] * n_lines


def test_a_doubtful_line_is_judged_after_its_second_look(
    reader: Reader, notice: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the second look is sure, how the line stands is not asked."""
    spec = reader.pack.manifest.recognizer
    assert spec.second_look is not None
    assert reader._lines_again is not None
    scores = {40: (0.85, 0.95), 80: (0.85, 0.87), 120: (0.95, 0.0)}  # by the line's left: first look, second one
    judged: list[float] = []
    seconds = count()

    def call() -> Call:
        return (second := next(seconds), second + 1e-3)

    def cut(image: Image, quad: Quad) -> Image:
        return np.full((1, 1, 3), quad[0, 0], np.uint8)

    def read(look: int) -> Callable[..., list[TimedReading]]:
        def stub(strips: Sequence[Sequence[Image]], allowed: Allowed = None) -> list[TimedReading]:
            return [TimedReading(Reading("text", scores[int(crop[0, 0, 0])][look]), (call(),)) for [crop] in strips]

        return stub

    def judge(image: Image, quad: Quad) -> Verdict:
        judged.append(float(quad[0, 0]))
        return Verdict(False, call())

    assert reader._judge is not None
    for look, lines in enumerate((reader._lines, reader._lines_again)):
        monkeypatch.setattr(lines, "cut", cut)
        monkeypatch.setattr(lines, "read_strips", read(look))
        monkeypatch.setattr(lines, "strip", None)
    monkeypatch.setattr(reader._judge, "judge", judge)
    quads = [np.array([[x, 5], [x + 80, 5], [x + 80, 30], [x, 30]], np.float32) for x in scores] * 3
    recognition = reader.recognize(notice, quads)
    assert [line.score for line in recognition.lines] == [0.95, 0.87, 0.95] * 3
    assert judged == [80.0] * 3
    # All that networks did: nine first looks, six second ones and three verdicts of 1 ms, no two at a time.
    assert recognition.timings_ms["infer"] == pytest.approx(18 / reader._streams)


def test_more_requests_than_streams_are_under_way(
    reader: Reader, notice: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    everyone = Barrier(UNDER_WAY * reader._streams)
    numbers = count()

    def stub(strips: Sequence[Sequence[Image]], allowed: Allowed = None) -> list[TimedReading]:
        if next(numbers) < everyone.parties:
            everyone.wait(timeout=60)  # fewer at a time would wait in vain
        return [TimedReading(Reading("text", 0.95)) for strip in strips for _ in strip]

    monkeypatch.setattr(reader._lines, "read_strips", stub)
    monkeypatch.setattr(reader._lines, "strip", None)
    quads = [np.array([[5, 5], [80, 5], [80, 30], [5, 30]], np.float32)] * max(9, everyone.parties)
    assert [line.text for line in reader.recognize(notice, quads).lines] == ["text"] * len(quads)


def test_more_pages_than_streams_are_under_way(reader: Reader, notice: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    everyone = Barrier(UNDER_WAY * reader._streams)

    def page(pixels: Image, *args: object) -> Page:
        everyone.wait(timeout=60)
        return Page(pixels.shape[1], pixels.shape[0])

    monkeypatch.setattr(reader, "_page", page)
    assert len(list(reader.read_many([notice] * everyone.parties))) == everyone.parties


def test_lines_that_are_read_closely_get_no_other_look(
    reader: Reader, notice: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    quads = reader.detect(notice).quads
    monkeypatch.setattr(reader._lines, "read_strips", lambda *args: pytest.fail("read at the first look's size"))
    lines = reader.recognize(notice, quads, closely=True).lines
    assert [letters(line.text) for line in lines] == ["Ticket4711", "Counter5", "pleasewait"]


def test_every_character_has_its_confidence(reader: Reader, notice: Image) -> None:
    for line in reader.read(notice).lines:
        assert len(line.char_scores) == len(line.text)
        assert np.mean(line.char_scores) == pytest.approx(line.score)


def test_quads_lie_around_the_text(reader: Reader, notice: Image) -> None:
    first = reader.read(notice).lines[0]
    assert first.quad.shape == (4, 2)
    assert first.quad.dtype == np.float32
    left, top = first.quad[0]
    right, bottom = first.quad[2]
    assert 5 < left < 25
    assert 25 < top < 45
    assert 180 < right < 240
    assert 55 < bottom < 80
    assert 0.5 < first.score <= 1


def test_an_image_file_is_read_like_its_pixels(reader: Reader, notice: Image, tmp_path: Path) -> None:
    file = tmp_path / "notice.png"
    assert cv2.imwrite(str(file), notice)
    assert as_data(reader.read(file)) == as_data(reader.read(str(file))) == as_data(reader.read(notice))


def test_an_image_is_left_as_it_is(reader: Reader, notice: Image) -> None:
    given = notice.copy()
    given.flags.writeable = False
    reader.read(given)
    np.testing.assert_array_equal(given, notice)


def test_views_are_read_like_copies(reader: Reader, notice: Image) -> None:
    rgb = np.ascontiguousarray(notice[:, :, ::-1])
    bottom_up = np.ascontiguousarray(notice[::-1])
    assert as_data(reader.read(rgb[:, :, ::-1])) == as_data(reader.read(notice))
    assert as_data(reader.read(bottom_up[::-1])) == as_data(reader.read(notice))


def test_a_line_that_runs_downwards_is_read(reader: Reader) -> None:
    image = np.ascontiguousarray(np.rot90(printed("EXIT LEVEL 2"), k=-1))
    (line,) = reader.read(image).lines
    assert letters(line.text) == "EXITLEVEL2"
    assert quad_size(line.quad)[0] > quad_size(line.quad)[1]
    assert line.quad[0][0] > line.quad[3][0]


def test_a_line_on_its_head_is_read_and_its_quad_begins_where_the_text_does(reader: Reader) -> None:
    image = np.ascontiguousarray(printed("Invoice 2026-07")[::-1, ::-1])
    (line,) = reader.read(image).lines
    assert letters(line.text) == "Invoice202607"
    assert line.quad[0][0] > line.quad[1][0]
    assert line.quad[0][1] > line.quad[3][1]


def test_with_orientation_off_a_line_on_its_head_is_not_turned() -> None:
    image = np.ascontiguousarray(printed("Invoice 2026-07")[::-1, ::-1])
    lines = Reader("latin", tiny_profile(orientation="off")).read(image).lines
    assert all(line.quad[0][0] < line.quad[1][0] for line in lines)
    assert "Invoice202607" not in [letters(line.text) for line in lines]


@pytest.mark.parametrize("angle_deg", [-12, 8])
def test_slanted_lines_are_read_in_order(reader: Reader, angle_deg: float) -> None:
    page = drawn(("First row", 150, 180), ("second row", 150, 240), height=420, width=520, scale=1.2)
    turn = cv2.getRotationMatrix2D((260, 210), angle_deg, 1.0)
    slanted = np.asarray(cv2.warpAffine(page, turn, (520, 420), borderValue=(255, 255, 255)), dtype=np.uint8)
    assert [letters(text) for text in texts(reader.read(slanted))] == ["Firstrow", "secondrow"]


@pytest.mark.parametrize("value", [0, 127, 255])
@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (2, 2), (200, 300)])
def test_an_image_without_text_gives_an_empty_page(reader: Reader, size: tuple[int, int], value: int) -> None:
    page = reader.read(np.full((*size, 3), value, dtype=np.uint8))
    assert page.lines == ()
    assert page.text == ""
    assert (page.height, page.width) == size


def test_every_word_of_a_long_strip_is_read(reader: Reader) -> None:
    words = ["Alpha", "Bravo", "Charlie", "Delta", "Echo", "Foxtrot"]
    strip = drawn(*((word, 100 + 2100 * i, 30) for i, word in enumerate(words)), height=40, width=12_000)
    page = reader.read(strip)
    assert texts(page) == words
    for i, line in enumerate(page.lines):
        assert line.quad[0][0] == pytest.approx(100 + 2100 * i, abs=20)


def test_a_strip_one_pixel_high_gives_a_page(reader: Reader) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1, 30_000, 3), dtype=np.uint8)
    page = reader.read(noise)
    assert (page.width, page.height) == (30_000, 1)


def test_threads_that_share_a_reader_read_as_one_thread_does(reader: Reader, dozen: list[Image]) -> None:
    alone = [as_data(reader.read(image)) for image in dozen]
    assert sum(len(page["lines"]) for page in alone) > 12
    with ThreadPoolExecutor(2) as pool:
        forwards = pool.submit(lambda: [as_data(reader.read(image)) for image in dozen])
        backwards = pool.submit(lambda: [as_data(reader.read(image)) for image in reversed(dozen)])
        assert forwards.result() == alone
        assert backwards.result() == alone[::-1]


def test_one_reader_and_another_read_alike(reader: Reader, notice: Image) -> None:
    assert as_data(Reader("latin", tiny_profile()).read(notice)) == as_data(reader.read(notice))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        pytest.param(np.zeros((4, 4), np.uint8), r"image: uint8 of shape \(4, 4\); give \(H, W, 3\)", id="grey"),
        pytest.param(np.zeros((4, 4, 4), np.uint8), r"shape \(4, 4, 4\)", id="four channels"),
        pytest.param(np.zeros((4, 4, 3), np.float32), "image: float32 of shape", id="floats"),
        pytest.param(np.zeros((0, 4, 3), np.uint8), r"shape \(0, 4, 3\) has no pixels", id="no pixels"),
        pytest.param(None, "image: NoneType of shape None", id="None, as OpenCV gives for a bad file"),
        pytest.param([[0]], "image: list of shape None", id="a list"),
        pytest.param("nowhere.png", "nowhere.png: cannot be read", id="a missing file"),
        pytest.param(
            np.broadcast_to(np.uint8(0), (10_001, 10_000, 3)), "10000 x 10001 is above 100 megapixels", id="too large"
        ),
    ],
)
def test_what_is_no_image_is_refused_in_one_line(reader: Reader, image: Any, message: str) -> None:
    for read in (reader.read, reader.read_line):
        with pytest.raises(ImageError, match=message) as caught:
            read(image)
        assert "\n" not in str(caught.value)


def test_many_images_are_read_as_one_after_the_other(reader: Reader, dozen: list[Image], tmp_path: Path) -> None:
    missing = tmp_path / "nothing.png"
    pages = list(reader.read_many([*dozen, missing, dozen[0], ImageError("no image")]))
    assert [as_data(page) for page in pages if isinstance(page, Page)] == [
        as_data(reader.read(image)) for image in [*dozen, dozen[0]]
    ]
    errors = [i for i, page in enumerate(pages) if isinstance(page, ImageError)]
    assert errors == [len(dozen), len(dozen) + 2]
    assert str(missing) in str(pages[errors[0]])
    assert str(pages[errors[1]]) == "no image"


def test_many_single_lines_are_read_without_looking_for_them(reader: Reader) -> None:
    images = [printed("TOTAL 14,90"), printed("please wait"), printed("Room 3.14")]
    pages = [page for page in reader.read_many(images, find_lines=False) if isinstance(page, Page)]
    assert [page.text for page in pages] == [reader.read_line(image).text for image in images]
    assert [(page.width, page.height) for page in pages] == [(400, 80)] * 3


def test_lines_of_a_strip_say_what_they_say_alone(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """18 words, one of them too wide for a strip."""
    words = [f"{first}{second}7" for first in "ABEK" for second in "HMNR"]
    texts = [*words[:9], "Terminal 12 please wait here", *words[9:], "Room 3.14"]
    image = np.concatenate([printed(text, height=64, width=1100) for text in texts])
    rows = []
    for i, text in enumerate(texts):
        right = 150 if text in words else 350 if text == "Room 3.14" else 1100
        rows.append(np.array([[10, 64 * i], [right, 64 * i], [right, 64 * i + 64], [10, 64 * i + 64]], np.float32))
    monkeypatch.setattr(reader, "_second_look", None)  # a line alone on a page gets one sooner
    together = reader.recognize(image, rows).lines
    alone = [reader.recognize(image, [row]).lines[0] for row in rows]
    assert [line.text for line in together] == [line.text for line in alone] == texts
    for one, other in zip(together, alone, strict=True):
        assert one.score == pytest.approx(other.score, abs=0.15)


def test_timings_have_every_stage_and_add_up(reader: Reader, notice: Image) -> None:
    timings_ms = reader.read(notice).timings_ms
    assert tuple(timings_ms) == STAGES
    assert all(ms >= 0 for ms in timings_ms.values())
    assert timings_ms["detect"] > 0
    parts = sum(timings_ms[stage] for stage in ("detect", "crop", "orient", "recognize"))
    assert parts <= timings_ms["total"]


def test_a_page_is_what_read_json_promises(reader: Reader, notice: Image) -> None:
    page = json.loads(json.dumps(reader.read(notice).to_dict("in/notice.png")))
    assert list(page) == ["image", "width", "height", "lines", "timings_ms"]
    assert page["image"] == "in/notice.png"
    assert (page["width"], page["height"]) == (360, 240)
    for line in page["lines"]:
        assert list(line) == ["quad", "text", "score"]
        assert [len(corner) for corner in line["quad"]] == [2, 2, 2, 2]
        assert isinstance(line["text"], str)
        assert 0 <= line["score"] <= 1
    assert set(page["timings_ms"]) == set(STAGES)


def test_a_page_rounds_coordinates_to_tenths() -> None:
    quad = np.array([[0.123, 1], [2, 1], [2, 3], [0, 3.98]], dtype=np.float32)
    page = Page(5, 6, (Line("a", 0.123456, quad),), {"total": 1.23456})
    assert page.to_dict("x") == {
        "image": "x",
        "width": 5,
        "height": 6,
        "lines": [{"quad": [[0.1, 1.0], [2.0, 1.0], [2.0, 3.0], [0.0, 4.0]], "text": "a", "score": 0.1235}],
        "timings_ms": {"total": 1.235},
    }


def test_a_line_image_is_read_without_looking_for_it(reader: Reader) -> None:
    image = printed("Invoice 2026-07")[10:66, 10:340]
    line = reader.read_line(image)
    assert line.text == "Invoice 2026-07"
    assert line.quad.tolist() == [[0, 0], [330, 0], [330, 56], [0, 56]]


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (1, 30_000), (48, 300)])
def test_a_line_image_without_text_reads_as_nothing_or_little(reader: Reader, size: tuple[int, int]) -> None:
    line = reader.read_line(np.full((*size, 3), 255, dtype=np.uint8))
    assert 0 <= line.score <= 1
    assert bool(line.text) == (line.score > 0)


def test_a_line_wider_than_every_width_is_read_to_its_end(reader: Reader) -> None:
    text = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
    line = reader.read_line(printed(text, size=40, height=60, width=1800)[:, :1720])
    assert letters(line.text) == letters(text)


def test_what_really_runs_is_described(reader: Reader, notice: Image) -> None:
    reader.read(notice)
    facts = json.loads(json.dumps(reader.describe()))
    assert facts["pack"]["name"] == "latin"
    assert facts["profile"]["name"] == "tiny"
    assert set(facts["networks"]) == {"detector", "recognizer", "orientation"}
    assert all(network["precision"] in {"fp", "int8"} for network in facts["networks"].values())
    assert facts["threads"] >= 1


def test_a_warm_reader_compiles_nothing_more(notice: Image) -> None:
    reader = Reader("latin", tiny_profile())
    reader.warm_up([notice.shape[:2]])

    def compiled() -> dict[str, list[list[int]]]:
        return {name: sorted(network["shapes"]) for name, network in reader.describe()["networks"].items()}

    before = compiled()
    reader.read(notice)
    reader.read(np.ascontiguousarray(notice[::-1, ::-1]))
    assert compiled() == before


@pytest.mark.parametrize(
    ("pack", "profile", "error", "message"),
    [
        pytest.param("nowhere", tiny_profile(), ModelError, "pack 'nowhere': no pack.yaml there", id="pack"),
        pytest.param("latin", "nowhere", ConfigError, "profile 'nowhere': not found", id="profile"),
    ],
)
def test_what_is_not_there_is_refused(pack: str, profile: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Reader(pack, profile)
