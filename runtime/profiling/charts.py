"""The charts of the HTML report: inline SVG that takes its colours from the page, so that it follows light and dark."""

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

from runtime.monitoring.latency import stage_rank
from runtime.profiling.analysis import Histogram
from runtime.profiling.plots import PARTS, Measured, draw_budgets, draw_series, draw_stages, import_matplotlib
from runtime.profiling.report import ProfileRun, ReaderPart

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, GRID, PAGE = "#0a0b0c", "#0a0b0d", "#0a0b0e"
SERIES = tuple(f"#0a0b1{number}" for number in range(6))
COLOURS = {INK: "currentColor", GRID: "var(--grid)", PAGE: "var(--card)"} | {
    colour: f"var(--series-{number})" for number, colour in enumerate(SERIES)
}
"""Colours that nobody would choose, which stand for those of the page until the SVG is written."""
HALF = (5.0, 3.0)
SMALL = (2.7, 1.7)
"""Inches. Small enough that the letters are legible on a telephone, where every chart is as wide as the screen."""

Draw = Callable[["Axes"], None]


@dataclass(frozen=True, slots=True)
class Curve:
    """One measured profile with its colour."""

    label: str
    run: ProfileRun
    number: int
    """Of the report's columns, which is that of the colour."""

    @property
    def colour(self) -> str:
        """Stands for the page's colour."""
        return SERIES[self.number % len(SERIES)]


def chart(draw: Draw, size: tuple[float, float], description: str) -> str:
    """Draw one chart as an `<svg>` element.

    Args:
        draw: Draws into the only axes.
        size: Width and height in inches.
        description: What a screen reader says.

    Raises:
        ConfigError: matplotlib is missing.
    """
    figure_type, _ = import_matplotlib()
    from cycler import cycler
    from matplotlib import rc_context

    ink = dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK)
    theme: Any = ink | {
        "axes.titlecolor": INK,
        "axes.prop_cycle": cycler(color=SERIES),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.facecolor": PAGE,
        "figure.facecolor": PAGE,
        "savefig.facecolor": PAGE,
        "grid.color": GRID,
        "svg.fonttype": "none",
        "svg.hashsalt": "edge-ocr",
        "font.size": 9.0,
        "axes.titlesize": 9.5,
    }
    text = io.StringIO()
    with rc_context(theme):
        figure = figure_type(figsize=size, layout="constrained")
        draw(figure.subplots())
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return _for_the_page(text.getvalue(), description)


def stage_charts(curves: Sequence[Curve]) -> list[str]:
    """Where the time goes, for the reader and for the stream."""
    return [
        chart(partial(draw_stages, measured=measured, title=title), HALF, f"{title}: latency per stage")
        for title, measured in _parts(curves)
    ]


def time_charts(curves: Sequence[Curve]) -> list[str]:
    """Latency over time, with the budgets, and clock and temperature where they are known."""
    charts = []
    for title, measured in _parts(curves):
        runs = [curve.run for curve in curves] if title == PARTS[0][1] else []
        charts.append(chart(partial(_draw_time, measured, runs, title), HALF, f"{title}: latency over time"))
    for name, label in (("mhz", "clock, MHz"), ("celsius", "hottest sensor, °C")):
        if any(_looks(curve, name) for curve in curves):
            charts.append(chart(partial(_draw_looks, curves, name, label), HALF, label))
    return charts


def histogram_charts(curves: Sequence[Curve]) -> dict[str, list[str]]:
    """A small histogram per stage, by part of the measurement."""
    charts: dict[str, list[str]] = {}
    for part, title in PARTS:
        by_stage: dict[str, list[tuple[Curve, Histogram]]] = {}
        for curve in curves:
            found: Mapping[str, Histogram] = getattr(getattr(curve.run, part), "histograms", {})
            for stage, one in found.items():
                by_stage.setdefault(stage, []).append((curve, one))
        charts[title] = [
            chart(partial(_draw_histograms, by_stage[stage], stage), SMALL, f"{title}: histogram of {stage}")
            for stage in sorted(by_stage, key=stage_rank)
        ]
    return {title: found for title, found in charts.items() if found}


def lines_chart(curves: Sequence[Curve]) -> str:
    """Latency against the number of lines in a frame."""
    return chart(partial(_draw_lines, curves), HALF, "latency against the number of lines in the frame")


def queue_charts(curves: Sequence[Curve], camera_fps: float | None) -> list[str]:
    """Response and frames left out against the rate of the camera."""
    return [
        chart(partial(_draw_response, curves, camera_fps), HALF, "response against the camera's rate"),
        chart(partial(_draw_skipped, curves, camera_fps), HALF, "frames left out against the camera's rate"),
    ]


def _parts(curves: Sequence[Curve]) -> list[tuple[str, list[Measured]]]:
    parts = []
    for name, title in PARTS:
        measured = [
            Measured(curve.label, curve.colour, part)
            for curve in curves
            if (part := getattr(curve.run, name)) is not None
        ]
        if measured:
            parts.append((title, measured))
    return parts


def _looks(curve: Curve, name: str) -> list[tuple[float, float]]:
    """(seconds, value) of the reader's part."""
    looks = curve.run.reader.disturbance.looks
    return [(look.at_s, value) for look in looks if (value := getattr(look, name)) is not None]


def _draw_time(measured: Sequence[Measured], runs: Sequence[ProfileRun], title: str, axes: "Axes") -> None:
    draw_series(axes, measured, title)
    draw_budgets(axes, runs)


def _draw_looks(curves: Sequence[Curve], name: str, title: str, axes: "Axes") -> None:
    for curve in curves:
        if found := _looks(curve, name):
            axes.plot(*zip(*found, strict=True), color=curve.colour)
    axes.set_title(f"reader: {title}")
    axes.set_xlabel("seconds since the start")
    axes.grid(alpha=0.6)


def _draw_histograms(found: Sequence[tuple[Curve, Histogram]], stage: str, axes: "Axes") -> None:
    """Shares of the samples per bin, as steps; what is slower than the last bin is a number at the right end."""
    for curve, one in found:
        n_samples = sum(one.counts) + one.above
        edges = [one.first_ms + number * one.width_ms for number in range(len(one.counts) + 1)]
        # Per millisecond, so that bins of different widths can be compared.
        density = [count / n_samples / one.width_ms for count in one.counts]
        axes.stairs(density, edges, color=curve.colour, fill=len(found) == 1, linewidth=1.3)
        if one.above and len(found) == 1:
            slower = f"{one.above} slower"
            axes.annotate(slower, (1, 0.9), xycoords="axes fraction", ha="right", va="top", fontsize=8)
    axes.set_title(f"{stage}, ms")
    axes.set_yticks([])
    axes.set_ylim(bottom=0)
    axes.spines["left"].set_visible(False)
    axes.locator_params(axis="x", nbins=4)


def _draw_lines(curves: Sequence[Curve], axes: "Axes") -> None:
    for curve in curves:
        part: ReaderPart = curve.run.reader
        shown = [(cost.lines, cost.p50_ms, cost.frames) for cost in part.by_lines if cost.p50_ms is not None]
        if shown:
            lines, middles, frames = zip(*shown, strict=True)
            sizes = [12 + 48 * count / max(frames) for count in frames]
            axes.scatter(lines, middles, s=sizes, color=curve.colour, alpha=0.8)
        if part.lines_fit is not None:
            ends = (part.by_lines[0].lines, part.by_lines[-1].lines)
            heights = [part.lines_fit.base_ms + part.lines_fit.per_line_ms * lines for lines in ends]
            axes.plot(ends, heights, color=curve.colour, linewidth=1.2)
    axes.set_xlabel("lines in the frame")
    axes.set_ylabel("ms")
    axes.set_title("p50 of the total; the larger the dot, the more frames")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.6)


def _draw_response(curves: Sequence[Curve], camera_fps: float | None, axes: "Axes") -> None:
    for curve in curves:
        points = curve.run.reader.queue
        for name, style in (("p50", "-"), ("p95", "--")):
            axes.plot([p.fps for p in points], [getattr(p.response, name) for p in points], style, color=curve.colour)
    axes.set_title("waiting and reading: line p50, dashes p95")
    axes.set_ylabel("ms")
    axes.set_ylim(bottom=0)
    _mark_camera(axes, camera_fps)


def _draw_skipped(curves: Sequence[Curve], camera_fps: float | None, axes: "Axes") -> None:
    for curve in curves:
        points = curve.run.reader.queue
        axes.plot([p.fps for p in points], [100 * p.skipped for p in points], color=curve.colour)
    axes.set_title("frames left out for a newer one, %")
    axes.set_ylim(-2, 100)
    _mark_camera(axes, camera_fps)


def _mark_camera(axes: "Axes", camera_fps: float | None) -> None:
    axes.set_xlabel("frames a second from the camera")
    axes.set_xlim(left=0)
    axes.grid(alpha=0.6)
    if camera_fps is not None:
        axes.axvline(camera_fps, color=INK, linestyle=":", linewidth=1)


def _for_the_page(svg: str, description: str) -> str:
    """What matplotlib wrote as an element of a page: without prologue, metadata and size, in the page's colours."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    # Names such as patch_2 occur in every chart, and ids are unique in a page; definitions have hashes for names.
    svg = re.sub(r' id="[A-Za-z0-9]+_\d+"', "", svg)
    svg = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", svg)
    svg = re.sub(r' (?:width|height)="[\d.]+pt"', "", svg, count=2)
    for stand_in, colour in COLOURS.items():
        svg = svg.replace(stand_in, colour)
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(description)}"', 1).strip()
