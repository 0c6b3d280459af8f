"""Our events over time beside the every-frame run, on a clip with ground truth.

python -m benchmarks.kiosk_stream CLIP TRUTH --cache FOLDER --plot timeline.png
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from benchmarks.clip_scores import MIN_HEIGHT_PX, ClipScore, score_clip
from benchmarks.clips import ClipTruth, load_truth
from benchmarks.every_frame import FrameLines, read_every_frame, settled_texts, single_frame_recall
from benchmarks.report import print_table, run_script
from benchmarks.stream_process import camera_name, frame_hw
from benchmarks.stream_run import ToldEvent, measure_decoding, published_texts, run_stream
from benchmarks.timeline import draw_timeline, import_matplotlib
from benchmarks.virtual_stream import CORES, Sampled, run_virtual
from edge_ocr import Reader
from edge_ocr.errors import ConfigError
from runtime.sources.video import VideoSource

SAMPLE_EVERY = 20
"""Frames of a virtual run after which one is read outside of it."""
Ours = tuple[list[ToldEvent], dict[str, float], dict[str, Any]]
"""The events, the CPU figures, and what else is to be kept of a run."""


def main() -> dict[str, Any]:
    """Run both on the clip and compare them."""
    options = _parse()
    truth = load_truth(options.truth)
    if options.plot is not None:
        import_matplotlib()
    _say("decoding alone ...")
    decode_s = measure_decoding([options.clip])[camera_name(options.clip)] / truth.duration_s
    every = _every_frame(options, truth, decode_s) if options.every_frame else None
    told, cost, run = _stream(options, truth, decode_s) if options.cores is None else _virtual_stream(options, truth)
    score = score_clip(truth, published_texts(told))
    ours = {**score.to_dict(), **cost}
    _print_texts(score)
    _print_figures(ours, every)
    if options.plot is not None:
        draw_timeline(options.plot, _title(options.clip, ours), truth, told, score)
    result = {"benchmark": "kiosk_stream", "clip": options.clip.name, "min_height_px": MIN_HEIGHT_PX}
    return {**result, "decode_cpu_s_per_s": round(decode_s, 4), "ours": ours, "every_frame": every, "run": run}


def every_frame_figures(truth: ClipTruth, frames: list[FrameLines], decode_s: float) -> dict[str, Any]:
    """Figures of the every-frame run; its texts are told the moment they stand."""
    cpu_s = sum(frame.cpu_s for frame in frames) / truth.duration_s
    return {
        **score_clip(truth, settled_texts(truth, frames)).to_dict(),
        "single_frame_recall": round(single_frame_recall(truth, frames), 4),
        "cpu_s_per_s": round(cpu_s, 4),
        "cpu_s_per_s_beyond_decoding": round(cpu_s - decode_s, 4),
    }


def _every_frame(options: argparse.Namespace, truth: ClipTruth, decode_s: float) -> dict[str, Any]:
    frames = read_every_frame(options.clip, _warm_reader(options), truth.fps, options.cache)
    return every_frame_figures(truth, frames, decode_s)


def _stream(options: argparse.Namespace, truth: ClipTruth, decode_s: float) -> Ours:
    """The appliance in a process of its own, at the clip's rate."""
    _say(f"our stream, {truth.duration_s:.0f} s at the clip's rate ...")
    run = run_stream([options.clip], pack=options.pack, profile=options.profile)
    cpu_s = run.cost["cpu_s"] / truth.duration_s
    cost = {"cpu_s_per_s": round(cpu_s, 4), "cpu_s_per_s_beyond_decoding": round(cpu_s - decode_s, 4)}
    return run.told[camera_name(options.clip)], cost, run.cost


def _virtual_stream(options: argparse.Namespace, truth: ClipTruth) -> Ours:
    """The frame loop in virtual time; now and then a frame is read outside of it, to compare CPU times."""
    _say(f"our stream in virtual time, as if reading kept {options.cores:g} cores busy ...")
    name = camera_name(options.clip)
    reader = _warm_reader(options)
    recording = Sampled(VideoSource(str(options.clip)), reader, SAMPLE_EVERY)
    run = run_virtual({name: recording}, reader, cores=options.cores)
    cpu_s = run.cpu_s.get(name, 0.0) / truth.duration_s
    every_cpu_s = recording.cpu_s_per_frame * truth.fps
    cost = {
        "cpu_s_per_s_beyond_decoding": round(cpu_s, 4),
        "every_frame_cpu_s_per_s_alongside": round(every_cpu_s, 4),
        "of_every_frame_cpu": round(cpu_s / every_cpu_s, 4),
    }
    return run.told[name], cost, {"virtual_cores": options.cores, "frames_read": run.frames_read[name]}


def _warm_reader(options: argparse.Namespace) -> Reader:
    reader = Reader(pack=options.pack, profile=options.profile)
    reader.warm_up([frame_hw(options.clip)])
    return reader


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.kiosk_stream",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("clip", type=Path, help="a video")
    parser.add_argument("truth", type=Path, help="its ground truth, JSON")
    parser.add_argument("--plot", type=Path, metavar="F.png", help="draw documents and events over time")
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="where the every-frame run is kept between runs")
    parser.add_argument("--no-every-frame", dest="every_frame", action="store_false", help="our stream only")
    parser.add_argument(
        "--virtual",
        dest="cores",
        type=float,
        nargs="?",
        const=CORES,
        metavar="CORES",
        help=f"our stream in virtual time, for a busy machine; reading keeps so many cores busy (default: {CORES})",
    )
    parser.add_argument("--pack", default="latin", help="model pack (default: latin)")
    parser.add_argument("--profile", default="auto", help="device profile (default: auto)")
    options = parser.parse_args()
    for path in (options.clip, options.truth):
        if not path.is_file():
            raise ConfigError(f"{path}: no such file")
    if options.cache is not None:
        options.cache.mkdir(parents=True, exist_ok=True)
    return options


def _print_texts(score: ClipScore) -> None:
    """What was missed, wrong, or begun again, so that one can see why."""
    for line in score.lines:
        if line.delay_s is None:
            print(f"missing    document {line.document:2}  {line.height_px:4.0f} px  {line.text!r}")
        if line.begins > 1.0:
            print(f"begun {line.begins:.2f} document {line.document:2}  {line.height_px:4.0f} px  {line.text!r}")
    for text, at_s in score.wrong:
        print(f"wrong      at {at_s:6.2f} s  {text!r}")


def _print_figures(ours: dict[str, Any], every: dict[str, Any] | None) -> None:
    names = list(ours) + [name for name in every or () if name not in ours]
    rows = [[name, _cell(ours, name), _cell(every or {}, name)] for name in names]
    print_table(["", "ours", "every frame"], rows)


def _cell(figures: dict[str, Any], name: str) -> object:
    value = figures.get(name)
    return "-" if value is None else value


def _title(clip: Path, ours: dict[str, Any]) -> str:
    return (
        f"{clip.name}: recall {ours['recall']:.3f}, {ours['wrong']} wrong, {ours['begins_per_line']} begins a line, "
        f"p90 {ours['delay_p90_s']} s after lying still, {ours['cpu_s_per_s_beyond_decoding']} CPU s/s beyond decoding"
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(run_script(main))
