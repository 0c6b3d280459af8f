"""Home Assistant finds the node by itself: one retained message that describes the device and its entities.

Device discovery, from Home Assistant 2024.11 on: https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload
Everything shown comes from the topics that are there anyway; templates pick it out.
"""

import json
from collections.abc import Collection, Sequence
from typing import Any, get_args

from edge_ocr import __version__
from runtime.events import CameraState, CommandName, EventType
from runtime.mqtt import topics

ONLINE = b"online"
"""What Home Assistant says on its status topic when it has started, and wants to be told of devices again."""
MAX_STATE_CHARS = 255
"""Home Assistant takes no longer state; the whole of it is in the attributes."""
EVENT_FIELDS = ("text", "score", "zone", "track_id", "ts", "delayed", "reason")
"""Fields of an event that become attributes of its entity: those that an automation decides by."""


def discovery(root: str, node: str, cameras: Sequence[str], commands: Collection[CommandName]) -> bytes:
    """The payload of the discovery message.

    Args:
        root: First levels of every topic.
        node: The node, which is the device.
        cameras: Its cameras, a few entities each.
        commands: Those that are enabled; they become buttons.
    """
    status = topics.node_status(root, node)
    components = {"connectivity": _connectivity(status), **_node_sensors(topics.node_metrics(root, node))}
    for camera in cameras:
        components |= _camera_sensors(root, node, camera)
    for command in commands:
        components |= _buttons(root, node, cameras, command)
    for key, component in components.items():
        component["unique_id"] = f"edge-ocr_{node}_{key}"
    payload = {
        "device": {
            "identifiers": [f"edge-ocr_{node}"],
            "name": f"edge-ocr {node}",
            "manufacturer": "edge-ocr",
            "model": "text reader",
            "sw_version": __version__,
        },
        "origin": {"name": "edge-ocr", "sw_version": __version__},
        "availability": [{"topic": status, "value_template": "{{ value_json.state }}"}],
        "components": components,
    }
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


def _connectivity(status: str) -> dict[str, Any]:
    return {
        "platform": "binary_sensor",
        "name": "Connection",
        "device_class": "connectivity",
        "entity_category": "diagnostic",
        "availability": [],  # always there, to say that the rest is not
        "state_topic": status,
        "value_template": "{{ 'ON' if value_json.state == 'online' else 'OFF' }}",
        "json_attributes_topic": status,
    }


def _node_sensors(metrics: str) -> dict[str, dict[str, Any]]:
    latency = "{{ (value_json.latency_ms.get('capture_to_publish') or {}).get('p90') }}"
    common = {"platform": "sensor", "entity_category": "diagnostic", "state_topic": metrics}
    return {
        "waiting": {
            **common,
            "name": "Events waiting",
            "state_class": "measurement",
            "value_template": "{{ value_json.outbox.pending }}",
        },
        "latency_p90": {
            **common,
            "name": "Latency p90",
            "device_class": "duration",
            "state_class": "measurement",
            "unit_of_measurement": "ms",
            "value_template": latency,
        },
    }


def _camera_sensors(root: str, node: str, camera: str) -> dict[str, dict[str, Any]]:
    text, status = topics.camera_text(root, node, camera), topics.camera_status(root, node, camera)
    lines = "value_json.lines | map(attribute='text')"
    fields = ", ".join(f"'{field}': value_json.{field}" for field in EVENT_FIELDS)
    diagnostic = {"platform": "sensor", "entity_category": "diagnostic", "state_topic": status}
    return {
        f"{camera}_events": {
            "platform": "event",
            "name": f"{camera} events",
            "event_types": list(get_args(EventType)),
            "state_topic": topics.camera_events(root, node, camera),
            "value_template": f"{{{{ {{'event_type': value_json.type, {fields}}} | to_json }}}}",
        },
        f"{camera}_text": {
            "platform": "sensor",
            "name": f"{camera} text",
            "state_topic": text,
            "value_template": f"{{{{ ({lines} | join(' / '))[:{MAX_STATE_CHARS}] }}}}",
            "json_attributes_topic": text,
            "json_attributes_template": f"{{{{ {{'lines': {lines} | list, 'ts': value_json.ts}} | to_json }}}}",
        },
        f"{camera}_state": {
            **diagnostic,
            "name": f"{camera} state",
            "device_class": "enum",
            "options": list(get_args(CameraState)),
            "value_template": "{{ value_json.state }}",
            "json_attributes_topic": status,
        },
        f"{camera}_fps": {
            **diagnostic,
            "name": f"{camera} frame rate",
            "state_class": "measurement",
            "unit_of_measurement": "fps",
            "value_template": "{{ value_json.fps }}",
        },
    }


def _buttons(root: str, node: str, cameras: Sequence[str], command: CommandName) -> dict[str, dict[str, Any]]:
    """A button for every camera, or for the node where the command is for nodes only."""
    whom: Sequence[str | None] = [None] if command == "reload" else cameras
    found: dict[str, dict[str, Any]] = {}
    for camera in whom:
        prefix, label = (f"{camera}_", f"{camera} ") if camera else ("", "")
        found[f"{prefix}{command}"] = {
            "platform": "button",
            "name": f"{label}{command}",
            "entity_category": "config",
            "command_topic": topics.command(root, node, camera, command),
            "payload_press": "{}",
            "qos": 1,
        }
        if camera and command == "snapshot":
            found[f"{camera}_picture"] = {
                "platform": "image",
                "name": f"{camera} picture",
                "image_topic": topics.camera_snapshot(root, node, camera),
                "content_type": "image/jpeg",
            }
    return found
