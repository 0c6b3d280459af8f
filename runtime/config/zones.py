"""The part of kiosk.yaml that says where texts are read, which of them count, and how they leave the device."""

from typing import Annotated, Any

import regex
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from edge_ocr.mrz import CHARACTERS as MRZ_CHARACTERS
from edge_ocr.mrz import Format
from runtime.config.base import Config
from runtime.rules.redaction import Redaction

MAX_TEXT = 256
"""Longest text, in characters, that expressions are tried on; a longer one is refused."""

Point = tuple[float, float]
Polygon = Annotated[tuple[Point, ...], Field(min_length=3)]
"""Corners (x, y) in pixels of the frame."""


def expand_characters(spec: Any) -> frozenset[str]:
    """The characters that `A-Z0-9<` stands for; a `-` at either end, or after a range, is itself.

    Raises:
        ValueError: it is empty, not text, or a range runs backwards.
    """
    if isinstance(spec, frozenset):
        return spec
    if not isinstance(spec, str):
        raise ValueError("should be text; put it in quotes")
    if not spec:
        raise ValueError("must not be empty")
    found: set[str] = set()
    at = 0
    while at < len(spec):
        if at + 2 < len(spec) and spec[at + 1] == "-":
            first, last = spec[at], spec[at + 2]
            if first > last:
                raise ValueError(f"the range {first}-{last} runs backwards; put a '-' that is meant itself at the end")
            found.update(map(chr, range(ord(first), ord(last) + 1)))
            at += 3
        else:
            found.add(spec[at])
            at += 1
    return frozenset(found)


def _check_expression(pattern: str) -> str:
    try:
        regex.compile(pattern)
    except regex.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return pattern


Expression = Annotated[str, AfterValidator(_check_expression)]
"""A regular expression in Python's syntax."""
Characters = Annotated[frozenset[str], BeforeValidator(expand_characters)]


class ReplaceRule(Config):
    """What is found is replaced, everywhere in the text."""

    pattern: Expression
    replacement: Annotated[str, Field(alias="with")]
    r"""May refer to groups of the pattern: `\1`, `\g<name>`."""

    @model_validator(mode="after")
    def _check_references(self) -> "ReplaceRule":
        try:
            # References are looked up only where something is found: let nothing be found too.
            regex.compile(f"(?:{self.pattern}\n)|").sub(self.replacement, "")
        except (regex.error, IndexError) as error:
            raise ValueError(f"`with` does not fit the pattern: {error}") from None
        return self


class TextRules(Config):
    """Which texts of a place count, and how they are published. A settled text passes them in this order."""

    allowed: Characters | None = None
    """The only characters that decoding may choose from, with ranges: `A-Z0-9`. The space counts as one."""
    min_score: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Least confidence of the settled text."""
    replace: tuple[ReplaceRule, ...] = ()
    """Applied one after the other; they make `text`, `text_raw` stays."""
    mrz: tuple[Format, ...] | None = None
    """Only machine-readable zones of these formats whose check digits hold. Allows their characters only."""
    min_length: Annotated[int, Field(ge=1)] = 1
    max_length: Annotated[int, Field(ge=1, le=MAX_TEXT)] = MAX_TEXT
    match: Expression | None = None
    """What the whole text has to match."""
    redact: Redaction | None = None
    """What is done to the text before anything is stored or sent."""

    @model_validator(mode="after")
    def _check_together(self) -> "TextRules":
        if self.min_length > self.max_length:
            raise ValueError(f"min_length {self.min_length} is above max_length {self.max_length}")
        if self.mrz is not None and not self.mrz:
            raise ValueError("mrz: [] leaves no format; name some, or leave the key out")
        if self.mrz and self.allowed is not None and not self.allowed >= MRZ_CHARACTERS:
            raise ValueError("mrz needs all of A-Z0-9<; leave `allowed` out")
        return self

    @property
    def decoded(self) -> frozenset[str] | None:
        """The characters that decoding chooses from; None: all."""
        return MRZ_CHARACTERS if self.mrz and self.allowed is None else self.allowed


class ZoneConfig(TextRules):
    """A named part of the frame with rules of its own."""

    polygon: Polygon
    """A line of text belongs to the zone that holds its centre; of two that overlap, to the first."""
