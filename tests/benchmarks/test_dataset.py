"""Labelled images on disk."""

import json
from pathlib import Path

import pytest

from benchmarks.dataset import image_files, read_set
from edge_ocr.errors import ConfigError


def write_labels(folder: Path, *records: dict[str, object]) -> Path:
    for record in records:
        image = folder / str(record["image"])
        image.parent.mkdir(exist_ok=True)
        image.touch()
    (folder / "labels.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return folder


def test_a_set_of_pages_keeps_labels_and_their_partiality(tmp_path: Path) -> None:
    line = {"polygon": [[0, 0], [9, 0], [9, 9], [0, 9]], "text": "A", "ignore": False}
    page: dict[str, object] = {"image": "images/a.jpg", "lines": [line], "partial": True}
    labelled = read_set(write_labels(tmp_path, page))
    image = labelled.images[0]
    assert not labelled.is_crops
    assert (image.path, image.name) == (tmp_path / "images/a.jpg", "images/a.jpg")
    assert (image.partial, image.labels[0].text) == (True, "A")


def test_a_set_of_crops_is_told_by_its_texts(tmp_path: Path) -> None:
    folder = write_labels(tmp_path, {"image": "a.png", "text": "A"}, {"image": "b.png", "text": "B"})
    labelled = read_set(folder, limit=1)
    assert labelled.is_crops
    assert [image.text for image in labelled.images] == ["A"]


def test_a_set_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere: no such file or folder; give labels\.jsonl"):
        read_set(tmp_path / "nowhere")


def test_image_files_are_those_of_the_images_folder_by_name(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for name in ("b.JPG", "a.png", "labels.txt"):
        (tmp_path / "images" / name).touch()
    assert [path.name for path in image_files(tmp_path)] == ["a.png", "b.JPG"]


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no image in it"):
        image_files(tmp_path)
