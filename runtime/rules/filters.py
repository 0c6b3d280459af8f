"""Which settled texts count, and as what: the rules of one place, applied to one text.

score -> replacements -> machine-readable zone -> length -> expression -> the text that is published
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import regex

from runtime.config.zones import MAX_TEXT, TextRules

TIMEOUT_S = 0.1
"""For all expressions on one text. An expression such as `(a+)+b` would else hold up every camera for hours."""
MAX_KEPT = 256
"""Texts of a place whose verdict is remembered."""

Cause = Literal["min_score", "min_length", "max_length", "match", "mrz", "timeout", "outside"]
"""Why a text is refused: the rule that it fails; timeout: an expression took too long on it; outside: it lies across
zones, its centre in none."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a text: published as `text`, or refused for a cause."""

    text: str = ""
    cause: Cause | None = None


class TextFilter:
    """The rules of one place, ready to be applied."""

    def __init__(self, rules: TextRules) -> None:
        self._rules = rules
        self._replace = [(regex.compile(rule.pattern), rule.replacement) for rule in rules.replace]
        self._match = regex.compile(rules.match) if rules.match is not None else None
        # The same texts are judged frame after frame; a slow expression is not to be slow each time.
        self.replaced = lru_cache(MAX_KEPT)(self._replaced)
        self._matched = lru_cache(MAX_KEPT)(self._try_match)

    def _replaced(self, text: str) -> str | None:
        """A text after the replacement rules; None where they took too long."""
        if len(text) > MAX_TEXT:
            return text
        try:
            for pattern, replacement in self._replace:
                text = pattern.sub(replacement, text, timeout=TIMEOUT_S)
        except TimeoutError:
            return None
        return text.strip()

    def judge(self, text: str, score: float, *, proven: str | None = None) -> Verdict:
        """What becomes of a settled text.

        Args:
            text: The text after `replaced`.
            score: Its confidence.
            proven: What it is in a machine-readable zone whose check digits hold; None: it is in none.
        """
        rules = self._rules
        if score < rules.min_score:
            return Verdict(cause="min_score")
        if rules.mrz is not None:
            if proven is None:
                return Verdict(cause="mrz")
            text = proven
        if len(text) < rules.min_length:
            return Verdict(cause="min_length")
        if len(text) > rules.max_length:
            return Verdict(cause="max_length")
        return self._matched(text)

    def _try_match(self, text: str) -> Verdict:
        if self._match is None:
            return Verdict(text)
        try:
            does_match = self._match.fullmatch(text, timeout=TIMEOUT_S) is not None
        except TimeoutError:
            return Verdict(cause="timeout")
        return Verdict(text) if does_match else Verdict(cause="match")
