"""Two texts side by side: which characters of one stand for which of the other."""

from functools import lru_cache

MAX_KEPT = 1024
"""Pairs of unequal texts whose alignment is kept: 0.5 MiB for words, 2 MiB for lines of a hundred characters."""


def align(pivot: str, text: str) -> tuple[str, ...]:
    """Align a text to a pivot with the fewest edits.

    Args:
        pivot: The text that gives the slots: its character i is slot 2 i + 1, the gap before it slot 2 i.
        text: The text to align; may be empty, as may the pivot.

    Returns:
        What the text says in each of the 2 len(pivot) + 1 slots, "" where it says nothing; together they are the text.
    """
    if pivot == text:
        return (*(piece for character in text for piece in ("", character)), "")
    return _align_others(pivot, text)


@lru_cache(MAX_KEPT)
def _align_others(pivot: str, text: str) -> tuple[str, ...]:
    """Align two texts that differ."""
    costs = _costs(pivot, text)
    pieces = [""] * (2 * len(pivot) + 1)
    i, j = len(pivot), len(text)
    while i or j:
        if i and j and costs[i][j] == costs[i - 1][j - 1] + (pivot[i - 1] != text[j - 1]):
            i, j = i - 1, j - 1
            pieces[2 * i + 1] = text[j]
        elif j and costs[i][j] == costs[i][j - 1] + 1:
            j -= 1
            # Several characters in one gap are one piece: they are there together or not at all.
            pieces[2 * i] = text[j] + pieces[2 * i]
        else:
            i -= 1
    return tuple(pieces)


def _costs(a: str, b: str) -> list[list[int]]:
    """The edit distance of every pair of beginnings: (len(a) + 1, len(b) + 1)."""
    rows = [list(range(len(b) + 1))]
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            row.append(min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (x != y)))
        rows.append(row)
    return rows
