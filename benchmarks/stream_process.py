"""The appliance in a process of its own, so that its CPU time is its own: started by `benchmarks.kiosk_stream`.

Plays each clip as a live camera at its own rate, publishes to a broker elsewhere, and prints one JSON line at its end.
With --decode-only it fetches every frame of the clips and does nothing with them: what decoding costs.
"""

import argparse
import json
import resource
import time
from pathlib import Path
from typing import Any

from edge_ocr import Reader
from runtime.appliance import Appliance
from runtime.capture.status import StateCallback
from runtime.capture.thread import CaptureThread
from runtime.config.kiosk import CameraConfig, KioskConfig, MqttConfig
from runtime.frames import Frame
from runtime.mqtt.messages import MqttVersion
from runtime.sources import open_source

NODE = "bench"


def main() -> None:
    """Play the clips once and print what that cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", nargs="+", type=Path, help="videos; each is a camera named by its file")
    parser.add_argument("--broker", default="mqtt://127.0.0.1:1883", help="where the events go")
    parser.add_argument("--pack", default="latin")
    parser.add_argument("--profile", default="auto")
    parser.add_argument("--decode-only", action="store_true")
    options = parser.parse_args()
    result = decode_all(options.clips) if options.decode_only else play(options)
    print(json.dumps(result), flush=True)


def decode_all(clips: list[Path]) -> dict[str, Any]:
    """CPU seconds of fetching every frame of each clip, one after the other, unpaced."""
    costs = {}
    for clip in clips:
        source = open_source(str(clip))
        begin_s = cpu_s()
        source.open()
        while source.read() is not None:
            pass
        source.close()
        costs[clip.stem] = round(cpu_s() - begin_s, 3)
    return {"cpu_s": costs}


def play(options: argparse.Namespace) -> dict[str, Any]:
    """Run the appliance on the clips; loading and warming up are not in the CPU time."""
    reader = Reader(pack=options.pack, profile=options.profile)
    reader.warm_up([frame_hw(clip) for clip in options.clips])
    cameras = {camera_name(clip): CameraConfig(source=str(clip)) for clip in options.clips}
    starts: dict[str, float] = {}

    def open_capture(name: str, config: CameraConfig, on_state: StateCallback) -> CaptureThread:
        return CaptureThread(name, StartNoted(config.source, name, starts), "latest", on_state=on_state)

    config = KioskConfig(node=NODE, mqtt=MqttConfig(url=options.broker), cameras=cameras)
    appliance = Appliance(config, reader, open_capture=open_capture, mqtt_version=MqttVersion.V311)
    begin_s, begin_cpu_s = time.monotonic(), cpu_s()
    appliance.run()
    metrics = appliance.metrics()
    return {
        "wall_s": round(time.monotonic() - begin_s, 3),
        "cpu_s": round(cpu_s() - begin_cpu_s, 3),
        "start_ts": starts,
        "cameras": {name: one.model_dump(mode="json") for name, one in metrics.cameras.items()},
        "latency_ms": {name: one.model_dump(mode="json") for name, one in metrics.latency_ms.items()},
        "pack": {"name": reader.pack.name, "sha256": reader.pack.sha256},
        "profile": reader.profile.name,
    }


class StartNoted:
    """A clip played as a live camera that notes when its time began."""

    is_live = True

    def __init__(self, spec: str, name: str, starts: dict[str, float]) -> None:
        self._source = open_source(spec, realtime=True)
        self._name = name
        self._starts = starts

    @property
    def description(self) -> str:
        """The clip's."""
        return self._source.description

    @property
    def nominal_fps(self) -> float | None:
        """The clip's."""
        return self._source.nominal_fps

    def open(self) -> None:
        """Open the clip."""
        self._source.open()

    def read(self) -> Frame | None:
        """The next frame, when it is due."""
        frame = self._source.read()
        if frame is not None and self._name not in self._starts:
            self._starts[self._name] = frame.ts - frame.index / (self.nominal_fps or 1.0)
        return frame

    def close(self) -> None:
        """Close the clip."""
        self._source.close()


def camera_name(clip: Path) -> str:
    """The name of a clip as a camera."""
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in clip.stem.lower())


def frame_hw(clip: Path) -> tuple[int, int]:
    """(height, width) of a clip's frames."""
    source = open_source(str(clip))
    source.open()
    try:
        frame = source.read()
    finally:
        source.close()
    assert frame is not None, "VideoSource raises for a file without frames"
    return frame.image.shape[0], frame.image.shape[1]


def cpu_s() -> float:
    """User and system time of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    main()
