"""What a reader returns: a page of lines."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

STAGES = ("detect", "crop", "orient", "recognize", "infer", "total")
"""Keys of `Page.timings_ms`. `infer` is the part of the others in which networks worked, a mean over the streams."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A text with its confidence."""

    text: str
    score: float
    """Mean of the kept characters' probabilities, in [0, 1]; 0 for an empty text."""
    char_scores: tuple[float, ...] = ()
    """Probability of each character of `text`, in [0, 1]; empty where nobody knows them."""

    def stripped(self) -> "Reading":
        """Without spaces around the text, the score that of the rest; as it is where nobody knows the characters'."""
        text = self.text.strip()
        if text == self.text or not self.char_scores:
            return self
        first = len(self.text) - len(self.text.lstrip())
        rest = self.char_scores[first : first + len(text)]
        return Reading(text, sum(rest) / len(rest) if rest else 0.0, rest)


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """One line of text found in an image."""

    text: str
    score: float
    """Confidence of the reading, in [0, 1]."""
    quad: NDArray[np.float32]
    """(4, 2) corners in pixels of the image, clockwise from the text's top-left."""
    char_scores: tuple[float, ...] = ()
    """Confidence of each character of `text`, in [0, 1]; empty where nobody knows them."""

    def to_dict(self) -> dict[str, Any]:
        """The line as plain data, coordinates rounded to a tenth of a pixel."""
        quad = [[round(float(x), 1), round(float(y), 1)] for x, y in self.quad]
        return {"quad": quad, "text": self.text, "score": round(self.score, 4)}


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """Where the lines of one image are, not read yet."""

    width: int
    height: int
    quads: tuple[NDArray[np.float32], ...] = ()
    """(4, 2) each, in reading order; none where there is no text."""
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    """Milliseconds per stage (`STAGES`) that this step took; the other stages are 0."""


@dataclass(frozen=True, slots=True, eq=False)
class Recognition:
    """What some quads of one image say."""

    lines: tuple[Line, ...] = ()
    """One for each quad, in their order; text "" and score 0 where nothing is legible. A line that stands on its head
    has its quad turned."""
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    """Milliseconds per stage (`STAGES`) that this step took; the other stages are 0."""


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """All lines of one image in reading order; `lines` is empty where there is no text."""

    width: int
    height: int
    lines: tuple[Line, ...] = ()
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    """Milliseconds per stage (`STAGES`); decoding the file is not in it."""

    @property
    def text(self) -> str:
        """The lines' texts, one a row."""
        return "\n".join(line.text for line in self.lines)

    def to_dict(self, image: str) -> dict[str, Any]:
        """The page as `edge-ocr read --json` prints it.

        Args:
            image: The name to give as `image`, the path as the user wrote it.
        """
        return {
            "image": image,
            "width": self.width,
            "height": self.height,
            "lines": [line.to_dict() for line in self.lines],
            "timings_ms": {stage: round(ms, 3) for stage, ms in self.timings_ms.items()},
        }
