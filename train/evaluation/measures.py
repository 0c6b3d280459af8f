"""Measures of reading beside those of edge_ocr/metrics.py, and what each figure means."""

from collections.abc import Iterable, Sequence

from edge_ocr.metrics import (
    HIT_IOU,
    Label,
    Tally,
    TextLine,
    boxes_touch,
    judged_lines,
    polygon_iou,
    word_accuracy,
)

PROTOCOLS = {
    "line_accuracy": "share of lines read exactly: characters, case and spaces; spaces at the ends do not count",
    "line_accuracy_folded": "share of lines whose letters and digits agree, without case (word accuracy of benchmarks)",
    "one_minus_ned": "1 - mean of edit distance / longer text, all characters (ICDAR 2019)",
    "detection_precision": "of detection_hmean",
    "detection_recall": "of detection_hmean",
    "detection_hmean": "one to one, IoU above 0.5; predictions over half on ignored text are left out (ICDAR 2015)",
    "end_to_end_hmean": "pairs of IoU above 0.5, best first, of equal texts (case and spaces count); same ignore rule",
    "word_f1": "bag of words per page, no case, punctuation around a word dropped (ICDAR 2019 SROIE task 2, folded)",
    "exact": "share of pages whose every label was read: letters and digits, no case",
}
"""Figures by name, with their rule on overlap, case, spaces and characters."""


def line_figures(pairs: Sequence[tuple[str, str]]) -> dict[str, float]:
    """All measures of (read, labelled) lines by name."""
    return {
        "line_accuracy": line_accuracy(pairs),
        "line_accuracy_folded": word_accuracy(pairs),
        "one_minus_ned": one_minus_ned(pairs),
    }


def same_text(read: str, label: str) -> bool:
    """Whether two texts are equal in every character; spaces at the ends do not count."""
    return read.strip() == label.strip()


def line_accuracy(pairs: Sequence[tuple[str, str]]) -> float:
    """Share of (read, labelled) texts that are equal; 0 for no pair."""
    return sum(same_text(read, label) for read, label in pairs) / max(1, len(pairs))


def one_minus_ned(pairs: Sequence[tuple[str, str]]) -> float:
    """Mean similarity of (read, labelled) texts; 0 for no pair."""
    return sum(similarity(read, label) for read, label in pairs) / max(1, len(pairs))


def similarity(read: str, label: str) -> float:
    """1 - edit distance / length of the longer text, in [0, 1]; 1 for two empty texts."""
    read, label = read.strip(), label.strip()
    return 1 - edit_distance(read, label) / max(len(read), len(label), 1)


def edit_distance(one: str, other: str) -> int:
    """Insertions, deletions and replacements of single characters that turn one text into the other."""
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, start=1):
        above, row[0] = row[0], i
        for j, right in enumerate(other, start=1):
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (left != right))
    return row[-1]


def add_end_to_end(tally: Tally, predicted: Sequence[TextLine], labels: Sequence[Label], *, partial: bool) -> None:
    """Count one page's lines that are found and read right.

    Args:
        tally: Added to.
        predicted: What was read; may be empty.
        labels: What is on the page.
        partial: The page shows more text than is labelled: what was read elsewhere is left out.

    Reference:
        PaddleOCR, tools/end2end/eval_end2end.py, but with every prediction over half on ignored text left out, not only
        the first one.
    """
    counted = [label for label in labels if label.counts]
    kept = judged_lines(predicted, labels, partial=partial)
    overlaps = sorted(_overlaps(kept, counted), reverse=True)
    taken: set[tuple[str, int]] = set()
    hits = 0
    for _, i, j in overlaps:
        if ("line", i) not in taken and ("label", j) not in taken:
            taken |= {("line", i), ("label", j)}
            hits += same_text(kept[i].text, counted[j].text)
    tally.add(hits, len(kept), len(counted))


def _overlaps(lines: Sequence[TextLine], labels: Sequence[Label]) -> Iterable[tuple[float, int, int]]:
    for i, line in enumerate(lines):
        for j, label in enumerate(labels):
            if boxes_touch(line.quad, label.polygon):
                iou = polygon_iou(line.quad, label.polygon)
                if iou > HIT_IOU:
                    yield iou, i, j
