"""Machine-readable zones; the documents are the specimens of ICAO Doc 9303, parts 4 to 7."""

import string

import numpy as np
import pytest

from edge_ocr.mrz import FILLER, Format, check_digit, prove_documents, proven_lines
from edge_ocr.page import Line

NAMES = "UTOERIKSSON<<ANNA<MARIA"
TD3 = [f"P<{NAMES}".ljust(44, FILLER), "L898902C36UTO7408122F1204159ZE184226B<<<<<10"]
TD2 = [f"I<{NAMES}".ljust(36, FILLER), "D231458907UTO7408122F1204159<<<<<<<6"]
TD1 = ["I<UTOD231458907<<<<<<<<<<<<<<<", "7408122F1204159UTO<<<<<<<<<<<6", "ERIKSSON<<ANNA<MARIA".ljust(30, FILLER)]
TD1_LONG = ["I<UTOD23145890<7349<<<<<<<<<<<", "3407127M9507122UTO<<<<<<<<<<<2", "STEVENSON<<PETER".ljust(30, FILLER)]
MRVA = [f"V<{NAMES}".ljust(44, FILLER), "L8988901C4XXX4009078F96121096ZE184226B<<<<<<"]
MRVB = [f"V<{NAMES}".ljust(36, FILLER), "L8988901C4XXX4009078F9612109<<<<<<<<"]
ALL: tuple[Format, ...] = ("td1", "td2", "td3", "mrva", "mrvb")


def proven(lines: list[str], *formats: Format) -> list[str | None]:
    found = proven_lines(lines, formats or ALL)
    return [found.get(i) for i in range(len(lines))]


def test_the_check_digit_of_the_standards_example() -> None:
    assert check_digit("520727") == "3"
    assert check_digit("AB2134<<<") == "5"


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        pytest.param("td3", TD3, id="passport"),
        pytest.param("td2", TD2, id="td2"),
        pytest.param("td1", TD1, id="card"),
        pytest.param("td1", TD1_LONG, id="card with a long number"),
        pytest.param("mrva", MRVA, id="visa a"),
        pytest.param("mrvb", MRVB, id="visa b"),
    ],
)
def test_a_specimen_is_proven_in_its_format_only(name: Format, lines: list[str]) -> None:
    assert proven(lines) == lines
    assert proven(["SPECIMEN", *lines, "UTOPIA"], name) == [None, *lines, None]
    # Visas have no check digit over the whole line: a short one is a long one that lost fillers.
    twins = {"mrvb": {"td2", "mrva", "mrvb"}, "td2": {"td2", "mrvb"}, "td1": {"td1"}}.get(name, {"td3", "mrva"})
    assert proven(lines, *[other for other in ALL if other not in twins]) == [None] * len(lines)


@pytest.mark.parametrize("lines", [TD3, TD2, TD1], ids=["passport", "td2", "card"])
def test_one_wrong_digit_anywhere_proves_nothing(lines: list[str]) -> None:
    for row in range(2):
        for at, right in enumerate(lines[row]):
            if not right.isdigit():
                continue
            for wrong in string.digits:
                if wrong != right:
                    damaged = list(lines)
                    damaged[row] = lines[row][:at] + wrong + lines[row][at + 1 :]
                    assert proven(damaged, "td1", "td2", "td3")[row] is None


@pytest.mark.parametrize(
    ("lines", "read"),
    [
        pytest.param(TD3, [TD3[0], TD3[1].replace("UTO740", "UTO74O")], id="O for 0"),
        pytest.param(TD3, [TD3[0].replace("UTO", "UT0"), TD3[1].replace("UTO", "UT0")], id="0 for O in letters"),
        pytest.param(TD3, [TD3[0], TD3[1][:28].replace("12", "IZ") + TD3[1][28:]], id="I and Z for 1 and 2"),
        pytest.param(TD1, [TD1[0], TD1[1].replace("8122F", "B1ZZF"), TD1[2]], id="B for 8"),
        pytest.param(TD3, [TD3[0].rstrip(FILLER), TD3[1].replace("<<<<<", "<<<")], id="fillers lost"),
        pytest.param(TD1, [TD1[0] + "<<", TD1[1].replace("<" * 11, "<" * 13), TD1[2] + "<"], id="fillers added"),
        pytest.param(TD3, [" ".join(TD3[0]), TD3[1][:20] + " " + TD3[1][20:]], id="spaces between parts"),
    ],
)
def test_what_readers_confuse_is_corrected_where_the_check_digits_then_hold(lines: list[str], read: list[str]) -> None:
    assert read != lines
    assert proven(read) == lines


def test_a_letter_in_a_field_of_letters_and_digits_is_not_guessed() -> None:
    assert proven([TD3[0], TD3[1].replace("L898", "L8O8")]) == [None, None]


def test_a_card_needs_its_first_two_lines() -> None:
    assert proven(TD1[1:]) == [None, None]
    assert proven(TD1[:2]) == TD1[:2]


def test_lines_of_two_cards_do_not_prove_each_other() -> None:
    number = "D23145899"
    other = f"I<UTO{number}{check_digit(number)}".ljust(30, FILLER)
    assert proven([other, TD1[1]]) == [None, None]


def test_a_passport_that_lost_fillers_until_it_fits_another_format_is_told_by_its_names() -> None:
    names, line = f"P<{NAMES}".ljust(44, FILLER), "L898902C36UTO7408122F1204159<<<<<<<<<<<<<<<"
    line += check_digit(line[:10] + line[13:20] + line[21:43])
    as_td2 = line[:28] + FILLER * 7 + line[-1]
    assert proven([as_td2]) == [as_td2]
    assert proven([names, as_td2]) == [names, line]


def test_names_need_a_proven_line_beside_them() -> None:
    assert proven([TD3[0], "SOMETHING ELSE"]) == [None, None]
    assert proven([TD3[0], "SOMETHING ELSE", TD3[1]]) == [None, None, TD3[1]]


@pytest.mark.parametrize(
    "line",
    ["", FILLER * 44, FILLER * 36, "0" * 44, "A" * 44, "TICKET 4711", "L898902C36UTO7408122F1204159ÄE184226B<<<<<10"],
)
def test_what_is_no_machine_readable_zone_is_not_proven(line: str) -> None:
    assert proven_lines([line, line], ALL) == {}


def test_no_lines_prove_nothing() -> None:
    assert proven_lines([], ALL) == {}


def line(text: str) -> Line:
    return Line(text, 0.9, np.zeros((4, 2), dtype=np.float32), (0.9,) * len(text))


def test_a_page_with_a_document_is_read_as_its_check_digits_prove_it() -> None:
    misread = ["P<UT0ERIKSS0N<<ANNA<MARIA" + FILLER * 12, "visible until 2031", TD3[1].replace("UTO", "UT0"), "Z0NE 4"]
    page = [line(text) for text in misread]
    lines = prove_documents(page)
    assert [each.text for each in lines] == [TD3[0], "visible until 2031", TD3[1], "Z0NE 4"]
    assert [len(each.char_scores) for each in lines] == [0, 18, 44, 6]
    assert all(each.quad is was.quad and each.score == was.score for each, was in zip(lines, page, strict=True))


def test_a_page_whose_check_digits_do_not_hold_stays_as_it_was_read() -> None:
    page = [line(TD3[0].replace("O", "0")), line(TD3[1].replace("<10", "<11"))]
    assert [each.text for each in prove_documents(page)] == [each.text for each in page]
    assert prove_documents([]) == []
