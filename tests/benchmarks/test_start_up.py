"""How a start is split into parts."""

import pytest

from benchmarks.start_up import PARTS, split


def test_the_second_read_is_in_no_total() -> None:
    parts = dict(zip(PARTS, split(10.0, (10.1, 10.4, 10.6, 10.7, 11.7, 12.0)), strict=True))
    assert parts == pytest.approx({
        "interpreter": 100, "imports": 300, "open": 200, "decode": 100, "read": 1000, "again": 300, "total": 1700,
    })  # fmt: skip
