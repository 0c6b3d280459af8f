"""What a measurement reads: a clip or images, as frames without end."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from edge_ocr.errors import EdgeOcrError, SourceError
from edge_ocr.images import iter_images
from runtime.frames import Frame, Source
from runtime.profiling.report import InputFacts
from runtime.sources.paced import Recording
from runtime.sources.video import VideoSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to measure, the same for every profile of a call."""

    pack: str
    clip: str | None
    """A video file."""
    images: tuple[str, ...] = ()
    """Files, folders or globs; they take the place of the clip."""
    seconds: float
    """Duration of each part."""
    is_single_stream: bool = False
    """MLPerf's single-stream mode: the reader only."""


def open_feed(job: Job) -> Iterator[Frame]:
    """Endless frames of the job's input, again from the start at its end.

    Raises:
        EdgeOcrError: on the first `next`, when there is nothing to read.
    """
    return iterate_images(job.images) if job.images else iterate_source(open_clip(job))


def open_clip(job: Job) -> Recording:
    """The job's clip as a source, not opened yet."""
    assert job.clip is not None
    return VideoSource(job.clip)


def input_facts(job: Job) -> InputFacts:
    """What is read, for the report.

    Raises:
        EdgeOcrError: the clip cannot be opened.
    """
    if job.images:
        return InputFacts(kind="images", path=" ".join(job.images))
    source = open_clip(job)
    source.open()
    try:
        return InputFacts(kind="clip", path=str(job.clip), fps=source.nominal_fps)
    finally:
        source.close()


def iterate_source(source: Source) -> Iterator[Frame]:
    """Frames of a source without end: it is opened anew whenever it ends."""
    while True:
        source.open()
        try:
            frame = source.read()
            if frame is None:
                raise SourceError(f"{source.description}: no frame in it; name a clip that can be played")
            while frame is not None:
                yield frame
                frame = source.read()
        finally:
            source.close()


def iterate_images(paths: Iterable[str]) -> Iterator[Frame]:
    """Images as frames without end, counted anew whenever they begin again.

    Raises:
        ImageError: one cannot be read.
    """
    while True:
        started_s = time.perf_counter()
        for index, image in enumerate(iter_images(list(paths))):
            if isinstance(image, EdgeOcrError):
                raise image
            decode_ms = (time.perf_counter() - started_s) * 1000
            yield Frame(image.pixels, index, time.time(), time.monotonic(), decode_ms)
            started_s = time.perf_counter()
