"""Nothing phones home: what the system sees of the network, and of the user's folder, while edge-ocr works."""

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from tests.runtime.mqtt_tools import ScriptedBroker

ROOT = Path(__file__).parents[1]
TIMEOUT_S = 120
CALL = re.compile(r"^\d+ +(\w+)\(")
ADDRESS = re.compile(r'sin6?_port=htons\((\d+)\).*?(?:inet_addr\(|inet_pton\(AF_INET6, )"([^"]+)"')


def why_not() -> str:
    strace = shutil.which("strace")
    if strace is None:
        return "needs strace: apt-get install strace"
    tried = subprocess.run([strace, "-f", "-o", os.devnull, "true"], capture_output=True, text=True, check=False)
    return "" if tried.returncode == 0 else f"to trace is not allowed here: {tried.stderr.strip()}"


REASON = why_not()
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(REASON), reason=REASON)]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    photo = Image.new("RGB", (320, 96), "white")
    ImageDraw.Draw(photo).text((20, 20), "HELLO 12345", fill="black", font=ImageFont.load_default(40))
    for number in range(3):  # as many as a text needs to settle
        photo.save(folder / f"{number}.png")
    return folder


def trace(home: Path, *arguments: str) -> list[str]:
    """Run a command in a fresh home; the lines of its network calls, those of its children and threads too."""
    calls = home.parent / "calls.txt"
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"}
    tracer = ["strace", "-f", "-qq", "-s", "0", "-e", "trace=network", "-o", str(calls)]
    command = [*tracer, sys.executable, "-m", "runtime.cli", *arguments]
    done = subprocess.run(
        command, cwd=home.parent, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert done.returncode == 0, done.stderr
    return calls.read_text().splitlines()


def addresses(lines: list[str], *names: str) -> set[tuple[str, int]]:
    """The (address, port) that calls of these names hold."""
    of_names = [line for line in lines if (call := CALL.match(line)) and call[1] in names]
    return {(found[2], int(found[1])) for line in of_names for found in ADDRESS.finditer(line)}


def assert_home_is_clean(home: Path) -> None:
    assert [path.name for path in home.iterdir()] == [".cache"], "an ~/intel folder would be OpenVINO's telemetry"
    assert [path.name for path in (home / ".cache").iterdir()] == ["edge-ocr"]
    assert stat.S_IMODE((home / ".cache" / "edge-ocr").stat().st_mode) == 0o700


def test_read_makes_no_network_call(home: Path, photos: Path) -> None:
    assert trace(home, "read", str(photos / "0.png")) == []
    assert_home_is_clean(home)


def test_run_talks_to_the_broker_only(home: Path, photos: Path) -> None:
    with ScriptedBroker() as broker:
        where = f"mqtt://127.0.0.1:{broker.port}"
        source = ("--source", str(photos), "--realtime")
        lines = trace(home, "run", *source, "--broker", where, "--node", "private")
        assert any(message.topic == "edge-ocr/private/cam0/events" for message in broker.published)
    # paho wakes its own network thread through a pair of loopback sockets: the port it got for them is its own.
    own = {("127.0.0.1", port) for host, port in addresses(lines, "getsockname") if host == "127.0.0.1"}
    reached = addresses(lines, "connect", "sendto", "sendmsg", "sendmmsg")
    assert ("127.0.0.1", broker.port) in reached
    assert reached <= {("127.0.0.1", broker.port), *own}
    listens = addresses([line for line in lines if "sin_port=htons(0)" not in line], "bind")
    assert not listens, "nothing listens unless asked"
    assert_home_is_clean(home)


def test_the_tracer_sees_what_would_be_a_call() -> None:
    line = (
        '17 connect(7, {sa_family=AF_INET6, sin6_port=htons(443), inet_pton(AF_INET6, "2001:db8::1", &sin6_addr)}, 28)'
    )
    assert addresses([line, line.replace("connect", "getsockname")], "connect") == {("2001:db8::1", 443)}
