"""Weights to begin with."""

from pathlib import Path

import pytest
import torch
from torch import nn

from edge_ocr.errors import ModelError
from train.checkpoint import write_weights
from train.nets.ctc import CTCHead
from train.recipe import Start
from train.start import start_network, start_recognizer


class Small(nn.Module):
    """A recogniser in names only."""

    def __init__(self, n_classes: int, width: int = 2) -> None:
        super().__init__()
        self.body = nn.Linear(width, width)
        self.head = CTCHead(width, n_classes)


def checkpoint(path: Path, network: nn.Module, characters: str | None) -> Path:
    details = {"charset": list(characters)} if characters else {}
    write_weights(path, nn.ModuleDict({"student": network}), {"released": "student", "details": details})
    return path


def test_rows_of_the_head_follow_their_characters(tmp_path: Path) -> None:
    old, new = Small(4), Small(4)
    fresh = new.head.classes.weight.detach().clone()
    start_recognizer(new, Start(checkpoint=checkpoint(tmp_path / "w.safetensors", old, "abc")), "cxa")
    rows, before = new.head.classes.weight, old.head.classes.weight
    assert torch.equal(rows[0], before[0])  # the blank
    assert torch.equal(rows[1], before[3])
    assert torch.equal(rows[2], fresh[2])
    assert torch.equal(rows[3], before[1])
    assert torch.equal(new.head.classes.bias[1], old.head.classes.bias[3])
    assert torch.equal(new.body.weight, old.body.weight)


def test_published_weights_are_those_of_the_recogniser_that_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = Small(4), Small(3)
    monkeypatch.setattr("train.start.published_v6", lambda path: (old, tuple("abc")))
    start_recognizer(new, Start(published=tmp_path), "ca", published="ppocrv6")
    assert torch.equal(new.head.classes.weight, old.head.classes.weight[[0, 3, 1]])
    with pytest.raises(ModelError, match=r"rapidocr_onnxruntime-1\.2\.13"):
        start_recognizer(new, Start(published=tmp_path), "ca")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    start = Start(checkpoint=checkpoint(tmp_path / "w.safetensors", Small(4, width=3), "abc"))
    with pytest.raises(ModelError, match=r"w.safetensors: the weights of another network: .* such as body.weight"):
        start_network(Small(4), start, kind="detector")


def test_a_recogniser_needs_weights_with_a_charset(tmp_path: Path) -> None:
    start = Start(checkpoint=checkpoint(tmp_path / "w.safetensors", Small(4), None))
    with pytest.raises(ModelError, match="without a charset"):
        start_recognizer(Small(4), start, "abc")


def test_a_network_that_is_not_in_the_checkpoint_is_named(tmp_path: Path) -> None:
    start = Start(checkpoint=checkpoint(tmp_path / "w.safetensors", Small(4), "abc"), network="teacher")
    with pytest.raises(ModelError, match="no network 'teacher' in it; there are student"):
        start_network(Small(4), start, kind="detector")


def test_without_a_source_a_network_stays_as_it_is() -> None:
    network = Small(3)
    before = network.body.weight.detach().clone()
    start_recognizer(network, Start(), "ab")
    assert torch.equal(network.body.weight, before)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(None, "cannot be read as a checkpoint", id="missing"),
        pytest.param(b"no tensors", "cannot be read as a checkpoint", id="damaged"),
    ],
)
def test_a_file_that_is_no_checkpoint_is_refused(content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=message):
        start_network(Small(3), Start(checkpoint=path), kind="detector")
