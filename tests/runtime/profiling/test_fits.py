"""Which shipped profiles fit a host, and what is said of those that do not."""

import argparse
import json
from pathlib import Path

import pytest

from edge_ocr import ConfigError
from edge_ocr.cpu import HostCpu
from edge_ocr.pack import Pack, load_pack
from edge_ocr.profile import DeviceProfile, load_profile
from runtime.commands import profile as command
from runtime.profiling.fits import FitReport, ProfileFit, judge, look_at_fits, memory_need_mb
from runtime.profiling.report import look_at_host
from runtime.profiling.text import fits_text

AVX2 = {"avx2", "fma"}
SKYLAKE = {"avx2", "avx512f", "avx512bw", "avx512dq", "avx512vl"}
SAPPHIRE = SKYLAKE | {"avx512_vnni", "avx512_bf16", "amx_tile", "amx_int8", "amx_bf16"}


@pytest.fixture(scope="module")
def pack() -> Pack:
    return load_pack("latin")


def cpu(model: str, flags: set[str], *, threads: int = 8, **more: int | None) -> HostCpu:
    return HostCpu(model=model, flags=frozenset(flags), logical_cpus=threads, usable_threads=threads, **more)


def no_gpu(profile: DeviceProfile) -> None:
    raise ConfigError("no NVIDIA GPU here")


def a_gpu(profile: DeviceProfile) -> None:
    return


def report_for(host: HostCpu, pack: Pack) -> FitReport:
    return look_at_fits(host, look_at_host(), pack, look_for_gpu=no_gpu)


def fit_of(name: str, host: HostCpu, pack: Pack) -> ProfileFit:
    return judge(load_profile(name), host, pack, is_auto=False, look_for_gpu=no_gpu)


def test_the_profile_that_auto_takes_comes_first(pack: Pack) -> None:
    report = report_for(cpu("Intel(R) Xeon(R) Gold 6148", SKYLAKE), pack)
    assert (report.auto, report.rule) == ("xeon-gold-6148", "the only one made for this CPU")
    first = report.profiles[0]
    assert (first.name, first.is_auto, first.verdict) == ("xeon-gold-6148", True, "fits")
    assert first.precisions == {"detector": "fp", "recognizer": "fp", "orientation": "fp"}
    assert [fit.verdict for fit in report.profiles if fit.engine != "openvino"] == ["no", "no"]


def test_a_profile_of_another_cpu_runs_if_nothing_stands_in_its_way(pack: Pack) -> None:
    fit = fit_of("xeon-icelake", cpu("AMD EPYC", SAPPHIRE), pack)
    assert fit.verdict == "runs"
    assert fit.reasons[0] == "the CPU's name does not match /Xeon/"


def test_bf16_that_would_be_emulated_is_refused(pack: Pack) -> None:
    fit = fit_of("xeon-sapphire-rapids", cpu("Intel(R) Xeon(R) Gold 6148", SKYLAKE), pack)
    assert fit.verdict == "no"
    assert "no bf16 of its own" in fit.reasons[0]
    assert fit_of("xeon-sapphire-rapids", cpu("Intel(R) Xeon(R) 8480+", SAPPHIRE), pack).verdict == "fits"


def test_int8_without_vnni_is_a_warning(pack: Pack) -> None:
    assert any("saturate" in reason for reason in fit_of("generic-cpu", cpu("old", AVX2), pack).reasons)
    assert not any("saturate" in reason for reason in fit_of("generic-cpu", cpu("new", SAPPHIRE), pack).reasons)


def test_threads_are_those_that_are_usable(pack: Pack) -> None:
    fit = fit_of("atom-n100", cpu("Intel(R) N100", {"avx2", "avx_vnni"}, threads=1), pack)
    assert (fit.threads, fit.streams) == (1, 1)
    assert "asks for 3 threads, gets the 1 that are usable" in fit.reasons


def test_slow_cores_of_a_hybrid_processor_are_told_of(pack: Pack) -> None:
    fit = fit_of("generic-cpu", cpu("hybrid", AVX2, threads=12, fast_cpus=4), pack)
    assert any("4 CPUs are fast ones" in reason for reason in fit.reasons)


def test_too_little_memory_is_refused_and_little_is_told_of(pack: Pack) -> None:
    least, most = memory_need_mb(load_profile("generic-cpu"))
    assert least < most
    assert fit_of("generic-cpu", cpu("small", AVX2, memory_mb=least - 1), pack).verdict == "no"
    fit = fit_of("generic-cpu", cpu("medium", AVX2, memory_mb=most - 1), pack)
    assert fit.verdict == "fits"
    assert any("a camera needs one size" in reason for reason in fit.reasons)


def test_a_profile_of_a_gpu_says_what_is_missing(pack: Pack) -> None:
    fit = fit_of("t4-cuda", cpu("any", AVX2), pack)
    assert fit.verdict == "no"
    assert fit.reasons[0] == "no NVIDIA GPU here"
    assert "pack latin holds .xml networks, this engine reads .onnx" in fit.reasons[1]
    with_gpu = judge(load_profile("t4-cuda"), cpu("any", AVX2), pack, is_auto=False, look_for_gpu=a_gpu)
    assert len(with_gpu.reasons) == 1


def test_the_table_has_a_row_and_a_reason_for_each(pack: Pack) -> None:
    report = report_for(cpu("Intel(R) N100", {"avx2", "avx_vnni"}, threads=4), pack)
    text = fits_text(report)
    assert "auto      atom-n100: the only one made for this CPU" in text
    for fit in report.profiles:
        assert f"\n{fit.name} " in text
    assert "no NVIDIA GPU here" in text


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(arguments)


def test_the_command_writes_the_overview(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "all.json"
    assert command.run(parse("--all", "--json", str(path))) == 0
    plain = json.loads(path.read_text())
    assert plain["schema"] == "edge-ocr.profiles/1"
    assert {fit["name"] for fit in plain["profiles"]} >= {"generic-cpu", "t4-cuda"}
    assert plain["auto"] in capsys.readouterr().out


def test_the_overview_measures_nothing() -> None:
    with pytest.raises(ConfigError, match="measures nothing"):
        command.run(parse("--all", "--seconds", "5"))
