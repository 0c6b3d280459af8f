"""`python -m train` as a user meets it."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_ocr.charset import Charset
from tests.train import toy_task
from train.__main__ import main
from train.checkpoint import write_weights
from train.recipe import load_recipe
from train.tasks.recognition import RecognitionTask

RECIPE = Path(__file__).parents[2] / "train" / "recipes" / "toy_recognition.yaml"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    Charset("ab").to_file(tmp_path / "charset.txt")
    task = RecognitionTask(load_recipe(RECIPE, [f"model.charset={tmp_path / 'charset.txt'}"]))  # type: ignore[arg-type]
    path = tmp_path / "best.safetensors"
    write_weights(path, task.networks, {"task": "recognition", "released": "student", "details": task.details()})
    return path


def test_run_trains_and_shows_lines_where_there_is_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "toy.yaml"
    recipe.write_text(f"task: {toy_task.NAME}")
    assert main(["run", str(recipe), "--out", str(tmp_path / "run"), "--set", "steps=4", "--device", "cpu"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[0].startswith("2/4  loss ")
    assert err.splitlines()[-1] == f"done: {tmp_path / 'run' / 'best.safetensors'}"
    assert main(["run", str(recipe), "--out", str(tmp_path / "run")]) == 2
    assert "holds a run already" in capsys.readouterr().err


def test_evaluate_prints_figures_and_writes_a_gallery(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((48, 90, 3), np.uint8))
    labels = tmp_path / "rec.txt"
    labels.write_text("a.png\tnever read")
    gallery = tmp_path / "worst.html"
    command = ["evaluate", str(labels), "--checkpoint", str(checkpoint), "--gallery", str(gallery), "--json"]
    assert main(command) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["sets"]["rec"]["line_accuracy"] == 0.0
    assert "never read" in gallery.read_text()


@pytest.mark.parametrize(
    ("command", "status", "message"),
    [
        pytest.param(["run", "none.yaml"], 2, "train run: none.yaml: cannot be read", id="no recipe"),
        pytest.param(
            ["evaluate", "x", "--checkpoint", "none"], 1, "train evaluate: none: cannot be read", id="no checkpoint"
        ),
    ],
)
def test_a_users_mistake_is_one_line(
    command: list[str], status: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command) == status
    err = capsys.readouterr().err
    assert err.startswith(message)
    assert err.count("\n") == 1
