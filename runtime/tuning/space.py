"""What there is to choose: one dimension after the other, each with the values that make sense on this host."""

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from edge_ocr.cpu import HostCpu
from edge_ocr.detection import ScaleRule
from edge_ocr.errors import ModelError
from edge_ocr.pack import Pack
from edge_ocr.profile import DETECTOR_MULTIPLE, DeviceProfile
from runtime.profiling.fits import NATIVE_SETS

FINE_WIDTHS = (*range(96, 640, 32), *range(640, 1281, 64))
"""Half the padding of the shipped widths, for twice as many shapes."""
COARSE_WIDTHS = (160, 256, 320, 480, 640, 960, 1280)
STRIPS = ((None, 1), (640, 1), (640, 4), (1280, 2))
"""Columns of a strip of several lines, and strips of a request."""
SCALES = (0.6, 0.7, 0.85, 1.0)
"""Parts of the pack's limits that images are shown at: about 0.36, 0.5, 0.72 and all of the work of the detector."""
MAX_FITTED_SIZES = 4
"""Sizes made for the pictures at hand, more shapes than a kiosk's cameras have."""

SizeHW = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Option:
    """One value of one dimension, in a whole profile."""

    label: str
    profile: DeviceProfile

    @property
    def key(self) -> str:
        """The same for profiles that do the same."""
        return profile_key(self.profile)


@dataclass(frozen=True, slots=True)
class Dimension:
    """Something that can be chosen by itself."""

    name: str
    options: Callable[[DeviceProfile], Sequence[Option]]
    """The other values it may have, given a profile."""


def profile_key(profile: DeviceProfile) -> str:
    """A short hash of what a profile makes the reader do; its name and budget are not part of that."""
    told = profile.model_dump_json(exclude={"name", "description", "verified", "match", "latency_budget_ms"})
    return hashlib.sha256(told.encode()).hexdigest()[:10]


def dimensions(base: DeviceProfile, cpu: HostCpu, pack: Pack, sizes_hw: Sequence[SizeHW]) -> list[Dimension]:
    """All dimensions, those first that usually change most and lose nothing.

    Args:
        base: The hand-written profile; its lists of sizes and widths are among the choices.
        cpu: Which precisions and threads there are.
        pack: Which networks have an INT8 file.
        sizes_hw: (height, width) of the pictures that sizes of the detector are fitted to.
    """
    rule = pack.manifest.detector.scale
    named: dict[str, Callable[[DeviceProfile], Iterator[Option]]] = {
        "precision": lambda profile: _precisions(profile, pack),
        "floats": lambda profile: _floats(profile, cpu),
        "threads": lambda profile: _threads(profile, cpu),
        "streams": lambda profile: _streams(profile, cpu),
        "hint": _hints,
        "widths": lambda profile: _widths(profile, base),
        "batches": _batches,
        "sizes": lambda profile: _sizes(profile, base, rule, sizes_hw),
        "orientation": _orientations,
        "scale": _scales,
    }
    return [Dimension(name, _others(make)) for name, make in named.items()]


def fitted_sizes(rule: ScaleRule, sizes_hw: Sequence[SizeHW], *, n_most: int = MAX_FITTED_SIZES) -> tuple[SizeHW, ...]:
    """Sizes of the detector that hold these pictures with the least to spare; merged until there are few enough."""
    wanted: Counter[SizeHW] = Counter()
    for height, width in sizes_hw:
        scale = rule.scale(height, width)
        wanted[_whole_tiles(height * scale), _whole_tiles(width * scale)] += 1
    while len(wanted) > n_most:
        pairs = [(one, other) for one in wanted for other in wanted if one < other]
        one, other = min(pairs, key=lambda pair: (_wasted(wanted, *pair), pair))
        both = wanted.pop(one) + wanted.pop(other)
        wanted[max(one[0], other[0]), max(one[1], other[1])] += both
    return tuple(sorted(wanted))


def _others(make: Callable[[DeviceProfile], Iterator[Option]]) -> Callable[[DeviceProfile], list[Option]]:
    """Without what the profile does already."""
    return lambda profile: [option for option in make(profile) if option.key != profile_key(profile)]


def _with(profile: DeviceProfile, **changes: Any) -> DeviceProfile:
    return DeviceProfile.model_validate({**profile.model_dump(), **changes})


def _precisions(profile: DeviceProfile, pack: Pack) -> Iterator[Option]:
    """INT8 or floats for one network at a time."""
    for network in pack.networks:
        try:
            pack.choose(network, "int8")
        except ModelError:
            continue
        now = getattr(profile.precision, network)
        other = "best" if now == "fp" else "fp"
        precision = {**profile.precision.model_dump(), network: other}
        yield Option(f"{network} {other}", _with(profile, precision=precision))


def _floats(profile: DeviceProfile, cpu: HostCpu) -> Iterator[Option]:
    for precision in ("f32", "bf16", "f16"):
        if NATIVE_SETS.get(precision, cpu.flags) & cpu.flags or precision == "f32":
            yield Option(precision, _with(profile, inference_precision=precision))


def _threads(profile: DeviceProfile, cpu: HostCpu) -> Iterator[Option]:
    """Powers of two, all, one less than all, and the fast cores of a hybrid processor."""
    most = cpu.usable_threads
    counts = {2**power for power in range(most.bit_length())} | {most, max(most - 1, 1)}
    counts |= {min(cpu.fast_cpus, most)} if cpu.fast_cpus else set()
    for count in sorted(counts - {effective_threads(profile, cpu)}):
        yield Option(str(count), _with(profile, threads=count))


def _streams(profile: DeviceProfile, cpu: HostCpu) -> Iterator[Option]:
    threads = effective_threads(profile, cpu)
    now = threads if profile.streams == "auto" else min(profile.streams, threads)
    for count in sorted({1, 2, threads // 2, threads} - {0, now}):
        if count <= threads:
            yield Option(str(count), _with(profile, streams=count))


def effective_threads(profile: DeviceProfile, cpu: HostCpu) -> int:
    """What a profile's threads come to on a host."""
    return cpu.usable_threads if profile.threads == "auto" else min(profile.threads, cpu.usable_threads)


def _hints(profile: DeviceProfile) -> Iterator[Option]:
    for hint in ("latency", "throughput"):
        yield Option(hint, _with(profile, hint=hint))


def _widths(profile: DeviceProfile, base: DeviceProfile) -> Iterator[Option]:
    for label, widths in (("as written", base.recognizer.widths), ("fine", FINE_WIDTHS), ("coarse", COARSE_WIDTHS)):
        yield Option(label, _with(profile, recognizer={**profile.recognizer.model_dump(), "widths": widths}))


def _batches(profile: DeviceProfile) -> Iterator[Option]:
    """Each line alone, or side by side in strips."""
    widths = profile.recognizer.widths
    for strip, batch in STRIPS:
        if strip is None or strip in widths:
            label = "each line alone" if strip is None else f"strips of {strip}, up to {batch} to a request"
            packed = {**profile.recognizer.model_dump(), "strip": strip, "batch": batch}
            yield Option(label, _with(profile, recognizer=packed))


def _sizes(
    profile: DeviceProfile, base: DeviceProfile, rule: ScaleRule, sizes_hw: Sequence[SizeHW]
) -> Iterator[Option]:
    """The hand-written ones, and these with some made for the pictures: the others stay, they cost nothing unused."""
    fitted = fitted_sizes(rule.reduced(profile.detector.scale), sizes_hw)
    together = tuple(dict.fromkeys([*base.detector.sizes, *fitted]))
    for label, sizes in (("as written", base.detector.sizes), ("fitted to the pictures", together)):
        yield Option(label, _with(profile, detector={**profile.detector.model_dump(), "sizes": sizes}))


def _orientations(profile: DeviceProfile) -> Iterator[Option]:
    for orientation in ("retry", "off"):
        yield Option(orientation, _with(profile, orientation=orientation))


def _scales(profile: DeviceProfile) -> Iterator[Option]:
    for scale in SCALES:
        yield Option(f"{scale:g}", _with(profile, detector={**profile.detector.model_dump(), "scale": scale}))


def _whole_tiles(pixels: float) -> int:
    # round(): what the detector is shown is rounded too, and 960.0000001 is no reason for 32 columns more.
    return max(math.ceil(round(pixels) / DETECTOR_MULTIPLE), 1) * DETECTOR_MULTIPLE


def _wasted(wanted: Counter[SizeHW], one: SizeHW, other: SizeHW) -> int:
    """Pixels that would be computed for nothing if two sizes became one that holds both."""
    area = max(one[0], other[0]) * max(one[1], other[1])
    return sum(wanted[size] * (area - math.prod(size)) for size in (one, other))
