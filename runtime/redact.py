"""Credentials out of what is shown: URLs in messages, logs and descriptions."""

import re

PLAIN_QUERY_KEYS = frozenset({"channel", "subtype", "stream", "profile", "unicast", "proto", "fps", "resolution"})
"""Parts of a camera's query string that are worth showing; the values of all others may be credentials."""

_SCHEME = r"([A-Za-z][A-Za-z0-9+.-]*://)"
# A mark at the end of the word belongs to the sentence around the URL.
_WORD_END = r"(?=[:;,.)]?(?:[\s'\"]|$))"
# Up to the last @ of the word: a password may hold an unescaped @ or /.
_USER_INFO = re.compile(rf"{_SCHEME}[^\s'\"]*@")
# What stands where a port should and is no number: a `user:password` whose `@host` was forgotten.
_HOSTLESS = re.compile(rf"{_SCHEME}[^\s'\"/:@?\[]+:(?!\d*(?:[/:?,;.)'\"\s]|$))[^\s'\"/]+?(?:(?=/)|{_WORD_END})")
_QUERY = re.compile(rf"({_SCHEME}[^\s?'\"]*\?)([^\s'\"]+?){_WORD_END}")


def redact(text: str) -> str:
    """Hide `user:password@` and unknown query values in every URL of a text."""
    text = _USER_INFO.sub(r"\1***@", text)
    text = _HOSTLESS.sub(r"\1***", text)
    return _QUERY.sub(_redact_query, text)


def _redact_query(match: re.Match[str]) -> str:
    parts = []
    for part in match[3].split("&"):
        key, equals, _ = part.partition("=")
        parts.append(part if key in PLAIN_QUERY_KEYS else f"{key}{equals}***" if equals else "***")
    return match[1] + "&".join(parts)
