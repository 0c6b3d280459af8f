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


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        pytest.param(None, ConfigError, "labels.jsonl: missing; a gate set is a folder with", id="no labels"),
        pytest.param('{"image": "a.png"\n', ConfigError, r"labels.jsonl:1: not {\"image\": ...,", id="no JSON"),
        pytest.param('{"image": "a.png"}\n', ConfigError, "labels.jsonl:1: not", id="a record without text"),
        pytest.param("[1]\n", ConfigError, "labels.jsonl:1: not", id="a list"),
        pytest.param('{"image": "a.png", "text": "A"}\n', ImageError, "a.png: cannot be read", id="no image"),
    ],
)
def test_what_is_no_crop_set_is_refused(
    tmp_path: Path, labels: str | None, error: type[Exception], message: str
) -> None:
    if labels is not None:
        (tmp_path / "labels.jsonl").write_text(labels)
    with pytest.raises(error, match=message):
        load_crops(tmp_path)
