"""The MQTT contract as an AsyncAPI 3 document, made of the topics and payload types that the code uses.

Specification: https://www.asyncapi.com/docs/reference/specification/v3.0.0, with version 0.2.0 of its MQTT bindings.
`edge-ocr schema --asyncapi` prints it, `edge-ocr schema --out runtime/schemas` writes the file.
"""

from dataclasses import dataclass
from typing import Any, Literal, get_args

from pydantic.json_schema import models_json_schema

from runtime.events import (
    CAMERA_COMMANDS,
    SCHEMAS,
    Answer,
    CameraStatus,
    CameraText,
    Command,
    CommandName,
    Metrics,
    NodeStatus,
    TextEvent,
)
from runtime.mqtt import topics
from runtime.mqtt.messages import JPEG, JSON
from runtime.offload.messages import FramePage, WorkerMetrics
from runtime.payload import Payload

VERSION = "1.0.0"
"""Of the contract: topics and payloads."""
SCHEMA_REF = "#/components/schemas/{model}"
ROOT, NODE, CAMERA, COMMAND, PREFIX = "{root}", "{node}", "{camera}", "{command}", "{prefix}"
GROUP, WORKER = "{group}", "{worker}"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One kind of topic."""

    address: str
    summary: str
    payload: type[Payload] | Json
    """Its type, or a schema where no type of ours describes it."""
    content_type: str = JSON
    qos: Literal[0, 1] = 1
    retain: bool = False
    action: Literal["send", "receive"] = "send"
    """What the node does, or the worker with its metrics."""
    reply: str | None = None
    """The channel of the answers."""


CHANNELS = {
    "nodeStatus": Channel(
        address=topics.node_status(ROOT, NODE),
        summary="Whether the node lives; `offline` is its last will. Published anew on every connect.",
        payload=NodeStatus,
        retain=True,
    ),
    "nodeMetrics": Channel(
        address=topics.node_metrics(ROOT, NODE),
        summary="Counters and latency percentiles, every ten seconds.",
        payload=Metrics,
        qos=0,
        retain=True,
    ),
    "cameraStatus": Channel(
        address=topics.camera_status(ROOT, NODE, CAMERA),
        summary="Whether a camera's frames come, and how fresh they are. Published anew on every connect.",
        payload=CameraStatus,
        retain=True,
    ),
    "cameraEvents": Channel(
        address=topics.camera_events(ROOT, NODE, CAMERA),
        summary="Texts that began, changed or ended. At least once: (node, camera, boot_id, seq) tells duplicates.",
        payload=TextEvent,
    ),
    "cameraText": Channel(
        address=topics.camera_text(ROOT, NODE, CAMERA),
        summary="What is legible now: all settled lines in reading order. Published anew on every connect.",
        payload=CameraText,
        retain=True,
    ),
    "cameraSnapshot": Channel(
        address=topics.camera_snapshot(ROOT, NODE, CAMERA),
        summary="A picture, after the command `snapshot`.",
        payload={"type": "string", "format": "binary"},
        content_type=JPEG,
        qos=0,
    ),
    "nodeCommand": Channel(
        address=topics.command(ROOT, NODE, None, COMMAND),
        summary="A command for the node, which stands for all of its cameras. Not retained, or it is ignored.",
        payload=Command,
        action="receive",
        reply="nodeAnswer",
    ),
    "cameraCommand": Channel(
        address=topics.command(ROOT, NODE, CAMERA, COMMAND),
        summary="A command for one camera. Not retained, or it is ignored.",
        payload=Command,
        action="receive",
        reply="cameraAnswer",
    ),
    "nodeAnswer": Channel(
        address=topics.answer(ROOT, NODE, None, COMMAND),
        summary="What became of a command for the node.",
        payload=Answer,
    ),
    "cameraAnswer": Channel(
        address=topics.answer(ROOT, NODE, CAMERA, COMMAND),
        summary="What became of a command for a camera.",
        payload=Answer,
    ),
    "offloadFrames": Channel(
        address=topics.offload_frames(ROOT, NODE, GROUP),
        summary="Frames for the workers of a group, with id, response topic and expiry.",
        payload={"type": "string", "format": "binary"},
        content_type=JPEG,
        reply="offloadPages",
    ),
    "offloadPages": Channel(
        address=topics.offload_pages(ROOT, NODE, GROUP),
        summary="The workers' answers to a node's frames.",
        payload=FramePage,
        action="receive",
    ),
    "workerMetrics": Channel(
        address=topics.worker_metrics(ROOT, WORKER),
        summary="From a worker: counters and latency percentiles, every ten seconds. Its status is that of any node.",
        payload=WorkerMetrics,
        qos=0,
        retain=True,
    ),
    "homeAssistantDevice": Channel(
        address=topics.home_assistant_device(PREFIX, NODE),
        summary="Device discovery of Home Assistant, where it is asked for.",
        payload={"type": "object", "required": ["device", "origin", "components"]},
        retain=True,
    ),
    "homeAssistantStatus": Channel(
        address=topics.home_assistant_status(PREFIX),
        summary="`online` from Home Assistant: the discovery message is published anew.",
        payload={"type": "string"},
        content_type="text/plain",
        action="receive",
    ),
}
"""Every topic that a node or a worker publishes on or listens to; what workers listen to is what nodes send."""


def document() -> Json:
    """The AsyncAPI document as plain data."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "edge-ocr",
            "version": VERSION,
            "description": "What an edge-ocr node publishes over MQTT, and the commands that it takes.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": JSON,
        "channels": {name: _channel(name, channel) for name, channel in CHANNELS.items()},
        "operations": {_operation_name(name): _operation(name, channel) for name, channel in CHANNELS.items()},
        "components": {
            "messages": {name: _message(channel) for name, channel in CHANNELS.items()},
            "schemas": _schemas(),
        },
    }


def _channel(name: str, channel: Channel) -> Json:
    described = {
        "root": {"description": "First levels of every topic, `mqtt.root`.", "default": "edge-ocr"},
        "prefix": {"description": "Home Assistant's discovery prefix.", "default": "homeassistant"},
        "node": {"description": "The node, lower-case letters, digits, `_` and `-`."},
        "group": {"description": "The workers that read a node's frames, `offload.group`."},
        "worker": {"description": "The worker, lower-case letters, digits, `_` and `-`."},
        "camera": {"description": "The camera, lower-case letters, digits, `_` and `-`."},
        "command": {"description": "The command.", "enum": sorted(_commands(channel))},
    }
    return {
        "address": channel.address,
        "description": channel.summary,
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        "parameters": {key: value for key, value in described.items() if f"{{{key}}}" in channel.address},
    }


def _commands(channel: Channel) -> frozenset[str]:
    return frozenset(CAMERA_COMMANDS if CAMERA in channel.address else get_args(CommandName))


def _operation_name(name: str) -> str:
    return f"{CHANNELS[name].action}{name[0].upper()}{name[1:]}"


def _operation(name: str, channel: Channel) -> Json:
    operation: Json = {
        "action": channel.action,
        "channel": {"$ref": f"#/channels/{name}"},
        "summary": channel.summary,
        "messages": [{"$ref": f"#/channels/{name}/messages/{name}"}],
        "bindings": {"mqtt": {"qos": channel.qos, "retain": channel.retain, "bindingVersion": "0.2.0"}},
    }
    if channel.reply is not None:
        operation["reply"] = {"channel": {"$ref": f"#/channels/{channel.reply}"}}
    return operation


def _message(channel: Channel) -> Json:
    payload: Json
    if isinstance(channel.payload, dict):
        payload = channel.payload
    else:
        payload = {"$ref": SCHEMA_REF.format(model=channel.payload.__name__)}
    return {"contentType": channel.content_type, "payload": payload}


def _schemas() -> Json:
    """The types by their names, in the part of JSON Schema that draft 7, AsyncAPI's own, and 2020-12 share."""
    modes: list[tuple[type[Payload], Literal["validation", "serialization"]]] = [
        (model, "validation" if model is Command else "serialization") for model in SCHEMAS.values()
    ]
    _, found = models_json_schema(modes, by_alias=True, ref_template=SCHEMA_REF)
    shared: Json = _without_tuples(found["$defs"])
    return shared


def _without_tuples(schema: Any) -> Any:
    """`prefixItems` came after draft 7; our tuples are all of one type, for which `items` says the same."""
    if isinstance(schema, list):
        return [_without_tuples(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: _without_tuples(value) for key, value in schema.items()}
    if "prefixItems" in schema:
        first, *others = schema.pop("prefixItems")
        assert all(each == first for each in others), "a tuple of several types"
        schema["items"] = first
    return schema
