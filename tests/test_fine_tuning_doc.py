"""docs/fine-tuning.md tells the truth: its commands are understood, its files and keys are there."""

import argparse
import importlib
import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest

import optimize.__main__
import train.__main__
from train.datasets.formats import read_labels
from train.recipe import load_recipe
from train.tasks.recognition_recipe import RecognitionRecipe

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "fine-tuning.md").read_text(encoding="utf-8")
LINES = [
    line for block in re.findall(r"^```sh\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL) for line in block.splitlines()
]
PARSERS = {"train": train.__main__._parser, "optimize": optimize.__main__._parser}


@pytest.mark.parametrize("line", [line for line in LINES if re.match(r"python -m (train|optimize)\b", line)])
def test_a_command_is_understood(line: str) -> None:
    _, _, package, *arguments = shlex.split(line)
    PARSERS[package]().parse_args(arguments)


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("edge-ocr ")])
def test_a_command_of_the_device_is_understood(line: str) -> None:
    _, command, *arguments = shlex.split(line)
    parser = argparse.ArgumentParser()
    importlib.import_module(f"runtime.commands.{command}").add_arguments(parser)
    parser.parse_args(arguments)


def test_the_labels_that_it_shows_are_split_into_train_and_held_out(tmp_path: Path) -> None:
    (row,) = re.findall(r"^```json\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    own = tmp_path / "own"
    (own / "photos").mkdir(parents=True)
    (own / "photos" / "0000.jpg").touch()
    (own / "labels.jsonl").write_text(row * 8)
    script = "\n".join(line for line in LINES if line.startswith("awk "))
    subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, check=True)
    pages = [len(read_labels(own / f"{name}.jsonl").pages) for name in ("train", "heldout")]
    assert pages == [6, 2]
    assert json.loads(row)["lines"][0]["text"] == "361-08 DRY"


def test_the_recipe_is_the_one_it_describes() -> None:
    changes = re.findall(r"--set (\S+=\S+?)`?(?=[ `])", TEXT.replace("model.charset=FILE", "seed=1"))
    recipe = load_recipe(ROOT / "train" / "recipes" / "rec_finetune.yaml", changes)
    assert isinstance(recipe, RecognitionRecipe)
    assert recipe.data.sets == (Path("own/train.jsonl"),)
    assert recipe.data.held_out_sets == (Path("own/heldout.jsonl"),)
    assert recipe.data.sets_share == 0.5
    assert f"every {recipe.evaluate_every} steps" in TEXT


def test_what_it_links_to_and_names_is_there() -> None:
    assert [link for link in re.findall(r"\]\(([^)#]+)\)", TEXT) if not (ROOT / "docs" / link).exists()] == []
    assert (ROOT / "train" / "charsets" / "latin.txt").exists()
    assert (ROOT / "tests" / "train" / "panel_photos.py").exists()
