"""What systemd is told, at a socket of ours instead of its own."""

import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.monitoring.systemd import Notifier


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(path)
        receiver.settimeout(5.0)
        yield path, receiver


def heard(receiver: socket.socket) -> list[str]:
    return receiver.recv(4096).decode().split("\n")


def test_every_state_is_told(manager: tuple[str, socket.socket]) -> None:
    path, receiver = manager
    notifier = Notifier({"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())})
    assert notifier.watchdog_s == 60.0
    notifier.ready("cam0 streaming")
    assert heard(receiver) == ["READY=1", "STATUS=cam0 streaming"]
    notifier.alive()
    assert heard(receiver) == ["WATCHDOG=1"]
    notifier.reloading()
    reloading, since = heard(receiver)
    assert reloading == "RELOADING=1"
    assert since.removeprefix("MONOTONIC_USEC=").isdigit()
    notifier.status("broker away")
    assert heard(receiver) == ["STATUS=broker away"]
    notifier.stopping()
    assert heard(receiver)[0] == "STOPPING=1"


def test_a_leading_at_names_an_abstract_socket() -> None:
    name = f"edge-ocr-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(f"\0{name}")
        Notifier({"NOTIFY_SOCKET": f"@{name}"}).status("hello")
        assert heard(receiver) == ["STATUS=hello"]


@pytest.mark.parametrize(
    "environment",
    [
        pytest.param({}, id="nobody asked"),
        pytest.param({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}, id="meant for another process"),
        pytest.param({"WATCHDOG_USEC": "soon"}, id="not a number"),
    ],
)
def test_there_is_no_watchdog_when(environment: dict[str, str], manager: tuple[str, socket.socket]) -> None:
    path, receiver = manager
    notifier = Notifier({**environment, "NOTIFY_SOCKET": path})
    assert notifier.watchdog_s is None
    notifier.alive()
    notifier.status("next")
    assert heard(receiver) == ["STATUS=next"]


def test_without_systemd_nothing_happens() -> None:
    notifier = Notifier({})
    notifier.ready("x")
    notifier.stopping()


def test_a_manager_that_is_gone_costs_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    with caplog.at_level(logging.WARNING):
        notifier.ready("x")
        notifier.status("y")
    assert [record.levelname for record in caplog.records] == ["WARNING"]
