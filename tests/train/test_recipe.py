"""Recipes: one YAML file, unknown keys refused."""

from pathlib import Path

import pytest

from edge_ocr.errors import ConfigError
from tests.train.toy_task import ToyRecipe
from train.recipe import ScheduleSettings, dump_recipe, load_recipe
from train.schedule import lr_share

RECIPES = sorted((Path(__file__).parents[2] / "train" / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_loads_and_survives_being_written_down(path: Path, tmp_path: Path) -> None:
    recipe = load_recipe(path)
    copy = tmp_path / "recipe.yaml"
    copy.write_text(dump_recipe(recipe))
    assert load_recipe(copy) == recipe


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("task: toy\nstep: 3", r"r.yaml:2: step: unknown key; did you mean 'steps'\?", id="unknown key"),
        pytest.param("task: tоy", r"r.yaml: no task 'tоy'; known are .*toy", id="unknown task"),
        pytest.param("steps: 1", "r.yaml:1: task: this key is required", id="no task"),
        pytest.param(
            "task: toy\nschedule: {milestones: [3]}", "r.yaml:2: schedule: `milestones` belong", id="contradiction"
        ),
        pytest.param(
            "task: toy\nstart: {published: a, checkpoint: b}", "r.yaml:2: start: give .* not both", id="two starts"
        ),
        pytest.param("task: toy\nfreeze_norms: true", "`freeze_norms` .* needs `start`", id="norms without a start"),
    ],
)
def test_a_recipe_that_cannot_be_used_is_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_recipe(path)


def test_the_command_line_changes_single_keys(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("task: toy\noptimizer: {kind: sgd}")
    recipe = load_recipe(path, ["optimizer.lr=0.5", "seed=3", "ema=null"])
    assert isinstance(recipe, ToyRecipe)
    assert (recipe.optimizer.kind, recipe.optimizer.lr, recipe.seed, recipe.ema) == ("sgd", 0.5, 3, None)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        pytest.param("seed", "write key=value", id="no value"),
        pytest.param("sead=1", r"with --set: sead: unknown key; did you mean 'seed'\?", id="unknown key"),
        pytest.param("seed.inner=1", "seed holds 4, not further keys", id="below a number"),
        pytest.param("seed=[", "not valid YAML", id="broken value"),
    ],
)
def test_an_override_that_cannot_be_used_is_refused(override: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("task: toy\nseed: 4")
    with pytest.raises(ConfigError, match=message):
        load_recipe(path, [override])


@pytest.mark.parametrize(
    ("schedule", "step", "share"),
    [
        pytest.param(ScheduleSettings(warmup=4), 0, 0.25, id="warm-up begins above zero"),
        pytest.param(ScheduleSettings(warmup=4), 3, 1.0, id="warm-up ends at the peak"),
        pytest.param(ScheduleSettings(warmup=4), 4, 1.0, id="cosine begins at the peak"),
        pytest.param(ScheduleSettings(warmup=4), 12, 0.5, id="cosine is half way down in the middle"),
        pytest.param(ScheduleSettings(final=0.2), 10, 0.6, id="cosine towards a final share"),
        pytest.param(ScheduleSettings(kind="constant"), 19, 1.0, id="constant"),
        pytest.param(ScheduleSettings(kind="piecewise", milestones=(5, 9)), 4, 1.0, id="before the first milestone"),
        pytest.param(ScheduleSettings(kind="piecewise", milestones=(5, 9)), 5, 0.1, id="from the first milestone on"),
        pytest.param(ScheduleSettings(kind="piecewise", milestones=(5, 9)), 19, 0.01, id="after the last milestone"),
    ],
)
def test_the_learning_rate_follows_its_schedule(schedule: ScheduleSettings, step: int, share: float) -> None:
    assert lr_share(schedule, step, 20) == pytest.approx(share)
