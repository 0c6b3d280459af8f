"""The preview over real HTTP: who gets in, what comes out, and what it costs the inference thread."""

import http.client
import json
import logging
import logging.handlers
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any, cast

import cv2
import numpy as np
import pytest

from edge_ocr import Line, Page
from edge_ocr.errors import ConfigError
from runtime.camera import Camera, Capture, Origin
from runtime.config.listeners import PreviewConfig
from runtime.events import EventLatency
from runtime.frames import Frame
from runtime.preview.access import COOKIE, cookie_of, read_token
from runtime.preview.app import FILES
from runtime.preview.live import WATCHED_S, LiveView, encode_jpeg
from runtime.preview.serving import serve_preview
from runtime.texts.scene_reader import Look
from runtime.texts.tracking import Tracker, TrackerConfig
from tests.runtime.monitoring.test_monitoring import FakeAppliance
from tests.runtime.monitoring.test_monitoring import camera as camera_metrics

TOKEN = "0123456789abcdef"
QUAD = np.array([[20, 20], [100, 20], [100, 50], [20, 50]], np.float32)


@dataclass
class Shown(FakeAppliance):
    camera_names: tuple[str, ...] = ("door",)

    def reasons(self) -> dict[str, str | None]:
        return {"desk": "no frame for 7 s"}


@dataclass
class Scene:
    """A camera that shows one text, and a clock that a test winds."""

    now_s: float = 100.0
    size: tuple[int, int] = (400, 240)
    frames: int = 0
    camera: Camera = field(init=False)

    def __post_init__(self) -> None:
        tracker = Tracker(TrackerConfig(min_score=0.5, min_reads=1))
        capture = cast(Capture, SimpleNamespace())
        self.camera = Camera("door", capture, tracker, Origin("n", "boot", "toy", "test-cpu"))

    def clock(self) -> float:
        return self.now_s

    def show(self, live: LiveView, text: str = "<b>HELLO</b>") -> Frame:
        width, height = self.size
        image = np.full((height, width, 3), 40, np.uint8)
        frame = Frame(image, self.frames, 1000.0 + self.frames / 15, self.now_s, decode_ms=1.0)
        self.frames += 1
        seen = self.camera.tracker.update(Page(width, height, (Line(text, 0.9, QUAD),), {}), frame.ts)
        for change in self.camera.take(Look(seen, self.size), frame):
            live.published(self.camera.event(change, EventLatency(total=1.0)))
        live.saw(self.camera, frame)
        return frame


def live_view(scene: Scene, *, width: int = 200, max_fps: float = 5.0) -> LiveView:
    return LiveView(width=width, max_fps=max_fps, clock=scene.clock)


# -- what the inference thread leaves


def test_nothing_is_kept_while_nobody_watches() -> None:
    scene = Scene()
    live = live_view(scene)
    scene.show(live)
    assert live.view("door", 0) is None
    scene.show(live)
    assert live.view("door", 0) is not None
    scene.now_s += WATCHED_S + 1
    scene.show(live)
    assert live.view("door", 1) is None, "the last viewer went"


def test_pictures_come_at_the_configured_rate_however_fast_frames_do() -> None:
    scene = Scene()
    live = live_view(scene, max_fps=5.0)
    live.view("door", 0)
    numbers = []
    for _ in range(15):
        scene.show(live)
        view = live.view("door", 0)
        assert view is not None
        numbers.append(view.number)
        scene.now_s += 1 / 15
    assert numbers[-1] == 5


def test_a_viewer_that_came_back_is_not_shown_what_was_left_behind() -> None:
    scene = Scene()
    live = live_view(scene)
    live.view("door", 0)
    scene.show(live)
    scene.now_s += 2 * WATCHED_S + 1
    assert live.view("door", 0) is None


def test_a_picture_is_encoded_when_asked_for_and_once() -> None:
    scene = Scene()
    live = live_view(scene, width=200)
    live.view("door", 0)
    frame = scene.show(live)
    view = live.view("door", 0)
    assert view is not None
    frame.image[:] = 200  # had it been encoded already, this would not be seen
    picture = cv2.imdecode(np.frombuffer(view.jpeg(), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape == (120, 200, 3)
    assert int(picture.mean()) == 200
    assert view.jpeg() is view.jpeg()


def test_what_must_not_be_seen_is_not_in_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    live = live_view(scene)
    monkeypatch.setattr(scene.camera, "shown_image", lambda frame: np.zeros_like(frame.image))
    live.view("door", 0)
    scene.show(live)
    view = live.view("door", 0)
    assert view is not None
    picture = cv2.imdecode(np.frombuffer(view.jpeg(), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert not picture.any()


@pytest.mark.parametrize("size", [(1, 1), (30_000, 1), (1, 30_000)])
def test_a_picture_of_any_size_can_be_encoded(size: tuple[int, int]) -> None:
    jpeg = encode_jpeg(np.zeros((size[1], size[0], 3), np.uint8), 960)
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape[1] == min(size[0], 960)


# -- over HTTP


@dataclass
class Client:
    port: int

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, Message, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()


@contextmanager
def served(**config: Any) -> Iterator[tuple[Client, LiveView]]:
    subject = Shown(cameras={"door": camera_metrics()})
    subject.recorder.add("detect", 5.0)
    settings = PreviewConfig.model_validate({"listen": "127.0.0.1:0", **config})
    queue: SimpleQueue[logging.LogRecord] = SimpleQueue()
    handler = logging.handlers.QueueHandler(queue)
    logger = logging.getLogger("runtime.preview.serving")
    logger.addHandler(handler)
    before, logger.level = logger.level, logging.INFO
    try:
        with serve_preview(settings, subject, TOKEN) as live:
            url = queue.get().getMessage()
            yield Client(int(url.split(":")[3].partition("/")[0])), live
    finally:
        logger.removeHandler(handler)
        logger.level = before


@pytest.fixture(scope="module")
def guarded() -> Iterator[Client]:
    with served() as (client, _):
        yield client


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({}, 401, id="nobody known"),
        pytest.param({"Authorization": f"Bearer {TOKEN}"}, 200, id="the token"),
        pytest.param({"Authorization": f"Bearer {TOKEN[:-1]}"}, 401, id="nearly the token"),
        pytest.param({"Cookie": f"{COOKIE}={cookie_of(TOKEN)}"}, 200, id="the cookie"),
        pytest.param({"Cookie": f"{COOKIE}={TOKEN}"}, 401, id="the token as cookie"),
        pytest.param({"Authorization": "Bearer "}, 401, id="an empty token"),
        pytest.param({"Authorization": "Bearer \xe9"}, 401, id="a token that is not ASCII"),
    ],
)
def test_the_state_is_shown_to(headers: dict[str, str], status: int, guarded: Client) -> None:
    assert guarded.ask("/state", **headers)[0] == status


@pytest.mark.parametrize("path", ["/view/door", "/page.js", "/nowhere", "/docs", "/openapi.json"])
def test_without_a_token_only_the_login_is_shown(path: str, guarded: Client) -> None:
    assert guarded.ask(path)[0] == 401


def test_the_page_leads_to_the_login(guarded: Client) -> None:
    status, headers, _ = guarded.ask("/")
    assert (status, headers["location"]) == (303, "/login")


def test_logging_in_trades_the_token_for_a_cookie_that_does_not_hold_it(guarded: Client) -> None:
    status, headers, _ = guarded.ask("/login", "POST", Authorization=f"Bearer {TOKEN}")
    assert status == 204
    cookie = headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower()
    assert TOKEN not in cookie
    assert guarded.ask("/state", Cookie=cookie.partition(";")[0])[0] == 200
    assert guarded.ask("/login", "POST", Authorization="Bearer wrong")[0] == 401


@pytest.mark.parametrize(
    ("host", "status"),
    [
        pytest.param("localhost:8080", 200, id="localhost"),
        pytest.param("[::1]:8080", 200, id="an IPv6 address"),
        pytest.param("192.168.1.5", 200, id="an address"),
        pytest.param("kiosk.example:8080", 200, id="a configured name"),
        pytest.param("KIOSK.example.", 200, id="the same, written otherwise"),
        pytest.param("evil.example:8080", 421, id="a foreign name"),
        pytest.param("localhost.evil.example", 421, id="a foreign name that looks like ours"),
        pytest.param("", 421, id="no name"),
    ],
)
def test_a_page_under_a_foreign_name_is_not_shown(host: str, status: int) -> None:
    with served(open=True, hosts=["kiosk.example"]) as (client, _):
        assert client.ask("/state", Host=host)[0] == status


def test_every_answer_has_the_security_headers(guarded: Client) -> None:
    for path in ("/login", "/state", "/nowhere"):
        headers = guarded.ask(path)[1]
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"


def test_the_page_needs_nothing_from_elsewhere() -> None:
    with served(open=True) as (client, _):
        for path in FILES:
            status, _, body = client.ask(path)
            assert status == 200
            text = body.decode().replace("http://www.w3.org/2000/svg", "")
            assert "http://" not in text
            assert "https://" not in text
            assert "innerHTML" not in text
            assert "style=" not in text, "the security policy forbids it"


def test_a_view_holds_the_picture_and_its_lines() -> None:
    scene = Scene()
    with served(open=True) as (client, live):
        live.view("door", 0)
        for _ in range(5):  # as many as a text needs to settle
            scene.show(live)
        status, headers, body = client.ask("/view/door?after=0")
        assert status == 200
        whole = f"Content-Type: {headers['content-type']}\r\n\r\n".encode() + body
        parts = cast(list[Message], message_from_bytes(whole).get_payload())
        text, picture = (cast(bytes, part.get_payload(decode=True)) for part in parts)
        lines = json.loads(text)
        assert (lines["camera"], lines["number"], lines["frame_size"]) == ("door", 1, [400, 240])
        assert cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR) is not None
        state = json.loads(client.ask("/state")[2])
        assert [event["text"] for event in state["events"]] == ["<b>HELLO</b>"]
        assert state["stages"][0]["name"] == "detect"
        assert client.ask("/view/garden")[0] == 404


def test_a_viewer_waits_for_a_picture_and_goes_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.preview.app.LONG_POLL_S", 0.05)
    with served(open=True) as (client, _):
        assert client.ask("/view/door?after=0")[0] == 204
        assert client.ask("/view/door?after=x")[0] == 204


# -- configuration


def test_a_token_comes_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    assert read_token(file) == TOKEN
    file.write_text("short\n")
    with pytest.raises(ConfigError, match=r"preview.token_file: .*token: needs 16 ASCII characters; try: openssl"):
        read_token(file)
    with pytest.raises(ConfigError, match="gone: no such file"):
        read_token(tmp_path / "gone")


def test_who_can_reach_the_page_from_the_network_is_said(caplog: pytest.LogCaptureFixture) -> None:
    config = PreviewConfig(listen="0.0.0.0:0", open=True)
    with caplog.at_level(logging.WARNING), serve_preview(config, Shown(), TOKEN):
        assert "0.0.0.0:0 can be reached from the network, unencrypted, by everybody there" in caplog.text
