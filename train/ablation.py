"""`python -m train ablation`: train all rows of an ablation, one after the other, at one scale; resumable.

A plan (train/ablation.yaml) says which rows there are, by which recipes, and what each scale changes in them.
The folder of the runs keeps it, and `python -m benchmarks.ablation` makes the page from that folder alone.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import yaml
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from edge_ocr.errors import ConfigError
from edge_ocr.yamlfile import load_yaml_model
from train.centres import write_centres
from train.checkpoint import read_tensors, write_bytes
from train.data.drawn_set import Words, write_pages, write_words
from train.data.font_book import FontBook
from train.recipe import Recipe, Settings, dump_recipe, load_recipe
from train.run_folder import RunFolder
from train.task import HELD_OUT_SEED
from train.trainer import train

RECORD = "ablation.yaml"
"""In the folder of the runs: the plan, and the scale that they were trained at."""


class Row(Settings):
    """One row of a table: a recipe, trained once for each seed."""

    name: str
    """In the table."""
    recipe: str
    """File, from the folder of the plan."""
    over: str | None = None
    """Row that it adds something to, and is compared with."""
    set: tuple[str, ...] = ()
    """Changes of the recipe, `key=value` each; `{runs}` and `{published}` stand for the paths."""
    centres: str | None = None
    """Run whose centres it learns with: they are made in that run's folder first."""
    seeds: tuple[NonNegativeInt, ...] = Field(default=(1,), min_length=1)
    """More than one shows the spread."""


class Drawn(Settings):
    """Sets that are drawn once, where drawing anew would cost every run more than learning."""

    words: PositiveInt
    pages: PositiveInt
    held_out_words: PositiveInt
    held_out_pages: PositiveInt
    longest: PositiveInt
    """Characters of a word."""
    singles: float = Field(ge=0, le=1)
    """Share of the words that is cut to one character."""
    max_aspect: PositiveFloat
    """Width per height of a word's crop."""
    seed: NonNegativeInt = 1


class Scale(Settings):
    """What a machine can train."""

    about: str
    """For the page."""
    drawn: Drawn | None = None
    """`{runs}/words`, `pages` and their `_held_out`; without it all is drawn on the fly."""
    centre_lines: PositiveInt = 20_000
    """Lines that centres are made from."""
    set: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    """Changes of the recipes by pattern of the rows; a later one wins."""


class Plan(Settings):
    """The whole ablation."""

    tables: Mapping[str, Mapping[str, Row]]
    """Rows by name of their run, in the order of training."""
    scales: Mapping[str, Scale]

    @property
    def rows(self) -> dict[str, Row]:
        """Of all tables."""
        return {name: row for table in self.tables.values() for name, row in table.items()}

    @model_validator(mode="after")
    def _rows_are_known(self) -> "Plan":
        if len(self.rows) < sum(map(len, self.tables.values())):
            raise ValueError("a row stands in two tables; runs need names of their own")
        named = {name for row in self.rows.values() for name in (row.over, row.centres) if name}
        if named - set(self.rows):
            raise ValueError(f"no row {min(named - set(self.rows))!r}, which another one names")
        return self


class Record(Settings):
    """What the folder of the runs says."""

    plan: Plan
    scale: str


@dataclass(frozen=True, slots=True)
class Run:
    """One training of a row."""

    row: str
    seed: int
    is_repeat: bool

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.row}_seed{self.seed}" if self.is_repeat else self.row


def runs_of(rows: Mapping[str, Row]) -> Iterator[Run]:
    """All runs: every row once first, then the repetitions."""
    for number in range(max((len(row.seeds) for row in rows.values()), default=0)):
        for name, row in rows.items():
            if number < len(row.seeds):
                yield Run(name, row.seeds[number], is_repeat=number > 0)


def run_ablation(
    path: Path,
    scale_name: str,
    out: Path,
    *,
    only: str = "*",
    published: Path | None = None,
    device: str | None = None,
    n_workers: int = 0,
) -> None:
    """Train what is not trained yet; what was begun goes on.

    Args:
        path: The plan; it names its recipes from its own folder.
        scale_name: One of its scales.
        out: Folder of the run folders.
        only: Pattern of the rows to train.
        published: The teacher's wheel.
        device: See `train.trainer.train`.
        n_workers: Processes that make batches ahead.

    Raises:
        ConfigError: there is no such scale, or the folder has runs of another one.
    """
    plan = load_yaml_model(path, Plan)
    if scale_name not in plan.scales:
        raise ConfigError(f"{path}: no scale {scale_name!r}; there are {', '.join(plan.scales)}")
    _record(Record(plan=plan, scale=scale_name), out)
    scale, places = plan.scales[scale_name], {"runs": str(out), "published": str(published)}
    for run in runs_of({name: row for name, row in plan.rows.items() if fnmatchcase(name, only)}):
        row, folder = plan.rows[run.row], RunFolder(out / run.name)
        recipe = recipe_of(path.parent, plan, scale, run, places)
        if is_complete(folder, recipe):
            _say(f"{folder.path}: complete")
            continue
        if scale.drawn:
            draw_sets(scale.drawn, recipe, out)
        if row.centres:
            _make_centres(out / row.centres, scale.centre_lines, device or "cpu", n_workers)
        _say(f"{folder.path}: {row.name}, seed {run.seed}")
        is_begun = (folder.path / "recipe.yaml").exists()
        train(recipe, folder.path, resume=is_begun, device=device, n_workers=n_workers)


def recipe_of(recipes: Path, plan: Plan, scale: Scale, run: Run, places: Mapping[str, str]) -> Recipe:
    """The recipe of a run: its row's, with what row and scale change.

    Args:
        recipes: Folder of the recipes.
        plan: Of the run.
        scale: Of the machine.
        run: Which one.
        places: What `{runs}` and `{published}` stand for.
    """
    row = plan.rows[run.row]
    by_scale = [change for pattern, some in scale.set.items() if fnmatchcase(run.row, pattern) for change in some]
    changes = [*row.set, *by_scale, f"seed={run.seed}"]
    for name, place in places.items():
        changes = [change.replace(f"{{{name}}}", place) for change in changes]
    return load_recipe(recipes / row.recipe, changes)


def is_complete(folder: RunFolder, recipe: Recipe) -> bool:
    """Whether all steps of a run were made, by this recipe.

    Raises:
        ConfigError: they were made by another one.
    """
    if not folder.state.exists() or read_tensors(folder.state)[1]["step"] < recipe.steps:
        return False
    if yaml.safe_load((folder.path / "recipe.yaml").read_text(encoding="utf-8")) != recipe.model_dump(mode="json"):
        raise ConfigError(f"{folder.path}: was trained by another recipe; move it away, or give another --out")
    return True


def draw_sets(drawn: Drawn, recipe: Recipe, out: Path) -> None:
    """Draw those of the sets that a recipe names, where they are not there yet."""
    sets = {
        "words": (drawn.words, drawn.seed),
        "words_held_out": (drawn.held_out_words, drawn.seed + HELD_OUT_SEED),
        "pages": (drawn.pages, drawn.seed),
        "pages_held_out": (drawn.held_out_pages, drawn.seed + HELD_OUT_SEED),
    }
    words = Words(longest=drawn.longest, singles=drawn.singles, max_aspect=drawn.max_aspect)
    named = dump_recipe(recipe).split()
    for name, (n, seed) in sets.items():
        folder = out / name
        if str(folder) not in named or (folder / "labels.jsonl").exists():
            continue
        _say(f"{folder}: drawing {n}")
        if name.startswith("words"):
            write_words(folder, n, seed, FontBook.from_folder(), words)
        else:
            write_pages(folder, n, seed, FontBook.from_folder())


def _record(record: Record, out: Path) -> None:
    path = out / RECORD
    if path.exists() and load_yaml_model(path, Record).scale != record.scale:
        raise ConfigError(f"{path}: these runs are of another scale; give another --out")
    out.mkdir(parents=True, exist_ok=True)
    write_bytes(path, yaml.safe_dump(record.model_dump(mode="json"), sort_keys=False, allow_unicode=True).encode())


def _make_centres(trained: Path, n_lines: int, device: str, n_workers: int) -> None:
    centres = trained / "centres.safetensors"
    if not centres.exists():
        best = RunFolder(trained).best
        _say(write_centres(best, centres, n_lines=n_lines, device=device, n_workers=n_workers))


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
