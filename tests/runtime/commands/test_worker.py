"""`edge-ocr worker`: its options, and a run from start to SIGTERM."""

import argparse
import os
import signal
import threading
from pathlib import Path

import pytest

from edge_ocr.errors import ConfigError
from runtime.cli import main
from runtime.commands import worker as worker_command
from tests.runtime.mosquitto import Mosquitto, needs_mosquitto
from tests.runtime.offload.tools import CodeReader, frame, running_sender, text_of


def arguments(*options: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    worker_command.add_arguments(parser)
    return parser.parse_args(options)


def test_options_become_a_configuration(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("secret\n")
    config = worker_command.read_config(
        arguments("--broker", "mqtts://eye@broker", "--root", "site/ocr", "--password-file", str(password))
    )
    assert (config.mqtt.url, config.mqtt.root, config.mqtt.username) == ("mqtts://broker", "site/ocr", "eye")
    assert config.mqtt.read_password() == "secret"
    assert config.group == "readers"
    assert config.name.endswith(f"-worker-{os.getpid()}")
    assert worker_command.read_config(arguments("--broker", "broker:1884")).mqtt.port == 1884


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(["--broker", "http://x"], "--broker: unknown scheme 'http'", id="not a broker"),
        pytest.param(["--broker", "x", "--ca-file", "ca.pem"], "--broker: ca_file, cert_file", id="no TLS"),
        pytest.param(["--broker", "x", "--root", "#"], "--root: ", id="a wildcard for a root"),
        pytest.param(["--broker", "x", "--group", "a/b"], "--group a/b: small letters", id="two levels"),
        pytest.param(["--broker", "x", "--name", "Door"], "--name Door: small letters", id="a capital letter"),
    ],
)  # fmt: skip
def test_a_wrong_option_is_named(options: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        worker_command.read_config(arguments(*options))
    assert str(caught.value).startswith(message)


def test_a_worker_without_a_broker_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["worker"])
    assert caught.value.code == 2
    assert "--broker" in capsys.readouterr().err


@needs_mosquitto
def test_it_answers_until_sigterm_and_returns_zero(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        texts: list[str] = []

        def send_and_terminate() -> None:
            try:
                with running_sender(broker.url, deadline_s=30) as sender:
                    texts.append(text_of(sender.read(frame(5))))
            finally:
                os.kill(os.getpid(), signal.SIGTERM)

        sending = threading.Thread(target=send_and_terminate)
        sending.start()
        status = worker_command.run(arguments("--broker", broker.url), load_reader=lambda pack, profile: CodeReader())
        sending.join()
    assert (status, texts) == (0, ["CODE 5"])
