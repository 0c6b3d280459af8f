"""A picture of a run over a clip: its documents above, the texts that were told below."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.clip_matching import fold, is_right
from benchmarks.clip_scores import ClipScore, legible_lines
from benchmarks.clips import ClipTruth
from benchmarks.stream_run import ToldEvent, published_texts
from edge_ocr.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLORS = {"right": "C2", "wrong": "C3", "not judged": "0.6"}
"""Not judged: of a document that is labelled in part."""
MAX_NAMED = 160
"""Tracks whose text is written beside them."""


def draw_timeline(path: Path, title: str, truth: ClipTruth, told: Sequence[ToldEvent], score: ClipScore) -> None:
    """Draw documents and tracks over time into an image file.

    Raises:
        ConfigError: matplotlib is missing, or does not know the file's format.
    """
    figure_type, canvas_type = import_matplotlib()
    tracks: dict[int, list[ToldEvent]] = {}
    for one in told:
        tracks.setdefault(one.event.track_id, []).append(one)
    height = 2.6 + 0.13 * max(len(tracks), 10)
    figure = figure_type(figsize=(18, height), layout="constrained")
    canvas_type(figure)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2.2, max(height - 2.2, 1)))
    _draw_documents(above, truth, score)
    for row, events in enumerate(tracks.values()):
        _draw_track(below, row, events, truth, named=len(tracks) <= MAX_NAMED)
    for document in truth.documents:
        below.axvspan(*document.still_s, color="C0", alpha=0.07)
    for name, color in COLORS.items():
        below.barh([0], [0], color=color, label=name)
    below.plot([], [], "|k", label="update")
    below.legend(loc="upper right", fontsize=8)
    below.set(ylim=(max(len(tracks), 1) - 0.5, -0.5), yticks=[], ylabel=f"{len(tracks)} tracks, begin to end")
    below.set(xlabel="seconds of the clip", xlim=(0, truth.duration_s))
    above.set_title(title, fontsize=10)
    figure.savefig(path, dpi=80)


def import_matplotlib() -> tuple[Any, Any]:
    """Figure and canvas types.

    Raises:
        ConfigError: matplotlib is missing.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError("--plot needs matplotlib: pip install 'edge-ocr[report]'") from error
    return Figure, FigureCanvasAgg


def _draw_documents(axes: "Axes", truth: ClipTruth, score: ClipScore) -> None:
    """Each document from its entry to its leaving, the time it lies still in a strong colour."""
    for i, document in enumerate(truth.documents):
        axes.barh([0], [document.leave_s - document.enter_s], left=document.enter_s, color="C0", alpha=0.3)
        axes.barh([0], [document.still_s[1] - document.still_s[0]], left=document.still_s[0], color="C0", alpha=0.6)
        own = [line for line in score.lines if line.document == i]
        n_found = sum(line.delay_s is not None for line in own)
        label = f"{document.name}{' (partial)' if document.partial else ''}\n{n_found} of {len(own)} found"
        axes.text(document.still_s[0], 0, label, va="center", fontsize=8, clip_on=True).set_in_layout(False)
    axes.set(yticks=[], ylabel="documents")


def _draw_track(axes: "Axes", row: int, events: Sequence[ToldEvent], truth: ClipTruth, *, named: bool) -> None:
    """One track: a bar from its first to its last event as they were told, a tick for each update."""
    begin_s = events[0].told_s
    end_s = events[-1].told_s if events[-1].event.type == "end" else truth.duration_s
    owner = truth.document_at(events[0].shown_s)
    kind = "wrong"
    if owner is not None:
        document = truth.documents[owner]
        labels = legible_lines(document)
        all_right = all(is_right(text, labels) for text in published_texts(events) if fold(text.text))
        kind = "right" if all_right else "not judged" if document.partial else "wrong"
    axes.barh([row], [max(end_s - begin_s, 0.05)], left=begin_s, height=0.7, color=COLORS[kind])
    updates = [one.told_s for one in events if one.event.type == "update"]
    axes.plot(updates, [row] * len(updates), "|k", markersize=6)
    if named:
        axes.text(
            end_s + 0.1, row, " > ".join(dict.fromkeys(one.event.text for one in events)), va="center", fontsize=6
        )
