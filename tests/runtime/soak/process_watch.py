"""What a process holds, as Linux tells it in /proc: memory, open files, threads and child processes, over time."""

import contextlib
import csv
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process holds at one moment."""

    seconds: float
    """Since the watch began."""
    rss_mib: float
    files: int
    threads: int
    children: int
    """Child processes, dead ones that nobody has waited for included."""
    children_rss_mib: float
    is_calm: bool
    """Nothing is broken at this moment."""


class ProcessWatch:
    """Samples a process every second in a thread of its own. Use as a context manager."""

    def __init__(self, pid: int, is_calm: Callable[[], bool], *, every_s: float = 1.0) -> None:
        self.samples: list[Sample] = []
        self._pid = pid
        self._is_calm = is_calm
        self._every_s = every_s
        self._is_done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="process-watch")

    def __enter__(self) -> "ProcessWatch":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._is_done.set()
        self._thread.join()

    def _watch(self) -> None:
        start_s = time.monotonic()
        while not self._is_done.wait(self._every_s):
            with contextlib.suppress(OSError):  # the process, or a child of it, has just ended
                self.samples.append(sample(self._pid, time.monotonic() - start_s, is_calm=self._is_calm()))


def sample(pid: int, seconds: float, *, is_calm: bool) -> Sample:
    """What a process holds now.

    Raises:
        OSError: there is no such process any more.
    """
    tasks = list(Path(f"/proc/{pid}/task").iterdir())
    children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    return Sample(
        seconds=seconds,
        rss_mib=rss_mib(pid),
        files=len(list(Path(f"/proc/{pid}/fd").iterdir())),
        threads=len(tasks),
        children=len(children),
        children_rss_mib=sum(map(rss_mib, children)),
        is_calm=is_calm,
    )


def rss_mib(pid: int) -> float:
    """Resident memory in MiB; 0 for a process that is dead but was not waited for."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")), 0.0)


def slope_per_hour(samples: Sequence[Sample], name: str) -> float:
    """The linear trend of a value, in its unit per hour."""
    hours = np.array([each.seconds / 3600 for each in samples])
    values = np.array([getattr(each, name) for each in samples], dtype=float)
    return float(np.polyfit(hours, values, 1)[0])


def write_csv(samples: Sequence[Sample], path: Path) -> None:
    """All samples as a table."""
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow([field.name for field in fields(Sample)])
        table.writerows(astuple(each) for each in samples)


def plot(samples: Sequence[Sample], faults_s: Sequence[float], path: Path) -> None:
    """Draw the samples, with a mark for the beginning of every fault."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 10), layout="constrained")
    FigureCanvasAgg(figure)
    names = ["rss_mib", "children_rss_mib", "files", "threads", "children"]
    panels: Any = figure.subplots(len(names), 1, sharex=True)
    minutes = [each.seconds / 60 for each in samples]
    for panel, name in zip(panels, names, strict=True):
        panel.plot(minutes, [getattr(each, name) for each in samples], color="0.6", linewidth=0.8)
        calm = [each for each in samples if each.is_calm]
        panel.plot([each.seconds / 60 for each in calm], [getattr(each, name) for each in calm], "k.", markersize=2)
        panel.set_ylabel(name)
        panel.set_ylim(bottom=0)
        for seconds in faults_s:
            panel.axvline(seconds / 60, color="tab:red", alpha=0.15, linewidth=0.7)
    panels[-1].set_xlabel("minutes; black: nothing is broken; red: a fault begins")
    figure.savefig(path)
