import re

import numpy as np
import pytest

from train.data.check_digits import card_number, ean13, iban, icao_digit, iso6346_digit, mrz


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(4)


@pytest.mark.parametrize(
    ("code", "digit"),
    [
        pytest.param("CSQU305438", 3, id="the standard's own example"),
        pytest.param("MSKU907032", 3, id="a container of a large carrier"),
    ],
)
def test_a_containers_check_digit_is_that_of_iso_6346(code: str, digit: int) -> None:
    assert iso6346_digit(code) == digit


@pytest.mark.parametrize(
    ("field", "digit"), [("L898902C3", "6"), ("740812", "2"), ("120415", "9"), ("ZE184226B<<<<<", "1")]
)
def test_the_check_digits_of_icaos_specimen_passport(field: str, digit: str) -> None:
    assert icao_digit(field) == digit


def test_every_iban_leaves_one_modulo_97(rng: np.random.Generator) -> None:
    for _ in range(50):
        whole = iban(rng).replace(" ", "")
        assert int("".join(str(int(char, 36)) for char in whole[4:] + whole[:4])) % 97 == 1


def test_every_bar_code_number_weighs_a_multiple_of_ten(rng: np.random.Generator) -> None:
    for _ in range(50):
        digits = [int(char) for char in ean13(rng).replace(" ", "")]
        assert (sum(digits[0::2]) + 3 * sum(digits[1::2])) % 10 == 0


def test_every_card_number_that_is_shown_whole_passes_luhns_test(rng: np.random.Generator) -> None:
    for _ in range(50):
        whole = card_number(rng).replace(" ", "")
        assert len(whole) == 16
        if whole.isdigit():
            doubled = [sum(divmod(2 * int(char), 10)) for char in whole[0::2]]
            assert (sum(doubled) + sum(int(char) for char in whole[1::2])) % 10 == 0


def test_machine_readable_zones_have_the_right_widths_and_check_digits(rng: np.random.Generator) -> None:
    for _ in range(60):
        lines = mrz(rng, ("ANNA", "ERIKSSON", "LEE"))
        assert len({len(line) for line in lines}) == 1
        assert (len(lines), len(lines[0])) in {(2, 44), (2, 36), (3, 30)}
        assert re.fullmatch(r"[A-Z0-9<]+", "".join(lines))
        if len(lines) == 2:
            number, born, expires = lines[1][:10], lines[1][13:20], lines[1][21:28]
        else:
            number, born, expires = lines[0][5:15], lines[1][:7], lines[1][8:15]
        for field in (number, born, expires):
            assert icao_digit(field[:-1]) == field[-1]
        if lines[0][0] == "P":
            assert icao_digit(lines[1][:10] + lines[1][13:20] + lines[1][21:43]) == lines[1][43]
