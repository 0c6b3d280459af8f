"""What stands on the papers, labels and signs in front of a kiosk: random texts of printable ASCII."""

import string
from collections.abc import Callable

import numpy as np

from train.data.chance import pick

_WORDS = """
account adult address amount arrival baggage bakery balance barcode beverage billing black boarding bottle bread
breakfast building bus cafe cancel card cash cashier central change charge check child city class clinic close
coffee code concert counter credit customer date deliver departure deposit desk destination dinner direct discount
doctor door double east electric elevator emergency employee enter entrance event exit expiry express ferry fill
final first flight floor form free fresh fuel garage gate general glass green ground group guest hall harbour
health hotel hour invoice issue item juice junction keep kiosk kitchen label left level library licence light
limited line local lunch machine mail main market member menu metro model month morning motor museum name net
night north notice number office open operator order orange paid parcel parking park pass passenger payment phone
pharmacy pizza place plate platform please point police postage power press price print product public pump purchase
queue quick receipt reception reference refund regular return ride right river room route salad sales sandwich
school seat section security sender serial service session shop single size small south special sport station stop
storage store street subtotal sugar summer supply table tariff tax taxi team tea terminal thank ticket time total
tower track train transfer travel tunnel unit user valid van vehicle visit visitor voucher wait warehouse water
weight welcome west window winter wire wood yellow your zone
"""
_NAMES = """
Adam Agnes Alvarez Andersen Anna Baker Bauer Becker Bernard Carla Carter Chen Cohen Costa Daniel David Diaz Dubois
Elena Emma Eriksson Evans Ferrari Fischer Garcia George Green Hansen Harris Hoffmann Hugo Ibrahim Irene Ivanova
Jackson Jensen Johansson Jones Julia Kaya Keller Khan Kim Kowalski Larsen Lee Lindqvist Lopez Lucas Maria Marta
Martin Meyer Miller Moreau Murphy Nguyen Nielsen Nina Novak Okafor Olsen Oscar Patel Paul Peters Petrov Quinn Ramos
Robert Rossi Russo Sara Schmidt Silva Simon Singh Smith Sofia Tanaka Taylor Thomas Tom Ueda Viktor Vogel Walker
Weber Wilson Wood Xavier Yilmaz Young Zeller Zoe
"""

WORDS = tuple(_WORDS.split())
NAMES = tuple(_NAMES.split())

_CURRENCIES = ("EUR", "USD", "CHF", "GBP", "$")
_SEPARATORS = ("-", "/", ".", " ", "")


def random_text(rng: np.random.Generator) -> str:
    """Make up one line of text: words, a name, a price, a date, a code or a sentence; never empty."""
    makers: tuple[Callable[[np.random.Generator], str], ...] = (
        phrase, phrase, phrase, name, price, date, clock, serial, serial, number, labelled, sentence, address,
        gibberish,
    )  # fmt: skip
    return pick(rng, makers)(rng)


def phrase(rng: np.random.Generator) -> str:
    """One to four words in one of the usual cases."""
    words = " ".join(pick(rng, WORDS) for _ in range(rng.integers(1, 5)))
    return pick(rng, (words, words.upper(), words.upper(), words.title(), words.capitalize()))


def name(rng: np.random.Generator) -> str:
    """A person's name as papers print it."""
    given, family = pick(rng, NAMES), pick(rng, NAMES)
    forms = (f"{given} {family}", f"{family}, {given}", f"{family}/{given}".upper(), f"{given[0]}. {family}", family)
    return pick(rng, forms)


def price(rng: np.random.Generator) -> str:
    """An amount with two decimals, sometimes with its currency or a sign."""
    amount = f"{np.exp(rng.uniform(0, 8)):,.2f}"
    if rng.random() < 0.3:
        amount = amount.translate(str.maketrans(",.", ".,"))
    currency = pick(rng, _CURRENCIES)
    forms = (amount, amount, f"{currency} {amount}", f"{amount} {currency}", f"${amount}", f"-{amount}")
    return pick(rng, forms)


def date(rng: np.random.Generator) -> str:
    """A date in one of the usual notations."""
    day, month, year = rng.integers(1, 29), rng.integers(1, 13), rng.integers(1990, 2040)
    month_name = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")[month - 1]
    forms = (
        f"{year}-{month:02}-{day:02}",
        f"{day:02}.{month:02}.{year}",
        f"{month:02}/{day:02}/{year % 100:02}",
        f"{day} {month_name} {year}",
        f"{day:02}{month_name.upper()}{year % 100:02}",
    )
    return pick(rng, forms)


def clock(rng: np.random.Generator) -> str:
    """A time of day, or a span of opening hours."""
    hour, minute = rng.integers(24), rng.integers(60)
    forms = (
        f"{hour:02}:{minute:02}",
        f"{hour:02}:{minute:02}:{rng.integers(60):02}",
        f"{hour % 12 + 1}:{minute:02} {'AM' if hour < 12 else 'PM'}",
        f"{hour:02}:{minute:02}-{rng.integers(24):02}:{rng.integers(60):02}",
    )
    return pick(rng, forms)


def serial(rng: np.random.Generator) -> str:
    """A code of two to four groups of capitals and digits."""
    groups = [_draw(rng, string.digits, 2, 6)]
    groups += [
        _draw(rng, string.digits if rng.random() < 0.6 else string.ascii_uppercase + string.digits, 1, 6)
        for _ in range(rng.integers(1, 4))
    ]
    if rng.random() < 0.6:
        groups[0] = _draw(rng, string.ascii_uppercase, 1, 4)
    prefix = pick(rng, ("", "", "", "SN:", "No. ", "REF ", "#"))
    return prefix + pick(rng, _SEPARATORS).join(groups)


def number(rng: np.random.Generator) -> str:
    """A number with or without a unit."""
    digits = _draw(rng, string.digits, 1, 8)
    units = ("", "", "%", " kg", "kW", "V", " Hz", "mm", " pcs", " x 2", "A", "C")
    return digits + pick(rng, units)


def labelled(rng: np.random.Generator) -> str:
    """A field's name and its value on one line."""
    value = pick(rng, (price, date, clock, serial, number, name))(rng)
    key = pick(rng, WORDS)
    return f"{key.upper() if rng.random() < 0.5 else key.capitalize()}: {value}"


def sentence(rng: np.random.Generator) -> str:
    """A few words with punctuation inside and at the end."""
    words = [pick(rng, WORDS) for _ in range(rng.integers(3, 7))]
    words[rng.integers(len(words) - 1)] += pick(rng, (",", ",", ";", ":", " -", "'s", " &"))
    return " ".join(words).capitalize() + pick(rng, (".", ".", "!", "?", "...", ""))


def address(rng: np.random.Generator) -> str:
    """A street, a town with its code, a web or mail address."""
    word, family = pick(rng, WORDS), pick(rng, NAMES)
    forms = (
        f"{rng.integers(1, 200)} {word.title()} Street",
        f"{rng.integers(10000, 99999)} {family}ville",
        f"www.{word}-{family.lower()}.com",
        f"{family.lower()}@{word}.org",
        f"+{rng.integers(1, 99)} {rng.integers(100, 999)} {rng.integers(100000, 9999999)}",
    )
    return pick(rng, forms)


def gibberish(rng: np.random.Generator) -> str:
    """Characters by chance, so that the rare ones of the alphabet are seen as well."""
    text = _draw(rng, string.ascii_letters + string.digits + string.punctuation, 2, 12)
    return text[0] + text[1:-1].replace("_", " ") + text[-1]


def _draw(rng: np.random.Generator, alphabet: str, shortest: int, longest: int) -> str:
    return "".join(alphabet[i] for i in rng.integers(len(alphabet), size=rng.integers(shortest, longest + 1)))
