"""`edge-ocr demo`: all of it at work, with nothing to set up.

A bundled clip plays as if it were a live camera; the appliance reads it and publishes to a broker inside this process;
a subscriber prints what arrives, and in the end what share of the clip that was and where the time went.
"""

import argparse
import json
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from edge_ocr.errors import ConfigError, EdgeOcrError, SourceError
from runtime.appliance import Appliance, open_configured_capture
from runtime.commands.run import load_warm_reader
from runtime.config.kiosk import KioskConfig, config_from_options
from runtime.events import TextEvent
from runtime.mqtt import topics
from runtime.mqtt.broker import EmbeddedBroker
from runtime.mqtt.messages import MqttVersion
from runtime.mqtt.subscriber import Arrival, Subscriber
from runtime.replay.clip_score import ClipScore, load_labels, score_clip
from runtime.service import LoadReader
from runtime.sources import open_source

NODE = "demo"
CLIP = Path(__file__).parent.parent / "assets" / "kiosk.mp4"
LAST_MESSAGES_S = 5.0
"""How long to wait for what the broker has not delivered yet when the appliance has stopped."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--clip",
        type=Path,
        default=CLIP,
        metavar="FILE",
        help="another video; a ground truth with its name and .json is compared (default: the bundled clip)",
    )
    parser.add_argument("--profile", metavar="P", help="device profile: a name, a YAML file or auto (default: auto)")
    parser.add_argument("--pack", metavar="P", help="model pack: a name or a folder (default: latin)")


def run(args: argparse.Namespace, *, load_reader: LoadReader | None = None) -> int:
    """Play, read, publish, subscribe and report.

    Returns:
        0, or 1 when no event arrived.

    Raises:
        EdgeOcrError: something it needs is missing.
    """
    if not args.clip.exists():
        raise ConfigError(f"{args.clip}: no such clip")
    labels = _labels_beside(args.clip)
    with EmbeddedBroker() as broker:
        config = config_from_options(
            source=str(args.clip), broker=broker.url, node=NODE, profile=args.profile, pack=args.pack
        )
        _say(f"Loading pack {config.pack}, profile {config.profile} ...")
        reader = (load_reader or partial(load_warm_reader, frame_hw=_frame_hw(args.clip)))(config.pack, config.profile)
        appliance = Appliance(
            config,
            reader,
            open_capture=partial(open_configured_capture, realtime=True),
            mqtt_version=MqttVersion.V311,  # all that amqtt speaks
        )
        _say(f"Playing {args.clip.name} as a live camera; broker at {broker.url}; Ctrl-C stops.")
        events = _watch(appliance, config)
    _report(appliance, labels, events)
    return 0 if events else 1


def _watch(appliance: Appliance, config: KioskConfig) -> list[TextEvent]:
    """Run the appliance, print its events as they arrive at a subscriber, and return them."""
    watched = topics.all_of_node(config.mqtt.root, config.node)
    runner = _Runner(appliance)
    with Subscriber(config.mqtt.host, config.mqtt.port, watched) as subscriber:
        started = time.time()
        runner.start()
        events = []
        try:
            for arrival in _messages(subscriber, runner, topics.node_status(config.mqtt.root, config.node)):
                if arrival.topic.endswith("/events"):
                    events.append(TextEvent.model_validate_json(arrival.payload))
                    _print_event(events[-1], started)
        except ValidationError as error:
            raise EdgeOcrError(f"an event does not fit its schema: {error}") from error
        finally:
            runner.stop()
    runner.raise_failure()
    return events


class _Runner(threading.Thread):
    """The appliance in the background."""

    def __init__(self, appliance: Appliance) -> None:
        super().__init__(name="appliance", daemon=True)
        self._appliance = appliance
        self._failure: Exception | None = None

    def run(self) -> None:
        """Run the appliance to its end."""
        try:
            self._appliance.run()
        except Exception as error:  # raised again where it can be seen
            self._failure = error

    def stop(self) -> None:
        """End the appliance if it still runs."""
        self._appliance.stop()
        self.join()

    def raise_failure(self) -> None:
        """What ended the appliance, if something did."""
        if self._failure is not None:
            raise self._failure


def _messages(subscriber: Subscriber, runner: threading.Thread, status_topic: str) -> Iterator[Arrival]:
    """Messages as they arrive, up to the node's goodbye."""
    give_up_s = None
    while give_up_s is None or time.monotonic() < give_up_s:
        arrival = subscriber.next(0.2)
        if arrival is not None:
            yield arrival
            if arrival.topic == status_topic and json.loads(arrival.payload)["state"] == "stopped":
                return
        elif give_up_s is None and not runner.is_alive():
            give_up_s = time.monotonic() + LAST_MESSAGES_S


def _labels_beside(clip: Path) -> list[str]:
    """The clip's ground truth; nothing without one."""
    truth = clip.with_suffix(".json")
    return load_labels(truth) if truth.exists() else []


def _frame_hw(clip: Path) -> tuple[int, int]:
    """(height, width) of a clip's frames.

    Raises:
        SourceError: it cannot be played.
    """
    source = open_source(str(clip))
    try:
        source.open()
        frame = source.read()
    finally:
        source.close()
    if frame is None:
        raise SourceError(f"{clip}: no frame in it; name a video that can be played")
    return frame.image.shape[0], frame.image.shape[1]


def _print_event(event: TextEvent, started: float) -> None:
    """One event, one line."""
    at_s = datetime.fromisoformat(event.ts).timestamp() - started
    line = f"{at_s:6.2f} s  {event.type:6}  {event.score:.2f}  {event.latency_ms.total:6.0f} ms  {event.text}"
    _say(line + (f"  ({event.reason})" if event.reason else ""))


def _report(appliance: Appliance, labels: list[str], events: list[TextEvent]) -> None:
    """What was published of the clip, and where the time went."""
    camera = next(iter(appliance.metrics().cameras.values()))
    dropped = sum(camera.dropped.values())
    _say(f"\n{len(events)} events from {camera.frames_read} of {camera.frames_in} frames ({dropped} overwritten).")
    if labels:
        _say(_score_text(score_clip(labels, events)))
    _say("\nLatency in ms, first frames included:")
    _say(appliance.recorder.table())
    if not events:
        _say("\nNo event arrived.")


def _score_text(score: ClipScore) -> str:
    """The comparison with what the clip shows."""
    share = 100 * score.n_exact / score.n_lines
    rows = [
        f"{score.n_exact} of {score.n_lines} lines of the clip published exactly ({share:.1f} %), "
        f"{score.n_begins} begin events ({score.begins_per_line:.2f} a line)."
    ]
    rows += [f"  missing  {text}" for text in score.missing]
    rows += [f"  wrong    {text}" for text in score.wrong]
    return "\n".join(rows)


def _say(text: str) -> None:
    """Print at once, also into a pipe."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
