import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.ablation import is_done, n_parameters
from benchmarks.ablation_page import Page, draw_curves, label_losses, markdown
from train.ablation import Plan, Record, Row, Scale
from train.nets.db import ppocrv3_detector

COST = {"parameters": 2_400_000, "fp_bytes": 5_000_000, "int8_bytes": 2_600_000, "fp_ms": 3.21, "int8_ms": 1.5}


def measured(word_accuracy: float) -> dict[str, Any]:
    figures = {"images": 600, "line_accuracy_folded": word_accuracy}
    of = {"kind": "recognizer", "steps": 2000}
    return {**of, "held_out": 0.5, "sets": {"iiit5k_words": figures}}


@pytest.fixture
def page() -> Page:
    rows = {
        "base": Row(name="base", recipe="a.yaml", seeds=(1, 2)),
        "better": Row(name="+ better", recipe="b.yaml", over="base"),
        "late": Row(name="+ late", recipe="c.yaml", over="better"),
    }
    plan = Plan(tables={"recognizer": rows}, scales={"cpu": Scale(about="small")})
    runs = {"base": measured(0.20), "base_seed2": measured(0.30), "better": measured(0.40)}
    curve = [{"step": 10, "loss": {"ctc": 8.0, "mutual": 1.0}}, {"step": 20, "figures": {"line_accuracy": 0.4}}]
    return Page(Record(plan=plan, scale="cpu"), runs, dict.fromkeys(rows, COST), {"base": curve}, "## Found\n\nThat.")


def test_a_row_shows_the_range_of_its_seeds_and_its_gain(page: Page) -> None:
    lines = markdown(page, "ablation.png", 0).splitlines()
    assert "| base | 2.40 | 5.00 | 2.60 | 3.2 | 1.5 | 2000 | 50.0 (50.0-50.0) | 25.0 (20.0-30.0) |  |" in lines
    assert "| + better | 2.40 | 5.00 | 2.60 | 3.2 | 1.5 | 2000 | 50.0 | 40.0 | +15.0 |" in lines
    assert any("that mean moved by 10.0 points" in line for line in lines)


def test_a_row_that_was_not_trained_says_so(page: Page) -> None:
    assert (
        "| + late | 2.40 | 5.00 | 2.60 | 3.2 | 1.5 | not run |  |  |  |"
        in markdown(page, "ablation.png", 0).splitlines()
    )


def test_what_was_found_and_the_picture_are_on_the_page(page: Page, tmp_path: Path) -> None:
    draw_curves(page, tmp_path / "ablation.png")
    assert (tmp_path / "ablation.png").stat().st_size < 60_000
    said = markdown(page, "ablation.png", 50)
    assert "(ablation.png)" in said
    assert "the first 50 images of each real set" in said
    assert said.endswith("## Found\n\nThat.\n")


def test_the_loss_of_two_students_is_shown_as_that_of_one(page: Page) -> None:
    assert label_losses(page.records["base"], "ctc") == ([10], [4.0])


@pytest.mark.parametrize(("step", "done"), [(1999, False), (2000, True)])
def test_a_run_counts_when_all_its_steps_are_made(step: int, done: bool, tmp_path: Path) -> None:
    (tmp_path / "last.json").write_text(json.dumps({"step": step, "recipe": {"steps": 2000}}))
    assert is_done(tmp_path) is done
    assert not is_done(tmp_path / "nothing")


def test_the_threshold_branch_is_no_parameter_of_a_device() -> None:
    detector = ppocrv3_detector()
    branch = sum(parameter.numel() for parameter in detector.head.threshold.parameters())
    assert n_parameters(detector) == sum(parameter.numel() for parameter in detector.parameters()) - branch
