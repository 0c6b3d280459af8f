"""edge-ocr: an image in, a page of lines out.

from edge_ocr import Reader
page = Reader(pack="latin", profile="auto").read("photo.jpg")
"""

from typing import TYPE_CHECKING

from edge_ocr.errors import ConfigError, EdgeOcrError, ImageError, ModelError, PublishError, SourceError
from edge_ocr.page import Detection, Line, Page, Reading, Recognition

if TYPE_CHECKING:
    from edge_ocr.reader import Reader

__version__ = "0.1.0"

__all__ = [
    "ConfigError",
    "Detection",
    "EdgeOcrError",
    "ImageError",
    "Line",
    "ModelError",
    "Page",
    "PublishError",
    "Reader",
    "Reading",
    "Recognition",
    "SourceError",
    "__version__",
]


def __getattr__(name: str) -> object:
    """Import the reader, and OpenVINO with it, only when it is asked for."""
    if name == "Reader":
        from edge_ocr.reader import Reader

        return Reader
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
