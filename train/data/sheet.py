"""A flat thing with text on it, under construction: its pixels and the lines printed so far."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from train.data.camera import to_uint8
from train.data.chance import pick
from train.data.crops import Type, choose_type, decorated, lay_ink, print_text
from train.data.font_book import FontBook, has_glyph
from train.data.ink import Mask, open_font
from train.data.line_kinds import LineKind
from train.data.paper import LabelledQuad
from train.data.surfaces import Levels
from train.data.words import spell

_LATIN = frozenset(chr(code) for code in (*range(32, 127), *range(161, 384)) if chr(code).isprintable()) | set("€“”–")


class Sheet:
    """A document, label or sign: coordinates are its own pixels."""

    def __init__(self, rng: np.random.Generator, kind: LineKind, fonts: FontBook, size_hw: tuple[int, int]) -> None:
        """Cut a sheet of a kind's material."""
        self.rng, self.kind, self._fonts = rng, kind, fonts
        self.ground, self.tone = kind.colours(rng)
        self.pixels = pick(rng, kind.grounds)(rng, size_hw, self.ground)
        self.lines: list[LabelledQuad] = []
        self._taken: list[tuple[float, float, float, float]] = []

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def type(self, em_px: float) -> Type:
        """Choose a font and manner of this kind of thing."""
        for sample in ("Ag0", "A0"):
            how = choose_type(self.rng, self.kind, sample, self._fonts, max(8, round(em_px)))
            if how is not None:
                return how
        raise ValueError(f"{self.kind.name}: no font shows letters and digits")

    def print(
        self, text: str, xy: tuple[float, float], how: Type, *, anchor: str = "l", em_px: float | None = None
    ) -> float:
        """Print a line where there is room.

        Args:
            text: The line; characters the font lacks are left out.
            xy: Left end, middle or right end of the base line.
            how: What to print with.
            anchor: "l", "m" or "r": which point of the base line `xy` is.
            em_px: Another size than that of `how`.

        Returns:
            The width of what was printed; 0 where there was no room, and nothing was printed.
        """
        how = how if em_px is None else replace(how, em_px=max(8, round(em_px)))
        text = writable(text, how.path)
        if not text:
            return 0.0
        mask = print_text(self.rng, text, how)
        left = xy[0] - {"l": 0.0, "m": 0.5, "r": 1.0}[anchor] * mask.shape[1]
        return mask.shape[1] if self.stamp(mask, text, left, xy[1] - _rise(text, how)) else 0.0

    def stamp(self, mask: Mask, text: str, left: float, top: float, *, tone: Levels | None = None) -> bool:
        """Put a mask onto the sheet and remember its line, unless it would leave the sheet or touch another.

        Args:
            mask: The ink; its empty edges are cut off first.
            text: What it says.
            left: Of the uncut mask.
            top: Of the uncut mask.
            tone: Another colour than the sheet's.
        """
        rows, columns = np.flatnonzero(mask.max(axis=1) > 0.1), np.flatnonzero(mask.max(axis=0) > 0.1)
        if not len(rows):
            return False
        mask = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        (height, width), (x0, y0) = mask.shape, (round(left) + int(columns[0]), round(top) + int(rows[0]))
        if x0 < 1 or y0 < 1 or x0 + width > self.size_hw[1] - 1 or y0 + height > self.size_hw[0] - 1:
            return False
        for x_min, y_min, x_max, y_max in self._taken:
            if x0 < x_max + 2 and x_min < x0 + width + 2 and y0 < y_max and y_min < y0 + height:
                return False
        self._taken.append((x0, y0, x0 + width, y0 + height))
        part = self.pixels[y0 : y0 + height, x0 : x0 + width]
        below, tone = part.astype(np.float32), self.tone if tone is None else tone
        if self.rng.random() < self.kind.effects:
            below = decorated(self.rng, below, mask, tone)
        inked = lay_ink(below, mask, tone, 0.95)
        part[...] = to_uint8(inked)
        quad = np.array([[x0, y0], [x0 + width, y0], [x0 + width, y0 + height], [x0, y0 + height]], np.float32)
        self.lines.append(LabelledQuad(quad, text))
        return True

    def shine(self, mask: Mask, left: float, top: float, tone: Levels, strength: float) -> None:
        """Show something that is no text of its own: segments that are off, the glow of those that are on."""
        part = self.pixels[round(top) : round(top) + mask.shape[0], round(left) : round(left) + mask.shape[1]]
        mask = mask[: part.shape[0], : part.shape[1]]
        part[...] = to_uint8(lay_ink(part.astype(np.float32), mask, tone, strength))

    def block(
        self,
        x0: float,
        y0: float,
        x1: float,
        y1: float,
        colour: Sequence[float] | NDArray[np.floating],
        *,
        thickness: int = -1,
    ) -> None:
        """Draw a rectangle, filled or as a frame; filled ones take their room."""
        cv2.rectangle(self.pixels, (round(x0), round(y0)), (round(x1), round(y1)), _colour(colour), thickness)
        if thickness < 0:
            self._taken.append((x0, y0, x1, y1))

    def rule(self, x0: float, y0: float, x1: float, y1: float, *, thickness: int = 1) -> None:
        """Draw a straight line in the ink's colour."""
        cv2.line(
            self.pixels, (round(x0), round(y0)), (round(x1), round(y1)), _colour(self.tone), thickness, cv2.LINE_AA
        )

    def bars(self, x0: float, y0: float, x1: float, y1: float) -> None:
        """Draw a bar code: strokes that are no text."""
        self._taken.append((x0, y0, x1, y1))
        x = x0
        while x < x1:
            width = int(self.rng.integers(1, 5))
            if self.rng.random() < 0.5:
                cv2.rectangle(
                    self.pixels, (round(x), round(y0)), (round(x) + width - 1, round(y1)), _colour(self.tone), -1
                )
            x += width


def writable(text: str, path: Path) -> str:
    """The text in the characters that a font has."""
    return spell("".join(char for char in spell(text, _LATIN) if has_glyph(path, char)), _LATIN)


def _rise(text: str, how: Type) -> float:
    """How far the mask of a text reaches above its base line."""
    _, top, _, bottom = open_font(how.path, how.em_px).getbbox(text, anchor="ls")
    return max(-top, 0.42 * how.em_px) if bottom - top < 0.42 * how.em_px else -top


def _colour(levels: Sequence[float] | NDArray[np.floating]) -> tuple[float, ...]:
    return tuple(float(level) for level in levels)
