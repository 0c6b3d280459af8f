"""A small, faint text put into a still, noisy scene: how long until its event, beside the gate's refresh period.

python -m benchmarks.faint_text --noise 4 --plot faint.png
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image as PilImage
from PIL import ImageDraw, ImageFont

from benchmarks.clip_matching import fold
from benchmarks.report import run_script
from benchmarks.scenes import DrawnScene, Image, SensorNoise
from benchmarks.virtual_stream import run_virtual
from edge_ocr import Reader

FRAME_WH = (1280, 720)
FPS = 15.0
CAMERA = "desk"
TEXTS = ("LOT 4711", "ROOM 208", "EXIT B12", "GATE 36", "SEAT 14A", "UNIT 905", "BOX 7731", "PIER 62")
GREY = 150
AWAY_S = 4.0
"""Without text before each one: until the scene is settled and the last text has ended."""


def main() -> dict[str, Any]:
    """Put the texts in, one after the other, and wait for their events."""
    options = _parse()
    reader = Reader(pack=options.pack, profile=options.profile)
    reader.warm_up([FRAME_WH[::-1]])
    scene = FaintScene(options)
    if options.plot is not None:
        cv2.imwrite(str(options.plot), scene.draw(scene.first_frame(0)))
    legible = sum(is_read(reader, scene.draw(scene.first_frame(i)), text) for i, text in enumerate(TEXTS))
    run = run_virtual({CAMERA: DrawnScene(scene.draw, scene.n_frames, FPS)}, reader)
    waits: list[float | None] = []
    for number, text in enumerate(TEXTS):
        put_in_s = scene.first_frame(number) / FPS
        told = [
            one.told_s - put_in_s
            for one in run.told[CAMERA]
            if one.event.type != "end"
            and put_in_s <= one.shown_s < put_in_s + options.seconds
            and fold(one.event.text) == fold(text)
        ]
        waits.append(round(min(told), 3) if told else None)
        print(f"{text:10} {'no event' if waits[-1] is None else f'{waits[-1]:.3f} s'}")
    came = [one for one in waits if one is not None]
    print(
        f"{len(came)} of {len(TEXTS)} told, {legible} legible in their first frame; slowest {max(came, default=None)} s"
    )
    return {
        "benchmark": "faint_text",
        "height_px": options.height,
        "contrast": options.contrast,
        "noise_sigma": options.noise,
        "legible_in_first_frame": legible,
        "texts": len(TEXTS),
        "told": len(came),
        "slowest_s": max(came, default=None),
        "waits_s": waits,
        "frames_read": run.frames_read[CAMERA],
        "cpu_s_per_s": round(run.cpu_s.get(CAMERA, 0.0) / run.duration_s, 4),
        "reader": reader.describe(),
    }


class FaintScene:
    """A desk under a noisy sensor; text after text lies on it for some seconds, each at another place."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._away: int = round(AWAY_S * FPS)
        self._shown: int = round(options.seconds * FPS)
        self._noise = SensorNoise(options.noise)
        self._desk = draw_desk()
        places = np.random.default_rng(7).uniform((0.1, 0.1), (0.8, 0.85), (len(TEXTS), 2)) * FRAME_WH
        self._with_text = [
            put_text(self._desk, text, (int(x), int(y)), options.height, options.contrast)
            for text, (x, y) in zip(TEXTS, places, strict=True)
        ]

    @property
    def n_frames(self) -> int:
        """Frames of the whole scene."""
        return self.first_frame(len(TEXTS))

    def first_frame(self, number: int) -> int:
        """The first frame that shows a text."""
        return self._away + number * (self._shown + self._away)

    def draw(self, index: int) -> Image:
        """One frame."""
        number, phase = divmod(index - self._away, self._shown + self._away)
        is_shown = number >= 0 and phase < self._shown
        return self._noise.on(self._with_text[number] if is_shown else self._desk, index)


def draw_desk() -> Image:
    """A grey surface with a shade from side to side and a coarse grain."""
    width, height = FRAME_WH
    grain = np.random.default_rng(3).normal(0, 40, (height, width)).astype(np.float32)
    shade = np.linspace(-15, 15, width, dtype=np.float32)[None, :]
    grey = GREY + shade + cv2.GaussianBlur(grain, (0, 0), 6)
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def put_text(image: Image, text: str, at: tuple[int, int], height_px: float, contrast: float) -> Image:
    """The image with a text that is darker by `contrast` grey levels; `height_px` from the top of its letters down."""
    font = ImageFont.load_default(size=100)
    letters_px = font.getbbox("H")[3] - font.getbbox("H")[1]
    font = ImageFont.load_default(size=100 * height_px / letters_px)
    mask = PilImage.new("L", FRAME_WH, 0)
    ImageDraw.Draw(mask).text(at, text, fill=255, font=font)
    ink = np.asarray(mask, np.float32)[:, :, None] / 255
    faint: Image = np.clip(image - contrast * ink, 0, 255).astype(np.uint8)
    return faint


def is_read(reader: Reader, image: Image, text: str) -> bool:
    """Whether a single look finds the text."""
    return any(fold(line.text) == fold(text) for line in reader.read(image).lines)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.faint_text",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--height", type=float, default=12.0, help="height of the capitals in px (default: 12)")
    parser.add_argument("--contrast", type=float, default=25.0, help="grey levels below the desk's (default: 25)")
    parser.add_argument("--noise", type=float, default=4.0, help="sensor noise, sigma in grey levels (default: 4)")
    parser.add_argument("--seconds", type=float, default=8.0, help="how long each text lies there (default: 8)")
    parser.add_argument("--plot", type=Path, metavar="F.png", help="write a frame with a text, to look at")
    parser.add_argument("--pack", default="latin", help="model pack (default: latin)")
    parser.add_argument("--profile", default="auto", help="device profile (default: auto)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(run_script(main))
