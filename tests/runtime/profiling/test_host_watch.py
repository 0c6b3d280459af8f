"""What is noticed of the machine while something is measured."""

from pathlib import Path

from runtime.profiling.host_watch import (
    Counters,
    HostWatch,
    difference,
    parse_cpu_ticks,
    parse_throttled_s,
    read_celsius,
    read_mhz,
)

STAT = "cpu  100 10 40 800 20 5 5 20 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n"


def counters(**changes: float | None) -> Counters:
    known = {"wall_s": 0.0, "own_cpu_s": 0.0, "busy_s": 0.0, "stolen_s": 0.0, "total_s": 0.0, "throttled_s": 0.0}
    return Counters(**{**known, "hot_throttles": None, **changes})  # type: ignore[arg-type]


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(text)


def test_the_kernels_ticks_are_told_apart() -> None:
    assert parse_cpu_ticks(STAT) == {"busy": 1.6, "stolen": 0.2, "total": 10.0}
    assert parse_cpu_ticks("") == {}


def test_time_held_back_is_known_of_groups_with_a_quota() -> None:
    assert parse_throttled_s("usage_usec 5\nthrottled_usec 1500000\n") == 1.5
    assert parse_throttled_s("usage_usec 5\n") is None


def test_what_others_used_is_what_we_did_not() -> None:
    after = counters(wall_s=10.0, own_cpu_s=8.0, busy_s=13.0, stolen_s=1.0, total_s=20.0, throttled_s=0.5)
    found = difference(counters(), after, ())
    assert (found.others_cores, found.stolen_share, found.throttled_s, found.hot_throttles) == (0.5, 0.05, 0.5, None)


def test_a_system_that_says_nothing_gives_nulls() -> None:
    nothing = counters(busy_s=None, stolen_s=None, total_s=None, throttled_s=None)
    found = difference(nothing, nothing, ())
    assert (found.others_cores, found.stolen_share, found.throttled_s) == (None, None, None)


def test_clock_and_temperature_are_read_where_there_are_some(tmp_path: Path) -> None:
    assert read_mhz(tmp_path) is None
    assert read_celsius(tmp_path) is None
    for number, khz in enumerate((2_000_000, 3_000_000)):
        write(tmp_path / f"sys/devices/system/cpu/cpu{number}/cpufreq/scaling_cur_freq", f"{khz}\n")
    for number, heat in enumerate((41_000, 57_500)):
        write(tmp_path / f"sys/class/thermal/thermal_zone{number}/temp", f"{heat}\n")
    assert read_mhz(tmp_path) == 2500.0
    assert read_celsius(tmp_path) == 57.5


def test_the_machine_is_watched_while_the_block_runs(tmp_path: Path) -> None:
    write(tmp_path / "proc/stat", STAT)
    with HostWatch(tmp_path) as watch:
        pass
    assert watch.disturbance.stolen_share is None, "nothing was counted in between"
    assert watch.disturbance.looks[0].mhz is None
