"""Batches that are shown at the sizes of a reader."""

from dataclasses import dataclass

import numpy as np
import pytest

from edge_ocr.recognition import PAD
from edge_ocr.strips import GAP_PX
from train.nets.ctc import FORMS
from train.task import Batch, Share
from train.tasks.line_sets import line_batch
from train.tasks.looks import ShownBatches
from train.tasks.recognition_recipe import LookSettings

LOW, LOWER = LookSettings(height=32, width_scale=1.2), LookSettings(height=16)


@dataclass(frozen=True)
class TwoLines:
    """A short and a long text on pictures of one width."""

    def __call__(self, step: int, share: Share) -> Batch:
        images = [np.full((48, 96, 3), 100 + step, np.uint8)] * 2
        return line_batch(images, [[1], [1, 2] * 5], ["A", "AB" * 5])


@pytest.mark.parametrize(
    ("step", "size_hw"),
    [
        pytest.param(0, (48, 96), id="as drawn"),
        pytest.param(1, (32, 80), id="the first look: 96 * 1.2 * 32 / 48, in whole time steps"),
        pytest.param(2, (48, 96), id="as drawn again"),
        pytest.param(3, (16, 32), id="the second look"),
        pytest.param(5, (32, 80), id="the first again"),
    ],
)
def test_every_other_batch_is_shown_at_a_look(step: int, size_hw: tuple[int, int]) -> None:
    batch = ShownBatches(TwoLines(), (LOW, LOWER), FORMS["ppocrv6"])(step, Share())
    assert batch["image_NCHW"].shape == (2, 3, *size_hw)
    assert batch["image_NCHW"].unique().tolist() == [100 + step]


def test_a_text_with_too_few_time_steps_is_left_out_and_counted() -> None:
    batches = ShownBatches(TwoLines(), (LOW, LOWER), FORMS["ppocrv6"])
    assert (batches(1, Share())["lengths"].tolist(), batches(1, Share())["n_refused"]) == ([1, 10], 0)
    assert (batches(3, Share())["lengths"].tolist(), batches(3, Share())["n_refused"]) == ([1, 0], 1)


def test_every_batch_is_shown_at_the_look_and_to_a_guide_in_more_rows() -> None:
    batches = ShownBatches(TwoLines(), (LOWER,), FORMS["ppocrv6"], each=True, guide_height=32)
    for step in (0, 1):
        batch = batches(step, Share())
        assert batch["image_NCHW"].shape == (2, 3, 16, 32)
        assert batch["guide_NCHW"].shape == (2, 3, 32, 32)


def test_lines_stand_side_by_side_in_strips_without_labels() -> None:
    batch = ShownBatches(TwoLines(), (LOWER,), FORMS["ppocrv6"], each=True, guide_height=32, strips=1.0)(5, Share())
    assert batch["image_NCHW"].shape == (1, 3, 16, 2 * (32 + GAP_PX))
    assert batch["guide_NCHW"].shape == (1, 3, 32, 2 * (32 + GAP_PX))
    columns = batch["image_NCHW"][0, 0, 0]
    assert columns.tolist() == ([105] * 32 + [PAD] * GAP_PX) * 2
    assert batch["lengths"].tolist() == [0]
    assert len(batch["targets"]) == 1


def test_lines_that_are_too_wide_for_a_strip_stay_alone() -> None:
    wide = LookSettings(height=48, width_scale=4.0)
    batch = ShownBatches(TwoLines(), (wide,), FORMS["ppocrv6"], each=True, guide_height=32, strips=1.0)(0, Share())
    assert batch["image_NCHW"].shape == (2, 3, 48, 384)
    assert batch["lengths"].tolist() == [1, 10]
