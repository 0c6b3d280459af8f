"""A real broker in a process of its own that tests kill, freeze and start anew, and a gate in front of it."""

import contextlib
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.runtime.mqtt_tools import free_port, wait_until

PROGRAM = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
needs_mosquitto = pytest.mark.skipif(
    not Path(PROGRAM).exists(), reason="needs mosquitto (Debian: apt-get install mosquitto)"
)
needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="needs openssl (Debian: apt-get install openssl)"
)


class Mosquitto:
    """Use as a context manager: it runs inside the `with`, unless a test ends it. Remembers nothing."""

    def __init__(self, folder: Path, *, settings: Sequence[str] = ("allow_anonymous true",)) -> None:
        self.port = free_port()
        self.url = f"mqtt://127.0.0.1:{self.port}"
        self._file = folder / "mosquitto.conf"
        # No limit in flight: what the broker acknowledges, it has passed on to those who are there.
        # As root it would become another user, who may not look into a test's folder.
        lines = ["user root", f"listener {self.port} 127.0.0.1", "max_inflight_messages 0", *settings]
        self._file.write_text("\n".join(lines))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Mosquitto":
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()

    def start(self) -> None:
        self._process = subprocess.Popen(
            [PROGRAM, "-c", str(self._file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until(self._listens)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def reload(self) -> None:
        """Read passwords and certificates anew."""
        self._signal(signal.SIGHUP)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "mosquitto does not start"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False


class Gate:
    """A port that passes on to another one while it is open; what is connected ends when it is closed."""

    def __init__(self, to_port: int) -> None:
        self.port = free_port()
        self._to_port = to_port
        self._server: socket.socket | None = None
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> "Gate":
        self.open()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def open(self) -> None:
        self._server = socket.create_server(("127.0.0.1", self.port))
        self._start(self._accept, self._server)

    def shut(self) -> None:
        """Let nobody else in."""
        if self._server is not None:
            _end(self._server)
            self._server.close()
            self._server = None

    def close(self) -> None:
        self.shut()
        for each in self._sockets:
            _end(each)
        for thread in self._threads:
            thread.join()
        for each in self._sockets:
            each.close()
        self._threads, self._sockets = [], []

    def _accept(self, server: socket.socket) -> None:
        while True:
            try:
                outer, _ = server.accept()
            except OSError:
                return
            try:
                inner = socket.create_connection(("127.0.0.1", self._to_port))
            except OSError:
                outer.close()
                continue
            self._sockets += [outer, inner]
            self._start(_copy, outer, inner)
            self._start(_copy, inner, outer)

    def _start(self, target: object, *args: socket.socket) -> None:
        assert callable(target)
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    _end(source)
    _end(sink)


def _end(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)


class Certificates:
    """A small authority of certificates in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = folder / "ca.pem"
        self._run(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 9 -subj /CN=authority",
            "-keyout", self._key("ca"), "-out", self.ca,
        )  # fmt: skip

    def make(self, name: str, *, is_expired: bool = False) -> tuple[Path, Path]:
        """A certificate for 127.0.0.1 and its key, made anew if it is there."""
        certificate, request, extra = self.folder / f"{name}.pem", self.folder / "request", self.folder / "extra"
        extra.write_text("subjectAltName=IP:127.0.0.1\n")
        self._run(
            f"req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN={name}",
            "-keyout", self._key(name), "-out", request,
        )  # fmt: skip
        days = "-1" if is_expired else "9"
        self._run(
            f"x509 -req -days {days} -CAcreateserial -in", request, "-CA", self.ca, "-CAkey", self._key("ca"),
            "-extfile", extra, "-out", certificate,
        )  # fmt: skip
        return certificate, self._key(name)

    def _key(self, name: str) -> Path:
        return self.folder / f"{name}.key"

    @staticmethod
    def _run(command: str, *more: str | Path) -> None:
        subprocess.run(["openssl", *command.split(), *map(str, more)], check=True, capture_output=True)
