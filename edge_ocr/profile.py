"""Device profiles: how the reader uses one kind of device. Data in profiles/*.yaml."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from edge_ocr.cpu import HostCpu, host_cpu
from edge_ocr.errors import ConfigError
from edge_ocr.yamlfile import load_yaml_model

FALLBACK = "generic-cpu"
"""The profile `auto` takes where none fits better."""
DETECTOR_MULTIPLE = 32
MAX_DETECTOR_PIXELS = 4096 * 4096
MAX_WIDTH = 16_384
MAX_THREADS = 1024
MAX_BATCH = 8
"""More than any host has; a slip of the keyboard here would cost the host its memory."""

PrecisionChoice = Literal["best", "int8", "fp"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Match(_Strict):
    """Which hosts a profile is for; an empty one matches none."""

    model: str = ""
    """Regular expression searched in the CPU's model name."""
    needs: tuple[str, ...] = ()
    """Instruction sets the host must have."""
    lacks: tuple[str, ...] = ()
    """Instruction sets the host must not have."""

    @field_validator("model")
    @classmethod
    def _is_regular_expression(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return value


class PrecisionPerNetwork(_Strict):
    """Which precision of each network is run."""

    detector: PrecisionChoice = "best"
    recognizer: PrecisionChoice = "best"
    orientation: PrecisionChoice = "best"


class DetectorProfile(_Strict):
    """The detector's static inputs."""

    sizes: Annotated[tuple[tuple[int, int], ...], Field(min_length=1)]
    """(height, width) in pixels, multiples of 32; the smallest that holds the scaled image is taken, or tiles."""
    scale: Annotated[float, Field(ge=0.25, le=1)] = 1.0
    """How large images are shown, as a part of the pack's limits: less is faster and misses small letters."""

    @field_validator("sizes")
    @classmethod
    def _are_multiples(cls, sizes: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
        for size in sizes:
            if any(side <= 0 or side % DETECTOR_MULTIPLE for side in size):
                raise ValueError(f"{list(size)}: both sides must be multiples of {DETECTOR_MULTIPLE}")
            if size[0] * size[1] > MAX_DETECTOR_PIXELS:
                raise ValueError(f"{list(size)}: at most {MAX_DETECTOR_PIXELS // 2**20} x 2^20 pixels")
        return sizes


class RecognizerProfile(_Strict):
    """The recogniser's static inputs."""

    widths: Annotated[tuple[int, ...], Field(min_length=1)]
    """Widths in pixels, ascending, multiples of 8; a crop is padded to the next, a wider one is read in parts."""
    strip: int | None = None
    """One of the widths: on pages of many lines, narrower ones are read side by side in strips of it. None: each line
    alone."""
    own_up_to: Annotated[int, Field(ge=0)] = 0
    """Widths up to this get a network of their own (OpenVINO): a line takes less time, each width 28 MB a stream. The
    others share one."""
    batch: Annotated[int, Field(ge=1, le=MAX_BATCH)] = 1
    """Most strips that a request reads at once; more than one only with OpenVINO."""

    @field_validator("widths")
    @classmethod
    def _ascend(cls, widths: tuple[int, ...]) -> tuple[int, ...]:
        if list(widths) != sorted(set(widths)) or any(width <= 0 or width % 8 for width in widths):
            raise ValueError("must ascend and be multiples of 8")
        if widths[-1] > MAX_WIDTH:
            raise ValueError(f"{widths[-1]}: at most {MAX_WIDTH}")
        return widths

    @model_validator(mode="after")
    def _is_a_width(self) -> "RecognizerProfile":
        if self.strip is not None and self.strip not in self.widths:
            raise ValueError(f"strip {self.strip}: must be one of widths {list(self.widths)}")
        if self.batch > 1 and self.strip is None:
            raise ValueError(
                f"batch {self.batch}: strips that are read at once, but strip is not given; add it, or leave batch out"
            )
        return self


class DeviceProfile(_Strict):
    """One file of profiles/."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9_-]+$")]
    description: str
    verified: bool
    """Whether this profile was ever run on its device."""
    match: Match = Match()
    engine: Literal["openvino", "tensorrt", "cuda", "onnx-cpu"] = "openvino"
    """What runs the networks; all but the first read packs of ONNX files. `onnx-cpu` is for those who make packs: it
    compares them where there is no GPU."""
    precision: PrecisionPerNetwork = PrecisionPerNetwork()
    inference_precision: Literal["f32", "bf16", "f16"] = "f32"
    """What float layers are computed in."""
    hint: Literal["latency", "throughput"] = "latency"
    threads: Annotated[int, Field(ge=1, le=MAX_THREADS)] | Literal["auto"] = "auto"
    """Threads for inference; `auto`: as many as the affinity mask and the cgroup quota give."""
    streams: Annotated[int, Field(ge=1, le=MAX_THREADS)] | Literal["auto"] = "auto"
    """Lines read side by side; `auto`: one per thread."""
    pinning: bool = False
    detector: DetectorProfile
    recognizer: RecognizerProfile
    orientation: Literal["off", "retry"] = "retry"
    """`retry`: a line with a low score is looked at upside down too."""
    latency_budget_ms: Annotated[float, Field(gt=0)] | None = None
    """What a read may take (p95); None: not stated."""

    @model_validator(mode="after")
    def _can_batch(self) -> "DeviceProfile":
        if self.recognizer.batch > 1 and self.engine != "openvino":
            raise ValueError(f"recognizer.batch {self.recognizer.batch}: only with engine openvino; leave it out")
        return self


def profiles_folder() -> Path:
    """Where the shipped profiles are: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parent
    return package / "profiles" if (package / "profiles").is_dir() else package.parent / "profiles"


def list_profiles() -> list[str]:
    """Names of the shipped profiles."""
    return sorted(path.stem for path in profiles_folder().glob("*.yaml"))


def load_profile(name_or_path: str | Path, host: HostCpu | None = None) -> DeviceProfile:
    """Load a profile by name, by file, or `auto`: the shipped one that matches the host.

    Raises:
        ConfigError: no such profile, or the file is wrong.
    """
    text = str(name_or_path)
    if text == "auto":
        return choose_profile([load_profile(name) for name in list_profiles()], host or host_cpu()).profile
    path = Path(text) if text.endswith((".yaml", ".yml")) or "/" in text else profiles_folder() / f"{text}.yaml"
    if not path.is_file():
        raise ConfigError(
            f"profile {text!r}: not found; name a YAML file, or one of: auto, {', '.join(list_profiles())}"
        )
    profile = load_yaml_model(path, DeviceProfile)
    if path.parent == profiles_folder() and profile.name != path.stem:
        raise ConfigError(f"{path}: name is {profile.name!r}; it must be the file's name, {path.stem!r}")
    return profile


def profile_matches(profile: DeviceProfile, host: HostCpu) -> bool:
    """Whether the host is a device the profile is for."""
    return is_for_auto(profile) and not mismatches(profile, host)


def is_for_auto(profile: DeviceProfile) -> bool:
    """Whether `auto` may pick the profile because it matches; the others are taken by name, or as the fallback."""
    return bool(profile.match.model or profile.match.needs)


def mismatches(profile: DeviceProfile, host: HostCpu) -> list[str]:
    """Why a host is not what a profile's `match` asks for, each in a few words; empty where nothing contradicts."""
    match = profile.match
    why = []
    if re.search(match.model, host.model) is None:
        why.append(f"the CPU's name does not match /{match.model}/")
    missing = [name for name in match.needs if name not in host.flags]
    if missing:
        why.append(f"the CPU lacks {' '.join(missing)}")
    unwanted = [name for name in match.lacks if name in host.flags]
    if unwanted:
        why.append(f"the CPU has {' '.join(unwanted)}, of which this profile makes no use")
    return why


@dataclass(frozen=True, slots=True)
class Choice:
    """The profile that `auto` takes, and the rule that it took it by."""

    profile: DeviceProfile
    rule: str


def choose_profile(profiles: Sequence[DeviceProfile], host: HostCpu) -> Choice:
    """What `auto` takes of some profiles: the most particular one that matches, else `FALLBACK`.

    Args:
        profiles: With `FALLBACK` among them.
        host: The CPU to find a profile for.
    """
    matching = [profile for profile in profiles if profile_matches(profile, host)]
    if not matching:
        fallback = next(profile for profile in profiles if profile.name == FALLBACK)
        return Choice(fallback, "no profile is made for this CPU, so the one for any")
    # A named CPU beats an instruction set; more instruction sets beat fewer.
    best = max(matching, key=lambda profile: (bool(profile.match.model), len(profile.match.needs)))
    others = [profile.name for profile in matching if profile is not best]
    rule = "the only one made for this CPU"
    if others:
        rule = (
            f"made for this CPU, and more particular than {', '.join(others)} (a name beats instruction sets, more of"
            " these beat fewer)"
        )
    return Choice(best, rule)
