"""Which lines of a page are read in one request: narrow ones stand side by side in strips of one size.

A request has a price beside its columns, and so has every change of shape. Lines that are padded to the next width and
read one by one pay both, and for the padding. In strips of 640 columns a receipt's lines take 0.7 of that time on two
cores and read as well: a strip takes 7.0 ms alone, 6.1 with another in its request, 5.7 and 5.6 as one of three and
four. The network weighs its channels over all that it is shown: a few lines that differ as the signs of a street do are
better off alone.
"""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from itertools import pairwise

PACKED_FROM = 9
"""Lines that a page must have for strips: with fewer they are too unlike."""
GAP_PX = 8
"""Empty columns behind every line of a strip. Word F1 of sroie, funsd, docs with 24, 16, 8 of them: .922 .918 .920,
.846 .845 .846, .955 .955 .958; in fewer columns a line (.83, not .9) with 8 .920 .840 .953, with 0 .918 .838 .950."""
STEP_PX = 8
"""Lines begin at whole time steps of the recogniser."""
Strip = list[int]
"""Indices of lines, left to right; a line that stands alone is padded to its own width."""
Request = list[Strip]


def columns_in_strip(width: int) -> int:
    """Columns that a line of this width takes, with the gap behind it."""
    return -(-width // STEP_PX) * STEP_PX + GAP_PX


def plan_requests(
    widths: Sequence[int], kinds: Sequence[Hashable], *, strip: int | None, batch: int, streams: int
) -> list[Request]:
    """Group lines for as many streams as read side by side. Which lines share a strip does not depend on the streams.

    Args:
        widths: Columns of each line.
        kinds: For each line what only lines of one request can share.
        strip: Columns of a strip; None: every line stands alone.
        batch: Most strips of a request.
        streams: Requests that run side by side: each gets as many strips as the others, or one more.

    Returns:
        Requests with the most work first, so that no stream is left with a long one at the end. None without lines.
    """
    if strip is None or len(widths) < PACKED_FROM:
        return [[[i]] for i in sorted(range(len(widths)), key=lambda i: -widths[i])]
    alike: defaultdict[Hashable, list[Strip]] = defaultdict(list)
    work: list[tuple[int, Request]] = []
    for lines in _fill_strips(widths, kinds, strip):
        width = widths[lines[0]]
        # A line that fills more than half of a strip is cheaper as one of a request's than padded to its own width.
        if len(lines) > 1 or strip // 2 < width <= strip:
            alike[kinds[lines[0]]].append(lines)
        else:
            work.append((width, [lines]))
    for same in alike.values():
        work += [(len(request) * strip, request) for request in _shared_out(same, batch, streams)]
    return [request for _, request in sorted(work, key=lambda pair: -pair[0])]


def _shared_out(strips: list[Strip], batch: int, streams: int) -> list[Request]:
    """Requests of nearly equal size, as many for one stream as for another: none waits for the last one for long."""
    rounds = -(-len(strips) // (batch * streams))
    n_requests = min(rounds * streams, len(strips))
    ends = [len(strips) * (i + 1) // n_requests for i in range(n_requests)]
    return [strips[start:end] for start, end in pairwise([0, *ends])]


def _fill_strips(widths: Sequence[int], kinds: Sequence[Hashable], strip: int) -> list[Strip]:
    """Put each line into the first strip with room for it: in reading order, neighbours look alike."""
    strips: list[Strip] = []
    room: list[int] = []
    for i, (width, kind) in enumerate(zip(widths, kinds, strict=True)):
        needed = columns_in_strip(width)
        fits = (k for k, lines in enumerate(strips) if room[k] >= needed and kinds[lines[0]] == kind)
        k = next(fits, len(strips))
        if k == len(strips):
            strips.append([])
            room.append(strip)
        strips[k].append(i)
        room[k] -= needed
    return strips
