"""The accuracy gate: INT8 ships only where it reads as well as FP, within a stated margin."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_ocr.errors import ModelError
from edge_ocr.pack import Gate

RECOGNIZER_MARGIN = 0.007
"""Word accuracy that INT8 may lose on a set: less than the standard error of our sets' FP figure."""
DETECTOR_MARGIN = 0.015
"""Detection Hmean that INT8 may lose on a set; with the published detector, post-training INT8 loses 0.009."""
ORIENTATION_MARGIN = 0.01


class GateError(ModelError):
    """INT8 loses too much."""


@dataclass(frozen=True, slots=True)
class GateSet:
    """One labelled set and how an IR is measured on it."""

    name: str
    measure: str
    margin: float
    score: Callable[[Path], float]
    """The measure in [0, 1] of the IR at a path."""


def hold_against(fp: Path, int8: Path, sets: Sequence[GateSet]) -> tuple[Gate, ...]:
    """Measure both precisions on every set.

    Raises:
        GateError: INT8 loses more than the margin on one of them; the message has the figures.
    """
    gates = []
    for gate_set in sets:
        gate = Gate(
            measure=gate_set.measure,
            dataset=gate_set.name,
            fp=round(gate_set.score(fp), 4),
            int8=round(gate_set.score(int8), 4),
            margin=gate_set.margin,
        )
        sys.stderr.write(
            f"gate {int8.name}: {gate.measure} on {gate.dataset}: FP {gate.fp:.4f}, INT8 {gate.int8:.4f}\n"
        )
        gates.append(gate)
    failed = [gate for gate in gates if not gate.passed]
    if failed:
        worst = max(failed, key=lambda gate: gate.fp - gate.int8)
        raise GateError(
            f"{int8}: refused, INT8 loses {worst.fp - worst.int8:.4f} {worst.measure} on {worst.dataset}"
            f" (FP {worst.fp:.4f}, INT8 {worst.int8:.4f}), the margin is {worst.margin};"
            " calibrate with other data, or build with --no-int8"
        )
    return tuple(gates)
