"""Every kind of source: what it gives, and what it says when it cannot."""

import contextlib
import logging
import math
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_ocr.errors import SourceError
from runtime.capture.thread import CaptureThread
from runtime.frames import Frame, Source
from runtime.sources import open_source, stream
from runtime.sources.device import DeviceSource
from runtime.sources.faults import CameraError
from runtime.sources.images import ImageSource
from runtime.sources.paced import PacedSource
from runtime.sources.process import ProcessSource
from runtime.sources.reach import _check_device
from runtime.sources.spec import kind_of
from runtime.sources.stream import StreamSource
from runtime.sources.testcard import TestCard, draw_card, ticket
from runtime.sources.video import VideoSource
from tests.runtime.clips import write_clip

N_FRAMES = 6


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Six frames at 10 a second, each brighter than the last."""
    return write_clip(tmp_path / "clip.avi", range(0, 40 * N_FRAMES, 40), fps=10, width=64, height=48)


def read_all(source: Source) -> list[Frame]:
    source.open()
    frames = []
    while (frame := source.read()) is not None:
        frames.append(frame)
    source.close()
    return frames


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ("0", "device"),
        ("/dev/video2", "device"),
        ("rtsp://cam/1", "stream"),
        ("RTSPS://cam/1", "stream"),
        ("http://cam/mjpg", "stream"),
        ("clip.mp4", "video"),
        ("photo.JPG", "images"),
        ("shots/*.png", "images"),
        ("test:", "testcard"),
        ("testcard", "testcard"),
    ],
)
def test_a_text_names_a_kind_of_source(spec: str, kind: str) -> None:
    assert kind_of(spec) == kind


def test_an_unknown_scheme_is_refused_without_its_password() -> None:
    with pytest.raises(SourceError, match=r"^ftp://\*\*\*@host/x: a source's URL starts with rtsp://"):
        open_source("ftp://u:p@host/x")


@pytest.mark.parametrize(
    ("spec", "realtime", "kind", "is_live"),
    [
        ("0", False, ProcessSource, True),
        ("rtsp://cam/1", False, ProcessSource, True),
        ("test:", False, PacedSource, True),
        ("clip.mp4", False, VideoSource, False),
        ("clip.mp4", True, PacedSource, True),
        ("*.png", False, ImageSource, False),
        ("*.png", True, PacedSource, True),
    ],
)
def test_files_are_live_only_when_played_in_real_time(spec: str, realtime: bool, kind: type, is_live: bool) -> None:
    source = open_source(spec, realtime=realtime)
    assert isinstance(source, kind)
    assert source.is_live is is_live


def test_a_video_gives_every_frame_with_the_files_own_time(clip: Path) -> None:
    source = open_source(str(clip))
    frames = read_all(source)
    assert [frame.index for frame in frames] == list(range(N_FRAMES))
    assert np.diff([frame.ts for frame in frames]) == pytest.approx([0.1] * (N_FRAMES - 1), abs=1e-4)
    assert source.nominal_fps == 10
    assert frames[3].image.shape == (48, 64, 3)
    assert frames[3].image.mean() == pytest.approx(120, abs=4)


def test_a_video_can_be_opened_again(clip: Path) -> None:
    source = open_source(str(clip))
    assert len(read_all(source)) == len(read_all(source)) == N_FRAMES


@pytest.mark.parametrize("realtime", [False, True], ids=["as a file", "as a camera"])
def test_a_video_that_was_cut_short_gives_what_is_left_fails_and_what_is_missing_is_counted(
    clip: Path, realtime: bool
) -> None:
    content = clip.read_bytes()
    clip.write_bytes(content[: content.rindex(b"00dc", 0, content.rindex(b"idx1") - 100)])
    capture = CaptureThread("cam", open_source(str(clip), realtime=realtime), "every")
    capture.start()
    indices = []
    while not capture.ended:
        frame = capture.next_frame(30.0)
        indices += [frame.index] if frame is not None else []
    assert indices == list(range(len(indices)))
    assert 0 < len(indices) < N_FRAMES
    assert (capture.state, capture.fault) == ("failed", "cut_short")
    assert f"ended after {len(indices)} of {N_FRAMES} frames; the file is not whole" in (capture.reason or "")
    stats = capture.stats()
    assert (stats.frames_in, stats.frames_dropped) == (N_FRAMES, {"missing": N_FRAMES - len(indices)})


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param("none.mp4", None, r"none\.mp4: no such file; name a video", id="missing"),
        pytest.param("text.mp4", b"hello", r"text\.mp4: not a video that can be read", id="text"),
        pytest.param("empty.mp4", b"", r"empty\.mp4: not a video that can be read", id="empty"),
    ],
)
def test_what_is_no_video_is_told(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=message):
        open_source(str(tmp_path / name)).open()


def test_reading_before_opening_is_an_error(clip: Path) -> None:
    with pytest.raises(SourceError, match="not open"):
        open_source(str(clip)).read()


def test_a_folder_gives_its_images_and_leaves_out_bad_ones(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name, value in (("b.png", 20), ("a.png", 10)):
        cv2.imwrite(str(tmp_path / name), np.full((4, 5, 3), value, np.uint8))
    (tmp_path / "aa.png").write_bytes(b"not an image")
    (tmp_path / "notes.txt").write_text("not looked at")
    source = ImageSource(str(tmp_path))
    with caplog.at_level(logging.WARNING):
        frames = read_all(source)
    assert [int(frame.image[0, 0, 0]) for frame in frames] == [10, 20]
    assert [frame.index for frame in frames] == [0, 1]
    assert source.n_bad == 1
    assert [record.getMessage().count("aa.png") for record in caplog.records] == [1]


def test_a_folder_without_a_readable_image_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no image there"):
        ImageSource(str(tmp_path)).open()
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(SourceError, match=r"a\.png: .* \(and 1 more\)$"):
        ImageSource(str(tmp_path)).open()


def test_a_camera_that_is_not_there_is_told() -> None:
    with pytest.raises(SourceError, match=r"^/dev/video99: no such camera; plugged in are: "):
        open_source("99").open()


def test_a_camera_that_is_forbidden_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(CameraError, match=r"no permission; add the user to the group 'video'"):
        _check_device(Path("/dev/null"))


def test_a_device_that_is_taken_or_no_camera_is_told() -> None:
    with pytest.raises(CameraError, match=r"^/dev/null: gives no pictures; another program may be using it") as caught:
        DeviceSource("/dev/null").open()
    assert caught.value.fault == "device"


def test_a_refused_connection_is_told_without_the_password(capfd: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        source = open_source(f"rtsp://user:s3cret@127.0.0.1:{taken.getsockname()[1]}/1")
        with pytest.raises(SourceError, match=r"^rtsp://\*\*\*@127\.0\.0\.1.*connection refused"):
            source.open()
    assert "s3cret" not in source.description + capfd.readouterr().err


def test_a_picture_from_before_a_silence_is_not_given_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    source = StreamSource("rtsp://cam/1")
    held_back = Frame(np.zeros((1, 1, 3), np.uint8), 0, ts=0.0, arrival_s=0.0, decode_ms=0.0)
    monkeypatch.setattr(source, "_next_good_frame", lambda: held_back)
    assert source.read() is held_back
    monkeypatch.setattr(stream, "READ_TIMEOUT_MS", 0)
    with pytest.raises(CameraError, match="no frame within"):
        source.read()


@pytest.mark.parametrize(
    ("fps", "positions_fps"),
    [
        pytest.param(5.0, 5.0, id="told by the times in the stream"),
        pytest.param(5.0, math.inf, id="told by the rate of a stream without times"),
        pytest.param(0.0, 5.0, id="of a stream that states no rate"),
    ],
)
def test_pictures_that_came_while_a_stream_was_opened_are_passed_over(
    monkeypatch: pytest.MonkeyPatch, fps: float, positions_fps: float
) -> None:
    source = StreamSource("rtsp://cam/1")
    capture = FakeCapture(arrivals_s=[0.0, 0.0, 0.01, 0.15, 0.35, 0.36, 0.75], fps=fps, positions_fps=positions_fps)
    monkeypatch.setattr("time.monotonic", lambda: capture.now_s)
    monkeypatch.setattr("cv2.VideoCapture", lambda *_: capture)
    source.open()
    # The fourth one took long enough to come; that a later one comes fast again makes it no older.
    assert [source.read().image[0, 0, 0] for _ in range(4)] == [3, 4, 5, 6]


def test_a_stream_whose_times_make_no_sense_is_given_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    source = StreamSource("rtsp://cam/1")
    capture = FakeCapture(arrivals_s=[index / 100 for index in range(50)], fps=1.0, positions_fps=1.0)
    monkeypatch.setattr("time.monotonic", lambda: capture.now_s)
    monkeypatch.setattr("cv2.VideoCapture", lambda *_: capture)
    source.open()
    assert source.read().image[0, 0, 0] == stream.MAX_KEPT - 1


class FakeCapture:
    """What of cv2.VideoCapture a stream needs: frames that come at given times, each of its number's colour."""

    def __init__(self, arrivals_s: list[float], fps: float, positions_fps: float) -> None:
        self.now_s = 0.0
        self._arrivals_s = arrivals_s
        self._fps = fps
        self._positions_fps = positions_fps
        self._index = -1

    def isOpened(self) -> bool:  # noqa: N802
        return True

    def get(self, name: int) -> float:
        return self._fps if name == cv2.CAP_PROP_FPS else 1e3 * self._index / self._positions_fps

    def grab(self) -> bool:
        self._index += 1
        self.now_s = self._arrivals_s[self._index]
        return True

    def retrieve(self) -> tuple[bool, NDArray[np.uint8]]:
        return True, np.full((1, 1, 3), self._index, np.uint8)


def test_a_stream_that_is_not_there_is_told_without_the_password(capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=answer_not_found, args=[server], daemon=True).start()
        source = open_source(f"http://user:s3cret@127.0.0.1:{server.getsockname()[1]}/x")
        with pytest.raises(CameraError, match=r"^http://\*\*\*@127.*/x: nothing at that path") as caught:
            source.open()
    assert caught.value.fault == "not_found"
    assert "s3cret" not in capfd.readouterr().err


def answer_not_found(server: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = server.accept()
            with connection:
                if connection.recv(4096):
                    connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")


def test_a_timeout_of_the_connection_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def time_out(*_: object, **__: object) -> None:
        raise TimeoutError

    monkeypatch.setattr("socket.create_connection", time_out)
    with pytest.raises(SourceError, match="no answer within 5 s"):
        open_source("rtsp://10.255.255.1/1").open()


def test_a_camera_that_froze_is_found_out_before_opencv_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.sources.reach.CONNECT_TIMEOUT_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(SourceError, match="no answer within"):
        open_source(f"rtsp://127.0.0.1:{server.getsockname()[1]}/1").open()


def test_a_url_with_an_unescaped_password_is_told_without_it() -> None:
    with pytest.raises(SourceError, match="not a URL") as caught:
        open_source("rtsp://user:s3/cret@cam/1").open()
    assert "cret" not in str(caught.value)


def test_the_test_card_changes_its_ticket_every_few_seconds() -> None:
    assert ticket(0.0) == ticket(3.9) == "TICKET AB100000"
    assert ticket(4.0) == "TICKET AB100137"


def test_the_test_card_has_the_size_and_rate_it_is_asked_for() -> None:
    card = TestCard("test:640x360@30")
    assert card.nominal_fps == 30
    assert card.read().image.shape == (360, 640, 3)
    assert TestCard("test:").read().image.shape == (720, 1280, 3)


def test_the_test_card_moves() -> None:
    first, second = (draw_card((320, 180), 0, seconds, ts=0.0) for seconds in (0.0, 1.0))
    assert (first != second).any()


@pytest.mark.parametrize("spec", ["test:big", "test:10x10", "test:@0", "test:@999"])
def test_a_test_card_that_cannot_be_drawn_is_refused(spec: str) -> None:
    with pytest.raises(SourceError, match=r"^test:"):
        open_source(spec)


class FakeTime:
    """A clock that only moves when told to, or when somebody sleeps."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def paced(clip: Path) -> tuple[PacedSource, FakeTime]:
    clock = FakeTime()
    source = PacedSource(VideoSource(str(clip)), clock=clock, sleep=clock.sleep, wall_clock=lambda: clock.now_s + 1e9)
    source.open()
    return source, clock


def next_of(source: Source) -> Callable[[], Frame]:
    def read() -> Frame:
        frame = source.read()
        assert frame is not None
        return frame

    return read


def test_in_real_time_frames_come_on_schedule(clip: Path) -> None:
    source, _ = paced(clip)
    frames = [next_of(source)() for _ in range(N_FRAMES)]
    assert [frame.arrival_s for frame in frames] == pytest.approx([100 + 0.1 * index for index in range(N_FRAMES)])
    assert frames[2].ts == pytest.approx(1e9 + 100.2)
    assert source.read() is None


def test_in_real_time_frames_that_nobody_fetched_are_passed_over(clip: Path) -> None:
    source, clock = paced(clip)
    read = next_of(source)
    assert read().index == 0
    clock.now_s += 0.35
    late = read()
    assert late.index == 3
    assert late.image.mean() == pytest.approx(120, abs=4)
    assert read().arrival_s == pytest.approx(100.4)  # back on the old schedule


def test_in_real_time_the_end_comes_even_when_everything_was_missed(clip: Path) -> None:
    source, clock = paced(clip)
    next_of(source)()
    clock.now_s += 60
    assert source.read() is None
