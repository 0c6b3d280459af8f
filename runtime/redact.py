"""Credentials out of what is shown: URLs in messages, logs and descriptions."""

import re

PLAIN_QUERY_KEYS = frozenset({"channel", "subtype", "stream", "profile", "unicast", "proto", "fps", "resolution"})
"""Parts of a camera's query string that are worth showing; the values of all others may be credentials."""


def redact(text: str) -> str:
    """Hide `user:password@` and unknown query values in every URL of a text."""
    # Up to the last @ of the word: a password may hold an unescaped @ or /.
    text = re.sub(r"([A-Za-z][A-Za-z0-9+.-]*://)[^\s'\"]*@", r"\1***@", text)
    return re.sub(r"([A-Za-z][A-Za-z0-9+.-]*://[^\s?'\"]*\?)([^\s'\"]+)", _redact_query, text)


def _redact_query(match: re.Match[str]) -> str:
    parts = []
    for part in match[2].split("&"):
        key, equals, _ = part.partition("=")
        parts.append(part if key in PLAIN_QUERY_KEYS else f"{key}{equals}***" if equals else "***")
    return match[1] + "&".join(parts)
