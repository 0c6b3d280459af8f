"""A recogniser learns lines."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from edge_ocr.charset import Charset
from edge_ocr.errors import ConfigError
from train.checkpoint import write_weights
from train.datasets.labelled import LabelledLine
from train.errors import LabelError
from train.evaluation.readers import CheckpointReader
from train.recipe import Start
from train.task import Share
from train.tasks.line_sets import checked_lines, held_out_batches
from train.tasks.recognition import RecognitionTask
from train.tasks.recognition_recipe import LATIN_CHARSET, LineData, RecognitionRecipe, RecognizerSettings

CHARSET = Charset("ab1 ")


@pytest.fixture
def line_set(tmp_path: Path) -> Path:
    """Six lines of several widths."""
    records = []
    for number, (text, width) in enumerate([("a", 48), ("b", 48), ("ab 1", 150), ("ba", 90), ("1", 40), ("b1", 400)]):
        picture = np.full((48, width, 3), 200, np.uint8)
        cv2.putText(picture, text, (4, 36), cv2.FONT_HERSHEY_SIMPLEX, 1, (0, 0, 0), 2)
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture)
        records.append({"image": f"{number}.png", "text": text})
    file = tmp_path / "labels.jsonl"
    file.write_text("\n".join(map(json.dumps, records)))
    return file


@pytest.fixture
def recipe(tmp_path: Path, line_set: Path) -> RecognitionRecipe:
    charset = tmp_path / "charset.txt"
    CHARSET.to_file(charset)
    return RecognitionRecipe(
        task="recognition",
        steps=4,
        batch_size=2,
        model=RecognizerSettings(network="ppocrv3", charset=charset),
        data=LineData(sets=(line_set,), sets_share=1.0, held_out_sets=(line_set,), widths=(64, 160)),
    )


@pytest.fixture
def checkpoint(recipe: RecognitionRecipe, tmp_path: Path) -> tuple[RecognitionTask, Path]:
    task = RecognitionTask(recipe)
    path = tmp_path / "best.safetensors"
    write_weights(path, task.networks, {"task": "recognition", "released": "student", "details": task.details()})
    return task, path


def test_a_step_on_labelled_lines_gives_gradients(recipe: RecognitionRecipe) -> None:
    task = RecognitionTask(recipe).train()
    terms = task.loss(task.batches()(0, Share()))
    torch.autograd.backward(terms["total"])
    assert terms["total"].item() > 0
    assert all(parameter.grad is not None for parameter in task.networks.parameters())


def test_processes_share_a_batch(recipe: RecognitionRecipe) -> None:
    batches = RecognitionTask(recipe).batches()
    for step in range(4):
        whole, parts = batches(step, Share()), [batches(step, Share(rank, 2)) for rank in range(2)]
        assert sorted(whole["texts"]) == sorted(parts[0]["texts"] + parts[1]["texts"])
        assert {part["image_NCHW"].shape[3] for part in parts} == {whole["image_NCHW"].shape[3]}


def test_rendered_and_labelled_batches_are_mixed(recipe: RecognitionRecipe, font_folder: Path) -> None:
    data = recipe.data.model_copy(update={"fonts": font_folder, "sets_share": 0.5, "widths": (64, 160, 320, 640)})
    model = recipe.model.model_copy(update={"charset": LATIN_CHARSET})
    batches = RecognitionTask(recipe.model_copy(update={"data": data, "model": model})).batches()
    widths = [batches(step, Share())["image_NCHW"].shape[3] for step in range(8)]
    assert 320 in widths
    assert {64, 160} & set(widths)


def test_evaluation_on_held_out_lines_gives_all_figures(recipe: RecognitionRecipe) -> None:
    task = RecognitionTask(recipe).eval()
    with torch.no_grad():
        figures = task.evaluate(task.networks)
    assert set(figures) == {"line_accuracy", "line_accuracy_folded", "one_minus_ned"}


def test_every_held_out_line_is_in_a_batch_of_its_width(line_set: Path) -> None:
    lines = [LabelledLine(line_set.parent / f"{number}.png", "", "x") for number in range(6)]
    batches = held_out_batches(lines, height=48, buckets=(64, 160), batch_size=2)
    assert [tuple(images.shape) for images, _ in batches] == [
        (2, 3, 48, 64), (1, 3, 48, 64), (2, 3, 48, 160), (1, 3, 48, 160),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "here:1: the label is empty", id="empty"),
        pytest.param("aß", "which the charset lacks", id="outside the charset"),
        pytest.param("aaaaaaa", "needs 13 time steps, its picture gives 12", id="too long"),
    ],
)
def test_lines_that_cannot_be_learnt_are_refused_or_dropped(text: str, message: str, line_set: Path) -> None:
    good = LabelledLine(line_set.parent / "3.png", "a", "here:0")
    lines = [good, LabelledLine(line_set.parent / "3.png", text, "here:1")]
    with pytest.raises(LabelError, match=message):
        checked_lines(lines, CHARSET, height=48, stride=8, max_width=320, drop=False)
    kept = checked_lines(lines, CHARSET, height=48, stride=8, max_width=320, drop=True)
    assert kept == [(good, 90.0)]
    with pytest.raises(ConfigError, match="no line to learn from: 1 given, 1 dropped"):
        checked_lines(lines[1:], CHARSET, height=48, stride=8, max_width=320, drop=True)


def test_a_checkpoint_reads_lines(checkpoint: tuple[RecognitionTask, Path]) -> None:
    reader = CheckpointReader([checkpoint[1]])
    assert (reader.finds, reader.reads, reader.line_height) == (False, True, 48)
    assert set(reader.read_line(np.zeros((48, 100, 3), np.uint8))) <= set(CHARSET)


def test_a_run_starts_from_a_checkpoint_with_another_charset(
    recipe: RecognitionRecipe, checkpoint: tuple[RecognitionTask, Path], tmp_path: Path
) -> None:
    task, path = checkpoint
    Charset("b€").to_file(tmp_path / "other.txt")
    model = recipe.model.model_copy(update={"charset": tmp_path / "other.txt"})
    other = RecognitionTask(recipe.model_copy(update={"model": model, "start": Start(checkpoint=path)}))
    rows, before = (one.networks["student"].get_parameter("head.classes.weight") for one in (other, task))
    assert torch.equal(rows[1], before[2])
    assert rows.shape[0] == 3


def test_two_recognisers_are_one_too_many(checkpoint: tuple[RecognitionTask, Path]) -> None:
    with pytest.raises(ConfigError, match="a recognizer; give one detector, one recogniser, or both"):
        CheckpointReader([checkpoint[1]] * 2)
