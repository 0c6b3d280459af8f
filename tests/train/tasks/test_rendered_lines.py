"""Batches of rendered lines: of one width each, and a function of seed and number."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from edge_ocr.charset import Charset
from train.data.font_book import FontBook
from train.errors import LabelError
from train.task import Share
from train.tasks.recognition_recipe import LATIN_CHARSET
from train.tasks.rendered_lines import LineShape, RenderedBatches

SHAPE = LineShape(height=48, stride=8, widths=(128, 320, 640))


@pytest.fixture(scope="module")
def batches(font_folder: Path) -> RenderedBatches:
    charset = Charset.from_file(LATIN_CHARSET)
    return RenderedBatches(3, 4, charset, FontBook.from_folder(font_folder), SHAPE, augment=0.2, join=0.5)


def test_the_lines_of_a_batch_have_one_width_and_batches_have_several(batches: RenderedBatches) -> None:
    drawn = {step: batches(step, Share())["image_NCHW"].shape for step in range(4)}
    assert {shape[:3] for shape in drawn.values()} == {(4, 3, 48)}
    assert [shape[3] for shape in drawn.values()] == [batches.width(step) for step in drawn]
    assert {batches.width(step) for step in range(40)} == set(SHAPE.widths)


def test_processes_draw_what_one_would(batches: RenderedBatches) -> None:
    whole, parts = batches(2, Share()), [batches(2, Share(rank, 2)) for rank in range(2)]
    assert sorted(whole["texts"]) == sorted(parts[0]["texts"] + parts[1]["texts"])
    again = batches(2, Share())
    assert torch.equal(whole["image_NCHW"], again["image_NCHW"])


def test_every_label_can_be_learnt(batches: RenderedBatches) -> None:
    for step in range(3):
        drawn = batches(step, Share())
        n_steps = drawn["image_NCHW"].shape[3] // SHAPE.stride
        assert all(0 < length <= n_steps for length in drawn["lengths"].tolist())


@pytest.mark.parametrize(
    ("width_px", "text", "takes"),
    [
        pytest.param(128, "a" * 8, True, id="as many steps as needed: letters and blanks between equal ones"),
        pytest.param(128, "a" * 9, False, id="a step short"),
        pytest.param(160, "ab", True, id="a little too wide: squeezed"),
        pytest.param(170, "ab", False, id="far too wide"),
        pytest.param(20, "abcd", False, id="padding has no steps to give"),
    ],
)
def test_what_a_batch_takes(width_px: int, text: str, takes: bool) -> None:
    assert SHAPE.takes(np.zeros((48, width_px, 3), np.uint8), text, 128) is takes


def test_a_long_text_goes_into_the_widest_batch() -> None:
    assert [SHAPE.bucket("x" * length) for length in (1, 5, 12, 90)] == [128, 128, 320, 640]


def test_where_nothing_fits_the_recipe_is_blamed(batches: RenderedBatches) -> None:
    none_fits = replace(batches, shape=replace(SHAPE, widths=(16,)))
    with pytest.raises(LabelError, match=r"none can be drawn and read within 16 pixels; change data\.widths"):
        none_fits.sample(0, 16)
