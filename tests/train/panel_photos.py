"""Photographs of fourteen-segment panels, drawn: the `own images` on which docs/fine-tuning.md was walked through.

    python -m tests.train.panel_photos own/photos 120

The true texts go beside them, into `truth.jsonl` (labels as `train.datasets.formats` reads them).
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_ocr.geometry import Quad
from train.data.camera import texture, to_uint8
from train.data.lens import photograph
from train.data.paper import lay, laying

ENDS = {
    "a": (0, 0, 2, 0), "b": (2, 0, 2, 1), "c": (2, 1, 2, 2), "d": (0, 2, 2, 2), "e": (0, 1, 0, 2), "f": (0, 0, 0, 1),
    "g": (0, 1, 1, 1), "h": (1, 1, 2, 1), "i": (0, 0, 1, 1), "j": (1, 0, 1, 1), "k": (2, 0, 1, 1), "l": (0, 2, 1, 1),
    "m": (1, 1, 1, 2), "n": (2, 2, 1, 1),
}  # fmt: skip
"""Both ends of each segment in halves of a character's width and height."""
SEGMENTS = {
    "A": "abcefgh", "B": "abcdhjm", "C": "adef", "D": "abcdjm", "E": "adefgh", "F": "aefgh", "G": "acdefh",
    "H": "bcefgh", "I": "adjm", "J": "bcde", "K": "efgkn", "L": "def", "M": "bcefik", "N": "bcefin", "O": "abcdef",
    "P": "abefgh", "Q": "abcdefn", "R": "abefghn", "S": "acdfgh", "T": "ajm", "U": "bcdef", "V": "efkl",
    "W": "bcefln", "X": "ikln", "Y": "ikm", "Z": "adkl", "0": "abcdefkl", "1": "bck", "2": "abdegh", "3": "abcdh",
    "4": "bcfgh", "5": "adfgn", "6": "acdefgh", "7": "akm", "8": "abcdefgh", "9": "abcdfgh", "-": "gh", "+": "ghjm",
    "/": "kl", " ": "",
}  # fmt: skip
NOUNS = ("PUMP", "VALVE", "TANK", "FLOW", "TEMP", "BATCH", "FILTER", "DOOR", "LINE", "ZONE", "MOTOR", "LEVEL", "QUEUE")
STATES = ("OK", "RUN", "STOP", "HIGH", "LOW", "OPEN", "SHUT", "WAIT", "FAULT", "DRY", "HEAT", "JAM", "EXIT", "KEY")
LAMPS = ((40, 60, 255), (70, 255, 90), (30, 170, 255), (255, 200, 60), (200, 255, 150))
"""Blue, green, red."""


def panel_text(rng: np.random.Generator) -> str:
    """What a line of a panel says."""
    noun, state = rng.choice(NOUNS), rng.choice(STATES)
    number = int(rng.integers(1, 1000))
    forms = (
        f"{noun} {number % 10} {state}",
        f"{noun} {number}",
        f"{state} {chr(65 + number % 26)}{number % 100:02}",
        f"{number:03}-{int(rng.integers(100)):02} {state}",
        f"{noun} +{number % 90}/{number % 7}",
    )
    return str(rng.choice(forms))


def draw_panel(rng: np.random.Generator, texts: list[str], em_px: int) -> tuple[NDArray[np.uint8], list[Quad]]:
    """A panel with lit lines below each other, and a quad around each."""
    width, pitch, slant = 0.62, rng.uniform(0.86, 1.05), rng.uniform(0, 0.16)
    cells = max(map(len, texts)) + 2
    size_hw = (int((1.9 * len(texts) + 0.9) * em_px), int(cells * pitch * em_px))
    glass, lamp = np.float32(rng.uniform(8, 40)), np.array(LAMPS[rng.integers(len(LAMPS))], np.float32)
    lit, dark = np.zeros(size_hw, np.uint8), np.zeros(size_hw, np.uint8)
    thick, quads = max(2, round(rng.uniform(0.07, 0.12) * em_px)), []
    for row, text in enumerate(texts):
        top = (0.9 + 1.9 * row) * em_px
        for column in range(cells - 2):
            left = (1 + column) * pitch * em_px
            on = SEGMENTS[text[column]] if column < len(text) else ""
            for name, (x0, y0, x1, y1) in ENDS.items():
                ends = np.array([[x0, y0], [x1, y1]]) / 2
                # A gap between segments, as there is on the glass.
                ends += (ends[::-1] - ends) * 0.13 * (2 if name in "ghjm" else 1)
                x, y = left + (ends[:, 0] * width + slant * (1 - ends[:, 1])) * em_px, top + ends[:, 1] * em_px
                for mask in (lit, dark) if name in on else (dark,):
                    cv2.line(mask, (round(x[0]), round(y[0])), (round(x[1]), round(y[1])), 255, thick, cv2.LINE_AA)
        right = (1 + (len(text) - 1)) * pitch * em_px + (width + slant) * em_px
        left, pad = pitch * em_px, 0.1 * em_px
        quads.append(
            np.array(
                [[left - pad, top - pad], [right + pad, top - pad], [right + pad, top + em_px + pad],
                 [left - pad, top + em_px + pad]], np.float32,
            )
        )  # fmt: skip
    halo = cv2.GaussianBlur(lit, (0, 0), 0.12 * em_px).astype(np.float32) / 255
    off = rng.uniform(0.03, 0.3)
    light = np.maximum(lit.astype(np.float32) / 255, off * dark.astype(np.float32) / 255) + 0.4 * halo
    return to_uint8(glass + light[..., None] * lamp * np.float32(rng.uniform(0.75, 1.0))), quads


def take_photo(rng: np.random.Generator) -> tuple[NDArray[np.uint8], list[tuple[Quad, str]]]:
    """A panel on a machine, photographed: (600, 800, 3) uint8 BGR, and its lines."""
    texts = [panel_text(rng) for _ in range(rng.integers(1, 4))]
    panel, quads = draw_panel(rng, texts, em_px=int(rng.integers(28, 64)))
    height, width = panel.shape[:2]
    scale = min(1.0, 700 / width, 500 / height)
    size = np.array([width, height]) * scale
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * size + rng.uniform(-0.04, 0.04, (4, 2)) * size
    corners += (np.array([800, 600]) - size) / 2 * rng.uniform(0.6, 1.4, 2)
    homography = laying((height, width), corners)
    tint = int(rng.integers(50, 170))
    scene = texture(rng, (600, 800), (tint, tint, tint))
    image = photograph(rng, lay(scene, panel, homography), text_px=20 * scale, depth=0.8)
    placed = [np.asarray(cv2.perspectiveTransform(quad[None], homography)[0], np.float32) for quad in quads]
    return image, list(zip(placed, texts, strict=True))


def write_photos(folder: Path, n: int, *, seed: int = 14) -> None:
    """Write photographs and their true texts."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "truth.jsonl").open("w", encoding="utf-8") as file:
        for number in range(n):
            image, lines = take_photo(np.random.default_rng([seed, number]))
            name = f"{number:04}.jpg"
            cv2.imwrite(str(folder / name), image, [cv2.IMWRITE_JPEG_QUALITY, 92])
            labels = [{"polygon": np.round(quad, 1).tolist(), "text": text} for quad, text in lines]
            file.write(json.dumps({"image": name, "lines": labels}) + "\n")


if __name__ == "__main__":
    write_photos(Path(sys.argv[1]), int(sys.argv[2]))
