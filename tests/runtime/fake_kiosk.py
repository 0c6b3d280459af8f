"""An appliance whose cameras show made-up texts that come and go by themselves, and whose reader knows them."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_ocr import Line, Page
from runtime.appliance import Appliance
from runtime.backoff import Backoff
from runtime.capture.status import StateCallback
from runtime.capture.thread import CaptureThread
from runtime.config.kiosk import CameraConfig, KioskConfig
from runtime.frames import Frame
from runtime.mqtt.messages import MqttVersion
from runtime.spool.outbox import Outbox
from tests.runtime.fake_readers import PageSteps

NODE = "kiosk"
SHOWN_FRAMES = 6
"""Frames for which a text is shown; then there is none for as long."""
FRAME_S = 0.01
"""Frames come so often; by their time stamps they are a tenth of a second apart."""


class FakeReader(PageSteps):
    """Reads the number that the first pixel holds; zero is no text."""

    pack = SimpleNamespace(name="toy")
    profile = SimpleNamespace(name="test-cpu")

    def read(self, image: NDArray[np.uint8]) -> Page:
        number = int(image[0, 0, 0])
        quad = np.array([[20, 20], [120, 20], [120, 50], [20, 50]], dtype=np.float32)
        lines = (Line(f"NUMBER {number}", 0.9, quad),) if number else ()
        timings = {"detect": 2.0, "crop": 0.5, "orient": 0.0, "recognize": 3.0, "infer": 4.0, "total": 5.5}
        return Page(image.shape[1], image.shape[0], lines, timings)


class FakeSource:
    """A live camera that shows one number after the other."""

    description = "fake"
    is_live = True
    nominal_fps = 10.0

    def __init__(self) -> None:
        self._index = 0
        self._start_ts = time.time()
        self._closed = threading.Event()

    def open(self) -> None:
        pass

    def read(self) -> Frame | None:
        if self._closed.wait(FRAME_S):
            return None
        index, self._index = self._index, self._index + 1
        shown, is_gap = divmod(index // SHOWN_FRAMES, 2)
        image = np.full((120, 200, 3), 0 if is_gap else shown % 250 + 1, dtype=np.uint8)
        return Frame(image, index, self._start_ts + index * 0.1, time.monotonic(), decode_ms=1.0)

    def close(self) -> None:
        self._closed.set()


def make_kiosk(
    port: int,
    version: MqttVersion = MqttVersion.V311,
    *,
    cameras: tuple[str, ...] = ("cam0",),
    outbox: Outbox | None = None,
    **mqtt: Any,
) -> Appliance:
    config = KioskConfig.model_validate({
        "node": NODE,
        "mqtt": {"url": f"mqtt://127.0.0.1:{port}", **mqtt},
        "cameras": {name: {"source": "test:", "refresh_s": 0} for name in cameras},
    })

    def open_capture(name: str, config: CameraConfig, on_state: StateCallback) -> CaptureThread:
        return CaptureThread(name, FakeSource(), "latest", on_state)

    return Appliance(
        config, FakeReader(), open_capture=open_capture, outbox=outbox, backoff=Backoff(lambda: 0.02),
        mqtt_version=version,
    )  # fmt: skip


@contextmanager
def in_background(subject: Appliance) -> Iterator[Appliance]:
    thread = threading.Thread(target=subject.run)
    thread.start()
    try:
        yield subject
    finally:
        subject.stop()
        thread.join()
