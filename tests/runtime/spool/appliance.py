"""`edge-ocr run` for the fault tests, in a process of its own: a reader and cameras that make events fast.

    python -m tests.runtime.spool.appliance KIOSK_YAML LOG

Camera `busy` shows one word after the other, camera `still` the same two for ever. After every commit the dedup keys of
its events are appended to LOG: what stands there must not be lost.
"""

import os
import random
import string
import sys
from pathlib import Path

from runtime import cli
from runtime.capture.status import StateCallback
from runtime.capture.thread import CaptureThread
from runtime.commands import run as run_command
from runtime.config.kiosk import CameraConfig
from runtime.spool import path as spool_path
from runtime.spool.outbox import Message
from runtime.spool.spool import Spool
from tests.runtime.test_appliance import TEXTS, WORLD, FakeReader, FakeSource

WORDS = range(10, 90)
FRAMES_A_WORD = 5
N_FRAMES = 100_000


def word(code: int) -> str:
    return "".join(random.Random(code).choices(string.ascii_uppercase, k=8))


def frame_code(index: int) -> int:
    return WORDS[index // FRAMES_A_WORD % len(WORDS)]


def open_capture(name: str, config: CameraConfig, on_state: StateCallback, *, realtime: bool) -> CaptureThread:
    codes = [frame_code(index) for index in range(N_FRAMES)] if name == "busy" else [WORLD]
    return CaptureThread(name, FakeSource(codes, ends=False), "every", on_state)


class LoggingSpool(Spool):
    def put(self, *messages: Message) -> None:
        super().put(*messages)
        keys = [(message.topic, message.about) for message in messages]
        lines = [f"{topic} {about.boot_id} {about.seq}\n" for topic, about in keys if about is not None]
        os.write(LOG, "".join(lines).encode())


if __name__ == "__main__":
    LOG = os.open(Path(sys.argv[2]), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    TEXTS.update({code: (word(code),) for code in WORDS})
    for module, name, replacement in (
        (spool_path, "Spool", LoggingSpool),
        (run_command, "open_configured_capture", open_capture),
        (run_command, "load_warm_reader", lambda *_: FakeReader()),
    ):
        setattr(module, name, replacement)
    sys.exit(cli.main(["run", "--config", sys.argv[1]]))
