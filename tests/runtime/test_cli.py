"""The command line: what goes where, and with which exit status."""

import hashlib
import io
import json
import logging
import re
import socket
import subprocess
import sys
import types
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from edge_ocr import ConfigError, ImageError, Line, ModelError, Page, SourceError, __version__
from runtime import cli
from runtime.cli import COMMANDS, main

ROOT = Path(__file__).parents[2]
Pixels = NDArray[np.uint8]


class FakeReader:
    """Reads the brightness of an image as its text; black images are empty, white ones cannot be read."""

    def __init__(self, pack: str, profile: str) -> None:
        if pack != "latin":
            raise ModelError(f"pack '{pack}': no pack.yaml there")
        self.profile = profile

    def read(self, image: Pixels) -> Page:
        line = self.read_line(image)
        lines = (line, Line("second", 0.5, line.quad)) if line.text else ()
        return Page(image.shape[1], image.shape[0], lines, {"total": 1.5})

    def read_many(self, images: Iterable[Pixels | ImageError], *, find_lines: bool) -> Iterator[Page | ImageError]:
        for image in images:
            try:
                if isinstance(image, ImageError):
                    yield image
                elif find_lines:
                    yield self.read(image)
                else:
                    line = self.read_line(image)
                    yield Page(image.shape[1], image.shape[0], (line,) if line.text else ())
            except ImageError as error:
                yield error

    def read_line(self, image: Pixels) -> Line:
        value = int(image.mean())
        if value == 255:
            raise ImageError("white.png: too white")
        quad = np.array([[0, 0], [4, 0], [4, 3], [0, 3]], np.float32)
        return Line(f"grey {value} é" if value else "", 0.9, quad)


@pytest.fixture(autouse=True)
def _undo_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with images, to be read by a fake reader."""
    module = types.ModuleType("edge_ocr.reader")
    module.Reader = FakeReader  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "edge_ocr.reader", module)
    monkeypatch.chdir(tmp_path)
    for name, value in (("grey", 100), ("black", 0), ("light", 200)):
        cv2.imwrite(f"{name}.png", np.full((3, 4, 3), value, np.uint8))
    return tmp_path


@pytest.fixture
def fake_command(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """The command `schema`, replaced; its `run` is for the test to set."""
    module = types.ModuleType("runtime.commands.schema")
    module.add_arguments = lambda parser: None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "runtime.commands.schema", module)
    return module


def fail_with(error: BaseException) -> object:
    def run(args: object) -> int:
        raise error

    return run


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    out = capsys.readouterr().out
    assert all(f"\n    {name}" in out for name in COMMANDS)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"edge-ocr {__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["bogus"], ["read"], ["pack"], ["--bogus", "read"], ["read", "--bogus"]])
def test_wrong_usage_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "usage: edge-ocr" in capsys.readouterr().err


def test_help_of_all_commands_imports_none_of_them() -> None:
    code = "import sys; from runtime import cli; cli._parser(chosen=None); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert not imported & {"cv2", "openvino", "paho", "pydantic", "torch", "train", "yaml"}
    assert not any(name.startswith("runtime.commands") for name in imported)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        pytest.param(SourceError("cam0: gone"), 1, id="a failure"),
        pytest.param(ConfigError("kiosk.yaml:1: wrong"), 2, id="a wrong configuration"),
    ],
)
def test_an_error_is_one_line(
    fake_command: types.ModuleType, capsys: pytest.CaptureFixture[str], error: Exception, status: int
) -> None:
    fake_command.run = fail_with(error)  # type: ignore[attr-defined]
    assert main(["schema"]) == status
    assert capsys.readouterr() == ("", f"edge-ocr: {error}\n")


def test_errors_show_no_credentials_and_stay_on_one_line(
    fake_command: types.ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_command.run = fail_with(SourceError("rtsp://u:s3cret@cam/1:\n  gone"))  # type: ignore[attr-defined]
    assert main(["-vv", "schema"]) == 1
    err = capsys.readouterr().err
    assert "s3cret" not in err
    assert err.splitlines()[0] == "Traceback (most recent call last):"
    assert err.splitlines()[-1] == "edge-ocr: rtsp://***@cam/1: gone"


def test_an_interrupt_exits_with_130(fake_command: types.ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    fake_command.run = fail_with(KeyboardInterrupt())  # type: ignore[attr-defined]
    assert main(["schema"]) == 130
    assert capsys.readouterr() == ("", "")


def test_a_mistake_of_ours_asks_for_a_report(
    fake_command: types.ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_command.run = fail_with(ZeroDivisionError("ours"))  # type: ignore[attr-defined]
    assert main(["schema"]) == 1
    assert "ZeroDivisionError: ours\nedge-ocr: this is a mistake in edge-ocr" in capsys.readouterr().err


def test_a_closed_pipe_is_quiet() -> None:
    code = """
import sys
import edge_ocr.pack
from runtime.cli import main
edge_ocr.pack.list_packs = lambda: print("x") or []
sys.exit(main(["pack", "list"]))
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_an_output_without_room_is_told_in_one_line() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    command = [sys.executable, "-m", "runtime.cli", "schema"]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "edge-ocr: the output: no space left on device\n")


def test_a_closed_output_disturbs_nothing() -> None:
    command = ["sh", "-c", f"exec {sys.executable} -m runtime.cli schema >&-"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_interrupt_while_the_command_loads_is_quiet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(name: str) -> types.ModuleType:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_command", interrupted)
    assert main(["schema"]) == 130
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("options", "level"),
    [
        ([], logging.WARNING),
        (["-v"], logging.INFO),
        (["-vv"], logging.DEBUG),
    ],
)
@pytest.mark.parametrize("is_before", [True, False])
def test_verbose_counts_before_and_after_the_command(
    fake_command: types.ModuleType, options: list[str], level: int, is_before: bool
) -> None:
    fake_command.run = lambda args: 0  # type: ignore[attr-defined]
    assert main([*options, "schema"] if is_before else ["schema", *options]) == 0
    assert logging.getLogger().level == level


def test_log_lines_show_no_credentials() -> None:
    record = logging.LogRecord("x", logging.WARNING, "f", 1, "open %s", ("rtsp://u:s3cret@cam/1",), None)
    assert cli.RedactingFormatter("%(message)s").format(record) == "open rtsp://***@cam/1"


@pytest.mark.usefixtures("images")
def test_read_prints_the_text_of_one_image(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["read", "grey.png"]) == 0
    assert capsys.readouterr() == ("grey 100 é\nsecond\n", "")


@pytest.mark.usefixtures("images")
def test_read_titles_several_images_as_they_were_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["read", "grey.png", "./black.png", "l*.png"]) == 0
    expected = "== grey.png\ngrey 100 é\nsecond\n== black.png\n== light.png\ngrey 200 é\nsecond\n"
    assert capsys.readouterr().out == expected


@pytest.mark.usefixtures("images")
def test_read_prints_one_json_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["read", "--json", "grey.png", "black.png"]) == 0
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (first["image"], first["width"], first["height"]) == ("grey.png", 4, 3)
    assert first["lines"][0] == {"quad": [[0, 0], [4, 0], [4, 3], [0, 3]], "text": "grey 100 é", "score": 0.9}
    assert first["timings_ms"] == {"total": 1.5}
    assert second["lines"] == []


@pytest.mark.usefixtures("images")
def test_read_line_does_not_look_for_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["read", "--line", "grey.png"]) == 0
    assert main(["read", "--line", "--json", "black.png"]) == 0
    plain, as_json = capsys.readouterr().out.splitlines()
    assert plain == "grey 100 é"
    assert json.loads(as_json)["lines"] == []


def test_read_goes_on_after_a_bad_image_and_exits_with_1(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (images / "bad.png").write_text("not an image")
    cv2.imwrite("white.png", np.full((3, 4, 3), 255, np.uint8))
    assert main(["read", "bad.png", "none.png", "white.png", "grey.png"]) == 1
    out, err = capsys.readouterr()
    assert out == "== grey.png\ngrey 100 é\nsecond\n"
    assert [line.split(":")[1] for line in err.splitlines()] == [" bad.png", " none.png", " white.png"]


@pytest.mark.usefixtures("images")
def test_read_without_its_pack_reads_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["read", "--pack", "klingon", "grey.png"]) == 1
    assert capsys.readouterr() == ("", "edge-ocr: pack 'klingon': no pack.yaml there\n")


@pytest.mark.usefixtures("images")
def test_read_shows_progress_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    err = Terminal()
    monkeypatch.setattr("sys.stderr", err)
    assert main(["read", "grey.png", "light.png"]) == 0
    assert err.getvalue() == "\r\x1b[K1 images\r\x1b[K2 images\r\x1b[K"


def write_pack(folder: Path) -> Path:
    """The smallest pack that `load_pack` accepts."""
    folder.mkdir()
    files = {name: name.encode() for name in ("d.xml", "d.bin", "r.xml", "r.bin")} | {"charset.txt": b"a\nb\n"}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    norm = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}
    manifest = {
        "format": "edge-ocr.pack/1",
        "name": "toy",
        "version": "1",
        "description": "for tests",
        "licence": "Apache-2.0",
        "origin": [],
        "charset": "charset.txt",
        "detector": {"files": {"fp": "d.xml"}, "normalization": norm},
        "recognizer": {"files": {"fp": "r.xml"}, "normalization": norm},
        "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }
    (folder / "pack.yaml").write_text(yaml.safe_dump(manifest))
    return folder


def test_pack_list_and_show_tell_what_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_pack(tmp_path / "toy")
    monkeypatch.setattr("edge_ocr.pack.PACKS", tmp_path)
    assert main(["pack", "list"]) == 0
    assert capsys.readouterr().out == "toy 1\tfor tests\n"
    assert main(["pack", "show", str(folder)]) == 0
    assert "name: toy\nversion: '1'\n" in capsys.readouterr().out


def test_a_damaged_pack_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_pack(tmp_path / "toy")
    (folder / "d.bin").write_bytes(b"other")
    monkeypatch.setattr("edge_ocr.pack.PACKS", tmp_path)
    assert main(["pack", "list"]) == 1
    assert "d.bin: not the file the pack was made with" in capsys.readouterr().err
    assert main(["pack", "show", str(folder)]) == 1


def verdicts(out: str) -> dict[str, str]:
    return {line[:14].strip(): line[15:22].strip() for line in out.splitlines()}


def test_check_tries_everything_it_was_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("runtime.checks.broker.probe_broker", lambda config, topic: "MQTT 5")
    monkeypatch.setattr("runtime.checks.checks.RATE_S", 0.3)
    pack = write_pack(tmp_path / "toy")
    file = tmp_path / "kiosk.yaml"
    cameras = "{a: {source: 'test:'}, b: {source: none.mp4}}"
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        served = f"metrics: {{listen: '127.0.0.1:0'}}\npreview: {{listen: '{taken}'}}\n"
        file.write_text(f"pack: {pack}\nprofile: generic-cpu\ncameras: {cameras}\n{served}")
        assert main(["check", "--config", str(file)]) == 1
    out = capsys.readouterr().out
    assert verdicts(out) == {
        "config": "ok",
        "camera a": "ok",
        "camera b": "FAILED",
        "broker": "ok",
        "spool": "ok",
        "metrics": "ok",
        "preview": "FAILED",
        "models": "ok",
        "profile": "ok",
        "cpu": "ok",
    }
    assert re.search(r"test card 1280x720 at 15 fps: 1280 x 720, [\d.]+ frames a second, policy latest", out)
    assert "address already in use; choose another address or port, or stop the edge-ocr that runs" in out
    assert f"{tmp_path}/none.mp4: no such file" in out


def test_check_tells_of_a_bad_configuration_and_tries_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "kiosk.yaml"
    file.write_text("cameras: {a: {sorce: 0}}\n")
    assert main(["check", "--config", str(file)]) == 1
    out = capsys.readouterr().out
    assert "unknown key; did you mean 'source'?" in out
    assert verdicts(out)["config"] == "FAILED"
    assert verdicts(out)["cpu"] == "ok"


def test_check_with_options_tries_only_those(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("runtime.checks.checks.RATE_S", 0.3)
    pack = write_pack(tmp_path / "toy")
    assert main(["check", "--source", "test:", "--pack", str(pack), "--profile", "generic-cpu"]) == 0
    assert list(verdicts(capsys.readouterr().out)) == ["config", "camera cam0", "spool", "models", "profile", "cpu"]


def test_check_refuses_a_file_and_options_together(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--config", "kiosk.yaml", "--source", "0"]) == 2
    assert "--config: the file holds what the other options say" in capsys.readouterr().err
