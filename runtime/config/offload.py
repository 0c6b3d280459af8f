"""The part of kiosk.yaml that says who reads, where this box does not."""

from typing import Annotated

from pydantic import Field

from runtime.config.base import Config
from runtime.payload import Name


class OffloadConfig(Config):
    """Frames are read by `edge-ocr worker` processes elsewhere, not here."""

    group: Name = "readers"
    """Which workers: those with the same group share its frames."""
    deadline_s: Annotated[float, Field(ge=0.5, le=30)] = 5.0
    """A frame without an answer after this time is given up: a live text that is older helps nobody."""
    resends: Annotated[int, Field(ge=0, le=2)] = 2
    """Times a frame is sent again, at equal parts of the deadline: its worker may have died."""
    quality: Annotated[int, Field(ge=50, le=100)] = 90
    """JPEG quality of the frames: 130 kB for 1280 x 720, and no worse to read than without JPEG."""
