"""What the page of an ablation says: tables, curves, and how it came about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from train.ablation import Record, Row, runs_of
from train.curves import smoothed

NOT_RUN = "not run"
MEASURES = {"recognizer": "line_accuracy_folded", "detector": "detection_hmean"}
COLUMNS = ("M parameters", "MB FP16", "MB INT8", "ms FP", "ms INT8", "steps", "held out")
CURVES = {"recognizer": "ctc", "detector": "student_prob"}
"""The term of the loss that all rows of a table have, from the labels."""
TITLES = {"recognizer": "Recogniser", "detector": "Detector"}
RULES = {
    "recognizer": "Sets and held-out words: words read right, letters and digits without case, %. A line is 320 wide.",
    "detector": (
        "Sets and held-out pages: detection Hmean (IoU 0.5, ignore rule), %, each row at the score threshold best"
        " on the held-out pages. A page is 640 x 640."
    ),
}
REPRODUCE = """    python -m train ablation train/ablation.yaml --scale {scale} --out runs/ablation \\
        --published rapidocr-3.10.0-py3-none-any.whl
    python -m benchmarks.ablation runs/ablation --data DATA --out docs/ablation.md
"""

Scores = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """All that goes into it."""

    record: Record
    measured: Mapping[str, Scores]
    """By run; those that were not trained to their end are missing."""
    costs: Mapping[str, Mapping[str, Any]]
    """Parameters, sizes and times by row."""
    records: Mapping[str, Sequence[Mapping[str, Any]]]
    """Lines of metrics.jsonl by run."""
    notes: str = ""
    """What people found: `notes.md` of the runs' folder."""


def markdown(page: Page, picture: str, limit: int) -> str:
    """The page.

    Args:
        page: What it is made of.
        picture: Name of the picture beside it.
        limit: Images of a set that were judged, 0 for all.
    """
    scale = page.record.plan.scales[page.record.scale]
    judged = f"the first {limit} images of each real set" if limit else "the whole real sets"
    parts = [
        "# Ablation\n",
        "What each technique gains. All rows of a table are trained from random weights with the same steps, batch and"
        f" data. Scale `{page.record.scale}`: {scale.about}. Judged on {judged}, none of which is trained on; held-out"
        " data is rendered as the training data is. `benchmarks/ablation.py` makes this page from the run folders:\n",
        REPRODUCE.format(scale=page.record.scale),
        *(_section(page, kind, rows) for kind, rows in page.record.plan.tables.items()),
        f"![Loss on labels over the steps]({picture})\n",
        page.notes,
    ]
    return "\n".join(part for part in parts if part).rstrip() + "\n"


def draw_curves(page: Page, path: Path) -> None:
    """Draw the loss on labels of every run over its steps, a panel for each table that has runs."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    known = [(kind, rows) for kind, rows in page.record.plan.tables.items() if page.measured.keys() & rows.keys()]
    tables = dict(known) or page.record.plan.tables
    figure, panels = plt.subplots(1, len(tables), figsize=(5.2 * len(tables), 3.6), layout="constrained", squeeze=False)
    for axes, (kind, rows) in zip(panels[0], tables.items(), strict=True):
        for run in runs_of(rows):
            steps, losses = label_losses(page.records.get(run.name, ()), CURVES[kind])
            label = rows[run.row].name if steps and not run.is_repeat else None
            style = ":" if run.is_repeat else "-"
            axes.plot(steps, losses, color=f"C{list(rows).index(run.row)}", linestyle=style, label=label)
        axes.set(xlabel="step", yscale="log", title=f"{TITLES[kind]}: loss on labels ({CURVES[kind]})")
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize="x-small")
    figure.savefig(path, dpi=72)
    plt.close(figure)


def label_losses(records: Sequence[Mapping[str, Any]], term: str) -> tuple[list[int], list[float]]:
    """Steps and the smoothed loss of one network on the labels; CTC of two students is logged as their sum."""
    logged = [record for record in records if "loss" in record]
    losses = [record["loss"][term] / (2 if term == "ctc" and "mutual" in record["loss"] else 1) for record in logged]
    return [record["step"] for record in logged], smoothed(losses)


def _section(page: Page, kind: str, rows: Mapping[str, Row]) -> str:
    sets = list(dict.fromkeys(name for row in page.measured.values() if row["kind"] == kind for name in row["sets"]))
    header = [TITLES[kind], *COLUMNS, *sets, "gain"]
    lines = [f"| {' | '.join(cells)} |" for cells in (header, ["---", *["---:"] * (len(header) - 1)])]
    for name, row in rows.items():
        lines.append(f"| {' | '.join(_cells(page, kind, sets, name, row, len(header)))} |")
    table = "\n".join(lines)
    return f"## {TITLES[kind]}\n\n{table}\n\n{RULES[kind]} {_spread(page, kind, sets, rows)}\n"


def _cells(page: Page, kind: str, sets: Sequence[str], name: str, row: Row, n: int) -> list[str]:
    cost, first = page.costs[name], page.measured.get(name)
    costs = [
        row.name,
        f"{cost['parameters'] / 1e6:.2f}",
        f"{cost['fp_bytes'] / 1e6:.2f}",
        f"{cost['int8_bytes'] / 1e6:.2f}",
        f"{cost['fp_ms']:.1f}",
        f"{cost['int8_ms']:.1f}",
    ]
    if first is None:
        return [*costs, NOT_RUN, *[""] * (n - len(costs) - 1)]
    columns = [_values(page, name, row, ["held_out"])]
    columns += [_values(page, name, row, ["sets", one, MEASURES[kind]]) for one in sets]
    return [*costs, str(first["steps"]), *map(_with_range, columns), _gain(page, kind, sets, name, row)]


def _gain(page: Page, kind: str, sets: Sequence[str], name: str, row: Row) -> str:
    """Mean of the sets beside that of the row that it adds to, in points."""
    if row.over is None or row.over not in page.measured:
        return ""
    over = page.record.plan.rows[row.over]
    difference = _mean(page, kind, sets, name, row) - _mean(page, kind, sets, row.over, over)
    return f"{100 * difference:+.1f}"


def _spread(page: Page, kind: str, sets: Sequence[str], rows: Mapping[str, Row]) -> str:
    said = "`gain`: mean of the real sets, in points, over the row that a row adds to."
    for name, row in rows.items():
        values = [_values(page, name, row, ["sets", one, MEASURES[kind]]) for one in sets]
        if values and len(row.seeds) > 1 and len(values[0]) == 1:
            said += f" {row.name} was trained with one seed only so far: what chance does is not known yet."
        elif values and len(values[0]) > 1:
            means = np.mean(values, axis=0)
            said += (
                f" {row.name} was trained with {len(means)} seeds (mean, range in brackets): that mean moved by"
                f" {100 * (means.max() - means.min()):.1f} points, and a gain that is not clearly larger is none."
            )
    return said


def _mean(page: Page, kind: str, sets: Sequence[str], name: str, row: Row) -> float:
    return float(np.mean([np.mean(_values(page, name, row, ["sets", one, MEASURES[kind]])) for one in sets]))


def _values(page: Page, name: str, row: Row, path: Sequence[str]) -> list[float]:
    """One figure of all runs of a row that there are, in the order of its seeds."""
    found = []
    for run in runs_of({name: row}):
        value: Any = page.measured.get(run.name)
        for key in path:
            value = None if value is None else value[key]
        if value is not None:
            found.append(float(value))
    return found


def _with_range(values: Sequence[float]) -> str:
    mean = f"{100 * np.mean(values):.1f}"
    return mean if len(values) == 1 else f"{mean} ({100 * min(values):.1f}-{100 * max(values):.1f})"
