"""The training loop on a task of milliseconds."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from edge_ocr.errors import ConfigError
from tests.train.toy_task import ToyRecipe, ToyTask
from train.checkpoint import read_tensors
from train.errors import TrainingError
from train.recipe import OptimizerSettings, ScheduleSettings, Start
from train.run_folder import RunFolder
from train.trainer import make_optimizer, train

START = "import sys, tests.train.toy_task; from train.__main__ import main; sys.exit(main(sys.argv[1:]))"
FULL = ToyRecipe(
    optimizer=OptimizerSettings(kind="adam", lr=0.05, weight_decay=1e-4),
    schedule=ScheduleSettings(kind="cosine", warmup=2),
    clip_norm=1.0,
    ema=0.9,
    dropout=0.5,
)


def weights(folder: Path, name: str = "state.safetensors") -> dict[str, Tensor]:
    return read_tensors(folder / name)[0]


def assert_equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def test_a_run_learns_and_leaves_what_its_folder_promises(tmp_path: Path) -> None:
    train(FULL.model_copy(update={"steps": 60, "dropout": 0.0, "evaluate_every": 30}), tmp_path)
    folder = RunFolder(tmp_path)
    losses = [record["loss"]["total"] for record in folder.records() if "loss" in record]
    assert losses[-1] < losses[0] / 2
    assert {path.name for path in tmp_path.iterdir()} == {
        "recipe.yaml", "run.json", "metrics.jsonl", "curves.png", "state.safetensors",
        "best.safetensors", "best.json", "last.safetensors", "last.json",
    }  # fmt: skip
    about = json.loads((tmp_path / "last.json").read_text())
    assert about == read_tensors(folder.last)[1]
    assert (about["step"], about["released"], about["details"]) == (60, "student", {"dropout": 0.0})


def test_a_run_that_was_killed_ends_with_the_same_weights_bit_for_bit(tmp_path: Path) -> None:
    recipe = FULL.model_copy(update={"kill_at": 10, "flag": tmp_path / "killed"})
    file = tmp_path / "toy.yaml"
    file.write_text(recipe.model_dump_json())
    command = [sys.executable, "-c", START, "run", str(file), "--out", str(tmp_path / "killed-run"), "--device", "cpu"]
    assert subprocess.run(command, check=False, capture_output=True).returncode == -signal.SIGKILL
    train(recipe, tmp_path / "killed-run", resume=True)
    train(recipe, tmp_path / "whole-run")
    for name in ("state.safetensors", "best.safetensors", "last.safetensors"):
        assert_equal(weights(tmp_path / "killed-run", name), weights(tmp_path / "whole-run", name))
    steps = [record["step"] for record in RunFolder(tmp_path / "killed-run").records()]
    assert steps == [record["step"] for record in RunFolder(tmp_path / "whole-run").records()]


@pytest.mark.slow
def test_two_processes_do_what_one_does(tmp_path: Path) -> None:
    recipe = FULL.model_copy(update={"dropout": 0.0})
    file = tmp_path / "toy.yaml"
    file.write_text(recipe.model_dump_json())
    script = tmp_path / "start.py"
    script.write_text(START)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*launcher, str(script), "run", str(file), "--out", str(tmp_path / "two"), "--device", "cpu"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, capture_output=True, env=environment)
    train(recipe, tmp_path / "one")
    one, two = weights(tmp_path / "one", "last.safetensors"), weights(tmp_path / "two", "last.safetensors")
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=1e-4, atol=1e-6)


def test_worker_processes_make_the_same_batches(tmp_path: Path) -> None:
    recipe = FULL.model_copy(update={"steps": 4})
    train(recipe, tmp_path / "none")
    train(recipe, tmp_path / "one", n_workers=1)
    assert_equal(weights(tmp_path / "none"), weights(tmp_path / "one"))


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_batch(tmp_path: Path) -> None:
    path = tmp_path / "nan-step-5.safetensors"
    with pytest.raises(TrainingError, match=f"step 5: .* in total, student, helper; its batch is in {path}"):
        train(FULL.model_copy(update={"nan_at": 5}), tmp_path)
    batch, about = read_tensors(path)
    assert batch["y"].isnan().sum() == 1
    assert about["batch"] == {"step": "5"}


def test_a_folder_with_a_run_is_not_overwritten(tmp_path: Path) -> None:
    RunFolder(tmp_path).open(FULL, resume=False)
    with pytest.raises(ConfigError, match=r"holds a run already; go on with --resume"):
        train(FULL, tmp_path)


def test_a_resume_needs_a_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no run to resume here"):
        train(FULL, tmp_path, resume=True)


def test_a_resume_needs_the_same_recipe(tmp_path: Path) -> None:
    RunFolder(tmp_path).open(FULL, resume=False)
    with pytest.raises(ConfigError, match=r"another recipe \(seed, clip_norm differ\)"):
        train(FULL.model_copy(update={"seed": 7, "clip_norm": None}), tmp_path, resume=True)


def test_fp16_on_a_cpu_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="use bf16 or fp32"):
        train(FULL.model_copy(update={"precision": "fp16"}), tmp_path, device="cpu")


def test_bf16_trains_on_a_cpu(tmp_path: Path) -> None:
    train(FULL.model_copy(update={"precision": "bf16"}), tmp_path, device="cpu")
    assert all(tensor.isfinite().all() for tensor in weights(tmp_path, "last.safetensors").values())


def test_weight_decay_spares_norms_and_biases() -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    decayed, spared = make_optimizer(network, OptimizerSettings(weight_decay=0.1)).param_groups
    assert [parameter.shape for parameter in decayed["params"]] == [(3, 2)]
    assert [parameter.ndim for parameter in spared["params"]] == [1, 1, 1]
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.1, 0.0)


def test_a_frozen_teacher_stays_in_eval_mode() -> None:
    task = ToyTask(ToyRecipe()).train()
    assert task.networks.training
    assert not any(module.training for module in task.teacher.modules())
    assert not any(parameter.requires_grad for parameter in task.teacher.parameters())


def test_tensorboard_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ConfigError, match="pip install tensorboard"):
        train(FULL.model_copy(update={"tensorboard": True}), tmp_path)


@pytest.mark.parametrize("freeze_norms", [False, True])
def test_frozen_norms_keep_their_statistics_and_learn_their_scale(tmp_path: Path, freeze_norms: bool) -> None:
    changes = {"has_norm": True, "freeze_norms": freeze_norms, "start": Start(checkpoint=Path("unused"))}
    train(FULL.model_copy(update=changes), tmp_path)
    left = weights(tmp_path)
    (mean,) = [tensor for name, tensor in left.items() if name.startswith("networks/") and "running_mean" in name]
    (count,) = [tensor for name, tensor in left.items() if name.startswith("networks/") and "num_batches" in name]
    assert bool((mean == 0).all()) == freeze_norms
    assert int(count) == (0 if freeze_norms else FULL.steps)
    assert not torch.equal(left["networks/student.2.weight"], torch.ones(8))


def test_norms_can_only_be_frozen_where_there_are_some(tmp_path: Path) -> None:
    recipe = FULL.model_copy(update={"freeze_norms": True, "start": Start(checkpoint=Path("unused"))})
    with pytest.raises(ConfigError, match="freeze_norms: there is no batch norm in this network"):
        train(recipe, tmp_path)
