"""Cameras over RTSP, served by Debian's GStreamer RTSP server, and what goes wrong with them."""

import logging
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue

import pytest

from runtime.capture.thread import CaptureThread
from runtime.sources.faults import CameraError
from runtime.sources.process import ProcessSource
from tests.runtime.mqtt_tools import free_port, wait_until

SYSTEM_PYTHON = "/usr/bin/python3"
SERVER = Path(__file__).with_name("rtsp_server.py")
NEEDED = (
    "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import Gst; Gst.init(None); "
    + "".join(
        f"assert Gst.ElementFactory.find('{element}'), '{element}';"
        for element in ("x264enc", "h264parse", "rtph264pay")
    )
)
TIMEOUT_S = 60.0

log = logging.getLogger(__name__)


def why_not() -> str:
    """What is missing for these tests; nothing when all is there."""
    try:
        done = subprocess.run([SYSTEM_PYTHON, "-c", NEEDED], capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    return done.stderr.strip().splitlines()[-1] if done.returncode else ""


MISSING = why_not()
needs_rtsp_server = pytest.mark.skipif(
    bool(MISSING),
    reason=f"no GStreamer RTSP server ({MISSING}): apt-get install gir1.2-gst-rtsp-server-1.0 python3-gi "
    "gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly",
)
pytestmark = [pytest.mark.slow, needs_rtsp_server]


class RtspServer:
    """A camera: a process that can be killed, frozen, and started again at its port."""

    def __init__(self, *options: str) -> None:
        self.port = free_port()
        self._options = options
        self.start()

    def start(self) -> None:
        command = [SYSTEM_PYTHON, str(SERVER), str(self.port), *self._options]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.wait_for("ready")

    def wait_for(self, word: str) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == word

    def url(self, path: str = "cam", credentials: str = "") -> str:
        return f"rtsp://{credentials}127.0.0.1:{self.port}/{path}"

    def signal(self, number: int) -> None:
        os.kill(self._process.pid, number)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextmanager
def rtsp_server(*options: str) -> Iterator[RtspServer]:
    server = RtspServer(*options)
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def capture_of(url: str) -> Iterator[CaptureThread]:
    capture = CaptureThread("cam", ProcessSource(url), "latest")
    capture.start()
    try:
        yield capture
    finally:
        capture.stop()


@contextmanager
def opened(url: str) -> Iterator[ProcessSource]:
    source = ProcessSource(url)
    source.open()
    try:
        yield source
    finally:
        source.close()


def wait_for_frames(capture: CaptureThread, n_frames: int) -> None:
    wanted = capture.stats().frames_in + n_frames
    wait_until(lambda: capture.stats().frames_in >= wanted)


def wait_until_back(capture: CaptureThread, after: str) -> None:
    """Wait for the stream of a camera that is there again; the time goes into the log, and is not judged."""
    began_s = time.monotonic()
    wait_until(lambda: capture.state == "streaming")
    log.info("%s: streaming after %.1f s", after, time.monotonic() - began_s)
    wait_for_frames(capture, 5)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time limits for a camera at 30 frames a second whose test shall not take long."""
    monkeypatch.setattr("runtime.capture.freshness.STALLED_AFTER_S", 1.0)
    monkeypatch.setattr("runtime.capture.thread.WATCH_EVERY_S", 0.1)
    monkeypatch.setattr("runtime.sources.reach.CONNECT_TIMEOUT_S", 0.5)


def test_a_wrong_password_and_a_wrong_path_are_told_apart_and_the_right_ones_work() -> None:
    with rtsp_server("--password", "s3cret") as server:
        with opened(server.url(credentials="user:s3cret@")) as source:
            frame = source.read()
        assert frame is not None
        assert frame.image.shape == (180, 320, 3)
        assert "s3cret" not in source.description
        for path, credentials, fault in (("cam", "user:wr0ng@", "auth"), ("nope", "user:s3cret@", "not_found")):
            with pytest.raises(CameraError) as caught:
                ProcessSource(server.url(path, credentials)).open()
            assert caught.value.fault == fault
            assert credentials not in str(caught.value)


def test_a_camera_that_is_switched_off_and_on_comes_back_and_the_other_is_not_touched() -> None:
    with rtsp_server() as server, rtsp_server() as other_server, ExitStack() as stack:
        capture = stack.enter_context(capture_of(server.url()))
        other = stack.enter_context(capture_of(other_server.url()))
        for each in (capture, other):
            wait_for_frames(each, 5)
        server.kill()
        wait_until(lambda: (capture.state, capture.fault) == ("reconnecting", "refused"))
        wait_for_frames(other, 30)
        server.start()
        wait_until_back(capture, "started again")
        assert capture.stats().reconnects >= 1
        assert (other.state, other.stats().reconnects, other.stats().stalls) == ("streaming", 0, 0)


@pytest.mark.usefixtures("hasty")
def test_a_camera_that_freezes_is_stalled_then_given_up_and_comes_back_when_it_thaws() -> None:
    with rtsp_server() as server, capture_of(server.url()) as capture:
        wait_for_frames(capture, 40)
        server.signal(signal.SIGSTOP)
        wait_until(lambda: capture.state == "stalled")
        wait_until(lambda: capture.state == "reconnecting")
        assert capture.fault == "timeout"
        wait_until(lambda: "no answer" in (capture.reason or ""))
        server.signal(signal.SIGCONT)
        wait_until_back(capture, "thawed")
        assert capture.stats().stalls >= 1


def test_a_stream_with_damaged_packets_goes_on() -> None:
    with rtsp_server("--damage", "0.001") as server, capture_of(server.url()) as capture:
        wait_for_frames(capture, 60)
        assert (capture.state, capture.stats().stalls) == ("streaming", 0)


def test_a_stream_that_changes_its_resolution_goes_on_in_the_size_it_was_opened_with() -> None:
    with rtsp_server("--resize-after", "2") as server, opened(server.url()) as source:
        waiting = threading.Thread(target=server.wait_for, args=["resized"])
        waiting.start()
        n_after = 0
        while n_after < 40:
            frame = source.read()
            assert frame is not None
            assert frame.image.shape == (180, 320, 3)
            assert frame.image.max() > 200  # the ball is still there
            n_after += not waiting.is_alive()


def test_two_cameras_open_without_waiting_for_each_other() -> None:
    with rtsp_server() as server, socket.create_server(("127.0.0.1", 0)) as mute:
        slow = ProcessSource(f"rtsp://127.0.0.1:{mute.getsockname()[1]}/cam")
        failures: SimpleQueue[CameraError] = SimpleQueue()
        asked = threading.Event()

        def answer_only_the_first() -> None:
            with mute.accept()[0] as connection:  # ours, to see whether it answers
                connection.recv(4096)
                connection.sendall(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n")
            with mute.accept()[0] as connection:  # FFmpeg's
                connection.recv(4096)
                asked.set()
                while connection.recv(4096):
                    pass

        def open_slowly() -> None:
            try:
                slow.open()
            except CameraError as error:
                failures.put(error)

        threads = [threading.Thread(target=target) for target in (answer_only_the_first, open_slowly)]
        for thread in threads:
            thread.start()
        assert asked.wait(TIMEOUT_S)
        with opened(server.url()) as source:
            assert source.read() is not None
        with pytest.raises(Empty):
            failures.get_nowait()
        slow.cancel()
        for thread in threads:
            thread.join(TIMEOUT_S)
        assert failures.get_nowait().fault == "process"
