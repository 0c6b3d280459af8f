"""The seven papers that the bundled clip shows: made-up texts in fonts of our own choosing.

A pixel drawn is about a pixel in the frame. Every line is one that a detector sees by itself: fields of one row are at
least 2.5 text heights apart, and codes do without the glyphs that look alike (O and 0, l, 1 and I).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_ocr.errors import ConfigError
from train.data.camera import Colour, smooth_noise, to_uint8
from train.data.fonts import INSTALL_HINT, load_font
from train.data.paper import Paper

FONT_FILES: Mapping[str, str] = {
    "receipt": "Courier Prime Bold.otf",
    "sans": "LiberationSans-Regular.ttf",
    "bold": "LiberationSans-Bold.ttf",
    "plate": "DejaVuSans-Bold.ttf",
    "card": "Roboto-Medium.ttf",
    "sign": "Lato-Bold.ttf",
}
"""What each role is written in. All are under the SIL Open Font License 1.1 but DejaVu (Bitstream Vera licence) and
Roboto (Apache-2.0)."""

_BLACK: Colour = (38, 34, 32)
_WHITE: Colour = (245, 245, 245)


@dataclass(frozen=True, slots=True, kw_only=True)
class Showing:
    """A paper and how it is laid before the camera."""

    name: str
    write: Callable[["Pen"], Paper]
    centre_px: tuple[float, float]
    """Where it rests."""
    angle_deg: float
    """Clockwise turn at rest."""
    enters_from: tuple[int, int]
    """Direction towards the edge of the frame it comes from, (x, y); it leaves the other way."""


class Pen:
    """Writes on a paper in the fonts of the roles."""

    def __init__(self, fonts: Mapping[str, Path]) -> None:
        self._fonts = fonts

    def line(
        self, paper: Paper, text: str, xy: tuple[float, float], role: str, em_px: int, colour: Colour = _BLACK
    ) -> None:
        """Write a line with the left end of its base line at `xy`."""
        written = paper.write(text, xy, load_font(self._fonts[role], em_px), colour)
        assert written, f"no room for {text!r} at {xy}"


def kiosk_fonts(fonts: Sequence[Path]) -> dict[str, Path]:
    """Choose the clip's fonts by role from the machine's.

    Raises:
        ConfigError: One of `FONT_FILES` is not there.
    """
    by_name = {path.name: path for path in fonts}
    missing = sorted(set(FONT_FILES.values()) - by_name.keys())
    if missing:
        raise ConfigError(f"font {missing[0]} not found; the clip needs it: {INSTALL_HINT}")
    return {role: by_name[name] for role, name in FONT_FILES.items()}


def _receipt(pen: Pen) -> Paper:
    paper = Paper(_stock((520, 540), (226, 232, 234)))
    pen.line(paper, "NORDHAFEN", (110, 90), "receipt", 58)
    pen.line(paper, "2026-03-14", (40, 168), "receipt", 42)
    _dashes(paper, 205)
    for y, item, amount in ((262, "Espresso", "2.80"), (328, "Croissant", "3.45")):
        pen.line(paper, item, (40, y), "receipt", 42)
        pen.line(paper, amount, (396, y), "receipt", 42)
    _dashes(paper, 366)
    pen.line(paper, "TOTAL", (40, 440), "receipt", 52)
    pen.line(paper, "6.25", (374, 440), "receipt", 52)
    return paper


def _train_ticket(pen: Pen) -> Paper:
    paper = Paper(_stock((370, 820), (196, 222, 236)))
    paper.draw.rectangle((0, 0, 820, 84), (70, 96, 196))
    pen.line(paper, "TICKET", (36, 60), "bold", 50, _WHITE)
    pen.line(paper, "A-4873", (590, 60), "bold", 50, _WHITE)
    pen.line(paper, "BREMEN", (36, 166), "bold", 56)
    pen.line(paper, "HAMBURG", (440, 166), "bold", 56)
    pen.line(paper, "PLATFORM", (36, 252), "sans", 40)
    pen.line(paper, "27", (440, 252), "bold", 46)
    pen.line(paper, "2026-04-02", (36, 332), "sans", 44)
    pen.line(paper, "24.90", (440, 332), "bold", 44)
    return paper


def _type_plate(pen: Pen) -> Paper:
    paper = Paper(_brushed_metal((390, 700)))
    paper.draw.rounded_rectangle((14, 14, 685, 375), 24, outline=_BLACK, width=4)
    pen.line(paper, "HELIOTHERM", (48, 90), "plate", 54)
    paper.draw.line((48, 116, 652, 116), _BLACK, 3)
    pen.line(paper, "KX-2750", (48, 182), "plate", 40)
    pen.line(paper, "230V", (420, 182), "plate", 40)
    pen.line(paper, "SN:4473-9026", (48, 262), "plate", 40)
    pen.line(paper, "2.4kW", (48, 340), "plate", 40)
    pen.line(paper, "CE-8346", (420, 340), "plate", 40)
    return paper


def _visitor_card(pen: Pen) -> Paper:
    paper = Paper(_stock((430, 690), (240, 232, 220)))
    paper.draw.rectangle((0, 0, 690, 92), (132, 82, 30))
    pen.line(paper, "VISITOR", (36, 66), "card", 54, _WHITE)
    paper.draw.rectangle((36, 124, 236, 392), (205, 190, 170))
    paper.draw.ellipse((91, 164, 181, 274), (120, 100, 84))
    paper.draw.pieslice((58, 288, 214, 496), 180, 360, (120, 100, 84))
    pen.line(paper, "LINDQVIST", (280, 170), "card", 50)
    pen.line(paper, "Marta", (280, 238), "card", 46)
    pen.line(paper, "HR-58294", (280, 312), "card", 42)
    pen.line(paper, "2027-06-30", (280, 382), "card", 42)
    return paper


def _boarding_pass(pen: Pen) -> Paper:
    paper = Paper(_stock((380, 880), (238, 236, 232)))
    paper.draw.rectangle((0, 0, 880, 80), (96, 104, 20))
    pen.line(paper, "BOARDING", (40, 58), "bold", 48, _WHITE)
    pen.line(paper, "NV2836", (620, 58), "bold", 48, _WHITE)
    for y in range(92, 380, 16):
        paper.draw.line((560, y, 560, y + 7), (150, 150, 150), 2)
    pen.line(paper, "KOWALSKI", (40, 158), "card", 50)
    pen.line(paper, "GATE", (40, 240), "sans", 38)
    pen.line(paper, "B27", (280, 244), "card", 62)
    pen.line(paper, "SEAT", (40, 326), "sans", 38)
    pen.line(paper, "34F", (280, 330), "card", 62)
    pen.line(paper, "17:45", (620, 244), "card", 62)
    return paper


def _parking_sign(pen: Pen) -> Paper:
    paper = Paper(_stock((480, 560), (150, 84, 22)))
    paper.draw.rounded_rectangle((14, 14, 545, 465), 22, outline=_WHITE, width=6)
    pen.line(paper, "PARKING", (56, 108), "sign", 66, _WHITE)
    pen.line(paper, "LEVEL-3", (56, 198), "sign", 58, _WHITE)
    paper.draw.line((56, 234, 504, 234), _WHITE, 4)
    pen.line(paper, "06:30-22:45", (56, 304), "sign", 54, _WHITE)
    pen.line(paper, "MAX", (56, 404), "sign", 54, _WHITE)
    pen.line(paper, "2.85m", (330, 404), "sign", 54, _WHITE)
    return paper


def _parcel_label(pen: Pen) -> Paper:
    paper = Paper(_stock((480, 640), (228, 234, 238)))
    paper.draw.rectangle((6, 6, 633, 473), outline=_BLACK, width=3)
    pen.line(paper, "EXPRESS", (36, 80), "bold", 62)
    pen.line(paper, "4.35kg", (450, 76), "sans", 46)
    paper.draw.line((6, 112, 633, 112), _BLACK, 3)
    pen.line(paper, "JOHANSSON", (36, 182), "sans", 48)
    pen.line(paper, "28195", (36, 262), "bold", 54)
    pen.line(paper, "BREMEN", (330, 262), "sans", 48)
    paper.draw.line((6, 300, 633, 300), _BLACK, 3)
    pen.line(paper, "REF:83-2294", (36, 368), "sans", 44)
    pen.line(paper, "JD4739228564", (36, 440), "bold", 46)
    return paper


SHOWINGS: Sequence[Showing] = (
    Showing(name="receipt", write=_receipt, centre_px=(600, 352), angle_deg=-2.0, enters_from=(1, 0)),
    Showing(name="train-ticket", write=_train_ticket, centre_px=(672, 384), angle_deg=2.5, enters_from=(-1, 0)),
    Showing(name="type-plate", write=_type_plate, centre_px=(610, 340), angle_deg=-1.2, enters_from=(0, 1)),
    Showing(name="visitor-card", write=_visitor_card, centre_px=(690, 372), angle_deg=3.0, enters_from=(1, 0)),
    Showing(name="boarding-pass", write=_boarding_pass, centre_px=(628, 346), angle_deg=-2.6, enters_from=(-1, 0)),
    Showing(name="parking-sign", write=_parking_sign, centre_px=(648, 362), angle_deg=1.4, enters_from=(1, 0)),
    Showing(name="parcel-label", write=_parcel_label, centre_px=(616, 356), angle_deg=-3.2, enters_from=(0, 1)),
)
"""In the order in which the clip shows them."""


def _stock(size_hw: tuple[int, int], colour: Colour) -> NDArray[np.uint8]:
    """Paper or card that is not quite flat and not quite even."""
    rng = np.random.default_rng(size_hw)
    field = 3.5 * smooth_noise(rng, size_hw, (2, 3)) + rng.normal(0, 1.2, size_hw).astype(np.float32)
    return to_uint8(np.array(colour, np.float32) + field[..., None])


def _brushed_metal(size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    rng = np.random.default_rng(size_hw)
    scratches = np.asarray(cv2.blur(rng.normal(0, 26, size_hw).astype(np.float32), (61, 1)), np.float32)
    sheen = 14 * np.sin(np.linspace(0.4, 3.4, size_hw[1], dtype=np.float32))
    return to_uint8(np.array((186, 184, 180), np.float32) + (scratches + sheen)[..., None])


def _dashes(paper: Paper, y: int) -> None:
    for x in range(40, paper.size_hw[1] - 50, 20):
        paper.draw.line((x, y, x + 10, y), _BLACK, 2)
