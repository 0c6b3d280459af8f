"""Clips with ground truth: a video, and a JSON file of the documents that it shows and when.

    {"fps", "size": [w, h], "frames", "documents": [{"set", "partial", "enter_s", "still_s": [from, to], "leave_s",
     "lines": [{"text", "height_px", "quad": [[x, y] * 4]}]}]}

Times are seconds from the clip's start. A `partial` document shows more text than its lines.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_ocr.errors import ConfigError


@dataclass(frozen=True, slots=True, eq=False)
class TruthLine:
    """A labelled line of a document."""

    text: str
    height_px: float
    """In the frame, at rest."""
    quad: NDArray[np.float32]
    """(4, 2) px in the frame, at rest."""


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """Something that slides in, lies still and slides out. Times in seconds from the clip's start."""

    name: str
    partial: bool
    """It shows more text than its lines."""
    enter_s: float
    still_s: tuple[float, float]
    leave_s: float
    lines: tuple[TruthLine, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ClipTruth:
    """What a clip shows."""

    fps: float
    n_frames: int
    documents: tuple[Document, ...]
    """In the order in which they come."""

    @property
    def duration_s(self) -> float:
        """Length of the clip."""
        return self.n_frames / self.fps

    def document_at(self, at_s: float) -> int | None:
        """The document whose time it is: from its entry to the next one's. None before the first."""
        begun = [i for i, document in enumerate(self.documents) if document.enter_s <= at_s]
        return begun[-1] if begun else None


def load_truth(path: Path) -> ClipTruth:
    """Load the ground truth of a clip.

    Raises:
        ConfigError: the file is missing, or not the ground truth of a clip.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        documents = sorted((_document(one) for one in data["documents"]), key=lambda one: one.enter_s)
        return ClipTruth(float(data["fps"]), int(data["frames"]), tuple(documents))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{path}: not the ground truth of a clip: {error!r}") from error


def _document(data: dict[str, Any]) -> Document:
    begin_s, end_s = data["still_s"]
    return Document(
        name=str(data.get("set", "")),
        partial=bool(data["partial"]),
        enter_s=float(data["enter_s"]),
        still_s=(float(begin_s), float(end_s)),
        leave_s=float(data["leave_s"]),
        lines=tuple(
            TruthLine(str(line["text"]), float(line["height_px"]), np.array(line["quad"], np.float32).reshape(4, 2))
            for line in data["lines"]
        ),
    )
