"""Events of a replay as a file, and what differs from it.

JSON lines: the first says what was replayed, the others are one event each. Latencies, ids of the run and whatever
else says nothing about the texts is left out.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from edge_ocr.errors import ConfigError
from runtime.events import TextEvent

SCHEMA = "edge-ocr.replay/1"
LEFT_OUT = frozenset({
    *("schema", "node", "boot_id", "latency_ms", "delayed", "pack", "profile", "frame_size", "quad_norm"),
    "candidates",  # those that lost by far come and go with the last bit of a score
})
TIMES = {"ts": "at_s", "first_seen": "first_seen_s", "last_seen": "last_seen_s"}
"""Fields that become seconds from the recording's start."""
TOLERANCES = {"score": 0.05, "quad": 2.0, "at_s": 0.1, "first_seen_s": 0.1, "last_seen_s": 0.1, "reads": 2}
"""By field: in its unit. CPUs with other instruction sets add floats in another order, so that scores differ in their
last digits, and a quad or a frame's vote that is close to a threshold may fall on its other side. Everything else has
to be equal."""
TOLERANCES["agreeing_reads"] = TOLERANCES["reads"]
SHIFTED = frozenset({"seq", "track_id"})
"""Fields that follow from the number of events before: compared up to the first that is missing or too many."""

Plain = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Golden:
    """A golden file."""

    about: Plain
    """What was replayed: clip, pack, profile."""
    events: tuple[Plain, ...]

    def to_bytes(self) -> bytes:
        """The file's content."""
        rows = [{"schema": SCHEMA, **self.about}, *self.events]
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def plain_event(event: TextEvent) -> Plain:
    """What is compared of an event."""
    data = event.model_dump(mode="json", by_alias=True)
    kept = {key: value for key, value in data.items() if key not in LEFT_OUT}
    return {TIMES.get(key, key): _seconds(value) if key in TIMES else value for key, value in kept.items()}


def load_golden(path: Path) -> Golden:
    """Load a golden file.

    Raises:
        ConfigError: it is missing, or not a golden file.
    """
    try:
        first, *events = [json.loads(row) for row in path.read_text(encoding="utf-8").splitlines()]
        if first.pop("schema") != SCHEMA or not all("text" in event and "type" in event for event in events):
            raise ValueError("other rows")
        return Golden(first, tuple(events))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; --update makes it") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{path}: not events that edge-ocr replay --update wrote; make it anew") from error


def differences(expected: Sequence[Plain], got: Sequence[Plain]) -> list[str]:
    """What differs, a line each in the order of the events; empty where nothing does.

    A line begins with - (expected, did not come), + (came, not expected) or ~ (came with other values).
    """
    matcher = SequenceMatcher(None, [_key(one) for one in expected], [_key(one) for one in got], autojunk=False)
    rows: list[str] = []
    is_shifted = False
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag == "equal":
            for one, other in zip(expected[i1:i2], got[j1:j2], strict=True):
                rows += _changed(one, other, is_shifted=is_shifted)
            continue
        is_shifted = True
        rows += [f"- {_describe(one)}" for one in expected[i1:i2]]
        rows += [f"+ {_describe(one)}" for one in got[j1:j2]]
    return rows


def _key(event: Plain) -> tuple[str, ...]:
    """What makes two events the same one, seen again."""
    return str(event["type"]), str(event["text"]), str(event.get("zone"))


def _changed(expected: Plain, got: Plain, *, is_shifted: bool) -> Iterator[str]:
    fields = [name for name in {**expected, **got} if not (is_shifted and name in SHIFTED)]
    changed = [
        f"{name} {_short(got.get(name))}, expected {_short(expected.get(name))}"
        for name in fields
        if not _is_close(expected.get(name), got.get(name), TOLERANCES.get(name, 0))
    ]
    if changed:
        yield f"~ {_describe(got)}: {'; '.join(changed)}"


def _is_close(expected: Any, got: Any, tolerance: float) -> bool:
    if isinstance(expected, (int, float)) and isinstance(got, (int, float)):
        return abs(expected - got) <= tolerance + 1e-9
    if isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        return all(_is_close(one, other, tolerance) for one, other in zip(expected, got, strict=True))
    return bool(expected == got)


def _describe(event: Mapping[str, Any]) -> str:
    reason = f" ({event['reason']})" if event.get("reason") else ""
    return f"{event['at_s']:7.3f} s  #{event['seq']} {event['type']} {event['text']!r}{reason}"


def _short(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _seconds(timestamp: str) -> float:
    return round(datetime.fromisoformat(timestamp).timestamp(), 3)
