"""What /proc and the cgroup files say about the CPU."""

from pathlib import Path

import pytest

from edge_ocr.cpu import (
    HostCpu,
    cgroup_cpu_quota,
    count_cpus,
    host_cpu,
    memory_mb,
    parse_cfs_quota,
    parse_cgroup_paths,
    parse_cpu_max,
    parse_cpuinfo,
    usable_threads,
)

SKYLAKE = """\
processor\t: 0
model name\t: Intel(R) Xeon(R) Gold 6148 CPU @ 2.40GHz
flags\t\t: fpu sse sse4_1 sse4_2 avx f16c fma avx2 avx512f avx512dq avx512cd avx512bw avx512vl

processor\t: 1
model name\t: Intel(R) Xeon(R) Gold 6148 CPU @ 2.40GHz
flags\t\t: fpu sse sse4_1 sse4_2 avx f16c fma avx2 avx512f avx512dq avx512cd avx512bw avx512vl
"""


def test_cpuinfo_gives_name_and_instruction_sets() -> None:
    model, flags = parse_cpuinfo(SKYLAKE)
    assert model == "Intel(R) Xeon(R) Gold 6148 CPU @ 2.40GHz"
    assert {"avx2", "avx512f", "avx512bw"} <= flags
    assert "avx512_vnni" not in flags
    assert "fpu" not in flags


def test_only_what_all_cores_have_counts() -> None:
    hybrid = "model name : Core\nflags : avx2 avx_vnni avx512f\n\nmodel name : Core\nflags : avx2 avx_vnni\n"
    assert parse_cpuinfo(hybrid)[1] == {"avx2", "avx_vnni"}


def test_a_cpuinfo_without_names_is_no_error() -> None:
    assert parse_cpuinfo("processor\t: 0\nBogoMIPS\t: 50.00\n") == ("", frozenset())


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        pytest.param("150000 100000\n", 1.5, id="a quota"),
        pytest.param("max 100000\n", None, id="no limit"),
        pytest.param("", None, id="no file"),
        pytest.param("garbage", None, id="unreadable"),
    ],
)
def test_cpu_max_in_cpus(text: str, cpus: float | None) -> None:
    assert parse_cpu_max(text) == cpus


@pytest.mark.parametrize(
    ("quota", "period", "cpus"),
    [
        pytest.param("50000\n", "100000\n", 0.5, id="half a core"),
        pytest.param("-1\n", "100000\n", None, id="no limit"),
        pytest.param("50000", "0", None, id="no period"),
        pytest.param("", "", None, id="no files"),
    ],
)
def test_cfs_quota_in_cpus(quota: str, period: str, cpus: float | None) -> None:
    assert parse_cfs_quota(quota, period) == cpus


def test_groups_per_controller() -> None:
    text = "4:memory:/m\n3:cpu,cpuacct:/docker/abc\n0::/user.slice/a:b\n"
    assert parse_cgroup_paths(text) == {
        "memory": "/m",
        "cpu": "/docker/abc",
        "cpuacct": "/docker/abc",
        "": "/user.slice/a:b",
    }


def test_the_tightest_quota_above_a_nested_group_counts(tmp_path: Path) -> None:
    nested = tmp_path / "system.slice" / "edge-ocr.service"
    nested.mkdir(parents=True)
    (nested / "cpu.max").write_text("400000 100000\n")
    (nested.parent / "cpu.max").write_text("250000 100000\n")
    membership = tmp_path / "membership"
    membership.write_text("0::/system.slice/edge-ocr.service\n")
    assert cgroup_cpu_quota(tmp_path, membership) == 2.5


def test_the_quota_of_version_1_is_seen_inside_a_container(tmp_path: Path) -> None:
    group = tmp_path / "cpu,cpuacct"
    group.mkdir()
    (group / "cpu.cfs_quota_us").write_text("100000\n")
    (group / "cpu.cfs_period_us").write_text("100000\n")
    membership = tmp_path / "membership"
    membership.write_text("3:cpu,cpuacct:/docker/a-path-of-the-host\n")
    assert cgroup_cpu_quota(tmp_path, membership) == 1.0


def test_no_cgroups_no_quota(tmp_path: Path) -> None:
    assert cgroup_cpu_quota(tmp_path, tmp_path / "none") is None


@pytest.mark.parametrize(
    ("affinity", "quota", "threads"),
    [
        pytest.param(8, None, 8, id="the mask alone"),
        pytest.param(8, 2.7, 2, id="whole cores of the quota"),
        pytest.param(2, 16.0, 2, id="a wide quota changes nothing"),
        pytest.param(8, 0.5, 1, id="never less than one"),
    ],
)
def test_usable_threads(affinity: int, quota: float | None, threads: int) -> None:
    assert usable_threads(affinity, quota) == threads


def test_this_host_is_described() -> None:
    cpu = host_cpu()
    assert cpu.model
    assert 1 <= cpu.usable_threads <= cpu.logical_cpus
    assert host_cpu() is cpu


def test_instruction_sets_are_listed_oldest_first() -> None:
    cpu = HostCpu(model="x", flags=frozenset({"avx512_vnni", "sse4_2", "avx2"}), logical_cpus=1, usable_threads=1)
    assert cpu.instruction_sets == ("sse4_2", "avx2", "avx512_vnni")


@pytest.mark.parametrize(
    ("text", "count"),
    [("0-7\n", 8), ("0-3,8,10-11", 7), ("5", 1), pytest.param("", None, id="no hybrid processor")],
)
def test_a_list_of_cpus_is_counted(text: str, count: int | None) -> None:
    assert count_cpus(text) == count


@pytest.mark.parametrize(
    ("limit", "memory"),
    [
        pytest.param("max\n", 2048, id="no limit of the group"),
        pytest.param(f"{512 << 20}\n", 512, id="a limit of the group"),
        pytest.param(f"{1 << 62}\n", 2048, id="more than there is"),
    ],
)
def test_memory_is_what_host_and_group_allow(tmp_path: Path, limit: str, memory: int) -> None:
    (tmp_path / "box").mkdir()
    (tmp_path / "box" / "memory.max").write_text(limit)
    (tmp_path / "membership").write_text("0::/box\n")
    (tmp_path / "meminfo").write_text("MemTotal:        2097152 kB\nMemFree: 1 kB\n")
    assert memory_mb(tmp_path, tmp_path / "membership", tmp_path / "meminfo") == memory


def test_memory_is_unknown_where_the_system_does_not_say(tmp_path: Path) -> None:
    assert memory_mb(tmp_path, tmp_path / "none", tmp_path / "none") is None
