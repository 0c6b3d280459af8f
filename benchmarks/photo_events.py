"""Events that are published for photographs without text, each shown for a while: every one of them is false.

python -m benchmarks.photo_events DATA/backgrounds
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.dataset import image_files
from benchmarks.report import run_script
from benchmarks.scenes import DrawnScene, Image, SensorNoise
from benchmarks.virtual_stream import run_virtual
from edge_ocr import Reader

FRAME_WH = (1280, 720)
FPS = 15.0
CAMERA = "photos"
GREY = 96


def main() -> dict[str, Any]:
    """Show the photographs one after the other and count the events."""
    options = _parse()
    files = image_files(options.folder, limit=options.limit)
    reader = Reader(pack=options.pack, profile=options.profile)
    reader.warm_up([FRAME_WH[::-1]])
    show = SlideShow(files, round(options.seconds * FPS), SensorNoise(options.noise))
    run = run_virtual({CAMERA: DrawnScene(show.draw, show.n_frames, FPS)}, reader)
    told = [one for one in run.told[CAMERA] if one.event.type != "end"]
    for one in told:
        name = files[min(int(one.shown_s / options.seconds), len(files) - 1)].name
        print(f"{name}  {one.event.type}  {one.event.score:.2f}  {one.event.text!r}")
    begins = sum(one.event.type == "begin" for one in told)
    per_100 = 100 / len(files)
    print(f"{begins} begin events for {len(files)} photographs, {begins * per_100:.2f} per 100")
    return {
        "benchmark": "photo_events",
        "photographs": len(files),
        "seconds_each": options.seconds,
        "noise_sigma": options.noise,
        "begins_per_100": round(begins * per_100, 2),
        "messages_per_100": round(len(run.told[CAMERA]) * per_100, 2),
        "frames_read": run.frames_read[CAMERA],
        "cpu_s_per_s": round(run.cpu_s.get(CAMERA, 0.0) / run.duration_s, 4),
        "reader": reader.describe(),
    }


class SlideShow:
    """Photographs in turn, each scaled to fit the frame and seen through a noisy sensor."""

    def __init__(self, files: Sequence[Path], frames_each: int, noise: SensorNoise) -> None:
        self._files = files
        self._frames_each = frames_each
        self._noise = noise
        self._shown: tuple[int, Image] | None = None

    @property
    def n_frames(self) -> int:
        """Frames of the whole show."""
        return len(self._files) * self._frames_each

    def draw(self, index: int) -> Image:
        """One frame."""
        number = index // self._frames_each
        if self._shown is None or self._shown[0] != number:
            self._shown = number, fit_into_frame(cv2.imread(str(self._files[number]), cv2.IMREAD_COLOR))
        return self._noise.on(self._shown[1], index)


def fit_into_frame(photo: Any) -> Image:
    """A photograph as large as it fits, in the middle of a grey frame."""
    width, height = FRAME_WH
    scale = min(width / photo.shape[1], height / photo.shape[0])
    scaled = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)[:height, :width]
    frame = np.full((height, width, 3), GREY, np.uint8)
    top, left = (height - scaled.shape[0]) // 2, (width - scaled.shape[1]) // 2
    frame[top : top + scaled.shape[0], left : left + scaled.shape[1]] = scaled
    return frame


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.photo_events",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="folder of photographs without text, or of a set of them")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long each is shown (default: 2)")
    parser.add_argument("--noise", type=float, default=2.0, help="sensor noise, sigma in grey levels (default: 2)")
    parser.add_argument("--limit", type=int, default=0, help="take the first so many photographs (default: all)")
    parser.add_argument("--pack", default="latin", help="model pack (default: latin)")
    parser.add_argument("--profile", default="auto", help="device profile (default: auto)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(run_script(main))
