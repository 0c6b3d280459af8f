"""The picture of `edge-ocr profile`: where the time goes per stage, and how it varies over time.

matplotlib is imported only when a picture is wanted: it comes with the extra `report`, which a device can do without.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_ocr.errors import ConfigError
from runtime.files import write_file
from runtime.monitoring.latency import StageSummary, stage_rank
from runtime.profiling.report import ProfileReport, ProfileRun, ReaderPart, StreamPart

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PARTS = (("reader", "reader, closed loop"), ("stream", "stream, at the clip's rate"))
LEGEND = "bar p50, line to p95, tick maximum"


@dataclass(frozen=True, slots=True)
class Measured:
    """One profile's part in a panel."""

    name: str
    color: str
    part: ReaderPart | StreamPart


def check_plot(path: Path) -> None:
    """Refuse a picture that could not be drawn, before minutes of measuring.

    Raises:
        ConfigError: matplotlib is missing, or does not know the file's format.
    """
    _, canvas_type = import_matplotlib()
    if path.suffix.removeprefix(".").lower() not in canvas_type.get_supported_filetypes():
        raise ConfigError(f"--plot {path}: name a file that ends in .png, .svg or .pdf")


def plot_profile(report: ProfileReport, path: Path) -> None:
    """Draw a report into an image file; a row for the reader and one for the stream, a colour per profile.

    Args:
        report: With at least one run.
        path: Its suffix decides the format (.png, .svg, .pdf).

    Raises:
        ConfigError: matplotlib is missing.
        EdgeOcrError: the file cannot be written.
    """
    check_plot(path)
    figure_type, canvas_type = import_matplotlib()
    parts = [(name, title) for name, title in PARTS if any(getattr(run, name) for run in report.runs)]
    figure = figure_type(figsize=(13, 4.2 * len(parts) + 0.6), layout="constrained")
    canvas_type(figure)
    axes = figure.subplots(len(parts), 2, squeeze=False, width_ratios=(1, 1.2))
    for (left, right), (name, title) in zip(axes, parts, strict=True):
        measured = [
            Measured(run.name, f"C{number}", part)
            for number, run in enumerate(report.runs)
            if (part := getattr(run, name)) is not None
        ]
        draw_stages(left, measured, title)
        draw_series(right, measured, title)
        if name == "reader":
            draw_budgets(right, report.runs)
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    figure.suptitle(f"edge-ocr profile on {report.host.cpu}, {report.host.usable_threads} CPUs, {report.created}")
    picture = io.BytesIO()
    figure.savefig(picture, dpi=110, format=path.suffix.removeprefix(".").lower())
    write_file(path, picture.getvalue())


def import_matplotlib() -> tuple[Any, Any]:
    """Figure and canvas types. Not pyplot, which looks for a display and keeps figures alive."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError("the pictures need matplotlib: pip install 'edge-ocr[report]'") from error
    return Figure, FigureCanvasAgg


def draw_stages(axes: "Axes", measured: Sequence[Measured], title: str) -> None:
    """Horizontal bars per stage, the first stage on top; logarithmic, because stages differ by a thousand."""
    stages = sorted(dict.fromkeys(stage for one in measured for stage in one.part.stages), key=stage_rank)
    height = 0.8 / len(measured)
    for number, one in enumerate(measured):
        shown = {stage: summary for stage, summary in one.part.stages.items() if summary.max > 0}
        centres = [stages.index(stage) - 0.4 + (number + 0.5) * height for stage in shown]
        _draw_bars(axes, one, centres, list(shown.values()), height=height)
    axes.set_yticks(range(len(stages)), stages)
    axes.set_ylim(len(stages) - 0.5, -0.5)
    axes.set_xscale("log")
    axes.set_xlabel(f"ms ({LEGEND})")
    axes.set_title(f"{title}: per stage")
    axes.xaxis.set_major_formatter(lambda ms, _: f"{ms:g}")
    axes.grid(axis="x", alpha=0.3)


def _draw_bars(
    axes: "Axes", one: Measured, centres: Sequence[float], summaries: Sequence[StageSummary], *, height: float
) -> None:
    middles = [summary.mean if summary.p50 is None else summary.p50 for summary in summaries]
    tails = [middle if s.p95 is None else s.p95 for middle, s in zip(middles, summaries, strict=True)]
    axes.barh(centres, middles, height=height * 0.9, color=one.color, alpha=0.75, label=one.name)
    ink = axes.title.get_color()
    axes.hlines(centres, middles, tails, color=ink, linewidth=1.2)
    axes.plot([summary.max for summary in summaries], centres, "|", color=ink, markersize=max(5, 14 * height))


def draw_series(axes: "Axes", measured: Sequence[Measured], title: str) -> None:
    """Single frames over time, a colour per profile."""
    for one in measured:
        at_s, ms = zip(*one.part.series_ms, strict=True) if one.part.series_ms else ((), ())
        axes.plot(at_s, ms, ".", markersize=4, color=one.color, label=one.name)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("seconds since the start")
    axes.set_ylabel("ms")
    what = "capture to publish" if title.startswith("stream") else "total of each frame"
    axes.set_title(f"{title}: {what} over time")
    axes.grid(alpha=0.3)


def draw_budgets(axes: "Axes", runs: Sequence[ProfileRun]) -> None:
    """A line for each latency budget that a profile states."""
    names_by_budget: dict[float, list[str]] = {}
    for run in runs:
        if run.budget is not None:
            names_by_budget.setdefault(run.budget.budget_ms, []).append(run.name)
    for budget_ms, names in names_by_budget.items():
        axes.set_ylim(top=max(axes.get_ylim()[1], 1.15 * budget_ms))
        axes.axhline(budget_ms, color=axes.title.get_color(), linestyle="--", linewidth=1)
        label = f"budget {budget_ms:g} ms: {', '.join(names)}"
        axes.annotate(
            label,
            (1, budget_ms),
            xytext=(-4, 4),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            ha="right",
            bbox={"boxstyle": "square,pad=0.1", "color": axes.get_facecolor(), "alpha": 0.8},
        )
