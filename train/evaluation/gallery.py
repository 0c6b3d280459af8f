"""The worst cases of an evaluation as one HTML page that needs nothing beside it."""

import base64
import html
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from train.evaluation.measures import PROTOCOLS
from train.evaluation.score import Case, SetScore

MAX_SIDE_PX = 560
JPEG_QUALITY = 72
LABEL_COLOUR = (90, 190, 60)
FOUND_COLOUR = (60, 60, 230)
STYLE = """
body{font:14px/1.45 system-ui,sans-serif;margin:2em auto;max-width:1180px;padding:0 1em;color:#222}
table{border-collapse:collapse;margin:1em 0;font-size:13px}
td,th{padding:.25em .6em;border-bottom:1px solid #ddd;text-align:left}
td.n{text-align:right;font-variant-numeric:tabular-nums}
.cases{display:grid;grid-template-columns:repeat(auto-fill,minmax(260px,1fr));gap:14px}
.pages{grid-template-columns:repeat(auto-fill,minmax(420px,1fr))}
figure{margin:0;border:1px solid #ddd;border-radius:4px;padding:8px;overflow-wrap:anywhere}img{max-width:100%}
figcaption{font-size:12px}.l{color:#2a7d1f}.r{color:#c22}small{color:#777}
"""


def write_gallery(scores: Sequence[SetScore], path: Path, *, reader: str, n_worst: int = 24) -> None:
    """Write figures and the worst cases of every set.

    Args:
        scores: Of the sets.
        path: The HTML file.
        reader: What read them.
        n_worst: Cases shown per set; one that was read right is not shown.
    """
    used = {name for score in scores for name in score.figures}
    rules = "".join(f"<li><b>{name}</b>: {html.escape(rule)}" for name, rule in PROTOCOLS.items() if name in used)
    body = "".join(_section(score, n_worst) for score in scores)
    path.write_text(
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Evaluation of {html.escape(reader)}</title>"
        f"<style>{STYLE}</style><h1>{html.escape(reader)}</h1>{_table(scores)}<ul>{rules}</ul>"
        "<p><span class=l>Green: label, or words missed.</span> <span class=r>Red: found, or words read falsely.</span>"
        f"{body}</html>\n",
        encoding="utf-8",
    )


def _table(scores: Sequence[SetScore]) -> str:
    names = [name for name in PROTOCOLS if any(name in score.figures for score in scores)]
    head = "".join(f"<th>{name.replace('_', '_<wbr>')}" for name in ("set", "judged", "images", *names))
    rows = ""
    for score in scores:
        figures = "".join(f"<td class=n>{score.figures[n]:.4f}" if n in score.figures else "<td>" for n in names)
        rows += f"<tr><td>{html.escape(score.name)}<td>{score.level}<td class=n>{score.n_images}{figures}"
    return f"<table><tr>{head}{rows}</table>"


def _section(score: SetScore, n_worst: int) -> str:
    worst = sorted((case for case in score.cases if case.goodness < 1), key=lambda case: case.goodness)[:n_worst]
    figures = "".join(map(_figure, worst)) or "<p>Nothing was read wrongly."
    kind = "cases pages" if score.level == "pages" else "cases"
    return f"<h2>{html.escape(score.name)}: the worst {len(worst)}</h2><div class='{kind}'>{figures}</div>"


def _figure(case: Case) -> str:
    picture = _jpeg(_drawn(case))
    return (
        f"<figure><img src='data:image/jpeg;base64,{picture}' alt=''>"
        f"<figcaption><div class=l>{html.escape(case.label) or '&nbsp;'}</div>"
        f"<div class=r>{html.escape(case.read) or '&nbsp;'}</div>"
        f"<small>{case.goodness:.2f} {html.escape(case.name)}</small></figcaption></figure>"
    )


def _drawn(case: Case) -> NDArray[np.uint8]:
    """The picture, made small, with labelled and found outlines on a page."""
    image = case.load()
    scale = min(1.0, MAX_SIDE_PX / max(image.shape[:2]))
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    small = np.ascontiguousarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    labels = [label.polygon for label in case.page.labels if label.counts] if case.page else []
    for outlines, colour in ((labels, LABEL_COLOUR), ([line.quad for line in case.lines], FOUND_COLOUR)):
        points = [np.round(outline * scale).astype(np.int32) for outline in outlines]
        cv2.polylines(small, points, isClosed=True, color=colour, thickness=1, lineType=cv2.LINE_AA)
    return small


def _jpeg(image: NDArray[np.uint8]) -> str:
    _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return base64.b64encode(encoded.tobytes()).decode()
