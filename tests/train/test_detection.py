"""The detector's task on pictures of a few pixels."""

import json
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from edge_ocr.detection import DetectorThresholds, ScaleRule
from edge_ocr.errors import ConfigError, ModelError
from edge_ocr.metrics import Label
from tests.train.toy_task import ToyRecipe, ToyTask
from train.__main__ import main
from train.checkpoint import write_weights
from train.data.scene import Scene
from train.find_quads import find_quads, score_detector
from train.nets.db import lcnet_detector, teacher_detector
from train.recipe import Recipe, Start, load_recipe, task_class
from train.task import Share
from train.tasks.detection import DetectionRecipe, DetectionTask, load_teacher
from train.tasks.recognition import RecognitionTask

RECIPES = Path(__file__).parents[2] / "train" / "recipes"
QUADS = [[[20, 24], [108, 24], [108, 44], [20, 44]], [[30, 76], [90, 76], [90, 100], [30, 100]]]


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """A set of one page with two lines."""
    folder = tmp_path / "page"
    folder.mkdir()
    image = np.full((128, 128, 3), 210, np.uint8)
    for quad in QUADS:
        for x in range(quad[0][0], quad[1][0], 8):
            cv2.rectangle(image, (x, quad[0][1]), (x + 4, quad[2][1]), (20, 30, 40), -1)
    cv2.imwrite(str(folder / "a.png"), image)
    record = {"image": "a.png", "lines": [{"polygon": quad, "text": "text"} for quad in QUADS]}
    (folder / "labels.jsonl").write_text(json.dumps(record) + "\n")
    return folder


def recipe(pages: Path, *, method: str = "alone", teacher: Path | None = None, start: Start | None = None) -> Any:
    augment = {"size": 128, "scale": (1.0, 1.0), "flip": 0, "rotate_deg": 0, "colour": 0}
    return DetectionRecipe.model_validate({
        "task": "detection",
        "steps": 1,
        "batch_size": 2,
        "model": {"network": "lcnet", "method": method, "teacher": teacher},
        "data": {"sets": (pages,), "sets_share": 1, "augment": augment},
        "evaluation": {"rendered": 0, "sets": (pages,)},
        "start": start or Start(),
    })


@pytest.fixture
def teacher(tmp_path: Path) -> Path:
    path = tmp_path / "teacher.safetensors"
    networks = nn.ModuleDict({"student": teacher_detector()})
    details = {"network": "resnet18vd"}
    write_weights(path, networks, {"task": "detection", "released": "student", "details": details})
    return path


def set_norm_momentum(network: nn.Module, momentum: float) -> None:
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = momentum


def has_gradient(module: nn.Module) -> bool:
    return all(p.grad is not None and bool(p.grad.isfinite().all()) for p in module.parameters() if p.requires_grad)


@pytest.mark.slow
def test_a_small_scene_is_learnt_and_its_lines_found(pages: Path) -> None:
    task = DetectionTask(recipe(pages)).train()
    batch = {name: tensor[:1] for name, tensor in task.batches()(0, Share()).items()}
    optimizer = torch.optim.Adam(task.networks.parameters(), lr=1e-2)
    losses = []
    for step in range(41):
        # One picture is all there is to know: norms need no memory, and evaluation then sees what training saw.
        set_norm_momentum(task, 1.0 if step == 40 else 0.1)
        loss = task(batch)["total"]
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        if step < 40:
            optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 5
    with torch.no_grad():
        figures = task.eval().evaluate(task.networks)
    assert figures["hmean"] == figures["page_hmean"] == figures["page_recall"] == 1.0


def test_dml_teaches_both_students(pages: Path) -> None:
    task = DetectionTask(recipe(pages, method="dml")).train()
    terms = task(task.batches()(0, Share()))
    torch.autograd.backward(terms["mutual"], retain_graph=True)
    for name in ("student", "peer"):
        network: Any = task.networks[name]
        assert has_gradient(network.backbone)
        assert all(p.grad is None for p in network.head.threshold.parameters())
    assert terms["total"] > terms["mutual"] > 0


def test_cml_teaches_both_students_and_leaves_the_teacher_alone(pages: Path, teacher: Path) -> None:
    task = DetectionTask(recipe(pages, method="cml", teacher=teacher)).train()
    assert task.teacher is not None
    before = {name: tensor.clone() for name, tensor in task.teacher.state_dict().items()}
    terms = task(task.batches()(0, Share()))
    torch.autograd.backward(terms["total"])
    assert has_gradient(task.networks["student"])
    assert has_gradient(task.networks["peer"])
    assert all(parameter.grad is None for parameter in task.teacher.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in task.teacher.state_dict().items())
    assert {"student_teacher", "peer_teacher", "mutual", "student_prob", "peer_threshold"} <= terms.keys()
    assert task.released == "student"
    assert list(task.networks) == ["student", "peer"]


def test_a_picture_of_any_size_can_be_searched() -> None:
    detector = lcnet_detector().eval()
    image = np.zeros((7, 75, 3), np.uint8)
    assert isinstance(find_quads(detector, image, rule=ScaleRule(), thresholds=DetectorThresholds()), list)


def test_ignored_text_counts_neither_way() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    everywhere = Label(np.array([[0, 0], [64, 0], [64, 64], [0, 64]], np.float32), ignore=True)
    anything = DetectorThresholds(bin=0.01, box=0.0)
    detector = lcnet_detector().eval()
    assert find_quads(detector, image, rule=ScaleRule(), thresholds=anything)
    scenes = [(Scene(image, (everywhere,)), False)]
    assert score_detector(detector, scenes, rule=ScaleRule(), thresholds=anything)["precision"] == 0


def test_a_checkpoint_is_a_start_for_the_same_network(pages: Path, teacher: Path, tmp_path: Path) -> None:
    task = DetectionTask(recipe(pages))
    path = tmp_path / "last.safetensors"
    write_weights(path, task.networks, {"task": "detection", "released": "student", "details": task.details()})
    again = DetectionTask(recipe(pages, start=Start(checkpoint=path)))
    for name, tensor in task.networks.state_dict().items():
        assert torch.equal(tensor, again.networks.state_dict()[name])
    with pytest.raises(ModelError, match="the weights of another network"):
        DetectionTask(recipe(pages, start=Start(checkpoint=teacher)))


def test_a_recogniser_is_no_teacher_of_a_detector(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    details = {"network": "ppocrv2", "charset": ["a"]}
    networks = nn.ModuleDict({"student": RecognitionTask.build(details)})
    write_weights(path, networks, {"task": "recognition", "released": "student", "details": details})
    with pytest.raises(ModelError, match="a recognizer; a detector's teacher is a detector"):
        load_teacher(path)


@pytest.mark.parametrize("file", sorted(RECIPES.glob("det_*.yaml")), ids=lambda file: file.stem)
def test_recipes_load(file: Path) -> None:
    assert isinstance(load_recipe(file), DetectionRecipe)


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("model.method=cml", "`method: cml`, which needs the checkpoint"),
        ("data.sets_share=0", "greater than 0"),
        ("data.augment.size=100", "multiple of 32"),
        ("evaluation.rendered=0", "needs `rendered` scenes or `sets`"),
        ("data.augment.scale=[2, 1]", "a least and a greatest factor"),
    ],
)
def test_recipes_that_cannot_work_are_refused(override: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        load_recipe(RECIPES / "det_base.yaml", [override])


def test_published_weights_fit_one_network_only() -> None:
    overrides = ["start.published=x.whl", "model.network=lcnet"]
    with pytest.raises(ConfigError, match="is PP-OCRv3's detector"):
        load_recipe(RECIPES / "det_base.yaml", overrides)


def test_published_weights_are_a_start_with_a_fresh_threshold_branch() -> None:
    wheel = os.environ.get("EDGE_OCR_PUBLISHED_WHEEL")
    if not wheel:
        pytest.skip("needs the published weights")
    made: Recipe = load_recipe(RECIPES / "det_dml.yaml", [f"start.published={wheel}"])
    task = task_class(made.task)(made)
    one, other = (network.state_dict() for network in task.networks.values())
    assert {name.split(".")[1] for name in one if not torch.equal(one[name], other[name])} == {"threshold"}


def test_show_draws_a_batch(pages: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "batch.png"
    file = tmp_path / "r.yaml"
    file.write_text(json.dumps(recipe(pages).model_dump(mode="json")))
    assert main(["show", str(file), "--out", str(out)]) == 0
    picture = cv2.imread(str(out))
    assert picture is not None
    assert picture.shape == (132, 520, 3)


def test_show_refuses_a_task_without_pictures() -> None:
    with pytest.raises(ConfigError, match="task toy: draws no picture"):
        ToyTask(ToyRecipe()).picture({})
