"""Runs the appliance on clips and collects what a subscriber elsewhere gets, with the time at which it gets it."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.clip_scores import Published
from benchmarks.stream_process import NODE, camera_name
from edge_ocr.errors import EdgeOcrError
from runtime.events import TextEvent
from runtime.mqtt.broker import EmbeddedBroker
from runtime.mqtt.subscriber import Arrival, Subscriber
from runtime.mqtt.topics import camera_events

ROOT = Path(__file__).parent.parent
LAST_MESSAGES_S = 5.0
"""How long to wait for what the broker has not delivered yet when the appliance has stopped."""


@dataclass(frozen=True, slots=True, eq=False)
class ToldEvent:
    """An event and when it arrived, in seconds from its clip's start."""

    event: TextEvent
    shown_s: float
    """Capture of the frame that caused it."""
    told_s: float


@dataclass(frozen=True, slots=True, eq=False)
class StreamRun:
    """One run of the appliance."""

    told: dict[str, list[ToldEvent]]
    """Per camera, by `seq`."""
    cost: dict[str, Any]
    """What `benchmarks.stream_process` says: CPU time, counters, latencies."""


def run_stream(clips: Sequence[Path], *, pack: str, profile: str) -> StreamRun:
    """Play clips as cameras of one appliance, in a process of its own; broker and subscriber are in this one.

    Raises:
        EdgeOcrError: the appliance failed, or events are missing.
    """
    events = camera_events("edge-ocr", NODE, "+")
    with EmbeddedBroker() as broker, Subscriber(broker.host, broker.port, events) as subscriber:
        options = ["--broker", broker.url, "--pack", pack, "--profile", profile]
        cost = _run_process([*map(str, clips), *options])
        n_events = sum(camera["events"] for camera in cost["cameras"].values())
        arrived = _next(subscriber, n_events)
    told: dict[str, list[ToldEvent]] = {camera_name(clip): [] for clip in clips}
    for arrival in arrived:
        event = TextEvent.model_validate_json(arrival.payload)
        start_ts = cost["start_ts"][event.camera]
        shown_ts = datetime.fromisoformat(event.ts).timestamp()
        told[event.camera].append(ToldEvent(event, shown_ts - start_ts, arrival.at_ts - start_ts))
    return StreamRun({name: sorted(events, key=lambda one: one.event.seq) for name, events in told.items()}, cost)


def measure_decoding(clips: Sequence[Path]) -> dict[str, float]:
    """CPU seconds of decoding each clip, by camera's name, in a process that does nothing else."""
    costs = _run_process([*map(str, clips), "--decode-only"])["cpu_s"]
    return {camera_name(clip): float(costs[clip.stem]) for clip in clips}


def published_texts(told: Sequence[ToldEvent]) -> list[Published]:
    """The texts that events told of."""
    return [
        Published(
            one.event.text, np.array(one.event.quad, np.float32), one.shown_s, one.told_s, one.event.type == "begin"
        )
        for one in told
        if one.event.type != "end"
    ]


def _run_process(arguments: Sequence[str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.stream_process", *arguments]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, encoding="utf-8", check=False)
    rows = done.stdout.splitlines()
    if done.returncode != 0 or not rows:
        raise EdgeOcrError(f"benchmarks.stream_process failed with status {done.returncode}; its own words are above")
    result: dict[str, Any] = json.loads(rows[-1])
    return result


def _next(subscriber: Subscriber, n_events: int) -> list[Arrival]:
    """So many events, in the order in which they came."""
    arrived: list[Arrival] = []
    while len(arrived) < n_events:
        arrival = subscriber.next(LAST_MESSAGES_S)
        if arrival is None:
            raise EdgeOcrError(f"{len(arrived)} of {n_events} events arrived")
        arrived.append(arrival)
    return arrived
