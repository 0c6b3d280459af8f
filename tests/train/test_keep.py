"""Weights that are kept in the repository."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from edge_ocr.errors import ModelError
from train import keep
from train.checkpoint import read_tensors, write_weights
from train.keep import keep_weights
from train.recipe import Start
from train.start import start_network
from train.tasks.recognition_recipe import LATIN_CHARSET


@pytest.fixture
def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


@pytest.fixture
def checkpoint(network: nn.Sequential, tmp_path: Path) -> Path:
    path = tmp_path / "best.safetensors"
    networks = nn.ModuleDict({"student": network, "peer": nn.Linear(3, 2)})
    recipe = {
        "data": {"sets": ["/home/me/own/train.jsonl", "own/more.jsonl"]},
        "model": {"charset": str(LATIN_CHARSET)},
    }
    write_weights(path, networks, {"released": "student", "details": {}, "revision": "abc", "recipe": recipe})
    return path


def test_the_released_network_is_kept_in_half_precision_with_its_origin(checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "kept.safetensors"
    assert keep_weights(checkpoint, out) == out.stat().st_size
    tensors, about = read_tensors(out)
    kinds = {name: tensor.dtype for name, tensor in tensors.items()}
    assert kinds["student.0.weight"] == torch.float16
    assert kinds["student.1.running_var"] == torch.float32
    assert not any(name.startswith("peer") for name in tensors)
    assert about["revision"] == "abc"
    assert about["kept_from"]["checkpoint"] == "best.safetensors"
    assert about["recipe"]["data"]["sets"] == ["train.jsonl", "own/more.jsonl"]
    assert about["recipe"]["model"]["charset"] == "train/charsets/latin.txt"
    assert json.loads(out.with_suffix(".json").read_text()) == about


def test_a_network_starts_from_kept_weights(network: nn.Sequential, checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "kept.safetensors"
    keep_weights(checkpoint, out)
    other = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    start_network(other, Start(checkpoint=out), kind="detector")
    torch.testing.assert_close(other[0].weight, network[0].weight, rtol=1e-3, atol=1e-3)
    assert other[0].weight.dtype == torch.float32


def test_weights_beyond_half_precision_are_refused(network: nn.Sequential, tmp_path: Path) -> None:
    with torch.no_grad():
        network.get_parameter("0.weight")[0, 0] = 1e6
    path = tmp_path / "best.safetensors"
    write_weights(path, nn.ModuleDict({"student": network}), {"released": "student", "details": {}})
    with pytest.raises(ModelError, match=r"student.0.weight does not fit into half precision"):
        keep_weights(path, tmp_path / "kept.safetensors")


def test_a_network_that_is_too_large_leaves_nothing_behind(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keep, "MAX_BYTES", 10)
    out = tmp_path / "weights" / "kept.safetensors"
    out.parent.mkdir()
    with pytest.raises(ModelError, match=r"above 0\.0 MB a network"):
        keep_weights(checkpoint, out)
    assert list(out.parent.iterdir()) == []
