"""Runs the appliance on clips and collects what a subscriber elsewhere gets, with the time at which it gets it."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.clip_scores import Published
from benchmarks.stream_process import NODE, camera_name
from edge_ocr.errors import EdgeOcrError
from runtime.events import TextEvent
from runtime.mqtt.broker import EmbeddedBroker
from runtime.mqtt.topics import camera_events

ROOT = Path(__file__).parent.parent
LAST_MESSAGES_S = 5.0
"""How long to wait for what the broker has not delivered yet when the appliance has stopped."""
SUBSCRIBE_TIMEOUT_S = 10.0


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
    with EmbeddedBroker() as broker, _Subscriber(broker.host, broker.port) as subscriber:
        options = ["--broker", broker.url, "--pack", pack, "--profile", profile]
        cost = _run_process([*map(str, clips), *options])
        n_events = sum(camera["events"] for camera in cost["cameras"].values())
        arrived = subscriber.wait_for(n_events)
    told: dict[str, list[ToldEvent]] = {camera_name(clip): [] for clip in clips}
    for at_ts, payload in arrived:
        event = TextEvent.model_validate_json(payload)
        start_ts = cost["start_ts"][event.camera]
        shown_ts = datetime.fromisoformat(event.ts).timestamp()
        told[event.camera].append(ToldEvent(event, shown_ts - start_ts, at_ts - start_ts))
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


class _Subscriber:
    """Keeps every event with the time of its arrival. Use as a context manager."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._arrived: list[tuple[float, bytes]] = []
        self._subscribed = Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"bench-{time.time_ns()}")
        self._client.on_connect = lambda client, *_: client.subscribe(camera_events("edge-ocr", NODE, "+"), qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = lambda _, __, message: self._arrived.append((time.time(), bytes(message.payload)))

    def __enter__(self) -> "_Subscriber":
        self._client.connect(*self._address)
        self._client.loop_start()
        if not self._subscribed.wait(SUBSCRIBE_TIMEOUT_S):
            raise EdgeOcrError("the embedded broker does not answer a subscriber")
        return self

    def __exit__(self, *error: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def wait_for(self, n_events: int) -> list[tuple[float, bytes]]:
        """What arrived, once that is all; wall-clock time and payload."""
        give_up_s = time.monotonic() + LAST_MESSAGES_S
        while len(self._arrived) < n_events and time.monotonic() < give_up_s:
            time.sleep(0.05)
        if len(self._arrived) < n_events:
            raise EdgeOcrError(f"{len(self._arrived)} of {n_events} events arrived")
        return list(self._arrived)
