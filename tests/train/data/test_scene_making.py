"""Scenes as they are pasted into, augmented, read and put into batches."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_ocr.errors import ConfigError
from edge_ocr.metrics import Label
from train.data.copy_paste import copy_paste
from train.data.font_book import FontBook
from train.data.scene import Scene, boxes_of
from train.data.scene_augment import AugmentSettings, augment
from train.data.scene_batches import SceneBatches, draw_maps
from train.data.scene_source import SceneSource, _scene, read_pages
from train.errors import LabelError
from train.task import Share

PLAIN = AugmentSettings(size=64, scale=(1.0, 1.0), flip=0, rotate_deg=0, colour=0)


def quad(x: int, y: int, width: int, height: int) -> NDArray[np.float32]:
    return np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]], np.float32)


def scene_with(*boxes: tuple[int, int, int, int], size_hw: tuple[int, int] = (120, 200), text: str = "text") -> Scene:
    """White texts on grey."""
    image = np.full((*size_hw, 3), 100, np.uint8)
    for x, y, width, height in boxes:
        image[y : y + height, x : x + width] = 255
    return Scene(image, tuple(Label(quad(*box), text) for box in boxes))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def outside(shape: Label, size_hw: tuple[int, int]) -> NDArray[np.bool_]:
    mask = np.zeros(size_hw, np.uint8)
    cv2.fillPoly(mask, [np.rint(shape.polygon).astype(np.int32)], 1)
    return ~cv2.dilate(mask, np.ones((5, 5), np.uint8)).astype(bool)


@pytest.mark.parametrize("seed", range(20))
def test_copied_texts_never_cover_text(seed: int) -> None:
    scene = scene_with((10, 10, 60, 14), (90, 60, 80, 16), (20, 95, 50, 12))
    donor = scene_with(*((5 + 40 * (i % 4), 5 + 20 * (i // 4), 30, 10) for i in range(20)))
    pasted = copy_paste(rng(seed), scene, donor)
    boxes = boxes_of(pasted.labels)
    for i, (x0, y0, x1, y1) in enumerate(boxes):
        for a0, b0, a1, b1 in boxes[:i]:
            assert x1 < a0 or a1 < x0 or y1 < b0 or b1 < y0
    assert boxes.min() >= 0
    assert (boxes[:, 2:] <= (200, 120)).all()


def test_a_fifth_of_the_donors_texts_is_copied_and_the_scene_left_alone() -> None:
    scene, donor = scene_with((10, 10, 30, 14)), scene_with(*((5, 5 + 11 * i, 20, 9) for i in range(10)))
    before = scene.image.copy()
    pasted = copy_paste(rng(), scene, donor)
    assert pasted.labels[0] is scene.labels[0]
    assert len(pasted.labels) == 1 + 2
    np.testing.assert_array_equal(scene.image, before)
    changed = (pasted.image != before).any(axis=2)
    assert changed.any()
    around = [outside(shape, changed.shape) for shape in pasted.labels[1:]]
    assert not changed[np.logical_and(*around)].any()


@pytest.mark.parametrize(
    "donor",
    [
        pytest.param(scene_with(), id="a donor without text"),
        pytest.param(scene_with((5, 5, 50, 10), text=""), id="only ignored text"),
        pytest.param(scene_with((0, 0, 390, 290), size_hw=(300, 400)), id="a text larger than the scene"),
    ],
)
def test_nothing_is_pasted_where_nothing_fits(donor: Scene) -> None:
    assert copy_paste(rng(), scene_with(), donor).labels == ()


@pytest.mark.parametrize("seed", range(10))
def test_a_crop_shows_a_text_and_cuts_none_where_it_can(seed: int) -> None:
    scene = scene_with((10, 10, 30, 12), (100, 20, 40, 12), (60, 90, 30, 12))
    crop = augment(rng(seed), scene, PLAIN)
    assert crop.image.shape == (64, 64, 3)
    assert crop.labels
    boxes = boxes_of(crop.labels)
    assert boxes.min() >= 0
    assert boxes.max() <= 64


def test_labels_move_with_their_pixels() -> None:
    settings = AugmentSettings(size=128, scale=(0.8, 1.5), rotate_deg=10, flip=0.5, colour=0)
    for seed in range(10):
        crop = augment(rng(seed), scene_with((60, 40, 40, 20)), settings)
        mask = np.zeros((128, 128), np.uint8)
        cv2.fillPoly(mask, [np.rint(crop.labels[0].polygon).astype(np.int32)], 1)
        is_white = crop.image[..., 0] > 180
        assert (is_white & (mask > 0)).sum() > 0.85 * max(is_white.sum(), mask.sum())


def test_a_dense_page_is_cut_through_its_lines_rather_than_shown_too_small() -> None:
    scene = scene_with(*((0, 12 * i, 200, 10) for i in range(10)))
    crop = augment(rng(), scene, PLAIN)
    assert (crop.image > 0).all()
    assert crop.labels


@pytest.mark.parametrize("scene", [scene_with(), scene_with(size_hw=(20, 30)), scene_with((2, 2, 5, 5), text="")])
def test_a_scene_without_text_gives_background(scene: Scene) -> None:
    crop = augment(rng(), scene, PLAIN)
    assert crop.image.shape == (64, 64, 3)
    assert not any(shape.counts for shape in crop.labels)


def test_chance_decides_everything() -> None:
    settings = AugmentSettings(size=64, scale=(0.5, 2.0))
    scene = scene_with((10, 10, 30, 12), (100, 20, 40, 12))
    one, again, other = (augment(rng(seed), scene, settings) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.image, again.image)
    assert (one.image != other.image).any()


def write_set(folder: Path, *rows: str) -> Path:
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), scene_with((10, 10, 60, 20)).image)
    (folder / "labels.jsonl").write_text("\n".join(rows) + "\n")
    return folder


RECORD = json.dumps({"image": "a.png", "lines": [{"polygon": quad(10, 10, 60, 20).tolist(), "text": "text"}]})


def test_pages_of_label_files_are_scenes(tmp_path: Path) -> None:
    pages = read_pages([write_set(tmp_path / "set", RECORD, "")])
    scene = SceneSource(1, None, pages, rendered_share=0).scene(5)
    assert scene.image.shape == (120, 200, 3)
    assert scene.labels[0].counts


def test_scenes_are_rendered_by_number(font_folder: Path) -> None:
    source = SceneSource(1, FontBook.from_folder(font_folder))
    one, other = source.scene(3), source.scene(4)
    _scene.cache_clear()
    np.testing.assert_array_equal(source.scene(3).image, one.image)
    assert one.image.shape != other.image.shape or (one.image != other.image).any()


def test_partly_labelled_pages_are_not_learnt_from(tmp_path: Path) -> None:
    row = json.dumps({**json.loads(RECORD), "partial": True})
    with pytest.raises(LabelError, match=r"labels.jsonl:1: a page of `partial` labels"):
        read_pages([write_set(tmp_path / "set", row)])


def test_single_lines_are_no_pages(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="single lines of text; a detector needs pages"):
        read_pages([write_set(tmp_path / "set", '{"image": "a.png", "text": "x"}')])


def test_processes_share_a_batch_and_repeat_it(tmp_path: Path) -> None:
    pages = read_pages([write_set(tmp_path / "set", RECORD)])
    batches = SceneBatches(SceneSource(1, None, pages, rendered_share=0), AugmentSettings(size=64), 1.0, 4)
    whole = batches(7, Share())
    parts = [batches(7, Share(rank, 2)) for rank in range(2)]
    for name, tensor in whole.items():
        assert (tensor[0::2] == parts[0][name]).all()
        assert (tensor[1::2] == parts[1][name]).all()
    assert whole["image_NCHW"].shape == (4, 3, 64, 64)
    assert whole["shrink"].shape == (4, 1, 64, 64)
    assert draw_maps(whole).shape == (2 * 68, 2 * 132, 3)
