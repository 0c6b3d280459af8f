"""What is published fits its schema, and the schema files are those of the code."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from runtime import cli
from runtime.commands.schema import schema_text
from runtime.events import (
    SCHEMAS,
    CameraText,
    EventLatency,
    Metrics,
    NodeStatus,
    OutboxMetrics,
    TextEvent,
    json_schema,
    mark_delayed,
    rfc3339,
)

SCHEMA_FILES = Path(__file__).parents[2] / "runtime" / "schemas"
CORNERS = ((1.0, 2.0), (3.0, 2.0), (3.0, 4.0), (1.0, 4.0))
NOW = "2026-01-02T03:04:05.678Z"


def event(**changes: Any) -> TextEvent:
    fields: dict[str, Any] = {
        "type": "begin", "node": "lobby-3", "camera": "cam0", "boot_id": "b", "seq": 1, "track_id": 1, "ts": NOW,
        "text": "3 €", "text_raw": "3 €", "score": 0.9, "reads": 3, "agreeing_reads": 2, "quad": CORNERS,
        "quad_norm": CORNERS, "frame_size": (1280, 720), "first_seen": NOW, "last_seen": NOW,
        "latency_ms": EventLatency(total=12.5), "pack": "latin", "profile": "generic-cpu",
    }  # fmt: skip
    return TextEvent(**{**fields, **changes})


def test_an_event_has_every_field_of_the_contract() -> None:
    payload = json.loads(event().to_json())
    assert list(payload) == [
        "schema", "type", "node", "camera", "boot_id", "seq", "track_id", "ts", "text", "text_raw", "redaction",
        "score", "reads", "agreeing_reads", "candidates", "quad", "quad_norm", "frame_size", "zone", "first_seen",
        "last_seen",
        "latency_ms", "delayed", "reason", "pack", "profile",
    ]  # fmt: skip
    assert payload["schema"] == "edge-ocr.event/1"
    assert payload["zone"] is None
    assert payload["delayed"] is False
    assert list(payload["latency_ms"]) == [
        "capture_wait", "detect", "crop", "orient", "recognize", "track", "total",
    ]  # fmt: skip
    jsonschema.validate(payload, json_schema("event"))


def test_a_text_is_empty_only_where_it_was_dropped() -> None:
    assert event(text="", text_raw="", redaction="drop").text == ""
    with pytest.raises(ValueError, match="an empty text that was not dropped"):
        event(text="", redaction="mask")


def test_what_is_wrong_with_a_payload_is_told_without_its_text() -> None:
    with pytest.raises(ValidationError) as raised:
        event(text="AB1234", score=7)
    assert "AB1234" not in str(raised.value)


def test_payloads_are_utf8_and_come_back_the_same() -> None:
    assert "3 €".encode() in event().to_json()
    assert TextEvent.model_validate_json(event().to_json()) == event()


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"colour": "red"}, id="an unknown key"),
        pytest.param({"text": ""}, id="an empty text"),
        pytest.param({"score": float("nan")}, id="a score that is no number"),
        pytest.param({"score": 1.01}, id="a score above one"),
        pytest.param({"camera": "Cam 0/#"}, id="a camera that breaks topics"),
        pytest.param({"ts": "2026-01-02 03:04:05"}, id="a time without zone"),
        pytest.param({"seq": 0}, id="a seq before the first"),
        pytest.param({"type": "vanish"}, id="an unknown type"),
    ],
)
def test_wrong_events_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # one or the other of pydantic's kinds
        event(**wrong)


def test_marking_an_event_delayed_changes_nothing_else() -> None:
    tricky = event(text='"delayed":false', text_raw='"delayed":false')
    delayed = json.loads(mark_delayed(tricky.to_json()))
    assert delayed.pop("delayed") is True
    before = json.loads(tricky.to_json())
    del before["delayed"]
    assert delayed == before


def test_times_are_rfc_3339_in_utc_with_milliseconds() -> None:
    assert rfc3339(0) == "1970-01-01T00:00:00.000Z"
    assert rfc3339(1767323045.678) == NOW


def test_the_other_payloads_fit_their_schemas() -> None:
    status = NodeStatus(state="online", version="0.1.0", boot_id="b", since=NOW)
    text = CameraText(node="n", camera="cam0", boot_id="b", ts=NOW)
    metrics = Metrics(
        node="n", boot_id="b", ts=NOW, uptime_s=1, cameras={}, outbox=OutboxMetrics(pending=0, sent=0, dropped={}),
        connects=0, latency_ms={},
    )  # fmt: skip
    for name, payload in {"node-status": status, "camera-text": text, "metrics": metrics}.items():
        jsonschema.validate(json.loads(payload.to_json()), json_schema(name))
    assert json.loads(status.to_json()) == {
        "state": "online",
        "version": "0.1.0",
        "boot_id": "b",
        "since": NOW,
        "spool": None,
    }


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema_files_are_up_to_date(name: str) -> None:
    # If not: edge-ocr schema --out runtime/schemas
    assert (SCHEMA_FILES / f"{name}.json").read_text(encoding="utf-8") == schema_text(name)
    jsonschema.Draft202012Validator.check_schema(json_schema(name))


def test_no_schema_file_is_left_over() -> None:
    assert {path.stem for path in SCHEMA_FILES.glob("*.json")} == {*SCHEMAS, "asyncapi"}


def test_the_schema_command_prints_all_or_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["schema"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == set(SCHEMAS)
    assert cli.main(["schema", "event"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "TextEvent"


def test_the_schema_command_writes_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["schema", "--out", str(tmp_path / "new")]) == 0
    assert {path.stem for path in (tmp_path / "new").iterdir()} == {*SCHEMAS, "asyncapi"}
    (tmp_path / "file").write_text("")
    assert cli.main(["schema", "--out", str(tmp_path / "file")]) == 2
    assert "file" in capsys.readouterr().err
