"""One thread for inference that outlives the appliances that use it.

The networks keep memory for every thread that has called them (oneDNN's scratchpads, 10 MiB and more), and do not give
all of it back when the thread ends. A process that starts its appliance anew again and again would pay that each time.
"""

import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue

Tasks = SimpleQueue[tuple[Callable[[], None], "Future[None]"] | None]


class InferenceThread:
    """Runs one task after the other, in a daemon thread that ends when nobody holds this any more."""

    def __init__(self) -> None:
        """No thread yet; the first task starts it."""
        self._tasks: Tasks | None = None
        self._last: Future[None] | None = None

    def run(self, task: Callable[[], None]) -> "Future[None]":
        """Start a task; the future is done when it is. One that is stuck is left behind with its thread."""
        if self._tasks is None or (self._last is not None and not self._last.done()):
            self._tasks = self._new_thread()
        self._last = Future()
        self._tasks.put((task, self._last))
        return self._last

    def _new_thread(self) -> Tasks:
        tasks: Tasks = SimpleQueue()
        weakref.finalize(self, tasks.put, None)
        threading.Thread(target=_serve, args=[tasks], name="inference", daemon=True).start()
        return tasks


def _serve(tasks: Tasks) -> None:
    while (given := tasks.get()) is not None:
        task, future = given
        try:
            task()
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(None)
        del given, task, future  # not to be kept alive while we wait for the next
