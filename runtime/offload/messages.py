"""What the sender of frames and the workers tell each other, and what both count.

A frame itself is a JPEG; its id, its deadline, where its answer goes and which places to read are MQTT 5 properties
(`runtime.offload.client`).
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from edge_ocr import Line
from runtime.payload import Count, Milliseconds, Name, Payload, Quad, Score, Size, StageLatency, Timestamp

Refusal = Literal["content_type", "too_large", "damaged", "request", "read_error"]
"""Why a worker did not read a frame: not image/jpeg; more bytes or pixels than are read; not a whole JPEG; places to
read that cannot be; the reading failed."""
MAX_QUADS = 300
"""Places in one request: as JSON it has to fit into a user property, 65 535 bytes."""


class FrameRequest(Payload):
    """Which lines of a frame to read, where their places are known; without it, a worker looks for lines itself."""

    quads: Annotated[tuple[Quad, ...], Field(max_length=MAX_QUADS)]
    allowed: tuple[str | None, ...] | None = None
    """For each place the only characters that decoding may choose from; null: all."""
    closely: bool = False
    """Whether to spend more time on each, as `Reader.recognize` may."""

    @model_validator(mode="after")
    def _check_lengths(self) -> "FrameRequest":
        if self.allowed is not None and len(self.allowed) != len(self.quads):
            raise ValueError(f"{len(self.quads)} quads, but {len(self.allowed)} sets of characters")
        return self


class PageLine(Payload):
    """One line of text in a frame."""

    text: str
    score: Score
    quad: Quad
    char_scores: tuple[Score, ...] = ()
    """Confidence of each character of `text`; empty where nobody knows them."""


class FramePage(Payload):
    """A worker's answer to one frame: what can be read in it, or why it was not read."""

    schema_version: Literal["edge-ocr.page/1"] = Field(default="edge-ocr.page/1", alias="schema")
    frame_id: str
    """The frame's correlation data; a frame that was sent twice may be answered twice."""
    worker: Name
    pack: str
    profile: str
    frame_size: Size | None = None
    """Null when the frame was refused."""
    lines: tuple[PageLine, ...] = ()
    """In reading order; of a request for certain places one for each, with text "" where nothing is legible."""
    timings_ms: dict[str, Milliseconds] = Field(default_factory=dict)
    """Per stage of the reader, and `decode` for the JPEG."""
    refusal: Refusal | None = None
    """Null when the frame was read."""
    error: str | None = None
    """One line that says why it was refused."""

    def to_lines(self) -> tuple[Line, ...]:
        """The lines as a reader on this box would have returned them."""
        return tuple(
            Line(line.text, line.score, np.array(line.quad, np.float32), line.char_scores) for line in self.lines
        )


def page_lines(lines: Sequence[Line]) -> tuple[PageLine, ...]:
    """Lines as they are sent."""
    return tuple(
        PageLine(
            text=line.text,
            score=line.score,
            quad=corners(line.quad),
            char_scores=tuple(round(score, 4) for score in line.char_scores),
        )
        for line in lines
    )


def corners(quad: NDArray[np.float32]) -> Quad:
    """A quad as it is sent, rounded to a hundredth of a pixel."""
    a, b, c, d = ((round(float(x), 2), round(float(y), 2)) for x, y in quad)
    return (a, b, c, d)


class OffloadMetrics(Payload):
    """What happened to the frames that a node sent to workers.

    `frames` is the sum of `answered`, `refused`, `lost` and those still waited for; `resent`, `duplicates` and `late`
    count messages.
    """

    frames: Count
    """Frames given out to be read."""
    answered: Count
    """Frames with a page."""
    refused: dict[str, Count]
    """Frames that a worker answered with an error, or could not be sent, by cause."""
    lost: dict[str, Count]
    """Frames whose deadline passed, by cause: no_broker, no_worker, no_answer."""
    resent: Count
    duplicates: Count
    """Answers to a frame that was answered before."""
    late: Count
    """Answers after the deadline, or to frames that this run did not send."""
    invalid: Count
    """Answers that do not fit the schema or come from another model pack."""
    connects: Count
    """Times the broker accepted the connection for frames."""


class WorkerMetrics(Payload):
    """Counters and latency percentiles of a worker. Retained, every ten seconds, for a minute."""

    schema_version: Literal["edge-ocr.worker-metrics/1"] = Field(default="edge-ocr.worker-metrics/1", alias="schema")
    worker: Name
    group: Name
    boot_id: str
    ts: Timestamp
    uptime_s: Annotated[float, Field(ge=0)]
    pack: str
    profile: str
    received: Count
    """Messages taken from the subscription: the sum of `answered`, `refused`, `ignored` and the one at hand."""
    answered: Count
    """Frames answered with a page."""
    refused: dict[Refusal, Count]
    """Frames answered with an error, by cause."""
    ignored: dict[str, Count]
    """Messages without an answer, by cause: retained, topic, response_topic, frame_id, expired, overflow."""
    unsent: Count
    """Answers that could not be handed to the broker; their senders send the frames again."""
    connects: Count
    """Times the broker accepted the connection."""
    latency_ms: dict[str, StageLatency]
