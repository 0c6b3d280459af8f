"""The folder of a run: what was asked, on what, and what came of it.

recipe.yaml              complete, defaults included
run.json                 seed; per start the command line, code revision, versions, machine, fingerprint of the data
metrics.jsonl            losses every `log_every` steps, figures of every evaluation
curves.png               both drawn
best.safetensors/.json   weights of the best evaluation, and all of their plain data again for people
last.safetensors/.json   weights of the last one
state.safetensors        everything a resume needs
nan-step-N.safetensors   the batch at which a run stopped because its loss was no number
"""

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
import yaml

from edge_ocr.errors import ConfigError
from train.checkpoint import write_bytes
from train.recipe import Recipe, dump_recipe

MAX_DIFFERENCES = 3


class RunFolder:
    """The files of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.best = path / "best.safetensors"
        self.last = path / "last.safetensors"
        self.state = path / "state.safetensors"
        self.metrics = path / "metrics.jsonl"
        self.curves = path / "curves.png"

    def open(self, recipe: Recipe, *, resume: bool) -> None:
        """Begin a new run, or go on with one that was begun with the same recipe.

        Raises:
            ConfigError: a new run in a folder that has one, nothing to resume, or another recipe than then.
        """
        recorded = self.path / "recipe.yaml"
        if recorded.exists() and not resume:
            raise ConfigError(
                f"{self.path}: holds a run already; go on with --resume, or name another folder with --out"
            )
        if resume and not recorded.exists():
            raise ConfigError(f"{self.path}: no run to resume here; leave --resume out, or name its folder with --out")
        if resume:
            _check_same(yaml.safe_load(recorded.read_text(encoding="utf-8")), recipe, recorded)
        else:
            self.path.mkdir(parents=True, exist_ok=True)
            write_bytes(recorded, dump_recipe(recipe).encode())
        self._note_start(recipe)

    def note_data(self, data: dict[str, str]) -> None:
        """Write down what the run learns from, as its task describes it."""
        path = self.path / "run.json"
        document = json.loads(path.read_text(encoding="utf-8"))
        document["starts"][-1]["data"] = data
        write_bytes(path, (json.dumps(document, indent=2) + "\n").encode())

    def append(self, record: dict[str, Any]) -> None:
        """Add a line to metrics.jsonl."""
        with self.metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def records(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl; none before the first."""
        if not self.metrics.exists():
            return []
        lines = self.metrics.read_text(encoding="utf-8").split("\n")
        # Only complete lines: the last one has no end where the process was killed while writing it.
        return [json.loads(line) for line in lines[:-1]]

    def forget_after(self, step: int) -> None:
        """Drop what was recorded after the state that a resume goes on from: those steps are made again."""
        kept = [record for record in self.records() if record["step"] <= step]
        write_bytes(self.metrics, "".join(json.dumps(record) + "\n" for record in kept).encode())

    def _note_start(self, recipe: Recipe) -> None:
        path = self.path / "run.json"
        starts = json.loads(path.read_text(encoding="utf-8"))["starts"] if path.exists() else []
        document = {"seed": recipe.seed, "starts": [*starts, _this_start()]}
        write_bytes(path, (json.dumps(document, indent=2) + "\n").encode())


def code_revision() -> str:
    """The commit of the checkout, with `-dirty` where files differ from it; `unknown` outside one."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _this_start() -> dict[str, Any]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "revision": code_revision(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "machine": platform.platform(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "cpus": len(os.sched_getaffinity(0)),
        "processes": int(os.environ.get("WORLD_SIZE", "1")),
    }


def _check_same(recorded: dict[str, Any], recipe: Recipe, where: Path) -> None:
    wanted = recipe.model_dump(mode="json")
    keys = [key for key in {**recorded, **wanted} if recorded.get(key) != wanted.get(key)]
    if keys:
        shown = ", ".join(keys[:MAX_DIFFERENCES])
        raise ConfigError(
            f"{where}: was begun with another recipe ({shown} differ); give the same one, or another --out"
        )
