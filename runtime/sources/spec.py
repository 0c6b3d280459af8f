"""What a source's text means: a camera's number, a device, a URL, a file, a folder, or the test card.

Free of OpenCV, so that the configuration can ask too.
"""

import glob
import re
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from edge_ocr.images import SUFFIXES
from runtime.redact import redact

STREAM_SCHEMES = frozenset({"rtsp", "rtsps", "http", "https"})
IMAGE_SUFFIXES = SUFFIXES - {".gif"}
"""Files that are images; a GIF is played as the video that it may be."""

Kind = Literal["testcard", "device", "stream", "images", "video"]


def kind_of(spec: str) -> Kind:
    """Which kind of source a text names.

    Raises:
        ValueError: it is a URL without a host, or of a scheme that is not read.
    """
    if spec == "testcard" or spec.startswith("test:"):
        return "testcard"
    if spec.isdecimal() or re.fullmatch(r"/dev/(video\d+|v4l/.+)", spec):
        return "device"
    scheme, separator, _ = spec.partition("://")
    if separator:
        if scheme.lower() in STREAM_SCHEMES:
            _check_url(spec)
            return "stream"
        raise ValueError(f"{redact(spec)}: a source's URL starts with rtsp://, rtsps://, http:// or https://")
    path = Path(spec)
    if path.is_dir() or path.suffix.lower() in IMAGE_SUFFIXES or (glob.has_magic(spec) and not path.exists()):
        return "images"
    return "video"


def is_live_spec(spec: str) -> bool:
    """Whether a text names a source that delivers at its own rate."""
    return kind_of(spec) in {"testcard", "device", "stream"}


def device_path(spec: str) -> str:
    """The path of a local camera, which may be named by its number."""
    return f"/dev/video{int(spec)}" if spec.isdecimal() else spec


def resolve_spec(spec: str, folder: Path) -> str:
    """The text with a relative file name starting at `folder`; anything else as it is.

    Raises:
        ValueError: it is a URL without a host, or of a scheme that is not read.
    """
    return spec if is_live_spec(spec) else str(folder / Path(spec).expanduser())


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_good = bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good:
        raise ValueError(
            f"{redact(url)}: not a URL; write rtsp://host/path, with special characters of a password as %40 and the "
            "like"
        )
