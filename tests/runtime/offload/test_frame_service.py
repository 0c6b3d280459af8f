"""What a worker does with one message, without a broker: frames, and everything that somebody else may send."""

import io
import json
import struct
import time
from typing import Any

import cv2
import jsonschema
import numpy as np
import pytest
from PIL import Image

from edge_ocr import Page
from runtime.events import json_schema
from runtime.monitoring.latency import LatencyRecorder
from runtime.offload import frame_service
from runtime.offload.client import Delivery, LinkMessage
from runtime.offload.frame_service import FrameService
from runtime.offload.messages import FramePage
from tests.runtime.offload.tools import CodeReader, frame

FRAMES, PAGES = "edge-ocr/lobby/offload/readers/frames", "edge-ocr/lobby/offload/readers/pages"


class NoisyReader(CodeReader):
    def read(self, image: Any) -> Page:
        raise RuntimeError("the network\nbroke")


def service(reader: CodeReader | None = None) -> FrameService:
    return FrameService(
        reader or CodeReader(), root="edge-ocr", group="readers", worker="w1", recorder=LatencyRecorder()
    )


def jpeg(code: int = 7) -> bytes:
    return bytes(cv2.imencode(".jpg", frame(code))[1])


def picture_jpeg() -> bytes:
    """A JPEG with something in it, so that damage to its data matters."""
    image = np.random.default_rng(1).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    return bytes(cv2.imencode(".jpg", cv2.GaussianBlur(image, (5, 5), 0))[1])


def delivery(age_s: float = 0.0, **changes: Any) -> Delivery:
    fields: dict[str, Any] = {
        "topic": FRAMES, "payload": jpeg(), "content_type": "image/jpeg", "frame_id": b"boot:1",
        "response_topic": PAGES, "expiry_s": 2,
    }  # fmt: skip
    message = LinkMessage(**{**fields, **changes})
    return Delivery(message=message, arrival_s=time.monotonic() - age_s, acknowledge=lambda: None)


def declared_size(width: int, height: int) -> bytes:
    """A small JPEG that says it is of this size."""
    data = jpeg()
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def test_a_frame_is_answered_to_its_sender_with_its_id_and_its_remaining_time() -> None:
    subject = service()
    answer = subject.answer(delivery())
    assert answer is not None
    assert (answer.topic, answer.frame_id, answer.content_type) == (PAGES, b"boot:1", "application/json")
    assert (answer.expiry_s, answer.retain, answer.qos) == (2, False, 1)
    page = FramePage.model_validate_json(answer.payload)
    assert (page.frame_id, page.worker, page.pack, page.profile) == ("boot:1", "w1", "latin", "toy")
    assert page.frame_size == (64, 48)
    assert [line.text for line in page.lines] == ["CODE 7"]
    assert page.timings_ms["total"] == 2.1
    assert page.timings_ms["decode"] > 0
    assert (page.refusal, page.error) == (None, None)
    jsonschema.validate(json.loads(answer.payload), json_schema("page"))
    assert page.to_lines()[0].quad.dtype == np.float32


@pytest.mark.parametrize(
    ("changes", "refusal", "error"),
    [
        pytest.param({"content_type": "image/png"}, "content_type", "send image/jpeg", id="another content type"),
        pytest.param({"content_type": None}, "content_type", "send image/jpeg", id="no content type"),
        pytest.param({"payload": b""}, "damaged", "not an image", id="nothing"),
        pytest.param({"payload": b"hello"}, "damaged", "not an image", id="text"),
        pytest.param({"payload": jpeg()[:-200]}, "damaged", "cannot be read", id="a truncated JPEG"),
        pytest.param({"payload": declared_size(20_000, 6000)}, "too_large", "100 million", id="120 Mpx declared"),
        pytest.param({"payload": declared_size(65_535, 65_535)}, "too_large", "100 million", id="4295 Mpx declared"),
        pytest.param({"payload": b"\xff" * 2000}, "too_large", "at most 1000", id="too many bytes"),
    ],
)
def test_what_cannot_be_read_is_answered_with_the_reason(
    changes: dict[str, Any], refusal: str, error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_service, "MAX_FRAME_BYTES", 1000)
    subject = service()
    answer = subject.answer(delivery(**changes))
    assert answer is not None
    page = FramePage.model_validate_json(answer.payload)
    assert page.refusal == refusal
    assert error in str(page.error)
    assert (page.lines, page.frame_size) == ((), None)
    assert subject.refused == {refusal: 1}
    jsonschema.validate(json.loads(answer.payload), json_schema("page"))


def test_known_places_are_read_without_looking_for_lines() -> None:
    request = '{"quads": [[[0,0],[9,0],[9,9],[0,9]], [[1,2],[3,2],[3,4],[1,4]]], "allowed": [null, "0123"]}'
    answer = service().answer(delivery(request=request))
    assert answer is not None
    lines = FramePage.model_validate_json(answer.payload).to_lines()
    assert [line.text for line in lines] == ["7 of all", "7 of 4"]
    assert lines[1].quad.tolist() == [[1, 2], [3, 2], [3, 4], [1, 4]]
    assert len(lines[0].char_scores) == len("7 of all")


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param("", id="nothing"),
        pytest.param("{}", id="no places"),
        pytest.param('{"quads": [[[0,0],[9,0],[9,9]]]}', id="three corners"),
        pytest.param('{"quads": [[[0,0],[1e9,0],[1e9,9],[0,9]]]}', id="a place of a thousand kilometres"),
        pytest.param('{"quads": [[[0,0],[NaN,0],[9,9],[0,9]]]}', id="not a number"),
        pytest.param('{"quads": [], "allowed": ["0"]}', id="characters for no place"),
        pytest.param('{"quads": [' + ",".join(["[[0,0],[9,0],[9,9],[0,9]]"] * 301) + "]}", id="too many places"),
    ],
)
def test_places_that_make_no_sense_are_refused(request_: str) -> None:
    subject = service()
    answer = subject.answer(delivery(request=request_))
    assert answer is not None
    assert FramePage.model_validate_json(answer.payload).refusal == "request"
    assert subject.refused == {"request": 1}


def test_a_png_is_not_read_whatever_its_content_type_says() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")
    subject = service()
    subject.answer(delivery(payload=buffer.getvalue()))
    assert subject.refused == {"damaged": 1}


def test_an_error_while_reading_costs_this_frame_and_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    subject = service(NoisyReader())
    answer = subject.answer(delivery())
    assert answer is not None
    page = FramePage.model_validate_json(answer.payload)
    assert (page.refusal, page.error) == ("read_error", "RuntimeError: the network broke")
    assert subject.refused == {"read_error": 1}
    assert "going on" in caplog.text


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        pytest.param({"retain": True}, "retained", id="retained"),
        pytest.param({"topic": "edge-ocr/lobby/offload/others/frames"}, "topic", id="another group"),
        pytest.param({"topic": "edge-ocr/a/b/offload/readers/frames"}, "topic", id="not the name of a node"),
        pytest.param({"response_topic": None}, "response_topic", id="no response topic"),
        pytest.param({"response_topic": "edge-ocr/lobby/set/pause"}, "response_topic", id="a command topic"),
        pytest.param({"response_topic": "edge-ocr/gate/offload/readers/pages"}, "response_topic", id="of another node"),
        pytest.param({"frame_id": None}, "frame_id", id="no id"),
        pytest.param({"frame_id": b""}, "frame_id", id="an empty id"),
        pytest.param({"frame_id": b"\xff\x00"}, "frame_id", id="an id that is not text"),
        pytest.param({"frame_id": b"x" * 65}, "frame_id", id="an id that is too long"),
        pytest.param({"age_s": 2.5}, "expired", id="expired on the way"),
    ],
)
def test_what_has_no_rightful_sender_is_counted_and_not_answered(changes: dict[str, Any], cause: str) -> None:
    subject = service()
    assert subject.answer(delivery(**changes)) is None
    assert subject.ignored == {cause: 1}
    assert (subject.received, subject.answered) == (1, 0)


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """A JPEG after one to four accidents: bytes changed, cut out, doubled, put in, or the rest lost."""
    for _ in range(rng.integers(1, 5)):
        at = int(rng.integers(0, len(data) + 1))
        n_bytes = int(rng.integers(1, 40))
        junk = rng.bytes(n_bytes)
        data = (
            data[:at] + junk + data[at + n_bytes :],
            data[:at] + data[at + n_bytes :],
            data[:at] + data[at : at + n_bytes] * 2 + data[at + n_bytes :],
            data[:at] + junk + data[at:],
            data[:at],
        )[rng.integers(0, 5)]
    return data


def test_a_thousand_damaged_jpegs_are_each_answered() -> None:
    rng, subject, whole = np.random.default_rng(20), service(), picture_jpeg()
    for number in range(1000):
        answer = subject.answer(delivery(payload=damaged(whole, rng), frame_id=f"f:{number}".encode()))
        assert answer is not None
        page = FramePage.model_validate_json(answer.payload)
        assert (page.refusal is None) == (page.frame_size is not None)
    assert subject.received == 1000
    assert subject.answered + sum(subject.refused.values()) == 1000
    assert subject.refused["damaged"] > 300


def test_a_thousand_messages_of_garbage_are_each_answered_or_counted() -> None:
    rng, subject = np.random.default_rng(21), service()
    topics = [FRAMES, "", "/", "edge-ocr//offload/readers/frames", FRAMES + "/x", "é" * 50]
    n_answers = 0
    for _ in range(1000):
        answer = subject.answer(
            delivery(
                topic=topics[rng.integers(0, len(topics))],
                payload=rng.bytes(int(rng.integers(0, 300))),
                content_type=[None, "", "image/jpeg", "\x00", "x" * 300][rng.integers(0, 5)],
                frame_id=[None, rng.bytes(int(rng.integers(0, 90))), b"ok"][rng.integers(0, 3)],
                response_topic=[None, "", "#", PAGES][rng.integers(0, 4)],
                expiry_s=[None, 0, 1, 2**32 - 1][rng.integers(0, 4)],
                retain=bool(rng.integers(0, 2)),
            )
        )
        n_answers += answer is not None
    assert n_answers == subject.answered + sum(subject.refused.values())
    assert n_answers + sum(subject.ignored.values()) == subject.received == 1000
