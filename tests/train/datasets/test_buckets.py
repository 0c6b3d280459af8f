"""Which lines make a batch."""

from collections import Counter

import pytest

from train.datasets.buckets import BucketPlan

WIDTHS = [10, 90, 100, 101, 150, 200, 999, 30, 40]


def plan(batch_size: int = 4, seed: int = 1) -> BucketPlan:
    return BucketPlan(WIDTHS, (100, 200), batch_size, seed=seed)


def test_lines_of_a_batch_fit_its_width_or_are_the_widest() -> None:
    for step in range(plan().n_batches):
        batch = plan().batch(step)
        assert all(WIDTHS[i] <= batch.width or batch.width == 200 for i in batch.items)
        assert all(batch.width == 100 or WIDTHS[i] > 100 for i in batch.items)


@pytest.mark.parametrize("batch_size", [1, 4, 20])
def test_an_epoch_sees_every_line_in_full_batches(batch_size: int) -> None:
    made = plan(batch_size)
    batches = [made.batch(step) for step in range(made.n_batches)]
    assert {len(batch.items) for batch in batches} == {batch_size}
    seen = Counter(i for batch in batches for i in batch.items)
    assert seen.keys() == set(range(len(WIDTHS)))


def test_the_order_depends_on_seed_and_step_alone() -> None:
    steps = range(12)
    first = [plan().batch(step) for step in steps]
    assert [plan().batch(step) for step in reversed(steps)][::-1] == first
    assert [plan(seed=2).batch(step) for step in steps] != first


def test_epochs_differ_in_order() -> None:
    made = plan()
    assert [made.batch(i) for i in range(made.n_batches)] != [
        made.batch(made.n_batches + i) for i in range(made.n_batches)
    ]
