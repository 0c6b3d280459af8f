"""The picture of a search: accuracy against latency of everything that was tried, and the front."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.files import write_file
from runtime.profiling.plots import check_plot, import_matplotlib
from runtime.tuning.search import Outcome, Tried

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Point = tuple[float, float]
"""(time over that of the hand-written profile, word F1)."""


def plot_front(outcome: Outcome, base: str, n_pages: int, path: Path) -> None:
    """Draw a search into an image file.

    Args:
        outcome: What it came to.
        base: Name of the hand-written profile.
        n_pages: How many pages there were; what read fewer is drawn small.
        path: Its suffix decides the format (.png, .svg, .pdf).

    Raises:
        ConfigError: matplotlib is missing, or does not know the format.
        EdgeOcrError: the file cannot be written.
    """
    check_plot(path)
    figure_type, canvas_type = import_matplotlib()
    figure = figure_type(figsize=(9, 5.5), layout="constrained")
    canvas_type(figure)
    _draw(figure.subplots(), outcome, base, n_pages)
    picture = io.BytesIO()
    figure.savefig(picture, dpi=110, format=path.suffix.removeprefix(".").lower())
    write_file(path, picture.getvalue())


def front_of(points: Sequence[Point]) -> list[Point]:
    """The points that no other beats in both, from the fastest to the most accurate."""
    front: list[Point] = []
    for time, f1 in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or f1 > front[-1][1]:
            front.append((time, f1))
    return front


def _draw(axes: "Axes", outcome: Outcome, base: str, n_pages: int) -> None:
    whole = [one for one in outcome.tried if one.n_pages == n_pages]
    partly = [one for one in outcome.tried if 0 < one.n_pages < n_pages]
    _scatter(axes, partly, "o", "C7", "given up after some pages", size=14)
    _scatter(axes, [one for one in whole if one.refused], "o", "C0", "read all pages", size=32)
    _scatter(axes, [one for one in whole if not one.refused], "o", "C2", "taken", size=48)
    start, end = (1.0, outcome.base.f1), (outcome.time.middle, outcome.best.f1)
    axes.plot(*start, "s", color="black", label=base, markersize=8)
    if not outcome.is_base:
        axes.plot(*end, "*", color="C3", label="written", markersize=15)
    front = front_of([start, end, *((one.time_of_base, one.f1) for one in whole)])
    axes.step(*zip(*front, strict=True), where="post", color="C0", alpha=0.5, linewidth=1.2, label="front")
    axes.axhline(outcome.goal.floor_f1, color="C3", linestyle=":", linewidth=1, label="least word F1")
    if outcome.goal.max_p90_ms is not None:
        # The budget is one of p90; on this axis it is where the hand-written profile's p90 would be just that.
        limit = outcome.goal.max_p90_ms / outcome.base.p90_ms
        axes.axvline(
            limit, color="C3", linestyle="--", linewidth=1, label=f"p90 of {outcome.goal.max_p90_ms:g} ms, about"
        )
    _name_points(axes, whole)
    axes.set_xlabel(f"time of a page over that of {base} (of values with a chain of comparisons: their product)")
    axes.set_ylabel("word F1")
    axes.set_title(f"edge-ocr tune: {len(outcome.tried)} values tried on {n_pages} pages")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", fontsize=9)


def _scatter(axes: "Axes", found: Sequence[Tried], marker: str, color: str, label: str, *, size: float) -> None:
    if found:
        xs, ys = zip(*((one.time_of_base, one.f1) for one in found), strict=True)
        axes.scatter(xs, ys, s=size, marker=marker, color=color, alpha=0.8, label=label)


def _name_points(axes: "Axes", found: Sequence[Tried]) -> None:
    for one in found:
        axes.annotate(
            f"{one.dimension} {one.label}",
            (one.time_of_base, one.f1),
            xytext=(5, 4),
            textcoords="offset points",
            fontsize=7,
            alpha=0.85,
        )
