"""The guide tells the truth: its commands are run as they stand, in folders and at ports of a test's own."""

import argparse
import importlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from edge_ocr.errors import ConfigError
from runtime.cli import COMMANDS
from runtime.config.kiosk import load_kiosk
from runtime.events import CameraState, NodeStatus, Outcome, SpoolState, TextEvent
from runtime.frames import CameraFault
from runtime.spool.spool import Spool
from tests.runtime.mosquitto import PROGRAM, needs_mosquitto, needs_openssl
from tests.runtime.mqtt_tools import free_port

ROOT = Path(__file__).parent.parent
GUIDE = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
TOOLS = ("mosquitto_sub", "mosquitto_passwd", "curl")
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]
needs_tools = pytest.mark.skipif(
    bool(MISSING), reason=f"no {', '.join(MISSING)}: apt-get install mosquitto mosquitto-clients curl"
)
# The camera of the guide is the built-in picture here, and its broker this machine.
REPLACED = {
    r"rtsp://viewer:\$\{CAM_PASSWORD\}@10\.0\.0\.7/stream1": "test:640x360@5",
    r"source: 0\b": "source: test:320x180@1",
    r"broker\.local": "localhost",
}


def blocks(language: str) -> list[str]:
    """The code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


def block(language: str, words: str) -> str:
    """The one code block with these words."""
    (found,) = [each for each in blocks(language) if words in each]
    return found


def rows(header: str) -> set[str]:
    """What stands in the first column of the tables whose first column has this header."""
    tables = re.findall(rf"^\| {header} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", GUIDE, re.MULTILINE)
    return {name for table in tables for name in re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)}


def edge_ocr_commands() -> list[list[str]]:
    lines = [line for each in blocks("sh") for line in each.splitlines()]
    return [shlex.split(line)[1:] for line in lines if re.match(r"(/opt/\S+/)?edge-ocr [a-z]", line)]


@pytest.mark.parametrize("script", blocks("sh"), ids=lambda script: script.partition("\n")[0])
def test_a_block_is_a_shell_script(script: str) -> None:
    done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("arguments", edge_ocr_commands(), ids=" ".join)
def test_a_command_is_understood(arguments: list[str]) -> None:
    assert arguments[0] in COMMANDS
    parser = argparse.ArgumentParser()
    importlib.import_module(f"runtime.commands.{arguments[0]}").add_arguments(parser)
    parser.parse_args(arguments[1:])


@pytest.mark.parametrize("text", [each for each in blocks("yaml") if "kiosk.yaml" in each.partition("\n")[0]])
def test_a_configuration_is_accepted(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MQTT_PASSWORD", "CAM_PASSWORD", "CREDENTIALS_DIRECTORY"):
        monkeypatch.setenv(name, "secret")
    data = yaml.safe_load(text)
    (tmp_path / "kiosk.yaml").write_text(yaml.safe_dump({"cameras": {"door": {"source": 0}}} | data))
    load_kiosk(tmp_path / "kiosk.yaml")
    (tmp_path / "kiosk.yaml").write_text(yaml.safe_dump({"cameras": {"door": {"source": 0}}} | data | {"typo": 1}))
    with pytest.raises(ConfigError):
        load_kiosk(tmp_path / "kiosk.yaml")


def test_the_states_and_errors_it_explains_are_those_that_there_are() -> None:
    states = {*get_args(CameraState), *get_args(NodeStatus.model_fields["state"].annotation), *get_args(SpoolState)}
    assert rows("state") == states
    assert rows("error") == set(get_args(CameraFault))
    answers = re.search(r"with the id: (.*)\.$", GUIDE, re.MULTILINE)
    assert answers is not None
    assert set(re.findall(r"`([a-z]+)`", answers[1])) == set(get_args(Outcome))


def test_the_lines_of_the_log_that_it_explains_are_those_that_are_written() -> None:
    source = "\n".join(path.read_text() for path in sorted((ROOT / "runtime" / "mqtt").glob("*.py")))
    for line in rows("line"):
        words = re.split(r"\.\.\.|\(.*?\)|the id '.*?'|\d+ s", line.partition(": ")[0])
        assert all(part.strip() in source for part in words if part.strip()), line


def test_the_files_it_links_to_and_its_own_headings_exist() -> None:
    links = re.findall(r"\]\(([^)]+)\)", GUIDE)
    headings = re.findall(r"^#+ (.*)$", GUIDE, re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert [link for link in links if link.startswith("#") and link[1:] not in anchors] == []
    assert [link for link in links if link[0] != "#" and not (ROOT / "docs" / link).exists()] == []


# -- the whole way


class Box:
    """A box and its broker, set up by the guide, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {name: free_port() for name in ("8883", "9464", "8080")}
        self._replaced = {
            **REPLACED,
            **{rf"\b{name}\b": str(port) for name, port in self.ports.items()},
            "(?<=[ '>])/(etc|var/lib|root)/": rf"{folder}/\1/",
            r"(?m)^edge-ocr ": f"{sys.executable} -m runtime.cli ",
            r"(?m)^(chown|apt-get|systemctl) .*$": "",
        }
        for made in ("etc/mosquitto/conf.d", "root"):
            (folder / made).mkdir(parents=True)

    def here(self, text: str) -> str:
        """A text of the guide with the names of this box."""
        for name, replacement in self._replaced.items():
            text = re.sub(name, replacement, text)
        return text

    def sh(self, words: str) -> str:
        """Run the block with these words; what it writes to stdout."""
        return self.script(block("sh", words))

    def script(self, script: str) -> str:
        command = ["bash", "-e", "-c", self.here(script)]
        done = subprocess.run(command, cwd=ROOT, env=self.environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(ROOT)}

    def configure(self, changed: dict[str, Any]) -> None:
        """Write the guide's kiosk.yaml, with some keys changed."""
        config = yaml.safe_load(self.here(block("yaml", "# /etc/edge-ocr/kiosk.yaml")))
        (self.folder / "etc/edge-ocr/kiosk.yaml").write_text(yaml.safe_dump(config | changed))

    @contextmanager
    def broker(self, *changed: str) -> Iterator[None]:
        settings = (self.folder / "etc/mosquitto/conf.d/kiosk.conf").read_text()
        for line in changed:
            settings = re.sub(r"password_file .*", line, settings)
        (self.folder / "mosquitto.conf").write_text(f"user root\n{settings}")
        with self.process([PROGRAM, "-c", str(self.folder / "mosquitto.conf")]):
            yield

    @contextmanager
    def process(self, command: list[str], **more: Any) -> Iterator["subprocess.Popen[str]"]:
        process = subprocess.Popen(command, cwd=ROOT, env=self.environment(), text=True, **more)
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


@pytest.fixture
def box(tmp_path: Path) -> Box:
    made = Box(tmp_path)
    for words in ("CN=broker.local", "cat > /etc/mosquitto/acl", "CN=lobby-3", "MQTT_PASSWORD"):
        made.sh(words)
    made.configure({})
    return made


@pytest.mark.slow
@needs_mosquitto
@needs_openssl
@needs_tools
def test_from_box_to_wall_as_the_guide_says(box: Box) -> None:
    run = "set -a; . /etc/edge-ocr/environment; set +a\n" + block("sh", "edge-ocr run")
    answers = "mosquitto_sub -h broker.local -p 8883 --cafile /etc/edge-ocr/ca.crt -u wall -P 'wall secret'"
    answers += " -C 4 -t edge-ocr/lobby-3/set/+/state -t edge-ocr/lobby-3/+/set/+/state -F '%t %p'"
    with box.broker():
        checked = box.sh("set -a")
        assert [line for line in checked.splitlines() if " ok " not in line] == []
        with (
            box.process(["bash", "-c", box.here(run)]) as node,
            box.process(["bash", "-c", box.here(f"exec {answers}")], stdout=subprocess.PIPE) as asked,
        ):
            event = TextEvent.model_validate_json(box.sh("-C 1"))
            assert (event.node, event.type) == ("lobby-3", "begin")
            for line in block("sh", "set/pause").splitlines():
                box.script(line)
            assert asked.stdout is not None
            said = [asked.stdout.readline() for _ in range(4)]
            assert all('"outcome":"done"' in line for line in said), said
            health = box.sh("/healthz")
            assert '"alive":true' in health
            assert '"ready":true' in health
            assert_rules_fit(health)
            node.send_signal(signal.SIGHUP)
            refused = "mosquitto_pub -h broker.local -p 8883 --cafile /etc/edge-ocr/ca.crt -u lobby-3 -P 'box secret'"
            stranger = f"{refused} -V mqttv5 -q 1 -t edge-ocr/another/status -m x 2>&1 || true"
            assert "not authorized" in box.script(stranger).lower()
            node.send_signal(signal.SIGTERM)
            assert node.wait(60) == 0
    box.sh("edge-ocr-backup")
    with Spool(box.folder / "root/edge-ocr-backup/spool.db", max_bytes=64 * 2**20, max_age_s=3600.0) as spool:
        assert spool.counts().sent > 0


@pytest.mark.slow
@needs_mosquitto
@needs_openssl
@needs_tools
def test_certificates_instead_of_passwords_as_the_guide_says(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    certificates = box.folder / "etc/mosquitto/certs"
    shutil.copy(certificates / "lobby-3.crt", box.folder / "etc/edge-ocr")
    shutil.copy(certificates / "lobby-3.key", box.folder / "key")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(box.folder))
    box.configure(yaml.safe_load(box.here(block("yaml", "cert_file"))))
    with box.broker(block("text", "require_certificate").replace("\n", "\\n")):
        checked = box.sh("set -a")
    assert [line for line in checked.splitlines() if " ok " not in line] == []


def assert_rules_fit(exposition: str) -> None:
    """Every name in the alert rules is one that is exposed, or `up`."""
    exposed = {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"^([a-z_]+)[ {]", exposition, re.M)}
    described = set(re.findall(r"^# TYPE (\S+)", exposition, re.MULTILINE))
    used = set(re.findall(r"\bedge_ocr_[a-z_]+", block("yaml", "alert rules") + block("text", "histogram_quantile")))
    used = {re.sub(r"_bucket$", "", name) for name in used}
    assert used - exposed - described - {f"{name}_total" for name in described} == set()


def test_the_preview_token_is_long_enough(box: Box) -> None:
    box.sh("preview-token")
    config = yaml.safe_load(block("yaml", "# /etc/edge-ocr/kiosk.yaml"))
    listen = re.search(r"`preview: (\{.*?\})`", GUIDE)
    assert listen is not None
    assert config["preview"].items() <= yaml.safe_load(listen[1]).items()
    assert len((box.folder / "etc/edge-ocr/preview-token").read_text().strip()) >= 16
