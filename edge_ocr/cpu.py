"""What this host gives us: its CPU, the instruction sets that matter here, threads and memory that we may really use.

A container's quota is the point. The affinity mask is seen by OpenVINO and OpenCV, a CFS quota is not: with a quota of
one core on a big host they start as many threads as there are cores and are throttled most of the time.
"""

import os
import platform
import re
from dataclasses import dataclass
from functools import cache
from math import floor
from pathlib import Path

INSTRUCTION_SETS = (
    "sse4_1",
    "sse4_2",
    "avx",
    "f16c",
    "fma",
    "avx2",
    "avx_vnni",
    "avx_vnni_int8",
    "avx_ne_convert",
    "avx512f",
    "avx512bw",
    "avx512dq",
    "avx512vl",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_tile",
    "amx_int8",
    "amx_bf16",
    "amx_fp16",
)
"""What inference kernels are chosen by, oldest first, as /proc/cpuinfo spells it."""
FAST_CPUS = Path("/sys/devices/cpu_core/cpus")
"""There on Intel's hybrid processors only: the CPUs of the fast kind (Linux, perf's PMU of that name)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCpu:
    """What this process has to run on."""

    model: str
    """Model name as the CPU states it, such as "Intel(R) Xeon(R) Gold 6148 CPU @ 2.40GHz"."""
    flags: frozenset[str]
    """The CPU's share of `INSTRUCTION_SETS`."""
    logical_cpus: int
    """Logical CPUs of the host."""
    usable_threads: int
    """Threads that can run at once under the affinity mask and the cgroup quota; at least 1."""
    affinity_cpus: int | None = None
    """CPUs in the affinity mask; None when unknown."""
    cpu_quota: float | None = None
    """The cgroup's CPU quota in CPUs, such as 1.5; None when there is none."""
    fast_cpus: int | None = None
    """On a hybrid processor its logical CPUs of the fast kind; None where all are of one kind."""
    memory_mb: int | None = None
    """Physical memory in MiB, or the cgroup's limit where that is less; None when unknown."""

    @property
    def instruction_sets(self) -> tuple[str, ...]:
        """The flags from the oldest to the newest."""
        return tuple(name for name in INSTRUCTION_SETS if name in self.flags)


@cache
def host_cpu() -> HostCpu:
    """This host's CPU, looked at once per process."""
    model, flags = parse_cpuinfo(_read(Path("/proc/cpuinfo")))
    logical_cpus = os.cpu_count() or 1
    affinity_cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else logical_cpus
    quota = cgroup_cpu_quota()
    return HostCpu(
        model=model or platform.processor() or platform.machine() or "unknown",
        flags=flags,
        logical_cpus=logical_cpus,
        usable_threads=usable_threads(affinity_cpus, quota),
        affinity_cpus=affinity_cpus,
        cpu_quota=quota,
        fast_cpus=count_cpus(_read(FAST_CPUS)),
        memory_mb=memory_mb(),
    )


def usable_threads(affinity_cpus: int, cpu_quota: float | None) -> int:
    """Threads that can run at once: the whole CPUs in the smaller of mask and quota, at least 1."""
    limit = affinity_cpus if cpu_quota is None else min(affinity_cpus, cpu_quota)
    return max(1, floor(limit))


def parse_cpuinfo(text: str) -> tuple[str, frozenset[str]]:
    """Model name and known instruction sets in a /proc/cpuinfo.

    Returns:
        The first CPU's name ("" if it has none) and the flags that *all* CPUs share: on a hybrid processor a thread
        may run on any core.
    """
    model = ""
    shared: set[str] | None = None
    for line in text.splitlines():
        key, _, value = (part.strip() for part in line.partition(":"))
        if key == "model name" and not model:
            model = " ".join(value.split())
        elif key == "flags":
            flags = set(value.split())
            shared = flags if shared is None else shared & flags
    return model, frozenset(INSTRUCTION_SETS) & (shared or set())


def cgroup_cpu_quota(root: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")) -> float | None:
    """The tightest CPU quota on the way from this process's control group to the root, in CPUs.

    Args:
        root: Where the cgroup file systems are mounted (v2, v1 or both).
        membership: The file that lists the groups of the process.

    Returns:
        CPUs, such as 0.5 or 2.0; None without a quota.
    """
    paths = parse_cgroup_paths(_read(membership))
    quotas: list[float | None] = []
    for mount in (root, root / "unified"):
        quotas += [parse_cpu_max(_read(folder / "cpu.max")) for folder in _up_to(mount, paths.get("", "/"))]
    for mount in (root / "cpu", root / "cpu,cpuacct", root / "cpuacct,cpu"):
        quotas += [
            parse_cfs_quota(_read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us"))
            for folder in _up_to(mount, paths.get("cpu", "/"))
        ]
    return min((quota for quota in quotas if quota is not None), default=None)


def memory_mb(
    root: Path = Path("/sys/fs/cgroup"),
    membership: Path = Path("/proc/self/cgroup"),
    meminfo: Path = Path("/proc/meminfo"),
) -> int | None:
    """Memory that this process may have: the host's, or the tightest limit of its control groups.

    Args:
        root: Where the cgroup file systems are mounted (v2, v1 or both).
        membership: The file that lists the groups of the process.
        meminfo: The file that states the host's memory.

    Returns:
        MiB; None where the system does not say.
    """
    total = re.search(r"^MemTotal: +(\d+) kB", _read(meminfo), re.MULTILINE)
    limits = [int(total[1]) << 10] if total else []
    paths = parse_cgroup_paths(_read(membership))
    files = [folder / "memory.max" for folder in _up_to(root, paths.get("", "/"))]
    files += [folder / "memory.limit_in_bytes" for folder in _up_to(root / "memory", paths.get("memory", "/"))]
    limits += [int(text) for text in map(str.strip, map(_read, files)) if text.isdigit()]
    return min(limits) >> 20 if limits else None


def count_cpus(text: str) -> int | None:
    """How many CPUs a kernel's list such as "0-7,16" names; None for an empty one."""
    spans = re.findall(r"(\d+)(?:-(\d+))?", text)
    return sum(int(last or first) - int(first) + 1 for first, last in spans) or None


def parse_cgroup_paths(text: str) -> dict[str, str]:
    """The group of the process per controller, from the text of /proc/self/cgroup; version 2 is the key ""."""
    paths: dict[str, str] = {}
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        controllers, colon, path = rest.partition(":")
        if colon:
            paths.update(dict.fromkeys(controllers.split(","), path))
    return paths


def parse_cpu_max(text: str) -> float | None:
    """CPUs allowed by a version 2 `cpu.max`, such as "150000 100000"; None for "max" or nothing readable."""
    quota, _, period = text.strip().partition(" ")
    return parse_cfs_quota(quota, period)


def parse_cfs_quota(quota_us: str, period_us: str) -> float | None:
    """CPUs allowed by a quota and its period; None for no limit (-1, "max") or nothing readable."""
    try:
        quota, period = int(quota_us), int(period_us)
    except ValueError:
        return None
    return quota / period if quota > 0 and period > 0 else None


def _up_to(mount: Path, path: str) -> list[Path]:
    """The folder of a group under its mount and all folders above it, up to the mount.

    In a container the path may be the host's and not exist here; then the mount itself is the container's group.
    """
    parts = [part for part in path.split("/") if part not in {"", ".", ".."}]
    return [mount.joinpath(*parts[:depth]) for depth in range(len(parts), -1, -1)]


def _read(path: Path) -> str:
    """The text of a file of the kernel; "" where there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
