"""The orientation task."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from train.data.augment import augment_line, join_lines
from train.data.font_book import FontBook
from train.task import Share
from train.tasks.orientation import (
    OrientationRecipe,
    OrientationTask,
    TurnedBatches,
    has_right_way_up,
    readable_lines,
    turned_over,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("NOON", False), ("906", False), ("H-0 I", False), ("906 EUR", True), ("Total", True), ("A", True)],
)
def test_some_texts_have_no_right_way_up(text: str, expected: bool) -> None:
    assert has_right_way_up(text) == expected


@pytest.fixture
def recipe(tmp_path: Path) -> OrientationRecipe:
    image = np.full((48, 120, 3), 220, np.uint8)
    cv2.putText(image, "Track 7", (5, 34), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (20, 20, 20), 2, cv2.LINE_AA)
    cv2.imwrite(str(tmp_path / "a.png"), image)
    records = [{"image": "a.png", "text": text} for text in ("Track 7", "NOON")]
    (tmp_path / "labels.jsonl").write_text("\n".join(map(json.dumps, records)))
    data = {"held_out_sets": [tmp_path], "sets": [tmp_path], "augment": 0.0}
    return OrientationRecipe.model_validate({"task": "orientation", "steps": 1, "batch_size": 4, "data": data})


def test_a_batch_says_which_lines_are_turned(recipe: OrientationRecipe) -> None:
    batches = OrientationTask(recipe)._held_out
    assert [len(batch["is_turned"]) for batch in batches] == [1]  # the other line reads either way
    labelled = OrientationTask(recipe)
    made = TurnedBatches(1, 16, lines=readable_lines(labelled.recipe.data.sets))(0, Share())
    upright = made["image_NCHW"][~made["is_turned"]]
    turned = made["image_NCHW"][made["is_turned"]]
    assert len(upright) * len(turned) > 0
    assert (upright == upright[0]).all()
    # The line is 120 of 192 pixels wide, and stays at the left.
    assert torch.equal(turned[0][:, :, :120].flip(1, 2), upright[0][:, :, :120])


def test_rendered_lines_are_drawn_by_their_number(font_folder: Path) -> None:
    fonts = FontBook.from_folder(font_folder)
    one, other = (TurnedBatches(3, 4, fonts=fonts)(1, share) for share in (Share(), Share(1, 2)))
    assert one["image_NCHW"].shape == (4, 3, 48, 192)
    assert torch.equal(one["image_NCHW"][1::2], other["image_NCHW"])
    assert torch.equal(one["is_turned"][1::2], other["is_turned"])


def test_its_loss_reaches_every_parameter(recipe: OrientationRecipe) -> None:
    task = OrientationTask(recipe).train()
    batch = {
        "image_NCHW": torch.randint(0, 256, (4, 3, 48, 192)),
        "is_turned": torch.tensor([True, False, True, False]),
    }
    torch.autograd.backward(task.loss(batch)["total"])
    assert all(parameter.grad is not None for parameter in task.networks.parameters())


def test_it_tells_what_a_reader_would_spoil(recipe: OrientationRecipe) -> None:
    task = OrientationTask(recipe).eval()
    with torch.no_grad():
        assert set(task.evaluate(task.networks)) == {"accuracy", "false_turns", "mended"}


def test_augmentation_is_a_function_of_the_generator() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 100, 3), np.uint8)
    one, other = (augment_line(np.random.default_rng(5), image, 1.0) for _ in range(2))
    assert one.dtype == np.uint8
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(augment_line(np.random.default_rng(5), image, 0.0), image)


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (8, 8), (200, 20)])
def test_augmentation_takes_any_size(size: tuple[int, int]) -> None:
    for seed in range(10):
        image = augment_line(np.random.default_rng(seed), np.full((*size, 3), 90, np.uint8), 1.0)
        assert min(image.shape[:2]) >= 1


def test_joined_lines_have_room_for_a_space_between() -> None:
    left, right = np.full((20, 30, 3), 250, np.uint8), np.full((40, 40, 3), 10, np.uint8)
    joined = join_lines(np.random.default_rng(1), left, right)
    assert joined.shape[0] == 20
    assert 50 <= joined.shape[1] <= 56
    np.testing.assert_array_equal(joined[:, :30], left)
    np.testing.assert_array_equal(joined[:, -20:], 10)


def test_turning_twice_changes_nothing() -> None:
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    np.testing.assert_array_equal(turned_over(turned_over(image)), image)
