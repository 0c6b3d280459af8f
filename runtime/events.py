"""What goes over MQTT: one pydantic model a payload, unknown keys refused, JSON out.

The JSON Schema files in `runtime/schemas/` are generated from these types (`edge-ocr schema --out runtime/schemas`).
"""

import json
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StrictInt, StrictStr

from runtime.frames import CameraFault
from runtime.offload.messages import FramePage, OffloadMetrics, WorkerMetrics
from runtime.payload import Count, Milliseconds, Name, Payload, Quad, Score, Size, StageLatency, Timestamp
from runtime.rules.redaction import Redaction

EventType = Literal["begin", "update", "end"]
EndReason = Literal["gone", "replaced", "stopped", "restart", "camera_lost"]
"""gone: not seen any more; replaced: another text took its place; stopped: the node or source stopped or was paused;
restart: ended by the node's next start after a crash; camera_lost: no frame came, or was read, for so long that
nobody knows whether it is there."""
CameraState = Literal["streaming", "stalled", "reconnecting", "failed", "paused"]
SpoolState = Literal["ok", "dropping", "full", "read-only", "failed"]
"""ok: every event is on the disk before it is sent; dropping: the spool is as large as it may be, the oldest events
make room; full: the disk is full; read-only: nothing can be written; failed: the file cannot be used (the log says
why). In the last three events are sent from memory; the oldest of too many are dropped and counted."""

CommandName = Literal["pause", "resume", "snapshot", "reload"]
"""pause, resume: of one camera, or of all; snapshot: a picture of one camera, or of all; reload: kiosk.yaml anew."""
CAMERA_COMMANDS: frozenset[CommandName] = frozenset({"pause", "resume", "snapshot"})
"""Commands that one camera takes too."""
Outcome = Literal["done", "failed", "malformed", "unknown", "disabled"]
"""failed: it could not be done; malformed: the payload is none of a command; unknown: there is no such command there;
disabled: the configuration does not list it."""
COMMAND_PATTERN = r"^[a-z0-9_-]{1,32}$"
"""What is answered may be called so, whether there is such a command or not."""
MAX_INT = 2**53
"""Integers up to this come through every JSON library unchanged."""

RequestId = Annotated[StrictStr, Field(max_length=128)] | Annotated[StrictInt, Field(ge=-MAX_INT, le=MAX_INT)]


class EventLatency(Payload):
    """Where the time between a frame's arrival and the event's commit went, in ms."""

    capture_wait: Milliseconds = 0.0
    """The frame waited for the inference thread."""
    detect: Milliseconds = 0.0
    crop: Milliseconds = 0.0
    orient: Milliseconds = 0.0
    recognize: Milliseconds = 0.0
    track: Milliseconds = 0.0
    total: Milliseconds
    """Frame arrival to the commit of the event; sending is not in it."""


class Candidate(Payload):
    """Another text that was read at a text's place."""

    text: Annotated[str, Field(min_length=1)]
    share: Score
    """Of the weight of all reads; recent, sharp and confident ones weigh more."""


class TextEvent(Payload):
    """A text that appeared and settled (begin), changed (update) or left (end)."""

    schema_version: Literal["edge-ocr.event/1"] = Field(default="edge-ocr.event/1", alias="schema")
    type: EventType
    node: Name
    camera: Name
    boot_id: str
    """Changes with every start of the node."""
    seq: Annotated[int, Field(ge=1)]
    """Per camera, rising by one; (node, camera, boot_id, seq) tells duplicates."""
    track_id: Annotated[int, Field(ge=1)]
    """One occurrence of a text, the same from its begin to its end."""
    ts: Timestamp
    """Capture time of the frame that caused the event."""
    text: str
    """The text that the reads agree on, after the zone's replacement rules; empty only where `redaction` is drop."""
    text_raw: str
    """The latest single reading, as the recogniser gave it; redacted like `text`."""
    redaction: Redaction | None = None
    """What was done to the texts before they were stored; null: nothing."""
    score: Score
    """Mean confidence of the agreeing reads."""
    reads: Count
    """Reads that were counted for this text so far."""
    agreeing_reads: Count
    """Those of them that read exactly the text they agree on; 0 where it was put together, character by character."""
    candidates: tuple[Candidate, ...] = ()
    """What other reads said, heaviest first; a few. Empty where the text is redacted."""
    quad: Quad
    """Where it was seen last, pixels."""
    quad_norm: Quad
    """The same in fractions of the frame's width and height."""
    frame_size: Size
    zone: Name | None = None
    """The zone that holds its centre; null outside of all."""
    first_seen: Timestamp
    last_seen: Timestamp
    latency_ms: EventLatency
    delayed: bool = False
    """Sent after an outage of the broker, so later than `latency_ms` says."""
    reason: EndReason | None = None
    """Why the text ended; null for the other types."""
    pack: str
    profile: str

    def model_post_init(self, context: Any, /) -> None:
        """Refuse an empty text that was not dropped."""
        _refuse_lost_text(self.text, self.redaction)


class NodeStatus(Payload):
    """Whether the node lives. Retained; `offline` is its last will."""

    state: Literal["online", "offline", "stopped"]
    version: str
    boot_id: str
    since: Timestamp
    """Start of the node."""
    spool: SpoolState | None = None
    """Whether events are safe while they wait for the broker; null when not online."""


class CameraStatus(Payload):
    """Whether a camera's frames come, and how fresh they are. Retained."""

    state: CameraState
    reason: str | None = None
    """For people: what is wrong, where, and how to mend it; never with credentials."""
    error: CameraFault | None = None
    """The same for machines, where the kind of the fault is known."""
    fps: Annotated[float, Field(ge=0)] | None = None
    """Frames a second arriving from the camera; null while none do."""
    frame_age_ms: Milliseconds | None = None
    """Age of the newest frame when this was published; null before the first."""


class VisibleLine(Payload):
    """One line that is legible now."""

    track_id: Annotated[int, Field(ge=1)]
    text: str
    """As in the event; empty only where `redaction` is drop."""
    score: Score
    quad: Quad
    zone: Name | None = None
    redaction: Redaction | None = None

    def model_post_init(self, context: Any, /) -> None:
        """Refuse an empty text that was not dropped."""
        _refuse_lost_text(self.text, self.redaction)


class CameraText(Payload):
    """All settled lines of a camera in reading order. Retained."""

    schema_version: Literal["edge-ocr.text/1"] = Field(default="edge-ocr.text/1", alias="schema")
    node: Name
    camera: Name
    boot_id: str
    ts: Timestamp
    frame_size: Size | None = None
    """Null before the first frame."""
    lines: tuple[VisibleLine, ...] = ()


class CameraMetrics(Payload):
    """Counters of one camera since the start."""

    frames_in: Count
    frames_read: Count
    """Frames that were looked at: compared with what is known, and read as far as that needed."""
    frames_searched: Count = 0
    """Of them, those in which lines were looked for."""
    lines_read: Count = 0
    """Lines that were recognised."""
    reading_s: Annotated[float, Field(ge=0)] = 0.0
    """Time that the inference thread spent on this camera."""
    read_errors: Count
    """Frames on which reading failed with an error."""
    dropped: dict[str, Count]
    """Frames that were not read, by cause."""
    over_budget: Count = 0
    """Frames that took longer from arrival to the commit of their events than the profile's latency budget."""
    reconnects: Count = 0
    stalls: Count = 0
    events: Count
    events_by_type: dict[EventType, Count] = Field(default_factory=dict)
    filtered: dict[str, dict[str, Count]] = Field(default_factory=dict)
    """Texts that were refused, by zone (`outside`: in none) and the rule that refused them."""
    state: CameraState
    fps: Annotated[float, Field(ge=0)] | None = None
    frame_age_ms: Milliseconds | None = None
    latency_ms: dict[str, StageLatency] = Field(default_factory=dict)
    """capture_wait: a frame waited for the inference thread; look: what it took there; capture_to_spool: from its
    arrival to the commit of an event."""


class OutboxMetrics(Payload):
    """Events on their way to the broker, since the spool's file was made; restarts do not reset them."""

    state: SpoolState = "ok"
    """Whether events are safe while they wait."""
    pending: Count
    """Stored and not acknowledged yet."""
    sent: Count
    """Acknowledged by the broker."""
    dropped: dict[str, Count]
    """Deleted without an acknowledgement, by cause: full (the spool's bound; of the last 20 sent some may have arrived
    all the same), expired (its age), refused (by the broker), unspooled (the disk was full or failed, and the broker
    away), damaged (they were in a spool file that was set aside), deleted (in one that is gone), crash (in memory
    while the disk was full, when the node died)."""


class Metrics(Payload):
    """Counters and latency percentiles of a node. Retained, every ten seconds."""

    schema_version: Literal["edge-ocr.metrics/1"] = Field(default="edge-ocr.metrics/1", alias="schema")
    node: Name
    boot_id: str
    ts: Timestamp
    uptime_s: Annotated[float, Field(ge=0)]
    cameras: dict[Name, CameraMetrics]
    outbox: OutboxMetrics
    connects: Count
    """Times the broker accepted the connection."""
    mqtt_faults: Count = 0
    """Connections that ended by an unexpected error of the node's own."""
    commands: dict[str, Count] = Field(default_factory=dict)
    """Commands that came over MQTT, by what became of them."""
    offload: OffloadMetrics | None = None
    """What happened to frames that workers read; null where this node reads them itself."""
    latency_ms: dict[str, StageLatency]


class Command(Payload):
    """What a command may say; an empty payload says nothing, and is a command too."""

    id: RequestId | None = None
    """Comes back in the answer."""
    expires_at: Timestamp | None = None
    """Not to be carried out after this time. With MQTT 5, the expiry of the message does the same."""


class Answer(Payload):
    """What became of a command."""

    schema_version: Literal["edge-ocr.answer/1"] = Field(default="edge-ocr.answer/1", alias="schema")
    node: Name
    camera: Name | None
    """Null where the command was for the node."""
    command: Annotated[str, Field(pattern=COMMAND_PATTERN)]
    outcome: Outcome
    message: str | None = None
    """Why it was not done."""
    id: RequestId | None = None
    """The id of the command, if it had one that could be read."""
    ts: Timestamp


SCHEMAS: dict[str, type[Payload]] = {
    "event": TextEvent,
    "node-status": NodeStatus,
    "camera-status": CameraStatus,
    "camera-text": CameraText,
    "metrics": Metrics,
    "command": Command,
    "answer": Answer,
    "page": FramePage,
    "worker-metrics": WorkerMetrics,
}
"""The published payloads by the name of their schema file."""


def json_schema(name: str) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of one payload of `SCHEMAS`, as published."""
    model = SCHEMAS[name]
    # A command comes to us, and may leave keys out.
    schema = model.model_json_schema(by_alias=True, mode="validation" if model is Command else "serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"edge-ocr/{name}.json", **schema}


def mark_delayed(payload: bytes) -> bytes:
    """The same event, marked as sent after an outage. It may come from another version of edge-ocr.

    Raises:
        ValueError: it is not a JSON object.
    """
    return _changed(payload, delayed=True)


def ended_by_restart(payload: bytes, seq: int) -> bytes:
    """The `end` of a text that an earlier run left open, from its newest event.

    `ts` stays that event's: nothing later is known of the text. No frame caused the end, so its latencies are 0.

    Raises:
        ValueError: the event is not a JSON object.
    """
    latency = EventLatency(total=0.0).model_dump()
    return _changed(payload, type="end", seq=seq, reason="restart", latency_ms=latency)


def _changed(payload: bytes, **values: Any) -> bytes:
    event = json.loads(payload)
    if not isinstance(event, dict):
        raise ValueError("not an event")
    return json.dumps(event | values, ensure_ascii=False, separators=(",", ":")).encode()


def _refuse_lost_text(text: str, redaction: Redaction | None) -> None:
    if not text and redaction != "drop":
        raise ValueError("an empty text that was not dropped")


def rfc3339(ts: float) -> str:
    """Seconds since the epoch as RFC 3339 UTC with milliseconds."""
    return datetime.fromtimestamp(ts, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
