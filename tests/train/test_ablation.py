from pathlib import Path

import pytest
import yaml

from edge_ocr.errors import ConfigError
from edge_ocr.yamlfile import load_yaml_model
from tests.train import toy_task
from train.ablation import Plan, recipe_of, run_ablation, runs_of
from train.data.drawn_set import Words, write_pages, write_words
from train.data.font_book import FontBook
from train.datasets.formats import read_labels
from train.run_folder import RunFolder

SHIPPED = Path(__file__).parents[2] / "train" / "ablation.yaml"


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    (tmp_path / "toy.yaml").write_text(f"task: {toy_task.NAME}")
    rows = {
        "base": {"name": "base", "recipe": "toy.yaml", "seeds": [1, 2]},
        "more": {"name": "+ dropout", "recipe": "toy.yaml", "over": "base", "set": ["dropout=0.1"]},
    }
    scales = {"small": {"about": "toy", "set": {"*": ["steps=4", "save_every=4"], "more": ["log_every=1"]}}}
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump({"tables": {"recognizer": rows}, "scales": scales}))
    return path


def test_every_row_is_trained_once_before_the_repetitions(plan: Path) -> None:
    runs = runs_of(load_yaml_model(plan, Plan).rows)
    assert [(run.name, run.seed) for run in runs] == [("base", 1), ("more", 1), ("base_seed2", 2)]


def test_what_is_complete_is_not_trained_again(plan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "runs"
    run_ablation(plan, "small", out, only="more", device="cpu")
    assert [path.name for path in sorted(out.glob("*/"))] == ["more"]
    written = (out / "more" / "metrics.jsonl").stat().st_mtime_ns
    run_ablation(plan, "small", out, device="cpu")
    assert (out / "more" / "metrics.jsonl").stat().st_mtime_ns == written
    assert f"{out / 'more'}: complete" in capsys.readouterr().err
    assert RunFolder(out / "base_seed2").best.exists()


def test_runs_of_another_scale_or_recipe_are_refused(plan: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs"
    with pytest.raises(ConfigError, match="no scale 'large'; there are small"):
        run_ablation(plan, "large", out, device="cpu")
    run_ablation(plan, "small", out, only="more", device="cpu")
    plan.write_text(plan.read_text().replace("dropout=0.1", "dropout=0.2"))
    with pytest.raises(ConfigError, match="more: was trained by another recipe"):
        run_ablation(plan, "small", out, only="more", device="cpu")


def test_a_row_must_name_rows_that_there_are(plan: Path) -> None:
    plan.write_text(plan.read_text().replace("over: base", "over: bass"))
    with pytest.raises(ConfigError, match="no row 'bass'"):
        load_yaml_model(plan, Plan)


@pytest.mark.parametrize("scale", ["cpu", "gpu_hour", "gpu"])
def test_all_recipes_of_the_shipped_plan_load(scale: str) -> None:
    shipped = load_yaml_model(SHIPPED, Plan)
    for run in runs_of(shipped.rows):
        places = {"runs": "some/runs", "published": "some.whl"}
        recipe = recipe_of(SHIPPED.parent, shipped, shipped.scales[scale], run, places)
        assert "{runs}" not in recipe.model_dump_json()
        assert recipe.seed == run.seed


def test_drawn_sets_can_be_learnt_from(font_folder: Path, tmp_path: Path) -> None:
    fonts = FontBook.from_folder(font_folder)
    words = Words(longest=4, singles=0.5, max_aspect=3.0)
    for folder in ("words", "again"):
        write_words(tmp_path / folder, 6, 1, fonts, words)
    lines = read_labels(tmp_path / "words").lines
    assert all(len(line.text) <= 4 and line.aspect() <= 3 for line in lines)
    assert (tmp_path / "words/labels.jsonl").read_bytes() == (tmp_path / "again/labels.jsonl").read_bytes()
    write_pages(tmp_path / "pages", 1, 1, fonts)
    assert read_labels(tmp_path / "pages").pages[0].labels
