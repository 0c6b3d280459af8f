"""The bundled clip: papers slide in, lie still before the camera and are taken away; and what is legible when.

The camera hangs over a counter. A hand is never quite still, the light flickers, the sensor is noisy, a sliding paper
is smeared by its motion, and H.264 takes the rest. `F.json` beside the clip says, as for any clip we measure on:
`fps`, `size`, `frames`, and for each of the `documents` its `set`, `name`, `partial`, `enter_s`, `still_s` [from, to],
`leave_s` (when it is gone) and `lines`: `text`, `height_px` and `quad` as they are at rest.
"""

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from edge_ocr.errors import ConfigError, EdgeOcrError
from train.data.camera import defocus, sensor_noise, shade, texture, to_uint8
from train.data.fonts import find_fonts
from train.data.kiosk_papers import SHOWINGS, Pen, Showing, kiosk_fonts
from train.data.paper import Paper, laid_lines, lay, laying

FPS = 15
SIZE_HW = (720, 1280)
SLIDE_FRAMES, STILL_FRAMES, EMPTY_FRAMES = 6, 28, 2
"""How long each paper comes (and goes), lies, and leaves the counter empty before it comes."""

_SHOWING_FRAMES = EMPTY_FRAMES + 2 * SLIDE_FRAMES + STILL_FRAMES
_TABLE = (88, 104, 122)
_SHUTTER = 0.5
_DEFOCUS_PX = 0.55
_NOISE = 2.2
_ENCODER = ("-c:v", "libx264", "-preset", "slow", "-crf", "25", "-g", "60", "-pix_fmt", "yuv420p", "-threads", "2")


def write_clip(out: Path, *, fonts_folder: Path | None, seed: int) -> None:
    """Render the clip and its ground truth.

    Args:
        out: The clip, `F.mp4`; the truth becomes `F.json`.
        fonts_folder: Where the fonts are (`find_fonts`).
        seed: Of the jitter, the noise and the surfaces; the papers and their order are always the same.

    Raises:
        ConfigError: A font or ffmpeg is missing, or `out` is no .mp4.
        EdgeOcrError: ffmpeg failed.
    """
    if out.suffix != ".mp4":
        raise ConfigError(f"{out}: the clip's name must end in .mp4")
    fonts = kiosk_fonts(find_fonts(fonts_folder))
    out.parent.mkdir(parents=True, exist_ok=True)
    _encode(render_frames(fonts, seed=seed), out)
    out.with_suffix(".json").write_text(json.dumps(ground_truth(fonts, seed=seed), indent=1) + "\n", encoding="utf-8")


def render_frames(fonts: Mapping[str, Path], *, seed: int) -> Iterator[NDArray[np.uint8]]:
    """Yield the clip's frames, (720, 1280, 3) uint8 BGR.

    Args:
        fonts: A font file for each role of `kiosk_papers.FONT_FILES`.
        seed: The same seed gives the same frames.
    """
    rng = np.random.default_rng(seed)
    table = shade(rng, texture(rng, SIZE_HW, _TABLE), 0.12)
    gains = 1 + _wander(rng, len(SHOWINGS) * _SHOWING_FRAMES, 0.012, 0.5)
    for i, showing in enumerate(SHOWINGS):
        paper, corners = _at_rest(showing, fonts, seed)
        hand = np.stack([_wander(rng, _SHOWING_FRAMES, 0.9, 0.8) for _ in range(3)], axis=1)
        for frame in range(_SHOWING_FRAMES):
            scene = table
            if frame >= EMPTY_FRAMES:
                offset, speed = _slide(frame - EMPTY_FRAMES, showing, corners)
                moved = _turned(corners, 0.06 * hand[frame, 2]) + hand[frame, :2] + offset
                smear_px = (speed[0] * _SHUTTER, speed[1] * _SHUTTER)
                scene = lay(table, paper.pixels, laying(paper.size_hw, moved), smear_px=smear_px)
            lit = to_uint8(scene * gains[i * _SHOWING_FRAMES + frame])
            yield sensor_noise(rng, defocus(lit, _DEFOCUS_PX), _NOISE)


def ground_truth(fonts: Mapping[str, Path], *, seed: int) -> dict[str, Any]:
    """Say what the clip of these fonts and this seed shows, as plain data."""
    documents = []
    for i, showing in enumerate(SHOWINGS):
        paper, corners = _at_rest(showing, fonts, seed)
        enter = i * _SHOWING_FRAMES + EMPTY_FRAMES
        still = (enter + SLIDE_FRAMES, enter + SLIDE_FRAMES + STILL_FRAMES)
        documents.append({
            "set": "kiosk",
            "name": showing.name,
            "partial": False,
            "enter_s": round(enter / FPS, 3),
            "still_s": [round(frame / FPS, 3) for frame in still],
            "leave_s": round((still[1] + SLIDE_FRAMES) / FPS, 3),
            "lines": [
                {
                    "text": line.text,
                    "height_px": round(float(np.linalg.norm(line.quad[3] - line.quad[0])), 1),
                    "quad": [[round(float(x), 1), round(float(y), 1)] for x, y in line.quad],
                }
                for line in laid_lines(paper.lines, laying(paper.size_hw, corners))
            ],
        })
    return {"fps": FPS, "size": list(SIZE_HW[::-1]), "frames": len(SHOWINGS) * _SHOWING_FRAMES, "documents": documents}


def _at_rest(showing: Showing, fonts: Mapping[str, Path], seed: int) -> tuple[Paper, NDArray[np.float64]]:
    """Write the paper and place its corners in the frame: turned, and in slight perspective."""
    paper = showing.write(Pen(fonts))
    height, width = paper.size_hw
    corners = np.array([[-width, -height], [width, -height], [width, height], [-width, height]]) / 2
    rng = np.random.default_rng((seed, *paper.size_hw))
    corners += rng.uniform(-9, 9, (4, 2)) + np.array(showing.centre_px)
    return paper, _turned(corners, showing.angle_deg)


def _turned(corners: NDArray[np.float64], angle_deg: float) -> NDArray[np.float64]:
    """Turn about the centre, clockwise as seen in the picture."""
    sin, cos = np.sin(np.deg2rad(angle_deg)), np.cos(np.deg2rad(angle_deg))
    centre = corners.mean(axis=0)
    return np.asarray((corners - centre) @ np.array([[cos, sin], [-sin, cos]]) + centre)


def _slide(
    frame: int, showing: Showing, corners: NDArray[np.float64]
) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """How far from its place of rest a paper is, and how fast it moves, px per frame, so many frames after it came."""
    leaving = frame - SLIDE_FRAMES - STILL_FRAMES
    if leaving >= 0:
        # It leaves as it came, the other way round in time and place.
        to_rest, away = (leaving + 0.5) / SLIDE_FRAMES, -np.array(showing.enters_from)
    elif frame < SLIDE_FRAMES:
        to_rest, away = 1 - (frame + 0.5) / SLIDE_FRAMES, np.array(showing.enters_from)
    else:
        return np.zeros(2), (0.0, 0.0)
    # Braking evenly: the way still to go is the square of the time.
    way = _way_out(corners, away)
    speed = 2 * to_rest * way / SLIDE_FRAMES * np.abs(away)
    return way * to_rest**2 * away, (float(speed[0]), float(speed[1]))


def _way_out(corners: NDArray[np.float64], away: NDArray[np.int64]) -> float:
    """How far a paper at rest has to go in a direction until nothing of it is in the frame, in pixels."""
    if away.sum() > 0:
        return float((np.array(SIZE_HW[::-1]) - corners.min(axis=0)) @ away)
    return float(-corners.max(axis=0) @ away)


def _wander(rng: np.random.Generator, n_frames: int, deviation: float, memory: float) -> NDArray[np.float64]:
    """Draw values about 0, each keeping the `memory` part of the one before."""
    values = rng.normal(0, deviation, n_frames)
    for i in range(1, n_frames):
        values[i] = memory * values[i - 1] + np.sqrt(1 - memory**2) * values[i]
    return values


def _encode(frames: Iterator[NDArray[np.uint8]], out: Path) -> None:
    """Pipe frames through ffmpeg; `out` appears only when it is complete."""
    part = out.with_suffix(".part.mp4")
    size = f"{SIZE_HW[1]}x{SIZE_HW[0]}"
    raw = ("-f", "rawvideo", "-pix_fmt", "bgr24", "-s", size, "-r", str(FPS), "-i", "-")
    tail = (*_ENCODER, "-movflags", "+faststart", "-fflags", "+bitexact", "-flags:v", "+bitexact", str(part))
    try:
        ffmpeg = subprocess.Popen(
            ["ffmpeg", "-y", "-loglevel", "error", *raw, *tail], stdin=subprocess.PIPE, stderr=subprocess.PIPE
        )
    except FileNotFoundError as error:
        raise ConfigError("ffmpeg not found; it encodes the clip: apt-get install ffmpeg") from error
    with ffmpeg:
        assert ffmpeg.stdin is not None
        assert ffmpeg.stderr is not None
        _feed(frames, ffmpeg.stdin)
        complaint = ffmpeg.stderr.read().decode(errors="replace").strip()
    if ffmpeg.returncode != 0:
        part.unlink(missing_ok=True)
        raise EdgeOcrError(f"{out}: ffmpeg failed: {complaint.splitlines()[-1] if complaint else ffmpeg.returncode}")
    part.replace(out)


def _feed(frames: Iterator[NDArray[np.uint8]], pipe: IO[bytes]) -> None:
    try:
        with pipe:
            for frame in frames:
                pipe.write(frame.tobytes())
    except BrokenPipeError:
        # ffmpeg has given up; what it says and its exit status tell why.
        return
