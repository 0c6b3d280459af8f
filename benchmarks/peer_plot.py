"""The picture of `benchmarks.against_peers`: accuracy against time, a panel a set."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.files import write_file
from runtime.profiling.plots import check_plot, import_matplotlib
from runtime.tuning.front import front_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Point", "check_plot", "plot_peers"]

COLUMNS = 2


@dataclass(frozen=True, slots=True)
class Point:
    """One system on one set."""

    name: str
    median_ms: float
    accuracy: float
    is_peer: bool


def plot_peers(sets: Mapping[str, Sequence[Point]], path: Path) -> None:
    """Draw the systems of every set into an image file.

    Args:
        sets: Per set its systems.
        path: Its suffix decides the format (.png, .svg, .pdf).

    Raises:
        ConfigError: matplotlib is missing, or does not know the format.
        EdgeOcrError: the file cannot be written.
    """
    figure_type, canvas_type = import_matplotlib()
    columns = min(COLUMNS, len(sets))
    rows = -(-len(sets) // columns)
    figure = figure_type(figsize=(8 * columns, 4.2 * rows), layout="constrained")
    canvas_type(figure)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (name, points) in zip(panels, sets.items(), strict=False):
        _draw(axes, name, points)
    for axes in panels[len(sets) :]:
        axes.set_visible(False)
    picture = io.BytesIO()
    figure.savefig(picture, dpi=110, format=path.suffix.removeprefix(".").lower())
    write_file(path, picture.getvalue())


def _draw(axes: "Axes", name: str, points: Sequence[Point]) -> None:
    for number, point in enumerate(points):
        marker = "o" if point.is_peer else "D"
        label = f"{point.name}: {point.median_ms:.0f} ms, {point.accuracy:.3f}"
        axes.plot(point.median_ms, point.accuracy, marker, color=f"C{number % 10}", markersize=8, label=label)
    front = front_of([(point.median_ms, point.accuracy) for point in points])
    axes.step(*zip(*front, strict=True), where="post", color="grey", alpha=0.5, linewidth=1.2, zorder=0)
    axes.set_xscale("log")
    axes.set_xlabel("median time of an image, ms (logarithmic)")
    axes.set_ylabel("accuracy")
    axes.set_title(f"{name} (diamonds: ours; upper left is better)", fontsize=11)
    axes.grid(alpha=0.3, which="both")
    # Beside the panel: names at the points would lie on each other.
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=9)
