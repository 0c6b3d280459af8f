import json
from pathlib import Path

import pytest
from PIL import Image

from edge_ocr.errors import ConfigError, ImageError
from optimize.evaluate import load_crops


def test_a_crop_set_is_loaded_in_the_order_of_its_labels(tmp_path: Path) -> None:
    records = [{"image": "b.png", "text": "B"}, {"image": "a.png", "text": "é"}]
    for number, record in enumerate(records):
        Image.new("RGB", (4 + number, 3)).save(tmp_path / record["image"])
    lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    (tmp_path / "labels.jsonl").write_text(lines, encoding="utf-8")
    crop_set = load_crops(tmp_path)
    assert crop_set.name == tmp_path.name
    assert [(image.shape, text) for image, text in crop_set.crops] == [((3, 4, 3), "B"), ((3, 5, 3), "é")]


def test_the_lines_of_pages_are_cut_out(tmp_path: Path) -> None:
    Image.new("RGB", (100, 80)).save(tmp_path / "a.png")
    quads = {"A": [[10, 10], [70, 10], [70, 30], [10, 30]], "": [[10, 40], [70, 40], [70, 60], [10, 60]]}
    lines = [{"polygon": quad, "text": text, "ignore": not text} for text, quad in quads.items()]
    labels = tmp_path / "own.jsonl"
    labels.write_text(json.dumps({"image": "a.png", "lines": lines}))
    crop_set = load_crops(labels)
    assert crop_set.name == "own"
    assert [(image.shape, text) for image, text in crop_set.crops] == [((20, 60, 3), "A")]


def test_labels_without_a_text_are_no_crop_set(tmp_path: Path) -> None:
    Image.new("RGB", (4, 3)).save(tmp_path / "a.png")
    (tmp_path / "labels.jsonl").write_text('{"image": "a.png", "lines": []}')
    with pytest.raises(ConfigError, match="no text in these labels to judge by"):
        load_crops(tmp_path)


def test_a_crop_that_is_no_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    (tmp_path / "labels.jsonl").write_text('{"image": "a.png", "text": "A"}')
    with pytest.raises(ImageError, match=r"a\.png"):
        load_crops(tmp_path)
