"""A camera read by a process of its own: here that process plays the test card."""

import contextlib
import logging
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_ocr.errors import SourceError
from runtime.sources.faults import CameraError, explain
from runtime.sources.process import ProcessSource, _StderrReader

ROOT = Path(__file__).parents[3]
CARD = "test:320x180@60"
TIMEOUT_S = 30.0


@pytest.fixture
def source() -> Iterator[ProcessSource]:
    source = ProcessSource(CARD)
    yield source
    source.close()


def wait_until(is_true: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + TIMEOUT_S
    while not is_true():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def pid_of(source: ProcessSource) -> int:
    assert source._process is not None
    return source._process.pid


def is_gone(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return not status.exists() or "State:\tZ" in status.read_text()


def read_until_it_fails(source: ProcessSource) -> None:
    while True:
        source.read()


def test_frames_come_from_another_process_and_every_one_is_accounted_for(source: ProcessSource) -> None:
    source.open()
    assert pid_of(source) != os.getpid()
    frames = [source.read() for _ in range(5)]
    assert source.nominal_fps == 60
    indices = [frame.index for frame in frames if frame is not None]
    assert indices == sorted(set(indices))
    assert all(frame is not None and frame.image.shape == (180, 320, 3) for frame in frames)
    assert all(frame is not None and abs(time.monotonic() - frame.arrival_s) < TIMEOUT_S for frame in frames)
    before = source.losses()
    source.close()
    assert source.losses().get("overwritten", 0) >= before.get("overwritten", 0)


def test_a_source_that_cannot_be_opened_says_why() -> None:
    with pytest.raises(CameraError, match=r"^test:@999: sides go from"):
        ProcessSource("test:@999").open()


def test_reading_before_opening_is_an_error(source: ProcessSource) -> None:
    with pytest.raises(SourceError, match="not open"):
        source.read()


def test_a_process_that_was_killed_is_told_and_started_anew(source: ProcessSource) -> None:
    source.open()
    os.kill(pid_of(source), signal.SIGKILL)
    with pytest.raises(CameraError, match="the process that reads it was ended by signal 9") as caught:
        read_until_it_fails(source)
    assert caught.value.fault == "process"
    source.open()
    assert source.read() is not None


def test_a_read_that_is_stuck_can_be_cancelled_from_another_thread(source: ProcessSource) -> None:
    source.open()
    os.kill(pid_of(source), signal.SIGSTOP)
    canceller = threading.Timer(0.1, source.cancel)
    canceller.start()
    with pytest.raises(CameraError):
        read_until_it_fails(source)
    canceller.join()


def test_nothing_is_left_of_a_source_that_was_opened_again_and_again(source: ProcessSource) -> None:
    def left() -> tuple[int, int, int]:
        children = [path.read_text().split() for path in Path("/proc/self/task").glob("*/children")]
        return len(list(Path("/proc/self/fd").iterdir())), threading.active_count(), sum(map(len, children))

    source.open()
    source.close()
    wait_until(lambda: not any(thread.name == "camera-stderr" for thread in threading.enumerate()))
    before = left()
    for n in range(3):
        source.open()
        assert source.read() is not None
        if n == 1:
            source.cancel()
        source.close()
    wait_until(lambda: left() == before)


@pytest.mark.parametrize("is_stopped", [False, True], ids=["while it reads", "while it is stopped"])
def test_the_process_ends_when_its_parent_is_killed(is_stopped: bool) -> None:
    program = (
        "import time\n"
        "from runtime.sources.process import ProcessSource\n"
        f"source = ProcessSource({CARD!r})\n"
        "source.open(); source.read()\n"
        "print(source._process.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        if is_stopped:
            os.kill(pid, signal.SIGSTOP)
        parent.kill()
    wait_until(lambda: is_gone(pid))


def test_a_password_is_not_among_the_arguments_that_everybody_sees(source: ProcessSource) -> None:
    source.open()
    assert CARD not in Path(f"/proc/{pid_of(source)}/cmdline").read_text()


def test_the_process_is_light() -> None:
    program = "import runtime.sources.child, sys; print(*sorted({'openvino', 'pydantic', 'paho'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_what_ffmpeg_says_is_logged_once_and_without_credentials(caplog: pytest.LogCaptureFixture) -> None:
    read_fd, write_fd = os.pipe()
    os.write(write_fd, b"[rtsp @ 0x55] rtsp://u:s3cret@cam/1: gone\n[rtsp @ 0x66] rtsp://u:s3cret@cam/1: gone\n" * 3)
    os.close(write_fd)
    reader = _StderrReader("cam", os.fdopen(read_fd, "rb", buffering=0))
    with caplog.at_level(logging.INFO):
        reader.start()
        lines = reader.finish()
    assert lines[0] == "[rtsp @ 0x55] rtsp://***@cam/1: gone"
    assert [record.getMessage() for record in caplog.records] == [f"cam: {lines[0]}"]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("[rtsp @ 0x1] method DESCRIBE failed: 401 (Unauthorized)", "auth"),
        ("[OPENCV:FFMPEG:24] HTTP error 403 Forbidden", "auth"),
        ("[rtsp @ 0x1] method DESCRIBE failed: 404 (Not Found)", "not_found"),
        ("[OPENCV:FFMPEG:24] HTTP error 404 File not found", "not_found"),
        ("[OPENCV:FFMPEG:16] error:1408F10B:SSL routines:ssl3_get_record:wrong version number", "tls"),
        ("Could not find codec parameters for stream 0 (Video: hevc, none)", "codec"),
        ("[tcp @ 0x1] Connection to tcp://127.0.0.1:1?timeout=0 failed: Connection refused", "refused"),
        ("[tcp @ 0x1] Failed to resolve hostname x: Name or service not known", "unreachable"),
        ("Failed reading RTSP data: Immediate exit requested", "timeout"),
        ("[h264 @ 0x1] error while decoding MB 17 10", "ended"),
    ],
)
def test_a_fault_is_known_by_what_ffmpeg_says(line: str, fault: str) -> None:
    explained = explain("rtsp://cam/1", CameraError("ended", "rtsp://cam/1: the stream ended"), ["a", line, "b"])
    assert explained.fault == fault
    assert str(explained).startswith("rtsp://cam/1: ")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
def test_a_camera_over_tls_is_read_only_when_its_certificate_is_trusted(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    extra = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command.split(), *extra], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=answer_not_found, args=[context, server], daemon=True).start()
        port = server.getsockname()[1]
        faults = {}
        for name, trusted in (("localhost", None), ("127.0.0.1", None), ("localhost", certificate)):
            with pytest.raises(CameraError) as caught:
                ProcessSource(f"https://{name}:{port}/x", ca_file=trusted).open()
            faults[name, trusted] = caught.value.fault
            assert trusted or "`ca_file`" in str(caught.value)
    assert list(faults.values()) == ["tls", "tls", "not_found"]  # the last one got as far as asking


def answer_not_found(context: ssl.SSLContext, server: socket.socket) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(4096)
            secure.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
