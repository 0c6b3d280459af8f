"""Which lines are read in one request."""

from collections.abc import Hashable, Sequence
from itertools import chain

import pytest

from edge_ocr.strips import GAP_PX, PACKED_FROM, Request, columns_in_strip, plan_requests

STRIP = 640


def plan(
    widths: Sequence[int], kinds: Sequence[Hashable] | None = None, *, batch: int = 1, streams: int = 1
) -> list[Request]:
    return plan_requests(widths, kinds or [None] * len(widths), strip=STRIP, batch=batch, streams=streams)


def test_a_line_begins_at_a_whole_step_behind_a_gap() -> None:
    assert columns_in_strip(64) == 64 + GAP_PX
    assert columns_in_strip(65) == 72 + GAP_PX


def test_lines_fill_the_first_strip_with_room() -> None:
    """Three of 200 columns fill a strip but for 40; those of 100 columns come into the strips behind."""
    assert plan([192, 192, 192, 92] * 4) == [
        [[0, 1, 2]],
        [[3, 4, 5, 7]],
        [[6, 8, 9]],
        [[10, 11, 12, 15]],
        [[13, 14]],
    ]


def test_no_strip_is_overfull_and_no_line_is_lost() -> None:
    widths = [40 + 37 * i % 900 for i in range(200)]
    kinds = [i % 3 for i in range(200)]
    requests = plan(widths, kinds, batch=2, streams=2)
    strips = list(chain.from_iterable(requests))
    assert sorted(chain.from_iterable(strips)) == list(range(200))
    for strip in strips:
        assert len(strip) == 1 or sum(columns_in_strip(widths[i]) for i in strip) <= STRIP
    for request in requests:
        assert len({kinds[i] for strip in request for i in strip}) == 1
        # A line that stands alone for its width has no company in its request either.
        assert len(request) == 1 or all(len(strip) > 1 or STRIP // 2 < widths[strip[0]] <= STRIP for strip in request)


def test_the_most_work_comes_first() -> None:
    widths = [76, 1100, 76, 900, *[76] * 19]
    requests = plan(widths)
    assert requests[:2] == [[[1]], [[3]]]
    assert all(len(strip) > 1 for [strip] in requests[2:])


@pytest.mark.parametrize(
    ("n_strips", "streams", "sizes"),
    [
        pytest.param(12, 2, [3, 3, 3, 3], id="as many rounds as full requests would take"),
        pytest.param(8, 2, [4, 4], id="full requests"),
        pytest.param(9, 2, [3, 2, 2, 2], id="one more than full requests"),
        pytest.param(3, 2, [2, 1], id="few"),
        pytest.param(2, 4, [1, 1], id="fewer than streams"),
        pytest.param(5, 1, [3, 2], id="one stream"),
    ],
)
def test_every_stream_gets_as_many_strips_as_the_others_or_one_more(
    n_strips: int, streams: int, sizes: list[int]
) -> None:
    """A strip holds seven such lines."""
    requests = plan([76] * (7 * n_strips), batch=4, streams=streams)
    assert [len(request) for request in requests] == sizes


def test_strips_do_not_depend_on_the_streams() -> None:
    widths = [40 + 37 * i % 500 for i in range(60)]
    few, many = (plan(widths, batch=2, streams=streams) for streams in (1, 16))
    assert sorted(chain.from_iterable(few)) == sorted(chain.from_iterable(many))


@pytest.mark.parametrize(
    ("n_lines", "width", "strip"),
    [
        pytest.param(0, 64, STRIP, id="no line"),
        pytest.param(PACKED_FROM - 1, 64, STRIP, id="a few lines"),
        pytest.param(40, 64, None, id="a profile without strips"),
        pytest.param(40, STRIP + 1, STRIP, id="lines wider than a strip"),
    ],
)
def test_lines_stand_alone(n_lines: int, width: int, strip: int | None) -> None:
    requests = plan_requests([width] * n_lines, [None] * n_lines, strip=strip, batch=2, streams=2)
    assert requests == [[[i]] for i in range(n_lines)]


@pytest.mark.parametrize("width", [pytest.param(STRIP, id="none fits beside"), pytest.param(STRIP // 2 + 1, id="half")])
def test_lines_that_fill_a_strip_share_requests(width: int) -> None:
    """Padded each to its own width they would take more time."""
    requests = plan_requests([width] * 16, [None] * 16, strip=STRIP, batch=4, streams=2)
    assert requests == [[[i], [i + 1], [i + 2], [i + 3]] for i in range(0, 16, 4)]
