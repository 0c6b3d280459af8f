"""What stands on things: the texts of receipts, forms, labels, plates, cards, displays and pages, by templates.

In a template `#` becomes a digit, `^` a capital, `¤` one that is like no digit, `{price}` what the writer's method of
that name makes up.
"""

import re
import string
import unicodedata
from collections.abc import Mapping, Sequence

import numpy as np

from train.data import text as texts
from train.data.chance import pick
from train.data.check_digits import card_number, container_number, ean13, iban, mrz
from train.data.words import ALL_NAMES, BUILT_IN

TEMPLATES: Mapping[str, tuple[str, ...]] = {
    kind: tuple(block.strip().split("|"))
    for kind, block in {
        "receipt": "{price}|{price}|{price}|{phrase}|{phrase}|{address}|{date}|{serial}|{receipt_key}|{checked}"
        "|{receipt_key}: {price}|{receipt_key} : {number}|{receipt_key}:{price}|{receipt_key} {serial}"
        "|{receipt_key}: {name}|# {phrase}|{word} {number}|# x {price}|{phrase} (######-^)|^^^ REG NO: ############"
        "|## {phrase} {price}|{rule}|{receipt_key} No.: {serial}|#{number} {word}|{time}|({serial})|{small}"
        "|{price} ^",
        "form": "{phrase}|{phrase}|{word}|{word}|{word}|{name}|{date}|{number}|{serial}|{address}|{phrase}:|{word}:"
        "|{small}"
        "|{word}: {name}|{word}: {date}|#. {phrase}|##. {phrase}|##|{sentence}|({word})|{checked}"
        "|{word} {word}: {serial}"
        "|{phrase} {number}|{word}.|{word},",
        "page": "{sentence}|{sentence}|{sentence}|{sentence}|{phrase}|{number}|{number}|{small}|{price}|{date}"
        "|{name}"
        "|#.# {phrase}|##.#%|$###.#|{word} ({date})|{address}|({number})|{phrase}:|#{number}E|{word}",
        "nameplate": "{plate_key}: {serial}|{plate_key} {number}|{serial}|{number}|{checked}|{checked}|{phrase}"
        "|{plate_key}"
        "|{plate_key}: {number}|{number} / {number}|{date}|{plate_key}: {date}|IP##|{word}|{number} ~ {number}",
        "wire": "###|####|####|#####|#^##|##^##|##^##|###^##|###^^##|^#|^##|^^#|^^##|^^###|-^^#|-^^#|-^^|-^#|-^^^#"
        "|-^^#^|^###"
        "|^####|^#:#|^^##:#|#|##|#^|{wire_name}|^#.#|#/#|##.#|^^-#|-^^^|^^^",
        "card": "{name}|{name}|{date}|{serial}|{word}|{phrase}|{word} / {word}|## {month} ####"
        "|## {month}/{month} ##"
        "|{address}|{word}/{word}|^#######|^^#######|#,## m|### CM|#. {word}|########",
        "plate_us": "#¤¤¤###|#¤¤¤###|¤¤¤ ####|¤¤¤-####|¤¤¤####|¤¤¤ ###|### ¤¤¤|¤¤# #¤¤|¤¤#-#¤¤|¤¤#·#¤¤|#######|###### "
        "|¤## ###"
        "|¤¤ #####|¤¤¤#¤##|###-¤¤¤|¤## #¤¤|¤¤¤·####|¤#¤-#¤#|¤¤¤ #¤#|##¤ ###|¤¤¤-###|¤## ####",
        "plate_eu": "^^ ###^^|^^-###^^|^^-###^^|^ ^^ ###|^^ ^^ ###|^^^ ^ ##|^-^^ ####|^^-^^ ###|^^-###-^^|#¤# ####"
        "|#¤#-####"
        "|{slovak} ###{series}|{slovak} ###{series}|{slovak}-###{series}|{slovak}-###{series}|{slovak}-###{series}"
        "|#### ^^^|^^## ^^^|^^^ ##-##|^^^:##-##|##-^^^-#|^^ #####|^^^ ###|^^ ## ###|^^^-###|^^ ####|^^ ## ^^^",
        "display": "###.##|##.##|#.##|##.##|###.##|{display_number}|{display_number}|####|###|##|#|#####|######"
        "|########|##:##"
        "|#:##|-##.#|-#.#|####.##|####-##|##.#|#.#|###.#|{display_word}|##.##.##|-##|#.###|{display_word} #",
        "screen": "{phrase}|{date}|{date}|{time}|{number}|{word}: {number}|{price}|{sentence}|CAM ##|{iso} {clock}"
        "|{iso} {clock}"
        "|{word}|##.##.#### {clock}|{serial}|{word} = {number}|{word}...|[{word}]",
        "sign": "{word}|{word}|{word}|{word}|{word}|{words}|{words}|{name}|{number}|{sign_word}|##%|##|###|# km"
        "|### m|{address}"
        "|{price}|{WORD}|{WORD}|{WORD}|{WORD} & {WORD}|{word}!|#^|{WORD} ##|{sentence}",
        "counter": "#####|######|#|#|####.#|###|{number}|########|##",
        "address": "{street}|{street}|##### {family}|{word} ^^ #####|www.{host}{tld}|{mailbox}@{host}{tld}"
        "|https://{host}{tld}/{host}|Tel: {phone}|{phone}|{host}{tld}|{street}, #####|{street}, {family}",
        "phone": "+## ### #####|+# ### ### ####|(###) ###-####|###-#######|0## #### ####|0###/######|##.##.##.##.##",
        "street": "## {word} St|### {family} Street|# {word} Ave|{family}straße ##|## rue de {family}"
        "|Via {family} ##"
        "|Calle {family}, ##|{family} Road|## {word} Blvd.|{word}weg #|No. ##, {family} Lane|Lot ###, {word} Park",
        "serial": "^^^###|^##|#^##|^^-####-^|^^^^-######|##-###|####-##.#|^####|^^#######^|#####|#######|##########"
        "|^#^#^#"
        "|######-#|SN:########|REF ####|No. ######|#-####-##|^^ ####|###.###.###|^-###^|#############",
        "price": "{amount}|{amount}|{amount}|{amount}|{currency} {amount}|{amount} {currency}|{currency}{amount}"
        "|-{amount}"
        "|({amount})|{amount} ^|{amount}-|@ {amount}|{currency}#|{currency}#.##|#,###.##|###,##",
        "number": "#|##|###|####|#.#|##.#|#.##|##.###|#,###|##,###|#,###,###|#{unit}|## {unit}|###{unit}|#.# {unit}"
        "|###%|+#.#"
        "|±#.#|##.|# 1/2|##/##|(##)|###-###|#x#|.##",
    }.items()
}
_LISTS: Mapping[str, tuple[str, ...]] = {
    name: tuple(block.split("|"))
    for name, block in {
        "currency": "EUR|€|€|$|$|£|USD|CHF|GBP|RM|zł|kr|Kč|Rp",
        "tld": ".com|.com|.org|.net|.de|.fr|.it|.es|.co.uk|.eu|.io|.info",
        "unit": "kg|g|V|W|kW|A|mA|Hz|kHz|mm|cm|m|%|°C|°F|bar|l/min|rpm|VA|Ah|ml|l|kPa|Nm|dB|pcs|mg|oz|lb|km/h|min|s"
        "|µF|MHz|GB",
        "plate_key": "Type|Model|Serial No.|S/N|P/N|Input|Output|Rated|Date|Made in|Weight|Max.|Freq.|Power|Voltage|REF"
        "|LOT|EXP"
        "|MFG|QTY|Rev.|Art.-Nr.|TYP|Item|Batch|Mat.|Order|ID|CLASS|TARE|NET|MAX. GROSS|CU.CAP.|PAYLOAD",
        "receipt_key": "TOTAL|Total|Subtotal|SUB-TOTAL|Cash|CASH|CHANGE|Change|VAT|TAX|Tax Invoice|Rounding|Amount Due"
        "|Balance"
        "|Item(s)|Qty|DISCOUNT|Receipt|Invoice|Date|Time|Table|Cashier|Guests|MwSt 19%|Summe|TVA|Net|Gross"
        "|Visa|Debit|Ticket"
        "|Order|Total Qty|Total Amount|SERVICE 10%|Thank you|Please come again|Merci|Vielen Dank|Gracias|Tel"
        "|Fax|Amount|Price",
        "wire_name": "L1|L2|L3|N|PE|0V|24V|+24V|GND|COM|U|V|W|A1|A2|L+|M|FE|+|-",
        "display_word": "Err|HELP|End|OFF|LO|HI|PASS|F|E|C|oPEn|H|P|HOLd|CAL|bAt|ScAn",
        "sign_word": "EXIT|OPEN|STOP|SALE|PUSH|PULL|TAXI|BUS|PARKING|CAFE|BAR|HOTEL|TOILET|NO SMOKING|50% OFF|WC|ATM",
        "month": "JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC",
        "slovak": "BA|BB|BJ|BN|BR|BY|CA|DK|DS|GA|HC|HE|IL|KE|KK|KM|KN|KS|LC|LM|LV|MA|MI|ML|MT|NM|NO|NR|NZ|PB|PD|PE"
        "|PK|PN|PO|PP|PT|PU|RA|RK|RS|RV|SA|SB|SC|SE|SI|SK|SL|SN|SP|TN|TO|TR|TT|TV|VK|VT|ZA|ZC|ZH|ZM|ZV",
        "series": "A^|A^|A^|B^|B^|C^|^^|AI|AO|AO|BI|BO|BO|IO|OI",
        "rule": "---|-----|***|=====|*|....|-|#|* * *",
        "small": "of|in|to|a|&|or|by|No|I|x|1|0|-|X|%|$|at|it|is|:|.|N/A|A|II|IV|(a)|(1)|as|on|be|3.|5%",
        "mark": "{},|{},|{}.|{}.|{};|{}:|\"{}\"|({})|{}'s|{}-|{}!|{}?|“{}”|{} –|{} &|[{}]|*{}|'{}'|{}/|{}®|<{}>"
        "|{}...|§ {}|{}_",
    }.items()
}
_SLOT = re.compile(r"\{(\w+)\}|#|\^|¤")
_ALPHABETS = {
    "#": string.digits,
    "^": string.ascii_uppercase,
    "¤": string.ascii_uppercase.translate({73: None, 79: None, 81: None}),
}
"""American and Czech plates go without the letters I, O and Q that are taken for digits."""


class Writer:
    """Makes up texts with one random generator and one collection of words."""

    def __init__(self, rng: np.random.Generator, words: Mapping[str, Sequence[str]] = BUILT_IN) -> None:
        """Use this generator; `words` are those of each language."""
        self.rng = rng
        self._languages = tuple(words.values())
        self._english = words["en"]

    def make(self, kind: str) -> str:
        """Make up one text of a kind of `TEMPLATES`."""
        return self.fill(pick(self.rng, TEMPLATES[kind]))

    def fill(self, template: str) -> str:
        """Fill the slots of one template."""
        return _SLOT.sub(self._slot, template).strip()

    def _slot(self, match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            alphabet = _ALPHABETS[match[0]]
            return alphabet[int(self.rng.integers(len(alphabet)))]
        if name in _LISTS:
            return pick(self.rng, _LISTS[name])
        return self.make(name) if name in TEMPLATES else str(getattr(self, name)())

    def some_words(self, shortest: int, longest: int) -> str:
        """Several words of one language in one of the usual cases."""
        rng = self.rng
        language = self._english if rng.random() < 0.6 else pick(rng, self._languages)
        text = " ".join(pick(rng, language) for _ in range(rng.integers(shortest, longest + 1)))
        return pick(rng, (text, text, text.upper(), text.upper(), _title(text), _capital(text)))

    def word(self) -> str:
        """One word."""
        return self.some_words(1, 1)

    def WORD(self) -> str:  # noqa: N802  named as it looks in a template
        """One word in capitals."""
        return self.word().upper()

    def words(self) -> str:
        """Two or three words."""
        return self.some_words(2, 3)

    def phrase(self) -> str:
        """One to four words."""
        return self.some_words(1, 4)

    def sentence(self) -> str:
        """A piece of running text: several words with punctuation, begun or ended anywhere."""
        rng = self.rng
        language = self._english if rng.random() < 0.65 else pick(rng, self._languages)
        words = [pick(rng, language) for _ in range(rng.integers(4, 12))]
        for i, word in enumerate(words):
            if rng.random() < 0.2:
                words[i] = pick(rng, _LISTS["mark"]).format(word) if rng.random() < 0.75 else self.make("number")
        text = " ".join(words)
        return text if rng.random() < 0.5 else _capital(text)

    def name(self) -> str:
        """A person's name."""
        given, family = pick(self.rng, ALL_NAMES), pick(self.rng, ALL_NAMES)
        initial, whole = given[0], f"{given} {family}"
        forms = (whole, f"{family}, {given}", f"Mr. {initial}. {family}", f"{initial}. {family}", family, whole.upper())
        return pick(self.rng, (*forms, f"Dr. {family}", f"{given}-{family}", f"{given} {initial}. {family}"))

    def family(self) -> str:
        """A family name."""
        return pick(self.rng, ALL_NAMES)

    def amount(self) -> str:
        """A number with two decimals, in either notation."""
        amount = f"{np.exp(self.rng.uniform(-0.5, 8)):{pick(self.rng, ('.2f', '.2f', ',.2f'))}}"
        return amount.translate(str.maketrans(",.", ".,")) if self.rng.random() < 0.25 else amount

    def date(self) -> str:
        """A date, with or without its time."""
        stamp = texts.date(self.rng)
        return stamp if self.rng.random() < 0.75 else f"{stamp} {self.time()}"

    def iso(self) -> str:
        """A date, year first."""
        return f"20{self.rng.integers(100):02}-{self.rng.integers(1, 13):02}-{self.rng.integers(1, 29):02}"

    def time(self) -> str:
        """A time of day or opening hours."""
        return texts.clock(self.rng)

    def clock(self) -> str:
        """A time of day with its seconds."""
        return f"{self.rng.integers(24):02}:{self.rng.integers(60):02}:{self.rng.integers(60):02}"

    def host(self) -> str:
        """The middle of a web address."""
        word, family = _ascii(pick(self.rng, self._english)).lower(), _ascii(self.family()).lower()
        return pick(self.rng, (word, f"{word}{family}", f"{word}-{family}", f"{word}{self.rng.integers(1, 100)}"))

    def mailbox(self) -> str:
        """The front of a mail address."""
        return f"{_ascii(self.family()).lower()}{pick(self.rng, '._-')}{_ascii(pick(self.rng, self._english)).lower()}"

    def checked(self) -> str:
        """A number with a check digit."""
        return pick(self.rng, (container_number, iban, ean13, card_number))(self.rng)

    def display_number(self) -> str:
        """A number of any size."""
        return f"{self.rng.uniform(0, 10.0 ** self.rng.integers(1, 6)):.{self.rng.integers(0, 4)}f}"

    def mrz(self) -> list[str]:
        """The lines of one machine-readable zone."""
        return mrz(self.rng, tuple(_ascii(name).upper() for name in ALL_NAMES))

    def gibberish(self, charset: Sequence[str]) -> str:
        """Characters drawn evenly from a charset, so that rare ones are learnt as well."""
        chars = [charset[i] for i in self.rng.integers(len(charset), size=self.rng.integers(2, 13))]
        return "".join(chars)


def _title(text: str) -> str:
    # str.title would make "Garçon'S".
    return " ".join(_capital(word) for word in text.split(" "))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _ascii(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.translate(str.maketrans("øØłŁ", "oOlL")))
    return "".join(char for char in plain if char in string.ascii_letters)
