"""Machine-readable zones of travel documents: which lines are one, check digits, and what may be corrected.

The lines that carry check digits prove a document: a reader's confusions are corrected only where a field is defined as
numeric or alphabetic, runs of fillers `<` only in length, and all of it counts only if every check digit then holds. A
line of names has no check digit; it is taken beside lines that are proven.

Reference:
    ICAO Doc 9303, 8th edition 2021: part 3 section 4 (characters, check digits), part 4 (TD3), part 5 (TD1),
    part 6 (TD2), part 7 (visas MRV-A, MRV-B).
"""

import re
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from typing import Literal

from edge_ocr.page import Line

Format = Literal["td1", "td2", "td3", "mrva", "mrvb"]

FILLER = "<"
CHARACTERS = frozenset(string.ascii_uppercase + string.digits + FILLER)
DIGIT_FOR = str.maketrans("OQDILZASGTB", "00011245678")
LETTER_FOR = str.maketrans("01245678", "OIZASGTB")
"""What a reader confuses, by what the field can hold."""
MAX_MISCOUNT, MAX_MISCOUNT_WITH_NAMES = 6, 14
"""Fillers that a reader may have lost or added in a line with check digits. Two formats differ by 8: more may be
missing only where the line of names says which format it is."""
LEAST_CHARACTERS = 16
"""Of a line that may belong to a document: the shortest format's, less what a line of names may lack."""

Span = tuple[int, int]
"""First and past-the-last position, from 0."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """One format: what stands where. Positions are those of the proven text, all its lines in one."""

    width: int
    n_proven: int
    """Lines that carry check digits."""
    names_before: bool
    """Whether the names stand in the line before them, not after."""
    codes: str
    """Letters that the document's code may begin with."""
    kinds: str
    """A letter a position of the proven text: n digit, a letter, x any, c check digit, s sex."""
    checks: tuple[tuple[int, tuple[Span, ...]], ...]
    """Position of each check digit and what it covers."""
    number: tuple[Span, int, Span] | None = None
    """Where a document number of more than nine characters is: its start, its check digit, the field it goes on in."""


_PERSON = "n" * 6 + "c" + "s" + "n" * 6 + "c"
_PASSPORT = "x" * 9 + "c" + "a" * 3 + _PERSON
_PASSPORT_CHECKS = ((9, ((0, 9),)), (19, ((13, 19),)), (27, ((21, 27),)))

_LAYOUTS: dict[Format, _Layout] = {
    "td1": _Layout(
        width=30,
        n_proven=2,
        names_before=False,
        codes="ACI",
        kinds="aaaaa" + "x" * 9 + "c" + "x" * 15 + _PERSON + "a" * 3 + "x" * 11 + "c",
        checks=(
            (14, ((5, 14),)),
            (36, ((30, 36),)),
            (44, ((38, 44),)),
            (59, ((5, 30), (30, 37), (38, 45), (48, 59))),
        ),
        number=((5, 14), 14, (15, 30)),
    ),
    "td2": _Layout(
        width=36,
        n_proven=1,
        names_before=True,
        codes="ACI",
        kinds=_PASSPORT + "x" * 7 + "c",
        checks=(*_PASSPORT_CHECKS, (35, ((0, 10), (13, 20), (21, 35)))),
        number=((0, 9), 9, (28, 35)),
    ),
    "td3": _Layout(
        width=44,
        n_proven=1,
        names_before=True,
        codes="P",
        kinds=_PASSPORT + "x" * 14 + "cc",
        checks=(*_PASSPORT_CHECKS, (42, ((28, 42),)), (43, ((0, 10), (13, 20), (21, 43)))),
    ),
    "mrva": _Layout(
        width=44, n_proven=1, names_before=True, codes="V", kinds=_PASSPORT + "x" * 16, checks=_PASSPORT_CHECKS
    ),
    "mrvb": _Layout(
        width=36, n_proven=1, names_before=True, codes="V", kinds=_PASSPORT + "x" * 8, checks=_PASSPORT_CHECKS
    ),
}


def check_digit(text: str) -> str:
    """The check digit of a text: weights 7, 3, 1; letters count from A = 10, the filler 0 (part 3, section 4.9)."""
    return str(sum(_value(c) * weight for c, weight in zip(text, cycle((7, 3, 1)), strict=False)) % 10)


def prove_documents(lines: Sequence[Line]) -> list[Line]:
    """The lines of a page, those of travel documents whose check digits hold as these prove them.

    Args:
        lines: In reading order; other lines may stand between those of a document.

    Returns:
        As many lines. Where a text grew or shrank, nobody knows its characters' scores.
    """
    proven = list(lines)
    like_one = [i for i, line in enumerate(lines) if FILLER in line.text and len(line.text) >= LEAST_CHARACTERS]
    for row, text in proven_lines([lines[i].text for i in like_one], tuple(_LAYOUTS)).items():
        line = lines[like_one[row]]
        scores = line.char_scores if len(text) == len(line.text) else ()
        proven[like_one[row]] = replace(line, text=text, char_scores=scores)
    return proven


def proven_lines(texts: Sequence[str], formats: Sequence[Format]) -> dict[int, str]:
    """Which of some lines are a machine-readable zone whose check digits hold.

    Args:
        texts: The lines of one place, top to bottom, as they were read.
        formats: The formats to look for; the first that fits counts.

    Returns:
        The corrected text of each line that belongs to a document, by its place in `texts`. Empty where no check digits
        hold.
    """
    lines = [text.replace(" ", "") for text in texts]
    found: dict[int, str] = {}
    # A passport's line that lost fillers can be a right line of another format; its names tell them apart.
    for needs_names, most in ((True, 0), (True, MAX_MISCOUNT_WITH_NAMES), (False, 0), (False, MAX_MISCOUNT)):
        for layout in (_LAYOUTS[name] for name in formats):
            for at in range(len(lines) - layout.n_proven + 1):
                if not found.keys() & set(range(at, at + layout.n_proven)):
                    found |= _document_at(at, lines, layout, most, needs_names=needs_names)
    return found


def _document_at(at: int, lines: Sequence[str], layout: _Layout, most: int, *, needs_names: bool) -> dict[int, str]:
    """The lines of a document whose check digits begin at one line; empty where none does."""
    beside = at - 1 if layout.names_before else at + layout.n_proven
    names = _names(lines[beside], layout) if 0 <= beside < len(lines) else None
    if names is None and needs_names:
        return {}
    proven = _prove(lines[at : at + layout.n_proven], layout, most) or []
    found = {at + i: line for i, line in enumerate(proven)}
    return {**found, beside: names} if found and names is not None else found


def _prove(lines: Sequence[str], layout: _Layout, most: int) -> list[str] | None:
    """The lines, corrected, if every check digit holds."""
    candidates = [""]
    for line in lines:
        candidates = [before + fitted for before in candidates for fitted in _fitted(line, layout.width, most)]
    for candidate in candidates:
        corrected = _corrected(candidate, layout)
        if corrected is not None and _holds(corrected, layout):
            return [corrected[i : i + layout.width] for i in range(0, len(corrected), layout.width)]
    return None


def _fitted(line: str, width: int, most: int) -> Iterator[str]:
    """The line at its format's width: readers miscount fillers, so one run may have up to `most` more or less."""
    if not line or not CHARACTERS.issuperset(line) or abs(width - len(line)) > most:
        return
    if len(line) == width:
        yield line
        return
    for run in re.finditer(f"{FILLER}+", line):
        length = run.end() - run.start() + width - len(line)
        if length >= 1:
            yield line[: run.start()] + FILLER * length + line[run.end() :]


def _corrected(text: str, layout: _Layout) -> str | None:
    """Confusions undone where only digits, or only letters, can stand; None where that leaves something else."""
    fixed = []
    for character, kind in zip(text, layout.kinds, strict=True):
        if kind in "nc":
            character = character.translate(DIGIT_FOR)
        elif kind in "as":
            character = character.translate(LETTER_FOR)
        fixed.append(character)
    is_sound = all(_may_stand(character, kind) for character, kind in zip(fixed, layout.kinds, strict=True))
    return "".join(fixed) if is_sound and _code_fits(fixed[0], layout) else None


def _code_fits(first: str, layout: _Layout) -> bool:
    """Whether a proven text that begins with the document's code begins with one of this format."""
    return layout.names_before or first in layout.codes


def _may_stand(character: str, kind: str) -> bool:
    if character == FILLER:
        return True  # unknown parts of a date, an unstated sex, an absent optional field and its check digit
    return {"n": character.isdigit(), "c": character.isdigit(), "a": character.isalpha(), "s": character in "MF"}.get(
        kind, True
    )


def _holds(text: str, layout: _Layout) -> bool:
    """Whether every check digit holds; the first one is the document number's, which is never empty."""
    (_, (number,)), *_ = layout.checks
    if not text[slice(*number)].strip(FILLER):
        return False
    return all(
        text[position] in _right_digits("".join(text[start:end] for start, end in spans))
        or _long_number_holds(position, text, layout)
        for position, spans in layout.checks
    )


def _right_digits(covered: str) -> str:
    """What the check digit of a field may be: an empty field may go without."""
    return check_digit(covered) + ("" if covered.strip(FILLER) else FILLER)


def _long_number_holds(position: int, text: str, layout: _Layout) -> bool:
    """A number of more than nine characters goes on in the optional field, its check digit last (part 5, note j)."""
    if layout.number is None or position != layout.number[1] or text[position] != FILLER:
        return False
    (start, end), _, (rest_start, rest_end) = layout.number
    rest = text[rest_start:rest_end].partition(FILLER)[0]
    return len(rest) >= 2 and check_digit(text[start:end] + rest[:-1]) == rest[-1]


def _names(line: str, layout: _Layout) -> str | None:
    """The line of names, its fillers at the end made to fit; None where it is none."""
    fixed = line.translate(LETTER_FOR)
    body = fixed.rstrip(FILLER)
    is_names = re.fullmatch(f"[A-Z]+({FILLER}{{1,2}}[A-Z]+)*", body) is not None
    if not is_names or len(body) > layout.width or (layout.names_before and fixed[0] not in layout.codes):
        return None
    return body.ljust(layout.width, FILLER)


def _value(character: str) -> int:
    return 0 if character == FILLER else int(character, 36)
