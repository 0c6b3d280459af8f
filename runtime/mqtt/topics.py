"""Where messages go: every topic the appliance uses, in one place.

Names of nodes, cameras and zones match `NAME_PATTERN`, so no topic can hold a wildcard or an empty level.
"""

import re

NAME_PATTERN = r"^[a-z0-9_-]+$"
"""What a node, camera or zone may be called."""


def node_status(root: str, node: str) -> str:
    """Retained: online, offline (the last will) or stopped."""
    return f"{root}/{node}/status"


def node_metrics(root: str, node: str) -> str:
    """Retained: counters and latency percentiles, every ten seconds."""
    return f"{root}/{node}/metrics"


def camera_status(root: str, node: str, camera: str) -> str:
    """Retained: whether frames come, and how fresh they are."""
    return f"{root}/{node}/{camera}/status"


def camera_events(root: str, node: str, camera: str) -> str:
    """Texts that began, changed or ended; not retained."""
    return f"{root}/{node}/{camera}/events"


def camera_text(root: str, node: str, camera: str) -> str:
    """Retained: all lines that are legible now."""
    return f"{root}/{node}/{camera}/text"


def camera_snapshot(root: str, node: str, camera: str) -> str:
    """A JPEG when somebody asked for one; not retained."""
    return f"{root}/{node}/{camera}/snapshot"


def command(root: str, node: str, camera: str | None, name: str) -> str:
    """Commands for the node, or for one of its cameras."""
    return f"{root}/{node}/{camera}/set/{name}" if camera is not None else f"{root}/{node}/set/{name}"


def answer(root: str, node: str, camera: str | None, name: str) -> str:
    """What became of a command; a level below it, so that a subscription to commands does not bring answers."""
    return f"{command(root, node, camera, name)}/state"


def home_assistant_device(prefix: str, node: str) -> str:
    """Retained: what Home Assistant is told of the node."""
    return f"{prefix}/device/edge-ocr-{node}/config"


def home_assistant_status(prefix: str) -> str:
    """Where Home Assistant says that it has started."""
    return f"{prefix}/status"


def offload_frames(root: str, node: str, group: str) -> str:
    """JPEG frames for the workers of a group; never retained."""
    return f"{root}/{node}/offload/{group}/frames"


def offload_pages(root: str, node: str, group: str) -> str:
    """The workers' answers to a node's frames; not retained."""
    return f"{root}/{node}/offload/{group}/pages"


def offload_share(root: str, group: str) -> str:
    """The subscription that the workers of a group share: the broker gives each frame to one of them."""
    return f"$share/{group}/{offload_frames(root, '+', group)}"


def offload_node(root: str, group: str, topic: str) -> str | None:
    """The node that sent a frame, from the frame's topic; None where it is not the topic of a frame."""
    prefix, suffix = f"{root}/", f"/offload/{group}/frames"
    node = topic[len(prefix) : -len(suffix)]
    return node if topic == f"{prefix}{node}{suffix}" and re.fullmatch(NAME_PATTERN, node) else None


def worker_metrics(root: str, worker: str) -> str:
    """Retained: counters and latency percentiles of a worker, every ten seconds; its status is `node_status`."""
    return f"{root}/{worker}/worker-metrics"


def all_of_node(root: str, node: str) -> str:
    """The subscription of somebody who watches one node; the appliance itself never subscribes to it."""
    return f"{root}/{node}/#"
