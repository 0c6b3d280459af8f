"""Which lines of a page are read in one request: narrow ones stand side by side in strips of one size.

A request has a price beside its columns, and so has every change of shape. Lines that are padded to the next width and
read one by one pay both, and for the padding. In strips of 640 columns, two to a request, a receipt's lines take 0.7 of
that time on two cores and read as well. The network weighs its channels over all that it is shown: a few lines that
differ as the signs of a street do are better off alone.
"""

from collections import defaultdict
from collections.abc import Hashable, Sequence

PACKED_FROM = 9
"""Lines that a page must have for strips: with fewer they are too unlike, and no stream gets two requests."""
GAP_PX = 24
"""Empty columns behind every line of a strip: with 16 forms lose .4 points of word F1, with 24 none."""
STEP_PX = 8
"""Lines begin at whole time steps of the recogniser."""
LEAST_REQUESTS = 2
"""Full requests that each stream must get on average, or each strip is a request: with few, one stream ends late."""

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
        batch: Strips of a request.
        streams: Requests that run side by side.

    Returns:
        Requests with the most work first, so that no stream is left with a long one at the end. None without lines.
    """
    if strip is None or len(widths) < PACKED_FROM:
        strips = [[i] for i in range(len(widths))]
    else:
        strips = _fill_strips(widths, kinds, strip)
    together = [lines for lines in strips if len(lines) > 1]
    if len(together) < LEAST_REQUESTS * batch * streams:
        batch = 1
    alike: defaultdict[Hashable, list[Strip]] = defaultdict(list)
    for lines in together:
        alike[kinds[lines[0]]].append(lines)
    requests = [same[start : start + batch] for same in alike.values() for start in range(0, len(same), batch)]
    requests = _evened(requests, batch, streams)
    work = [(len(request) * (strip or 0), request) for request in requests]
    work += [(widths[lines[0]], [lines]) for lines in strips if len(lines) == 1]
    return [request for _, request in sorted(work, key=lambda pair: -pair[0])]


def _evened(requests: list[Request], batch: int, streams: int) -> list[Request]:
    """Requests of one strip each for what is left when every stream has had as many full ones: or some would wait."""
    full = [request for request in requests if len(request) == batch]
    rest = [request for request in requests if len(request) < batch]
    n_shared = len(full) - len(full) % streams
    return full[:n_shared] + [[strip] for request in full[n_shared:] for strip in request] + rest


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
