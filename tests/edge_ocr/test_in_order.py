"""Work side by side, results in order."""

import threading
from collections.abc import Iterator

import pytest

from edge_ocr.in_order import Inline, map_in_order


def test_results_come_in_the_order_of_the_items_whoever_is_first() -> None:
    second_is_done = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert second_is_done.wait(10)
        else:
            second_is_done.set()
        return item * 10

    assert list(map_in_order(work, range(5), threads=2, name="test")) == [0, 10, 20, 30, 40]
    assert list(map_in_order(work, [], threads=2, name="test")) == []


def test_no_more_items_are_taken_than_can_be_worked_on_and_one() -> None:
    taken: list[int] = []
    may_end = threading.Event()

    def items() -> Iterator[int]:
        for item in range(100):
            taken.append(item)
            if len(taken) == 3:
                may_end.set()  # nothing was done until here, and yet all threads have work
            yield item

    def work(item: int) -> int:
        assert may_end.wait(10)
        return item

    results = map_in_order(work, items(), threads=2, name="test")
    assert next(results) == 0
    n_taken = len(taken)
    results.close()  # type: ignore[attr-defined]
    assert n_taken <= 4
    assert len(taken) == n_taken


def test_an_error_is_raised_in_its_items_place() -> None:
    results = map_in_order(lambda item: 6 // item, [3, 2, 0, 1], threads=2, name="test")
    assert [next(results), next(results)] == [2, 3]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_what_is_done_inline_is_done_at_once_and_in_this_thread() -> None:
    done: list[int] = []
    workers = Inline()
    future = workers.submit(lambda: done.append(threading.get_ident()))
    assert done == [threading.get_ident()]
    assert future.done()
    assert list(workers.map(abs, [-1, 2])) == [1, 2]
    with pytest.raises(ZeroDivisionError):
        workers.submit(lambda: 1 / 0).result()
