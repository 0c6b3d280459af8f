"""The memory between the process that reads a camera and the appliance."""

import mmap
import os
import threading
from collections.abc import Iterator
from queue import SimpleQueue

import numpy as np
import pytest

from runtime.frames import Frame
from runtime.sources.exchange import FrameReader, FrameWriter, Header


def uniform(value: int, hw: tuple[int, int] = (8, 8)) -> Frame:
    return Frame(np.full((*hw, 3), value % 256, np.uint8), value, ts=1.5, arrival_s=2.5, decode_ms=3.5)


class Ends:
    """Both sides over one memory, in one process."""

    def __init__(self, fd: int, *, every: bool = False) -> None:
        self.sent: SimpleQueue[Header] = SimpleQueue()
        self.writer = FrameWriter(fd, self.sent.put, every=every)
        self.reader = FrameReader(fd)
        self.writer.opened(25.0)
        assert self.sent.get(timeout=10) == {"opened": 25.0}

    def put(self, frame: Frame) -> None:
        self.writer.put(frame, frame.index + 1, 0)

    def next(self) -> Frame:
        self.writer.request()
        frame = self.reader.take(self.sent.get(timeout=10))
        self.writer.release()
        return frame


@pytest.fixture
def fd() -> Iterator[int]:
    number = os.memfd_create("test")
    yield number
    os.close(number)


def test_the_newest_frame_is_given_with_all_that_is_known_of_it(fd: int) -> None:
    ends = Ends(fd)
    for value in range(3):
        ends.put(uniform(value))
    frame = ends.next()
    assert (frame.index, frame.ts, frame.arrival_s, frame.decode_ms) == (2, 1.5, 2.5, 3.5)
    assert (frame.image == 2).all()
    assert ends.reader.counts() == (3, 0)


def test_nothing_is_sent_that_nobody_asked_for(fd: int) -> None:
    ends = Ends(fd)
    ends.put(uniform(0))
    ends.writer.end({"end": "over"})
    assert ends.sent.empty()
    assert ends.next().index == 0
    ends.writer.request()
    assert ends.sent.get(timeout=10) == {"end": "over"}


def test_a_source_that_does_not_open_is_told_unasked(fd: int) -> None:
    sent: list[Header] = []
    FrameWriter(fd, sent.append).end({"end": "failed"})
    assert sent == [{"end": "failed"}]


def test_a_frame_that_the_parent_copies_is_not_written_over(fd: int) -> None:
    ends = Ends(fd)
    ends.put(uniform(1))
    ends.writer.request()
    header = ends.sent.get(timeout=10)
    for value in (2, 3, 4):
        ends.put(uniform(value))
    assert (ends.reader.take(header).image == 1).all()
    ends.writer.release()
    assert ends.next().index == 4


def test_the_memory_grows_with_the_frames(fd: int) -> None:
    ends = Ends(fd)
    for value, hw in enumerate([(8, 8), (100, 200), (4, 4), (300, 200)]):
        ends.put(uniform(value, hw))
        frame = ends.next()
        assert frame.image.shape == (*hw, 3)
        assert (frame.image == value).all()
    assert os.fstat(fd).st_size <= 4096 + 2 * (300 * 200 * 3 + mmap.PAGESIZE)


def test_no_frame_is_ever_torn(fd: int) -> None:
    ends = Ends(fd)
    last = 400

    def write() -> None:
        for value in range(last + 1):
            ends.put(uniform(value, (200 + value % 3, 300)))

    writing = threading.Thread(target=write)
    writing.start()
    indices = [-1]
    while indices[-1] < last:
        frame = ends.next()
        assert (frame.image == frame.index % 256).all()
        indices.append(frame.index)
    writing.join()
    assert indices == sorted(set(indices))


def test_a_writer_that_may_lose_nothing_waits(fd: int) -> None:
    ends = Ends(fd, every=True)

    def write() -> None:
        for value in range(20):
            ends.put(uniform(value))

    writing = threading.Thread(target=write)
    writing.start()
    assert [ends.next().index for _ in range(20)] == list(range(20))
    writing.join()
