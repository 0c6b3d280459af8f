"""What else happened on the machine while something was measured: other work, throttling, clocks, heat."""

import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from runtime.profiling.record import Record

PERIOD_S = 1.0
"""Between two looks at clock and temperature."""
MAX_LOOKS = 600
"""Kept of them; of more, every second one is dropped and the time between them doubles."""
TICKS_PER_S = 100
"""Unit of /proc/stat (USER_HZ, 100 on every Linux of x86)."""


class Look(Record):
    """Clock and temperature at one moment; null where the system does not say, as in most virtual machines."""

    at_s: float
    mhz: float | None
    """Mean over the CPUs."""
    celsius: float | None
    """The hottest sensor."""


class Disturbance(Record):
    """What the host and others did during a measurement; null where the system does not say."""

    others_cores: float | None
    """Cores that other processes kept busy, on average."""
    stolen_share: float | None
    """Share of the CPUs' time that the hypervisor gave to others."""
    throttled_s: float | None
    """Time for which the control group's quota held us back."""
    hot_throttles: int | None
    """Times that a core slowed down because it was too hot."""
    looks: tuple[Look, ...]


@dataclass(frozen=True, slots=True)
class Counters:
    """What the kernel had counted at one moment."""

    wall_s: float
    own_cpu_s: float
    busy_s: float | None
    """Of all CPUs, for anybody of this host."""
    stolen_s: float | None
    total_s: float | None
    throttled_s: float | None
    hot_throttles: int | None


class HostWatch:
    """Watches from entering to leaving a `with` block; then `disturbance` tells."""

    def __init__(self, root: Path = Path("/")) -> None:
        """Prepare.

        Args:
            root: Where proc and sys are mounted.
        """
        self._root = root
        self._looks: list[Look] = []
        self._period_s = PERIOD_S
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look_now_and_then, name="host-watch", daemon=True)
        self._before = read_counters(root)
        self._after = self._before

    def __enter__(self) -> "HostWatch":
        self._before = read_counters(self._root)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._after = read_counters(self._root)

    @property
    def disturbance(self) -> Disturbance:
        """What happened inside the block."""
        return difference(self._before, self._after, tuple(self._looks))

    def _look_now_and_then(self) -> None:
        while not self._stop.is_set():
            at_s = time.monotonic() - self._before.wall_s
            self._looks.append(Look(at_s=at_s, mhz=read_mhz(self._root), celsius=read_celsius(self._root)))
            if len(self._looks) > MAX_LOOKS:
                self._looks, self._period_s = self._looks[::2], self._period_s * 2
            self._stop.wait(self._period_s)


def difference(before: Counters, after: Counters, looks: tuple[Look, ...]) -> Disturbance:
    """What was counted between two moments."""
    wall_s = max(after.wall_s - before.wall_s, 1e-9)
    busy_s = _less(after.busy_s, before.busy_s)
    stolen_s, total_s = _less(after.stolen_s, before.stolen_s), _less(after.total_s, before.total_s)
    hot = _less(after.hot_throttles, before.hot_throttles)
    own_s = after.own_cpu_s - before.own_cpu_s
    return Disturbance(
        others_cores=None if busy_s is None else max(busy_s - own_s, 0.0) / wall_s,
        stolen_share=None if stolen_s is None or not total_s else stolen_s / total_s,
        throttled_s=_less(after.throttled_s, before.throttled_s),
        hot_throttles=None if hot is None else round(hot),
        looks=looks,
    )


def read_counters(root: Path = Path("/")) -> Counters:
    """What the kernel has counted so far."""
    ticks = parse_cpu_ticks(_read(root / "proc/stat"))
    stat = parse_throttled_s(_read(root / "sys/fs/cgroup/cpu.stat"))
    hot = [
        int(text)
        for path in sorted(root.glob("sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/core_throttle_count"))
        if (text := _read(path).strip()).isdigit()
    ]
    return Counters(
        wall_s=time.monotonic(),
        own_cpu_s=time.process_time(),
        busy_s=ticks.get("busy"),
        stolen_s=ticks.get("stolen"),
        total_s=ticks.get("total"),
        throttled_s=stat,
        hot_throttles=sum(hot) if hot else None,
    )


def parse_cpu_ticks(stat: str) -> Mapping[str, float]:
    """Seconds of all CPUs in a /proc/stat: busy for this host, stolen from it, and altogether; empty if it has none."""
    found = re.match(r"cpu +((?:\d+ ?)+)", stat)
    if found is None:
        return {}
    user, nice, system, idle, iowait, irq, softirq, stolen = [int(n) / TICKS_PER_S for n in found[1].split()][:8]
    busy = user + nice + system + irq + softirq
    return {"busy": busy, "stolen": stolen, "total": busy + stolen + idle + iowait}


def parse_throttled_s(stat: str) -> float | None:
    """Seconds that a control group was held back, of a `cpu.stat`; None if it has no quota to be held back by."""
    found = re.search(r"^throttled_usec (\d+)$", stat, re.MULTILINE)
    return int(found[1]) / 1e6 if found else None


def read_mhz(root: Path) -> float | None:
    """The CPUs' mean clock now; None where there is no frequency driver: /proc/cpuinfo then states a constant."""
    texts = [_read(path).strip() for path in root.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq")]
    khz = [int(text) for text in texts if text.isdigit()]
    return sum(khz) / len(khz) / 1000 if khz else None


def read_celsius(root: Path) -> float | None:
    """The hottest thermal zone now; None where there is none."""
    texts = [_read(path).strip() for path in root.glob("sys/class/thermal/thermal_zone*/temp")]
    found = [int(text) / 1000 for text in texts if text.isdigit() and int(text) > 0]
    return max(found, default=None)


def _less(after: float | None, before: float | None) -> float | None:
    return None if after is None or before is None else after - before


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
