"""Which lines are read in one request."""

import pytest

from edge_ocr.batches import MAX_BATCHED_PX, plan_batches


def plan(
    widths: list[int], kinds: list[str | None] | None = None, *, batch: int = 2, streams: int = 1
) -> list[list[int]]:
    return plan_batches(widths, kinds or [None] * len(widths), batch=batch, streams=streams)


def test_lines_of_one_width_are_read_together_the_most_work_first() -> None:
    assert plan([64, 96, 64, 96, 64]) == [[1, 3], [0, 2], [4]]


def test_every_line_is_in_one_group() -> None:
    groups = plan([64 * (1 + i % 7) for i in range(50)], batch=4, streams=2)
    assert sorted(i for group in groups for i in group) == list(range(50))
    assert {len(group) for group in groups} == {1, 4}


def test_lines_of_different_characters_are_not_read_together() -> None:
    assert plan([64] * 4, ["digits", None, "digits", None]) == [[0, 2], [1, 3]]


@pytest.mark.parametrize(
    ("width", "n_lines", "batch", "streams"),
    [
        pytest.param(MAX_BATCHED_PX + 64, 40, 4, 2, id="wide lines"),
        pytest.param(64, 15, 4, 2, id="too few to keep the streams busy to the end"),
        pytest.param(64, 40, 1, 2, id="a profile without batches"),
        pytest.param(64, 0, 4, 2, id="no line"),
    ],
)
def test_lines_stay_single(width: int, n_lines: int, batch: int, streams: int) -> None:
    assert plan([width] * n_lines, batch=batch, streams=streams) == [[i] for i in range(n_lines)]
