"""The recogniser's task: what learns, what is released, and that it learns to read."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from edge_ocr.charset import Charset
from edge_ocr.errors import ConfigError, ModelError
from train.centres import load_centres, write_centres
from train.checkpoint import read_tensors, write_weights
from train.keep import keep_weights
from train.recipe import Recipe, load_recipe
from train.released import load_released
from train.task import Share
from train.tasks.recognition import RecognitionTask
from train.tasks.recognition_recipe import RecognitionRecipe
from train.trainer import train

CHARACTERS = "ABCD12 "
TEXTS = ("A", "B", "C", "D", "1", "2", "A1", "2B")
RECIPES = sorted((Path(__file__).parents[3] / "train" / "recipes").glob("*.yaml"))

Make = Callable[..., RecognitionRecipe]


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """Eight tiny lines with labels."""
    folder = tmp_path / "lines"
    folder.mkdir()
    records = []
    for number, text in enumerate(TEXTS):
        image = np.full((32, 32, 3), 220, np.uint8)
        cv2.putText(image, text, (1, 23), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (20, 20, 20), 2, cv2.LINE_AA)
        cv2.imwrite(str(folder / f"{number}.png"), image)
        records.append(json.dumps({"image": f"{number}.png", "text": text}))
    (folder / "labels.jsonl").write_text("\n".join(records))
    return folder


@pytest.fixture
def make(lines: Path, tmp_path: Path) -> Make:
    """Recipes on those lines."""
    charset = tmp_path / "charset.txt"
    Charset(CHARACTERS).to_file(charset)

    def made(network: str = "ppocrv1", **keys: Any) -> RecognitionRecipe:
        data = {"sets": [lines], "sets_share": 1, "held_out_sets": [lines], "widths": [32], "augment": 0.0}
        data |= keys.pop("data", {})
        base = {"task": "recognition", "steps": 2, "batch_size": 8, "evaluate_every": 100, "save_every": 1}
        base |= {"model": {"network": network, "charset": charset}, "data": data}
        return RecognitionRecipe.model_validate({**base, **keys})

    return made


def gradients(task: RecognitionTask, step: int = 0) -> dict[str, dict[str, Tensor]]:
    """Per network, after the loss of one step."""
    torch.autograd.backward(task.train().loss({**task.batches()(step, Share()), "step": step})["total"])
    return {
        name: {key: p.grad for key, p in network.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
        for name, network in task.networks.items()
    }


def test_both_students_learn(make: Make) -> None:
    task = RecognitionTask(make(learn={"mutual": {}}))
    learnt = gradients(task)
    assert list(learnt) == ["student", "peer"]
    for grads in learnt.values():
        assert {"backbone.stem.conv.weight", "head.classes.weight"} <= grads.keys()
    assert task.released == "student"


def test_students_of_one_recipe_begin_differently(make: Make) -> None:
    task = RecognitionTask(make(learn={"mutual": {}}))
    student, peer = (task.networks[name].get_parameter("head.classes.weight") for name in ("student", "peer"))
    assert not torch.equal(student, peer)


def test_with_gtc_the_backbone_learns_from_the_branch_alone(make: Make) -> None:
    task = RecognitionTask(make(learn={"attention": {"weight": 1.0, "width": 16}}))
    task.networks["student_attention"].requires_grad_(requires_grad=False)
    for parameter in task.networks["student_attention"].parameters():
        torch.nn.init.zeros_(parameter)
    learnt = gradients(task)["student"]
    assert any(name.startswith("head") for name in learnt)
    assert not any(name.startswith("backbone") for name in learnt)


def test_gtc_reaches_the_backbone(make: Make) -> None:
    learnt = gradients(RecognitionTask(make(learn={"attention": {"width": 16}})))
    assert "backbone.stem.conv.weight" in learnt["student"]
    assert "embed.weight" in learnt["student_attention"]


@pytest.mark.parametrize(("step", "reaches"), [(2, False), (3, True)])
def test_the_backbone_learns_from_the_shortcut_alone_at_first(make: Make, step: int, reaches: bool) -> None:
    task = RecognitionTask(make(learn={"shortcut": {"alone": 3}}))
    for parameter in task.networks["student_shortcut"].parameters():
        torch.nn.init.zeros_(parameter)
    learnt = gradients(task, step)
    assert ("backbone.stem.conv.weight" in learnt["student"]) == reaches
    assert "head.classes.weight" in learnt["student"]
    assert "classes.weight" in learnt["student_shortcut"]


def test_the_shortcut_reaches_the_backbone(make: Make) -> None:
    task = RecognitionTask(make(learn={"shortcut": {"alone": 1}}))
    assert "backbone.stem.conv.weight" in gradients(task)["student"]


def test_only_the_student_is_released(make: Make, tmp_path: Path) -> None:
    task = RecognitionTask(make(learn={"mutual": {}, "attention": {"width": 16}}))
    write_weights(
        tmp_path / "w.safetensors",
        task.networks,
        {"task": "recognition", "released": task.released, "details": task.details()},
    )
    names = {name.partition(".")[0] for name in read_tensors(tmp_path / "w.safetensors")[0]}
    assert names == {"student", "peer", "student_attention", "peer_attention"}
    released = load_released(tmp_path / "w.safetensors")
    assert released.network.state_dict().keys() == task.networks["student"].state_dict().keys()
    assert "".join(released.charset) == CHARACTERS


@pytest.mark.slow
def test_a_resumed_run_ends_with_the_same_weights(make: Make, tmp_path: Path) -> None:
    recipe = make(steps=2, schedule={"kind": "constant"}, learn={"attention": {"width": 16}}, data={"augment": 0.4})
    train(recipe, tmp_path / "whole", device="cpu")
    train(recipe.model_copy(update={"steps": 1}), tmp_path / "parts", device="cpu")
    (tmp_path / "parts" / "recipe.yaml").write_text((tmp_path / "whole" / "recipe.yaml").read_text())
    train(recipe, tmp_path / "parts", device="cpu", resume=True)
    whole, parts = (read_tensors(tmp_path / run / "last.safetensors")[0] for run in ("whole", "parts"))
    assert [name for name in whole if not torch.equal(whole[name], parts[name])] == []


@pytest.mark.slow
def test_it_learns_to_read_eight_lines(make: Make, tmp_path: Path) -> None:
    recipe = make(
        "ppocrv2", steps=80, evaluate_every=80, optimizer={"lr": 0.002}, schedule={"kind": "constant"}, clip_norm=5.0
    )
    train(recipe, tmp_path / "run", device="cpu")
    assert read_tensors(tmp_path / "run" / "last.safetensors")[1]["figures"]["line_accuracy"] == 1


def test_centres_come_from_lines_that_are_read_right(make: Make, tmp_path: Path, monkeypatch: Any) -> None:
    task = RecognitionTask(make())
    checkpoint, out = tmp_path / "c.safetensors", tmp_path / "centres.safetensors"
    recipe = task.recipe.model_dump(mode="json")
    about = {"task": "recognition", "released": "student", "details": task.details(), "recipe": recipe}
    write_weights(checkpoint, task.networks, about)
    # A network that learnt nothing reads nothing right but lines without text: pretend these are the labels.
    monkeypatch.setattr(
        "train.centres.decode_probs", lambda probs, charset: [type("R", (), {"text": t}) for t in TEXTS]
    )
    monkeypatch.setattr("train.tasks.line_sets.BucketPlan.batch", lambda plan, step: _in_order())
    assert "from 8 of 8 lines" in write_centres(checkpoint, out, n_lines=8)
    centres = load_centres(out, tuple(CHARACTERS), 96)
    assert centres.means.shape == (8, 96)
    assert int(centres.counts.sum()) == 8 * 32 // 4
    with pytest.raises(ConfigError, match="centres of another charset"):
        load_centres(out, tuple("AB"), 96)
    with pytest.raises(ConfigError, match="96 features, this network has 64"):
        load_centres(out, tuple(CHARACTERS), 64)
    terms = RecognitionTask(make(learn={"centre": {"centres": out}})).train()
    assert float(terms.loss(terms.batches()(0, Share()))["centre"].detach()) >= 0


def _in_order() -> Any:
    from train.datasets.buckets import BucketBatch

    return BucketBatch(32, tuple(range(len(TEXTS))))


def test_an_anchor_is_what_the_network_begins_with_and_is_neither_trained_nor_kept(make: Make, tmp_path: Path) -> None:
    start = tmp_path / "start.safetensors"
    first = RecognitionTask(make())
    write_weights(start, first.networks, {"released": "student", "kind": "recognizer", "details": first.details()})
    task = RecognitionTask(make(start={"checkpoint": start}, learn={"anchor": {}})).train()
    terms = task.loss(task.batches()(0, Share()))
    assert set(terms) == {"total", "ctc", "anchor"}
    assert list(task.networks) == ["student"]
    before = [p.clone() for p in task.anchor.parameters()]
    torch.autograd.backward(terms["total"])
    torch.optim.SGD(task.parameters(), lr=0.1).step()
    assert all(p.grad is None and torch.equal(p, q) for p, q in zip(task.anchor.parameters(), before, strict=True))
    assert float(task.loss(task.batches()(0, Share()))["anchor"].detach()) > 0


GUIDED = {"looks": [{"height": 32, "width_scale": 1.5}], "only_looks": True, "strips": 0.5}


def guided(make: Make, checkpoint: Path, **keys: Any) -> RecognitionRecipe:
    learn = {"guide": {"checkpoint": checkpoint, "height": 48}}
    return make(**{"network": "ppocrv3", "learn": learn, "data": GUIDED, **keys})


def test_a_student_learns_from_what_its_guide_sees_in_more_rows(make: Make, tmp_path: Path) -> None:
    train(make("ppocrv3"), tmp_path / "guide")
    weights = tmp_path / "guide" / "last.safetensors"
    task = RecognitionTask(guided(make, weights)).train()
    for step in range(8):
        batch = {**task.batches()(step, Share()), "step": step}
        terms = task.loss(batch)
        assert set(terms) == {"total", "ctc", "guide", "features"}
        assert float(terms["guide"].detach()) > 0
        assert float(terms["features"].detach()) > 0
        has_labels = bool(batch["lengths"].any())
        assert bool(terms["ctc"].detach() > 0) == has_labels
    torch.autograd.backward(terms["total"])
    assert all(parameter.grad is None for parameter in task.guide.parameters())
    assert not any(name.startswith("guide") for name, _ in task.networks.named_parameters())
    with torch.no_grad():
        assert 0 <= task.eval().evaluate(task.networks)["line_accuracy"] <= 1


def test_a_student_that_is_its_guide_misses_nothing(make: Make, tmp_path: Path) -> None:
    train(make("ppocrv3"), tmp_path / "guide")
    weights = tmp_path / "guide" / "last.safetensors"
    recipe = guided(make, weights, start={"checkpoint": weights})
    look = {"looks": [{"height": 48}], "only_looks": True}
    recipe = recipe.model_copy(update={"data": type(recipe.data).model_validate({**recipe.data.model_dump(), **look})})
    task = RecognitionTask(recipe).eval()
    terms = task.loss({**task.batches()(0, Share()), "step": 0})
    assert float(terms["guide"].detach()) == pytest.approx(0, abs=1e-4)
    assert float(terms["features"].detach()) == pytest.approx(0, abs=1e-6)


def test_a_guide_with_another_charset_is_refused(make: Make, tmp_path: Path) -> None:
    train(make("ppocrv3"), tmp_path / "guide")
    (tmp_path / "other.txt").write_text("A\nB\n", encoding="utf-8")
    recipe = guided(make, tmp_path / "guide" / "last.safetensors")
    recipe = recipe.model_copy(update={"model": recipe.model.model_copy(update={"charset": tmp_path / "other.txt"})})
    with pytest.raises(ModelError, match="no recogniser with the charset of the recipe"):
        RecognitionTask(recipe)


def test_a_guide_with_other_features_is_refused(make: Make, tmp_path: Path) -> None:
    train(make("ppocrv3"), tmp_path / "guide")
    with pytest.raises(ModelError, match="its features are"):
        RecognitionTask(guided(make, tmp_path / "guide" / "last.safetensors", network="ppocrv2"))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        pytest.param({"data": {"only_looks": True}}, "needs `data.looks`", id="no look"),
        pytest.param({"learn": {"guide": {"checkpoint": "x", "height": 32}}}, "needs `data.only_looks`", id="guide"),
        pytest.param({"data": {**GUIDED}}, "they need `learn.guide`", id="strips nobody reads"),
        pytest.param(
            {"learn": {"mutual": {}}, "start": {"published": "x.whl"}}, "two students that differ", id="twins"
        ),
        pytest.param({"network": "ppocrv2", "start": {"published": "x.whl"}}, "ppocrv6` only", id="other network"),
        pytest.param({"data": {"unlabelled": ["x"]}}, "needs `learn.teacher`", id="nobody reads"),
        pytest.param({"learn": {"anchor": {}}}, "needs `start`", id="nothing to hold on to"),
        pytest.param({"data": {"kinds": {"plates": 2.0}}}, "no kind 'plates'; known are receipt", id="unknown kind"),
        pytest.param(
            {"network": "ppocrv3", "learn": {"teacher": {"model": "x.whl"}}, "data": {"looks": [{"height": 32}]}},
            "leave out one of them",
            id="looks and a teacher",
        ),
        pytest.param({"learn": {"teacher": {"model": "x.whl"}}}, "has the time steps of", id="other time steps"),
    ],
)
def test_what_does_not_fit_together_is_refused(make: Make, keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**keys)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_of_ours_loads(path: Path) -> None:
    assert isinstance(load_recipe(path), Recipe)


def test_labels_that_cannot_be_learnt_are_counted(make: Make, lines: Path, caplog: pytest.LogCaptureFixture) -> None:
    records = [{"image": "0.png", "text": text} for text in ("", "Ä", "AAAAAAAAAA", "B")]
    (lines / "labels.jsonl").write_text("\n".join(map(json.dumps, records)))
    RecognitionTask(make(data={"drop": True})).batches()
    assert "3 of 4 lines dropped" in caplog.text


def test_kept_weights_may_go_part_of_the_way_from_the_start(make: Make, tmp_path: Path) -> None:
    start, kept = tmp_path / "start.safetensors", tmp_path / "kept.safetensors"
    first = RecognitionTask(make())
    write_weights(start, first.networks, {"released": "student", "kind": "recognizer", "details": first.details()})
    recipe = make(start={"checkpoint": start}, optimizer={"lr": 0.01})
    train(recipe, tmp_path / "run")
    keep_weights(tmp_path / "run" / "last.safetensors", kept, share=0.25)
    before, after, between = (read_tensors(path)[0] for path in (start, tmp_path / "run" / "last.safetensors", kept))
    name = "student.head.classes.weight"
    assert not torch.allclose(before[name], after[name], atol=1e-3)
    torch.testing.assert_close(between[name].float(), before[name].lerp(after[name], 0.25), atol=1e-3, rtol=1e-3)
    assert read_tensors(kept)[1]["kept_from"]["share"] == 0.25


def test_there_is_no_part_of_the_way_from_random_weights(make: Make, tmp_path: Path) -> None:
    train(make(), tmp_path / "run")
    with pytest.raises(ConfigError, match="the run began with random weights"):
        keep_weights(tmp_path / "run" / "last.safetensors", tmp_path / "kept.safetensors", share=0.5)
