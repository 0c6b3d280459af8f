"""Where messages go: every topic the appliance uses, in one place.

Names of nodes, cameras and zones match `NAME_PATTERN`, so no topic can hold a wildcard or an empty level.
"""

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


def all_of_node(root: str, node: str) -> str:
    """The subscription of somebody who watches one node; the appliance itself never subscribes to it."""
    return f"{root}/{node}/#"
