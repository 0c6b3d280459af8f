"""What everything published has in common: the base of all payloads and the types of their fields."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from runtime.mqtt.topics import NAME_PATTERN

Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Timestamp = Annotated[
    str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$", json_schema_extra={"format": "date-time"})
]
"""RFC 3339 in UTC, as `rfc3339` writes it."""
Score = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Milliseconds = Annotated[float, Field(ge=0)]
Point = tuple[float, float]
Quad = tuple[Point, Point, Point, Point]
"""Corners clockwise from the text's top-left."""
Size = tuple[int, int]
"""(width, height) in pixels."""


class Payload(BaseModel):
    """Something published: immutable, without unknown keys, NaN or infinities."""

    # Inputs are not quoted in errors: a text that was to be redacted must not reach the log.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)

    def to_json(self) -> bytes:
        """The payload as it goes over the wire: compact UTF-8 JSON, every key present."""
        return self.model_dump_json(by_alias=True).encode()


class StageLatency(Payload):
    """Latency of one stage in ms; a percentile is null where there are too few samples for it."""

    count: Count
    mean: Milliseconds | None = None
    p50: Milliseconds | None = None
    p90: Milliseconds | None = None
    p95: Milliseconds | None = None
    p99: Milliseconds | None = None
    max: Milliseconds | None = None
