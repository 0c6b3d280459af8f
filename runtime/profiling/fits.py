"""Which of the shipped device profiles fit this host, and why or why not: `edge-ocr profile --all`."""

import math
from collections.abc import Callable
from typing import Literal

from pydantic import Field

from edge_ocr.cpu import HostCpu
from edge_ocr.errors import EdgeOcrError
from edge_ocr.pack import Pack
from edge_ocr.profile import (
    FALLBACK,
    DeviceProfile,
    choose_profile,
    is_for_auto,
    list_profiles,
    load_profile,
    mismatches,
)
from runtime.profiling.record import Record
from runtime.profiling.report import Host

Verdict = Literal["fits", "runs", "no"]
"""`fits`: made for this host. `runs`: made for another, but nothing here stands in its way. `no`: it cannot run."""

NATIVE_SETS = {
    "bf16": frozenset({"avx512_bf16", "amx_bf16", "avx_ne_convert"}),
    "f16": frozenset({"avx512_fp16", "avx_ne_convert"}),
}
"""Instruction sets of which one must be there, or the precision is emulated (OpenVINO's CPU plugin, `plugin.cpp`)."""
EXACT_INT8 = frozenset({"avx_vnni", "avx_vnni_int8", "avx512_vnni", "amx_int8"})
"""One of these adds INT8 products in 32 bits; without them, in pairs in 16 bits, where sums may saturate."""
BASE_MB = 400
"""Memory of the process with all widths of lines compiled: an upper bound with some air, of OpenVINO 2026.4."""
MB_PER_MEGAPIXEL = 100
"""Memory of one compiled size of the detector per million pixels of it, likewise."""

LookForGpu = Callable[[DeviceProfile], None]
"""Raises what is missing on this machine for a profile of a GPU."""


class ProfileFit(Record):
    """One shipped profile on this host."""

    name: str
    description: str
    verdict: Verdict
    is_auto: bool
    """Whether `auto` takes it here."""
    verified: bool
    """Whether the profile was ever run on its device."""
    engine: str
    threads: int
    """What the profile's threads come to on this host."""
    streams: int
    precisions: dict[str, str]
    """Per network what the pack gives the profile; empty where it has nothing for it."""
    inference_precision: str
    memory_mb: tuple[int, int]
    """About what it takes with one size of the detector, the largest, and with all of them."""
    reasons: tuple[str, ...]
    """Why it cannot run, else why it is for this host or not, and what is to be known about it here."""


class FitReport(Record):
    """All shipped profiles on this host."""

    schema_version: Literal["edge-ocr.profiles/1"] = Field(default="edge-ocr.profiles/1", alias="schema")
    host: Host
    pack: str
    auto: str
    """The profile that `auto` takes."""
    rule: str
    """The rule that it is taken by."""
    profiles: tuple[ProfileFit, ...]


def look_at_fits(cpu: HostCpu, host: Host, pack: Pack, look_for_gpu: LookForGpu | None = None) -> FitReport:
    """Judge every shipped profile.

    Args:
        cpu: What decides.
        host: The same machine as the report states it.
        pack: The networks that the profiles would run.
        look_for_gpu: Raises what is missing for a profile of a GPU; None: look at this machine.
    """
    profiles = [load_profile(name) for name in list_profiles()]
    choice = choose_profile(profiles, cpu)
    fits = [
        judge(profile, cpu, pack, is_auto=profile is choice.profile, look_for_gpu=look_for_gpu or find_gpu_for)
        for profile in profiles
    ]
    order = {"fits": 0, "runs": 1, "no": 2}
    fits.sort(key=lambda fit: (not fit.is_auto, order[fit.verdict], fit.name))
    return FitReport(host=host, pack=pack.name, auto=choice.profile.name, rule=choice.rule, profiles=tuple(fits))


def judge(profile: DeviceProfile, cpu: HostCpu, pack: Pack, *, is_auto: bool, look_for_gpu: LookForGpu) -> ProfileFit:
    """One profile on one host with one pack."""
    precisions, blockers = _precisions(profile, pack)
    blockers = _blockers(profile, cpu, look_for_gpu) + blockers
    is_made_for_it = is_auto or profile.name == FALLBACK or (is_for_auto(profile) and not mismatches(profile, cpu))
    verdict: Verdict = "no" if blockers else "fits" if is_made_for_it else "runs"
    threads = cpu.usable_threads if profile.threads == "auto" else min(profile.threads, cpu.usable_threads)
    return ProfileFit(
        name=profile.name,
        description=profile.description,
        verdict=verdict,
        is_auto=is_auto,
        verified=profile.verified,
        engine=profile.engine,
        threads=threads,
        streams=threads if profile.streams == "auto" else min(profile.streams, threads),
        precisions=precisions,
        inference_precision=profile.inference_precision,
        memory_mb=memory_need_mb(profile),
        reasons=tuple(blockers or _reasons(profile, cpu, precisions)),
    )


def memory_need_mb(profile: DeviceProfile) -> tuple[int, int]:
    """About what a process takes, in MiB: with the largest size of the detector only, and with all sizes."""
    areas = [math.prod(size) / 1e6 for size in profile.detector.sizes]
    return round(BASE_MB + MB_PER_MEGAPIXEL * max(areas)), round(BASE_MB + MB_PER_MEGAPIXEL * sum(areas))


def find_gpu_for(profile: DeviceProfile) -> None:
    """Look for a GPU profile's GPU and libraries on this machine.

    Raises:
        ConfigError: something is missing.
    """
    from edge_ocr.engines.nvidia import find_gpu

    find_gpu()  # first: a machine without a GPU needs no word about libraries
    from edge_ocr.engines.onnxruntime import OnnxRuntimeEngine

    assert profile.engine != "openvino"
    provider: Literal["tensorrt", "cuda", "cpu"] = "cpu" if profile.engine == "onnx-cpu" else profile.engine
    OnnxRuntimeEngine(provider=provider, threads=1, inference_precision=profile.inference_precision)


def _precisions(profile: DeviceProfile, pack: Pack) -> tuple[dict[str, str], list[str]]:
    """What the pack gives the profile per network, and what it lacks for it."""
    wanted = profile.precision.model_dump()
    suffix = ".xml" if profile.engine == "openvino" else ".onnx"
    given: dict[str, str] = {}
    for network in pack.networks:
        try:
            path, given[network] = pack.choose(network, wanted[network])
        except EdgeOcrError as error:
            return {}, [str(error)]
        if path.suffix != suffix:
            return {}, [f"pack {pack.name} holds {path.suffix} networks, this engine reads {suffix} (docs/t4.md)"]
    return given, []


def _blockers(profile: DeviceProfile, cpu: HostCpu, look_for_gpu: LookForGpu) -> list[str]:
    """Why the profile cannot run here, whatever the pack."""
    if profile.engine != "openvino":
        try:
            look_for_gpu(profile)
        except EdgeOcrError as error:
            return [str(error)]
        return []
    blockers = []
    native = NATIVE_SETS.get(profile.inference_precision)
    if native is not None and not native & cpu.flags:
        blockers.append(
            f"this CPU has no {profile.inference_precision} of its own ({' or '.join(sorted(native))}):"
            " it would be emulated, many times slower"
        )
    least, _ = memory_need_mb(profile)
    if cpu.memory_mb is not None and cpu.memory_mb < least:
        blockers.append(f"takes about {least} MiB of memory, of which there are {cpu.memory_mb}")
    return blockers


def _reasons(profile: DeviceProfile, cpu: HostCpu, precisions: dict[str, str]) -> list[str]:
    """What is to be known about a profile that can run."""
    reasons = []
    if profile.name == FALLBACK:
        reasons.append("for any x86-64 CPU")
    elif not is_for_auto(profile):
        reasons.append("taken by its name only, never by auto")
    else:
        reasons += mismatches(profile, cpu) or [_what_matches(profile, cpu)]
    if not profile.verified:
        reasons.append("never verified on its device")
    if isinstance(profile.threads, int) and profile.threads > cpu.usable_threads:
        reasons.append(f"asks for {profile.threads} threads, gets the {cpu.usable_threads} that are usable")
    if cpu.fast_cpus is not None and profile.threads == "auto" and cpu.usable_threads > cpu.fast_cpus:
        reasons.append(f"a thread on slow cores too ({cpu.fast_cpus} CPUs are fast ones): the others wait for it")
    if "int8" in precisions.values() and profile.engine == "openvino" and not EXACT_INT8 & cpu.flags:
        reasons.append("INT8 may saturate without VNNI, and is hardly faster: compare with precision fp")
    _, most = memory_need_mb(profile)
    if cpu.memory_mb is not None and cpu.memory_mb < most:
        reasons.append(
            f"pictures of all shapes would take about {most} MiB of {cpu.memory_mb}; a camera needs one size"
        )
    return reasons


def _what_matches(profile: DeviceProfile, cpu: HostCpu) -> str:
    match = profile.match
    parts = [f"the name matches /{match.model}/"] if match.model else []
    parts += [f"has {' '.join(match.needs)}"] if match.needs else []
    parts += [f"lacks {' '.join(match.lacks)}"] if match.lacks else []
    return ", ".join(parts)
