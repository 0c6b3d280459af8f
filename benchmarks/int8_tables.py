"""The tables of `benchmarks.int8_accuracy`: what INT8 costs, set by set, and what it saves."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.network_scores import NATIVE
from benchmarks.report import print_table
from edge_ocr.cpu import host_cpu

Results = Mapping[str, Mapping[str, Any]]
"""Per network its verdicts, costs and what was not run."""


def print_verdicts(results: Results) -> None:
    """INT8 beside FP32, a row a set, in points of each network's own measure."""
    for network, result in results.items():
        if result["verdicts"]:
            header = [f"{network}: {result['measure']}", "images", "FP32", "INT8", "loss", "allowed", ""]
            print_table(header, [_verdict_row(row) for row in result["verdicts"]])
            print()


def print_costs(results: Results) -> None:
    """Size, accuracy and time of every precision, and its time as part of FP32's on the same kernels."""
    sizes = [size for result in results.values() for row in result["costs"] for size in row["ms"]]
    sizes = list(dict.fromkeys(sizes))
    titles = [title for size in sizes for title in (f"ms {size}", "of FP32")]
    rows = []
    for network, result in results.items():
        for row in result["costs"]:
            fp32 = next((one for one in result["costs"] if one["isa"] == row["isa"]), row)
            times = [cell for size in sizes for cell in _time_cells(row["ms"].get(size), fp32["ms"].get(size))]
            name = f"{network} {row['precision']}" + ("" if row["isa"] == NATIVE else f" {row['isa']}")
            rows.append([name, row["kib"], f"{100 * row['accuracy']:.2f}", *times])
    print_table(["network", "KiB", "all sets", *titles], rows)
    print()


def print_not_run(results: Results) -> None:
    """What is missing in the tables, and why."""
    for result in results.values():
        for why in result["not_run"]:
            print(f"not run: {why}")
    if not any("amx" in flag for flag in host_cpu().flags):
        print("not run: AMX: this CPU lacks it, and oneDNN cannot emulate it")


def _verdict_row(row: Mapping[str, Any]) -> Sequence[object]:
    name = row["set"] if row["isa"] == NATIVE else f"{row['set']}, {row['isa']}"
    figures = [f"{100 * row[key]:.2f}" for key in ("fp", "int8", "loss", "margin")]
    return [name, row["images"], *figures, "ok" if row["passed"] else "TOO MUCH"]


def _time_cells(ms: float | None, fp32_ms: float | None) -> list[str]:
    if ms is None:
        return ["-", "-"]
    return [f"{ms:.2f}", f"{ms / fp32_ms:.2f}" if fp32_ms else "-"]
