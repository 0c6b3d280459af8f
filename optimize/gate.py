"""The accuracy gate: INT8 ships only where it reads as well as FP, within a stated margin."""

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_ocr.errors import ModelError
from edge_ocr.metrics import Tally
from edge_ocr.pack import Gate

RECOGNIZER_MARGIN = 0.007
"""Word accuracy that INT8 may lose on a set."""
DETECTOR_MARGIN = 0.015
"""Detection Hmean that INT8 may lose on a set; with the published detector, post-training INT8 loses 0.009."""


class GateError(ModelError):
    """INT8 loses too much."""


@dataclass(frozen=True, slots=True)
class Score:
    """What an IR achieves on a set."""

    value: float
    """The measure, in [0, 1]."""
    hits: NDArray[np.bool_] | None = None
    """Which of the set's pictures it gets right; None where the measure is not a share of pictures."""
    tallies: NDArray[np.int64] | None = None
    """(N, 3) hits, predictions and labels of each page, where the measure is their Hmean."""

    @classmethod
    def of_hits(cls, hits: NDArray[np.bool_]) -> "Score":
        """The share of pictures that are right; 0 of none."""
        return cls(float(hits.mean()) if hits.size else 0.0, hits)

    @classmethod
    def of_tallies(cls, pages: Sequence[Tally]) -> "Score":
        """The Hmean over pages; 0 without any polygon."""
        tallies = np.array([[page.hits, page.predicted, page.labelled] for page in pages], np.int64).reshape(-1, 3)
        return cls(float(_hmean(tallies.sum(axis=0))), tallies=tallies)


@dataclass(frozen=True, slots=True)
class GateSet:
    """One labelled set and how an IR is measured on it."""

    name: str
    measure: str
    margin: float
    score: Callable[[Path], Score]
    """Of the IR at a path."""


def hold_against(fp_scores: Sequence[Score], int8: Path, sets: Sequence[GateSet]) -> tuple[Gate, ...]:
    """Measure INT8 on every set.

    What it loses is known as well as the set is large. Of 1,000 rendered lines a fine-tuned recogniser read 36 right in
    one precision only: there a loss of 0.6 point is one standard error, of 300 lines it would be 1.1.

    Args:
        fp_scores: Of the float IR, one a set.
        int8: The other IR.
        sets: What both are measured on.

    Raises:
        GateError: INT8 loses more than margin and standard error on one of them; the message has the figures.
    """
    gates = []
    for fp_score, gate_set in zip(fp_scores, sets, strict=True):
        score = gate_set.score(int8)
        gate = Gate(
            measure=gate_set.measure,
            dataset=gate_set.name,
            fp=round(fp_score.value, 4),
            int8=round(score.value, 4),
            margin=gate_set.margin,
            standard_error=round(standard_error(fp_score, score), 4),
        )
        sys.stderr.write(
            f"gate {int8.name}: {gate.measure} on {gate.dataset}: FP {gate.fp:.4f}, INT8 {gate.int8:.4f},"
            f" standard error {gate.standard_error:.4f}\n"
        )
        gates.append(gate)
    failed = [gate for gate in gates if not gate.passed]
    if failed:
        worst = max(failed, key=lambda gate: gate.fp - gate.int8 - gate.standard_error)
        raise GateError(
            f"{int8}: refused, INT8 loses {worst.fp - worst.int8:.4f} {worst.measure} on {worst.dataset}"
            f" (FP {worst.fp:.4f}, INT8 {worst.int8:.4f}), the margin is {worst.margin} and a standard error of"
            f" {worst.standard_error:.4f}; calibrate with other data, or build with --no-int8"
        )
    return tuple(gates)


def standard_error(one: Score, other: Score) -> float:
    """Of the difference of two scores on the same pictures; 0 where it is not known.

    Of shares of pictures it is what it would be if both were as good; of Hmeans the jackknife's, a page left out at a
    time.

    Reference:
        McNemar 1947, "Note on the sampling error of the difference between correlated proportions".
        Efron 1982, "The Jackknife, the Bootstrap and Other Resampling Plans", section 3.
    """
    if one.tallies is not None and other.tallies is not None and len(one.tallies) > 1:
        without_N = [_hmean(score.sum(axis=0) - score) for score in (one.tallies, other.tallies)]
        lost_N, n = without_N[0] - without_N[1], len(one.tallies)
        return math.sqrt((n - 1) * float(lost_N.var()))
    if one.hits is None or other.hits is None or not one.hits.size:
        return 0.0
    return math.sqrt(np.count_nonzero(one.hits != other.hits)) / one.hits.size


def _hmean(tallies: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of hits, predictions and labels in the last axis."""
    return np.asarray(2 * tallies[..., 0] / np.maximum(tallies[..., 1] + tallies[..., 2], 1))
