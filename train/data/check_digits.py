"""Numbers that carry check digits: containers, accounts, goods, cards and machine-readable zones.

Every function draws its number by chance and computes the digits by the standard it names.
"""

import string
from datetime import date, timedelta

import numpy as np

from train.data.chance import pick

_VALUES = {char: value for value, char in enumerate(string.digits + string.ascii_uppercase)}
_COUNTRIES = tuple(
    "D FRA GBR ITA ESP NLD POL CZE SVK AUT CHE SWE NOR FIN DNK PRT IRL USA CAN AUS JPN BRA IND MEX UTO".split()  # noqa: SIM905
)
_IBAN_LENGTHS = {"DE": 22, "FR": 27, "GB": 22, "ES": 24, "IT": 27, "NL": 18, "AT": 20, "CH": 21, "BE": 16, "PL": 28}


def container_number(rng: np.random.Generator) -> str:
    """ISO 6346: owner code, category, six digits and the check digit, spaced as it is painted."""
    owner = _draw(rng, string.ascii_uppercase, 3) + pick(rng, "UUUUJZ")
    serial = _draw(rng, string.digits, 6)
    digit = iso6346_digit(owner + serial)
    form = ("{0}{1}{2}", "{0} {1} {2}", "{0} {1}-{2}", "{0} {1}{2}")
    return pick(rng, form).format(owner, serial, digit)


def iso6346_digit(code: str) -> int:
    """The check digit of four letters and six digits. ISO 6346: letters from A = 10 without multiples of 11."""
    letters = [value for value in range(10, 39) if value % 11]
    values = [int(char) if char.isdigit() else letters[ord(char) - ord("A")] for char in code]
    return sum(value << place for place, value in enumerate(values)) % 11 % 10


def iban(rng: np.random.Generator) -> str:
    """ISO 13616: an account number of a European country, in groups of four or in one piece."""
    country = pick(rng, tuple(_IBAN_LENGTHS))
    letters = _draw(rng, string.ascii_uppercase, 4) if country in {"GB", "NL"} else ""
    account = letters + _draw(rng, string.digits, _IBAN_LENGTHS[country] - 4 - len(letters))
    number = int("".join(str(_VALUES[char]) for char in account + country + "00"))
    whole = f"{country}{98 - number % 97:02}{account}"
    return " ".join(whole[i : i + 4] for i in range(0, len(whole), 4)) if rng.random() < 0.7 else whole


def ean13(rng: np.random.Generator) -> str:
    """GS1: the thirteen digits below a bar code."""
    digits = _draw(rng, string.digits, 12)
    check = -sum(int(digit) * (1, 3)[i % 2] for i, digit in enumerate(digits)) % 10
    whole = f"{digits}{check}"
    return whole if rng.random() < 0.5 else f"{whole[0]} {whole[1:7]} {whole[7:]}"


def card_number(rng: np.random.Generator) -> str:
    """ISO/IEC 7812: sixteen digits with Luhn's check digit, or all but the last four hidden."""
    digits = pick(rng, "3456") + _draw(rng, string.digits, 14)
    doubled = [sum(divmod(int(digit) * 2, 10)) if i % 2 == 0 else int(digit) for i, digit in enumerate(digits)]
    whole = f"{digits}{-sum(doubled) % 10}"
    if rng.random() < 0.4:
        whole = pick(rng, "*X") * 12 + whole[12:]
    return " ".join(whole[i : i + 4] for i in range(0, 16, 4)) if rng.random() < 0.7 else whole


def mrz(rng: np.random.Generator, names: tuple[str, ...]) -> list[str]:
    """ICAO 9303 parts 4 to 7: the lines of a passport (2 x 44), visa, or card (3 x 30 or 2 x 36).

    Args:
        rng: Where the chance comes from.
        names: Given and family names in A to Z, upper case.
    """
    width, kind = ((44, "P"), (44, "P"), (44, "V"), (36, "I"), (30, "I"))[rng.integers(5)]
    state = pick(rng, _COUNTRIES)
    number = _field(_draw(rng, string.ascii_uppercase, int(rng.integers(0, 3))) + _draw(rng, string.digits, 7), 9)
    born = f"{date(1940, 1, 1) + timedelta(int(rng.integers(25000))):%y%m%d}"
    expires = f"{date(2015, 1, 1) + timedelta(int(rng.integers(8000))):%y%m%d}"
    sex = pick(rng, "MMMFFF<")
    holder = "<".join((pick(rng, names),)) + "<<" + "<".join(pick(rng, names) for _ in range(rng.integers(1, 3)))
    head = kind + pick(rng, "<<<DRO") + _field(state, 3)
    if width == 30:
        return _card(rng, head, state, number, born, sex, expires, holder)
    optional = _draw(rng, string.digits, int(rng.integers(5, 15))) if rng.random() < 0.3 else ""
    second = number + icao_digit(number) + _field(state, 3) + born + icao_digit(born) + sex + expires
    second += icao_digit(expires)
    if kind == "P":
        optional = _field(optional, 14)
        second += optional + (icao_digit(optional) if optional.strip("<") else pick(rng, "0<"))
        second += icao_digit(second[:10] + second[13:20] + second[21:43])
    elif kind == "I":
        second = _field(second + optional[:7], 35)
        second += icao_digit(second[:10] + second[13:20] + second[21:35])
    return [_field(head + holder, width), _field(second + optional if kind == "V" else second, width)]


def _card(
    rng: np.random.Generator, head: str, state: str, number: str, born: str, sex: str, expires: str, holder: str
) -> list[str]:
    optional = _draw(rng, string.digits, int(rng.integers(5, 11))) if rng.random() < 0.4 else ""
    first = _field(head + number + icao_digit(number) + optional, 30)
    second = _field(born + icao_digit(born) + sex + expires + icao_digit(expires) + _field(state, 3), 29)
    second += icao_digit(first[5:30] + second[0:7] + second[8:15] + second[18:29])
    return [first, second, _field(holder, 30)]


def icao_digit(field: str) -> str:
    """The check digit of one field. ICAO 9303-3, 4.9: weights 7, 3, 1; A = 10; the filler counts nothing."""
    return str(sum(_VALUES.get(char, 0) * (7, 3, 1)[i % 3] for i, char in enumerate(field)) % 10)


def _field(text: str, width: int) -> str:
    return text[:width].ljust(width, "<")


def _draw(rng: np.random.Generator, alphabet: str, n: int) -> str:
    return "".join(alphabet[i] for i in rng.integers(len(alphabet), size=n))
