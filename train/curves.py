"""The curves of a run as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SMOOTH_OVER = 0.05
"""Share of the logged points that one smoothed point averages."""


def draw_curves(records: Sequence[Mapping[str, Any]], path: Path, *, title: str) -> None:
    """Draw losses, learning rate and the figures of evaluation over the steps.

    Args:
        records: Lines of metrics.jsonl.
        path: The PNG file.
        title: Of the picture.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    losses = [record for record in records if "loss" in record]
    figures = [record for record in records if "figures" in record]
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.2), layout="constrained")
    figure.suptitle(title)
    steps = [record["step"] for record in losses]
    for name in losses[0]["loss"] if losses else ():
        values = [record["loss"][name] for record in losses]
        (line,) = left.plot(steps, values, linewidth=0.6, alpha=0.35)
        left.plot(steps, smoothed(values), linewidth=1.6, color=line.get_color(), label=name)
    left.set(xlabel="step", ylabel="loss", title="loss (thin: as logged, thick: smoothed)")
    if losses and min(min(record["loss"].values()) for record in losses) > 0:
        left.set_yscale("log")
    rate = left.twinx()
    rate.plot(steps, [record["lr"] for record in losses], color="0.7", linewidth=1, linestyle=":")
    rate.set_ylabel("learning rate (dotted)")
    for name in figures[0]["figures"] if figures else ():
        right.plot(
            [record["step"] for record in figures],
            [record["figures"].get(name) for record in figures],
            marker=".",
            label=name,
        )
    right.set(xlabel="step", title="held-out data")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="best", fontsize="small")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def smoothed(values: Sequence[float]) -> list[float]:
    """Exponential moving average over a twentieth of the points, at least three, begun at the first value."""
    weight = 1 / max(3.0, SMOOTH_OVER * len(values))
    means: list[float] = []
    for value in values:
        means.append(value if not means else means[-1] + weight * (value - means[-1]))
    return means
