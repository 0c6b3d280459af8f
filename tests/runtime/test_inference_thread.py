"""The inference thread stays the same across appliances, unless it is stuck, and ends with its last user."""

import threading
from concurrent.futures import wait

import pytest

from runtime.inference_thread import InferenceThread
from tests.runtime.mqtt_tools import wait_until


def inference_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "inference"}


def test_tasks_run_in_one_thread_one_after_the_other() -> None:
    subject, seen = InferenceThread(), []
    for _ in range(3):
        wait([subject.run(lambda: seen.append(threading.get_ident()))])
    assert len(seen) == 3
    assert set(seen) != {threading.get_ident()}
    assert len(set(seen)) == 1


def test_a_task_that_is_stuck_is_left_behind_and_its_thread_ends_after_it() -> None:
    of_others = inference_threads()  # appliances of earlier tests may not be collected yet
    subject, stuck = InferenceThread(), threading.Event()

    def get_stuck() -> None:
        stuck.wait()

    before = subject.run(get_stuck)
    subject.run(lambda: None).result()
    assert not before.done()
    assert len(inference_threads() - of_others) == 2
    stuck.set()
    before.result()
    del subject
    wait_until(lambda: inference_threads() <= of_others)


def test_an_error_ends_the_task_not_the_thread() -> None:
    def fail() -> None:
        raise ValueError

    subject = InferenceThread()
    with pytest.raises(ValueError):  # noqa: PT011
        subject.run(fail).result()
    subject.run(lambda: None).result()
