"""Several clips as cameras of one node: does each still find what it finds alone, and is reading time shared fairly?

python -m benchmarks.camera_shares CLIPS/counter.mp4 CLIPS/labels.mp4 CLIPS/still.mp4

The ground truth of a clip is the file beside it that ends in .json. In virtual time, see `virtual_stream.py`.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.clip_scores import score_clip
from benchmarks.clips import ClipTruth, load_truth
from benchmarks.report import print_table, run_script
from benchmarks.stream_process import camera_name, frame_hw
from benchmarks.stream_run import ToldEvent, published_texts
from benchmarks.virtual_stream import CORES, VirtualRun, run_virtual
from edge_ocr import Reader
from edge_ocr.errors import ConfigError
from runtime.sources.video import VideoSource


def main() -> dict[str, Any]:
    """Run each clip alone, then all together, some rounds of it."""
    options = _parse()
    clips = {f"{camera_name(clip)}-{number}": clip for number, clip in enumerate(options.clips, start=1)}
    truths = {name: load_truth(clip.with_suffix(".json")) for name, clip in clips.items()}
    reader = Reader(pack=options.pack, profile=options.profile)
    reader.warm_up([frame_hw(clip) for clip in clips.values()])
    alone: dict[str, list[VirtualRun]] = {name: [] for name in clips}
    together: list[VirtualRun] = []
    for number in range(1, options.repeat + 1):
        for name, clip in clips.items():
            print(f"round {number} of {options.repeat}: {name} alone ...", file=sys.stderr, flush=True)
            alone[name].append(run_virtual({name: VideoSource(str(clip))}, reader, cores=options.cores))
        print(f"round {number} of {options.repeat}: together ...", file=sys.stderr, flush=True)
        sources = {name: VideoSource(str(clip)) for name, clip in clips.items()}
        together.append(run_virtual(sources, reader, cores=options.cores))
    demands = {name: median(run.cpu_s.get(name, 0.0) for run in alone[name]) for name in clips}
    fair = fair_shares(demands, options.cores * median(run.duration_s for run in together))
    results = {name: _compared(name, truths[name], alone[name], together, fair[name]) for name in clips}
    columns = list(next(iter(results.values())))
    print_table(["camera", *columns], [[name, *figures.values()] for name, figures in results.items()])
    return {
        "benchmark": "camera_shares",
        "cores": options.cores,
        "rounds": options.repeat,
        "cameras": results,
        "reader": reader.describe(),
    }


def _compared(
    name: str, truth: ClipTruth, alone: list[VirtualRun], together: list[VirtualRun], fair_s: float
) -> dict[str, Any]:
    """Medians of the rounds: in each, frames that come at other times are skipped, and CPU time is never the same."""
    own, shared = ([run.cpu_s.get(name, 0.0) for run in runs] for runs in (alone, together))
    recalls = [[_recall(truth, run.told[name]) for run in runs] for runs in (alone, together)]
    return {
        "recall_alone": round(median(recalls[0]), 4),
        "recall_together": round(median(recalls[1]), 4),
        "frames_read_alone": round(median(run.frames_read[name] for run in alone)),
        "frames_read_together": round(median(run.frames_read[name] for run in together)),
        "cpu_s_alone": round(median(own), 2),
        "cpu_s_together": round(median(shared), 2),
        "of_fair_share": round(median(shared) / fair_s, 3) if fair_s else None,
    }


def fair_shares(demands: Mapping[str, float], capacity: float) -> dict[str, float]:
    """Max-min fair shares: nobody gets more than it asks for, and what is left over is shared by the others."""
    shares: dict[str, float] = {}
    left = capacity
    for n_done, name in enumerate(sorted(demands, key=lambda name: demands[name])):
        shares[name] = min(demands[name], left / (len(demands) - n_done))
        left -= shares[name]
    return shares


def _recall(truth: ClipTruth, told: list[ToldEvent]) -> float:
    return score_clip(truth, published_texts(told)).recall


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.camera_shares",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("clips", nargs="+", type=Path, help="videos with their ground truth beside them")
    parser.add_argument(
        "--cores", type=float, default=CORES, help=f"cores that reading keeps busy, modelled (default: {CORES})"
    )
    parser.add_argument("--repeat", type=int, default=3, help="rounds, of which medians are taken (default: 3)")
    parser.add_argument("--pack", default="latin", help="model pack (default: latin)")
    parser.add_argument("--profile", default="auto", help="device profile (default: auto)")
    options = parser.parse_args()
    for clip in options.clips:
        if not clip.is_file():
            raise ConfigError(f"{clip}: no such file")
    return options


if __name__ == "__main__":
    sys.exit(run_script(main))
