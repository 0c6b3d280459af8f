"""A measurement in a process of its own, which is gone afterwards whatever happens.

A fresh process because compiled models, thread pools and memory of one profile disturb the next: idle models of another
configuration have made a network twice as slow.
"""

import multiprocessing
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import FrameType

from edge_ocr.errors import EdgeOcrError
from runtime.profiling.input import Job
from runtime.profiling.measure import OpenSubject, RunStream, log_to_stderr, measure
from runtime.profiling.report import ProfileRun

PATIENCE_S = 10.0
"""How long a process that has answered may take to end."""


def measure_in_subprocess(profile: str, job: Job, *, open_subject: OpenSubject, run_stream: RunStream) -> ProfileRun:
    """Measure one profile in a process of its own.

    Raises:
        EdgeOcrError: the profile, pack or input cannot be used, or the process died.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_measure_and_send, args=(theirs, profile, job, open_subject, run_stream))
    with sigterm_raises():
        start_deaf_to_ctrl_c(process)
        theirs.close()
        try:
            answer = ours.recv()
        except EOFError:
            process.join()
            raise EdgeOcrError(f"the measuring process died (exit status {process.exitcode}); see above") from None
        except BaseException:  # Ctrl-C, SIGTERM
            process.kill()
            raise
        finally:
            end_process(process)
    if isinstance(answer, EdgeOcrError):
        raise answer
    assert isinstance(answer, ProfileRun)
    return answer


def _measure_and_send(
    connection: Connection, profile: str, job: Job, open_subject: OpenSubject, run_stream: RunStream
) -> None:
    """The measuring process: one answer, a `ProfileRun` or the error that the user can mend."""
    log_to_stderr()
    try:
        answer: ProfileRun | EdgeOcrError = measure(profile, job, open_subject=open_subject, run_stream=run_stream)
    except EdgeOcrError as error:
        answer = error
    connection.send(answer)
    connection.close()


@contextmanager
def sigterm_raises() -> Iterator[None]:
    """Let SIGTERM unwind the block, so that no measuring process is left behind."""

    def handle(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def start_deaf_to_ctrl_c(process: BaseProcess) -> None:
    """Start a process that Ctrl-C does not reach: it would print a traceback, and we end it anyway."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # inherited
    try:
        process.start()
    finally:
        signal.signal(signal.SIGINT, before)


def end_process(process: BaseProcess) -> None:
    """Wait for a process to end, but not long."""
    process.join(PATIENCE_S)
    if process.is_alive():
        process.kill()
        process.join()
    process.close()
