"""Frames between the process that reads a camera and the one that looks at them, in memory that both have mapped.

    reading process:  put(frame) -> one of two slots       request, release <- pipe
    parent:           take(header) -> a frame of its own    header -> pipe

The memory holds two frames: the newest, and the one that is lent to the parent while it copies it. A frame is
described by its header only after it was written, and its slot is written again only after it was given back: so none
is ever torn, and a frame that nobody asked for in time is overwritten by the next.

The memory is a `memfd` without a name: when the last process that has it is gone, however it ended, so is the memory.
`multiprocessing.shared_memory` has names, which outlive a process that was killed, and a tracker process beside each.
"""

import mmap
import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runtime.frames import Frame

Header = dict[str, Any]
"""A message to the parent: plain JSON."""
COUNTERS_BYTES = 4096
"""In front of the slots: frames decoded and frames damaged, as int64; they can be read when the process is dead."""


class FrameWriter:
    """The side of the reading process: `request` and `release` are for its listening thread, the rest for its other."""

    def __init__(self, fd: int, send: Callable[[Header], None], *, every: bool = False) -> None:
        """A writer into memory that is sized as needed.

        Args:
            fd: The memory.
            send: Sends a header; only ever called when the parent waits for one.
            every: Wait until a frame was taken instead of overwriting it.
        """
        self._fd = fd
        self._send = send
        self._every = every
        self._changed = threading.Condition()
        self._memory = _grown(fd, COUNTERS_BYTES)
        self._slot_bytes = 0
        self._newest: Header | None = None
        self._lent: int | None = None
        self._is_asked = True  # the parent waits to hear whether the source opened
        self._end: Header | None = None

    def opened(self, nominal_fps: float | None) -> None:
        """The source is open; the parent asks for frames from now on."""
        with self._changed:
            self._is_asked = False
            self._send({"opened": nominal_fps})

    def put(self, frame: Frame, n_decoded: int, n_damaged: int) -> None:
        """Make a frame the newest.

        Args:
            frame: The frame; copied.
            n_decoded: Frames decoded so far, this one included.
            n_damaged: Frames so far that could not be decoded.
        """
        with self._changed:
            if self._every:
                self._changed.wait_for(lambda: self._newest is None)
            if frame.image.nbytes > self._slot_bytes:
                # The slots change place: not while the parent copies out of one.
                self._changed.wait_for(lambda: self._lent is None)
                self._slot_bytes = -(-frame.image.nbytes // mmap.PAGESIZE) * mmap.PAGESIZE
                self._memory = _grown(self._fd, COUNTERS_BYTES + 2 * self._slot_bytes)
            slot = 1 if self._lent == 0 else 0
            offset = COUNTERS_BYTES + slot * self._slot_bytes
            _view(self._memory, offset, frame.image.shape)[:] = frame.image
            np.frombuffer(self._memory, np.int64, 2)[:] = (n_decoded, n_damaged)
            self._newest = {
                "slot": slot,
                "offset": offset,
                "shape": frame.image.shape,
                "index": frame.index,
                "ts": frame.ts,
                "arrival_s": frame.arrival_s,
                "decode_ms": frame.decode_ms,
                "decoded": n_decoded,
                "damaged": n_damaged,
            }
            self._answer()

    def end(self, header: Header) -> None:
        """Send this instead of a frame, once the last one was taken."""
        with self._changed:
            self._end = header
            self._answer()

    def request(self) -> None:
        """The parent waits for a frame."""
        with self._changed:
            self._is_asked = True
            self._answer()

    def release(self) -> None:
        """The parent has copied the frame that was lent to it."""
        with self._changed:
            self._lent = None
            self._changed.notify_all()

    def _answer(self) -> None:
        header = self._newest or self._end
        if not self._is_asked or header is None:
            return
        self._is_asked = False
        if header is self._newest:
            self._lent, self._newest = header["slot"], None
        self._send(header)
        self._changed.notify_all()


class FrameReader:
    """The parent's side."""

    def __init__(self, fd: int) -> None:
        """A reader of memory that may still be empty."""
        self._fd = fd
        self._memory: mmap.mmap | None = None

    def take(self, header: Header) -> Frame:
        """The frame that a header describes, in memory of its own."""
        shape = tuple(header["shape"])
        end = header["offset"] + int(np.prod(shape))
        if self._memory is None or len(self._memory) < end:
            self._memory = mmap.mmap(self._fd, os.fstat(self._fd).st_size)
        image = _view(self._memory, header["offset"], shape).copy()
        return Frame(image, header["index"], header["ts"], header["arrival_s"], header["decode_ms"])

    def counts(self) -> tuple[int, int]:
        """Frames decoded, and frames damaged, so far; as the reading process last wrote them."""
        if os.fstat(self._fd).st_size < COUNTERS_BYTES:
            return 0, 0
        with mmap.mmap(self._fd, COUNTERS_BYTES) as memory:
            decoded, damaged = np.frombuffer(memory[:16], np.int64)
        return int(decoded), int(damaged)


def _grown(fd: int, n_bytes: int) -> mmap.mmap:
    os.ftruncate(fd, n_bytes)
    return mmap.mmap(fd, n_bytes)


def _view(memory: mmap.mmap, offset: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    return np.frombuffer(memory, np.uint8, int(np.prod(shape)), offset).reshape(shape)
