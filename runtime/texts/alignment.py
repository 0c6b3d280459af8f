"""Two texts side by side: which characters of one stand for which of the other."""

from functools import lru_cache


@lru_cache(maxsize=4096)
def align(pivot: str, text: str) -> tuple[tuple[int, str], ...]:
    """Align a text to a pivot with the fewest edits.

    Args:
        pivot: The text that gives the slots: its character i is slot 2 i + 1, the gap before it slot 2 i.
        text: The text to align; may be empty, as may the pivot.

    Returns:
        (slot, piece) for each slot in which the text says something, ascending; the pieces together are the text.
    """
    if pivot == text:
        return tuple((2 * i + 1, character) for i, character in enumerate(text))
    costs = _costs(pivot, text)
    pieces: list[tuple[int, str]] = []
    i, j = len(pivot), len(text)
    while i or j:
        if i and j and costs[i][j] == costs[i - 1][j - 1] + (pivot[i - 1] != text[j - 1]):
            i, j = i - 1, j - 1
            pieces.append((2 * i + 1, text[j]))
        elif j and costs[i][j] == costs[i][j - 1] + 1:
            j -= 1
            # Several characters in one gap are one piece: they are there together or not at all.
            if pieces and pieces[-1][0] == 2 * i:
                pieces[-1] = (2 * i, text[j] + pieces[-1][1])
            else:
                pieces.append((2 * i, text[j]))
        else:
            i -= 1
    return tuple(reversed(pieces))


def _costs(a: str, b: str) -> list[list[int]]:
    """The edit distance of every pair of beginnings: (len(a) + 1, len(b) + 1)."""
    rows = [list(range(len(b) + 1))]
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            row.append(min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (x != y)))
        rows.append(row)
    return rows
