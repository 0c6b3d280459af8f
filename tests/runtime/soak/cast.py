"""Who takes part in a soak: nodes and workers in processes of their own, a camera's clip, a small disk."""

import contextlib
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2

from tests.runtime.mqtt_tools import free_port

ROOT = Path(__file__).parents[3]
CLIP = ROOT / "runtime" / "assets" / "kiosk.mp4"
CLIP_FPS, LOOP_FPS = 15, 5
DISK_MIB = 8


class Command:
    """`edge-ocr COMMAND` in a process of its own, its stderr in a file."""

    def __init__(self, log: Path, *arguments: str) -> None:
        self._log = log
        self._arguments = arguments
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "runtime.cli", *self._arguments], cwd=ROOT, stderr=output
            )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def log_lines(self) -> list[str]:
        """What it has said."""
        return self._log.read_text().splitlines()


class Node(Command):
    """`edge-ocr run` that answers to /readyz."""

    def __init__(self, folder: Path, name: str, **config: Any) -> None:
        self._file = folder / f"{name}.yaml"
        self.metrics_address = f"127.0.0.1:{free_port()}"
        self._config = {"node": name, "metrics": {"listen": self.metrics_address}, **config}
        self.configure()
        super().__init__(folder / f"{name}.log", "run", "--config", str(self._file))

    def configure(self, **changed: Any) -> None:
        """Write the configuration, with some keys for this once."""
        self._file.write_text(json.dumps(self._config | changed))  # which is YAML too

    @property
    def config(self) -> dict[str, Any]:
        """The configuration that it started with."""
        return self._config

    def ready(self) -> dict[str, Any]:
        """The answer to /readyz; while nobody answers, one in which nothing is known."""
        assert self.process.poll() is None, "the node has ended:\n" + "\n".join(self.log_lines[-20:])
        try:
            with urllib.request.urlopen(f"http://{self.metrics_address}/readyz", timeout=5) as answer:
                return dict(json.load(answer))
        except OSError:
            return {"broker": "", "spool": "", "cameras": {}, "pending": 0}


def write_pictures(folder: Path) -> None:
    """The demo's clip as pictures for the camera."""
    folder.mkdir()
    clip = cv2.VideoCapture(str(CLIP))
    index = 0
    while clip.grab():
        if index % (CLIP_FPS // LOOP_FPS) == 0:
            cv2.imwrite(str(folder / f"{index // (CLIP_FPS // LOOP_FPS):05d}.jpg"), clip.retrieve()[1])
        index += 1
    clip.release()


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
    """A file system of its own; None without the right to make one."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
