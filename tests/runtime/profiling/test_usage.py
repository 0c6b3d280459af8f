"""What a span of work costs."""

from runtime.profiling.usage import Usage, UsageMeter, parse_peak_rss_mb, peak_rss_mb


def test_peak_memory_is_read_from_the_kernels_text() -> None:
    assert parse_peak_rss_mb("Name:\tpython\nVmPeak:\t 900000 kB\nVmHWM:\t  204800 kB\nVmRSS:\t 1 kB\n") == 200.0


def test_a_system_that_does_not_say_gives_none() -> None:
    assert parse_peak_rss_mb("Name:\tpython\n") is None


def test_cores_are_cpu_time_over_wall_time() -> None:
    assert Usage(wall_s=2.0, cpu_s=3.0, peak_rss_mb=None).cpu_cores == 1.5
    assert Usage(wall_s=0.0, cpu_s=0.0, peak_rss_mb=None).cpu_cores == 0.0


def test_usage_as_plain_data() -> None:
    plain = Usage(wall_s=2.0, cpu_s=1.0, peak_rss_mb=None).to_dict()
    assert plain == {"wall_s": 2.0, "cpu_s": 1.0, "peak_rss_mb": None, "cpu_cores": 0.5}


def test_a_meter_measures_this_process() -> None:
    meter = UsageMeter()
    total = sum(range(100_000))
    usage = meter.read()
    assert total > 0
    assert usage.wall_s > 0
    assert usage.cpu_s >= 0
    assert (usage.peak_rss_mb or 0) > 5
    assert (peak_rss_mb() or 0) > 5
