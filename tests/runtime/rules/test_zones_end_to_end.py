"""Zones in the whole appliance: a frame in, and what of its texts is stored, sent and logged."""

import json
import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_ocr import Detection, Line, Recognition
from runtime.appliance import Appliance
from runtime.config.kiosk import KioskConfig
from runtime.config.zones import TextRules, ZoneConfig
from runtime.events import json_schema
from runtime.mqtt.broker import EmbeddedBroker
from runtime.rules.zones import Zones
from runtime.spool.outbox import MemoryOutbox, Message
from runtime.texts.reading import ZonedReader
from tests.runtime.mqtt_tools import Subscriber
from tests.runtime.test_appliance import HELLO, NOTHING, WORLD, FakeReader, FakeSource, captures, wait_stopped

UPPER_HALF = [[0, 0], [200, 0], [200, 55], [0, 55]]


class WatchedOutbox(MemoryOutbox):
    """An outbox that remembers what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[bytes] = []

    def put(self, *messages: Message) -> None:
        self.given += [message.payload for message in messages]
        super().put(*messages)


def kiosk(port: int, folder: Path, **camera: Any) -> KioskConfig:
    return KioskConfig.model_validate({
        "node": "kiosk",
        "mqtt": {"url": f"mqtt://127.0.0.1:{port}"},
        "redaction_key_file": folder / "key",
        "cameras": {"cam0": {"source": "test:", **camera}},
    })


@pytest.mark.parametrize(
    ("how", "texts"), [("drop", {""}), ("mask", {"*****"}), pytest.param("hmac", None)], ids=["drop", "mask", "hmac"]
)
def test_a_redacted_text_is_in_nothing_that_is_stored_sent_or_logged(
    how: str, texts: set[str] | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    zone = {"polygon": UPPER_HALF, "match": "[A-Z]+", "redact": how}
    outbox = WatchedOutbox()
    source = FakeSource([WORLD] * 10 + [NOTHING] * 15)
    with (
        caplog.at_level(logging.DEBUG),
        EmbeddedBroker() as broker,
        Subscriber(broker.port, "edge-ocr/#") as subscriber,
    ):
        config = kiosk(broker.port, tmp_path, zones={"ticket": zone})
        subject = Appliance(config, FakeReader(), open_capture=captures(cam0=source), outbox=outbox)
        subject.run()
        wait_stopped(subscriber)
        sent = [message.payload for message in subscriber.received]
    events = [json.loads(payload) for payload in outbox.given]
    shown = [(event["type"], event["zone"], event["redaction"]) for event in events]
    assert shown == [("begin", "ticket", how), ("end", "ticket", how)]
    for event in events:
        jsonschema.validate(event, json_schema("event"))
    assert texts is None or {event[key] for event in events for key in ("text", "text_raw")} == texts
    everything = b" ".join([*outbox.given, *sent]).decode() + caplog.text
    key = (tmp_path / "key").read_text().strip()
    # Not as a part of 17:04:12.502, which is a time of day.
    assert not [secret for secret in ("WORLD", r"(?<!:)12\.50", re.escape(key)) if re.search(secret, everything)]
    assert subject.metrics().cameras["cam0"].filtered == {"outside": {"outside": 1}}


class SteppingReader(FakeReader):
    """A reader with steps that reads every line as the characters it may hold."""

    def detect(self, image: NDArray[np.uint8]) -> Detection:
        page = super().read(image)
        return Detection(page.width, page.height, tuple(line.quad for line in page.lines), {"total": 2.0})

    def recognize(
        self,
        image: NDArray[np.uint8],
        quads: Sequence[NDArray[np.float32]],
        *,
        allowed: Sequence[frozenset[str] | None] | None = None,
        closely: bool = False,
    ) -> Recognition:
        assert allowed is not None
        texts = ["all" if only is None else "".join(sorted(only)) for only in allowed]
        return Recognition(tuple(map(Line, texts, [0.9] * len(texts), quads)), {"total": 1.0})


def test_each_zone_is_read_with_its_characters() -> None:
    zone = ZoneConfig.model_validate({"polygon": UPPER_HALF, "allowed": "0-3"})
    zones = Zones({"digits": zone}, outside=TextRules())
    reader, image = ZonedReader(SteppingReader(), zones), np.full((120, 200, 3), WORLD, np.uint8)
    recognition = reader.recognize(image, reader.detect(image).quads)
    assert [line.text for line in recognition.lines] == ["0123", "all"]


def test_nothing_looks_at_what_is_masked(tmp_path: Path) -> None:
    reader = FakeReader()
    with EmbeddedBroker() as broker, Subscriber(broker.port, "edge-ocr/#") as subscriber:
        config = kiosk(broker.port, tmp_path, zones={"corner": {"polygon": [[100, 60], [200, 60], [200, 120]]}})
        source = FakeSource([HELLO] * 5)
        Appliance(config, reader, open_capture=captures(cam0=source), outbox=WatchedOutbox()).run()
        wait_stopped(subscriber)
    # The fake reader reads the frame's corner, which is black.
    assert set(reader.seen) == {NOTHING}
