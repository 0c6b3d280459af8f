"""What `edge-ocr run` holds after it has started anew inside its process again and again, as a reload makes it.

python -m tests.runtime.soak.restarts --restarts 12
"""

import argparse
import json
import signal
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.runtime.mosquitto import Mosquitto
from tests.runtime.mqtt_tools import Subscriber
from tests.runtime.soak.cast import Node
from tests.runtime.soak.process_watch import rss_mib

N_FRAMES = 20
"""Looked at between two restarts: all that is made lazily has been made then."""
CAMERAS = {"desk": {"source": "test:1280x720@5"}, "door": {"source": "test:640x360@5"}}


def memory_over_restarts(folder: Path, n_restarts: int) -> Iterator[float]:
    """Resident MiB of a node before the first restart and after each."""
    with Mosquitto(folder) as broker, Subscriber(broker.port, "edge-ocr/kiosk/status") as subscriber:
        mqtt = {"url": broker.url}
        node = Node(folder, "kiosk", mqtt=mqtt, spool={"path": str(folder / "spool.db")}, cameras=CAMERAS)
        try:
            for n_done in range(n_restarts + 1):
                while len(boots(subscriber)) <= n_done or frames_read(node) < N_FRAMES:
                    time.sleep(0.1)
                yield rss_mib(node.process.pid)
                node.configure(mqtt=mqtt | {"commands": [["pause"], ["resume"]][n_done % 2]})
                node.process.send_signal(signal.SIGHUP)
        finally:
            node.kill()


def boots(subscriber: Subscriber) -> set[str]:
    """The runs that have said that they are online."""
    statuses = [json.loads(message.payload) for message in list(subscriber.received)]
    return {status["boot_id"] for status in statuses if status["state"] == "online"}


def frames_read(node: Node) -> float:
    """Frames of both cameras that this run has looked at."""
    with urllib.request.urlopen(f"http://{node.metrics_address}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("edge_ocr_frames_read_total{"))


def main() -> None:
    """Print the memory after each restart."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--restarts", type=int, default=12)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for n_done, mib in enumerate(memory_over_restarts(Path(folder), options.restarts)):
            print(f"after {n_done} restarts: {mib:.1f} MiB", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
