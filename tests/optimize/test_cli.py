import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_ocr.pack import load_pack
from optimize.__main__ import main
from tests.optimize.toys import CHARACTERS

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def run_import(published: Path, tmp_path: Path) -> Callable[..., int]:
    def run(*options: str, out: str = "pack") -> int:
        return main(["import", str(published), "--family", "v3", "--out", str(tmp_path / out), *options])

    return run


def test_import_makes_a_pack(
    run_import: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_import() == 0
    pack = load_pack(tmp_path / "pack")
    assert (pack.name, list(pack.charset)) == ("ppocr-v3", list(CHARACTERS))
    assert capsys.readouterr().out == ""


def test_import_with_a_name_and_a_charset(run_import: Callable[..., int], tmp_path: Path) -> None:
    (tmp_path / "few.txt").write_text("b\n \n")
    assert run_import("--name", "few", "--charset", str(tmp_path / "few.txt")) == 0
    pack = load_pack(tmp_path / "pack")
    assert (pack.name, list(pack.charset)) == ("few", ["b", " "])


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()[-1]


def test_a_character_that_the_head_lacks_is_wrong_usage(
    run_import: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "few.txt").write_text("é\n")
    assert run_import("--charset", str(tmp_path / "few.txt")) == 2
    assert one_line(capsys).startswith("optimize import: charset: the published head cannot read 'é'")
    assert not (tmp_path / "pack").exists()


def test_a_folder_that_is_not_a_pack_is_wrong_usage(
    run_import: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_import(out="published") == 2
    assert "published: is there and is not a pack" in one_line(capsys)
    assert (tmp_path / "published" / "models").is_dir()


def test_an_output_that_cannot_be_written_fails(
    run_import: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    assert run_import(out="file/pack") == 1
    assert "optimize import: " in one_line(capsys)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["import", "nowhere", "--family", "v3"], "nowhere: no file", id="import of nothing"),
        pytest.param(
            ["latin", "--published", "nowhere"],
            "nowhere: no such file or folder",
            id="latin of nothing",
        ),
    ],
)
def test_missing_weights_fail(
    tmp_path: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--out", str(tmp_path / "pack")]) == 1
    assert one_line(capsys).startswith(f"optimize {arguments[0]}: {message}")
    assert not (tmp_path / "pack").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([], id="no command"),
        pytest.param(["fly"], id="an unknown command"),
        pytest.param(["latin"], id="no output"),
        pytest.param(["import", "x", "--family", "v99", "--out", "y"], id="an unknown family"),
        pytest.param(["latin", "--publish", "x", "--out", "y"], id="a shortened option"),
    ],
)
def test_wrong_usage_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: python -m optimize" in capsys.readouterr().err


def test_help_needs_no_torch_and_a_missing_package_says_what_to_type(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')\n")
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{CHECKOUT}"}

    def optimize(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "optimize", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert optimize("--help").returncode == 0
    failed = optimize("latin", "--published", "x", "--out", "y")
    assert failed.returncode == 2
    assert failed.stderr == "optimize latin: needs the package torch: pip install -e '.[optimize]'\n"


def test_nothing_phones_home() -> None:
    script = (
        "import sys, warnings\n"
        "import optimize.ir, optimize.build, optimize.latin, optimize.published, optimize.quantize\n"
        "import nncf, openvino\n"
        "from openvino.tools.ovc.convert import convert_model\n"
        "assert sys.modules['openvino_telemetry'] is None\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=CHECKOUT, check=True, timeout=120)
