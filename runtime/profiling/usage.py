"""What a span of work costs the process: wall time, CPU time and peak memory."""

import resource
import time
from dataclasses import asdict, dataclass
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")


@dataclass(frozen=True, slots=True)
class Usage:
    """The cost of one span."""

    wall_s: float
    cpu_s: float
    """User and system time of all threads of this process; children are not in it."""
    peak_rss_mb: float | None
    """Most physical memory held during the span, in MiB (of the whole process so far where Linux cannot reset it)."""

    @property
    def cpu_cores(self) -> float:
        """Cores kept busy on average: 1.0 is one core all the time."""
        return self.cpu_s / self.wall_s if self.wall_s > 0 else 0.0

    def to_dict(self) -> dict[str, float | None]:
        """The usage as plain data."""
        plain = {**asdict(self), "cpu_cores": self.cpu_cores}
        return {name: None if value is None else round(value, 3) for name, value in plain.items()}


class UsageMeter:
    """Measures from its construction to any number of `read` calls."""

    def __init__(self) -> None:
        _reset_peak_rss()
        self._start_s = time.monotonic()
        self._start_cpu_s = _cpu_s()

    def read(self) -> Usage:
        """The cost since construction."""
        return Usage(
            wall_s=time.monotonic() - self._start_s,
            cpu_s=_cpu_s() - self._start_cpu_s,
            peak_rss_mb=peak_rss_mb(),
        )


def peak_rss_mb() -> float | None:
    """The most physical memory this process held, in MiB; None where the system does not say."""
    try:
        return parse_peak_rss_mb(_STATUS.read_text(encoding="utf-8"))
    except OSError:
        # Not the first choice: on Linux ru_maxrss outlives exec, so a small child reports its big parent's peak.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def parse_peak_rss_mb(status: str) -> float | None:
    """`VmHWM` of a /proc/PID/status, in MiB; None if it has none."""
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return None


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _reset_peak_rss() -> None:
    """Let the kernel count the peak anew; where that is not allowed, the peak is that of the process's life."""
    try:
        _CLEAR_REFS.write_text("5", encoding="ascii")
    except OSError:
        return
