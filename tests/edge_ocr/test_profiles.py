"""The shipped device profiles, and what is said of a wrong one."""

import re
from pathlib import Path

import pytest

from edge_ocr.cpu import HostCpu
from edge_ocr.errors import ConfigError
from edge_ocr.profile import (
    FALLBACK,
    DeviceProfile,
    Match,
    choose_profile,
    is_for_auto,
    list_profiles,
    load_profile,
    mismatches,
    profile_matches,
    profiles_folder,
)

AVX2 = {"sse4_1", "sse4_2", "avx", "f16c", "fma", "avx2"}
AVX512 = AVX2 | {"avx512f", "avx512bw", "avx512dq", "avx512vl"}
VNNI = AVX512 | {"avx512_vnni"}
AMX = VNNI | {"avx_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16"}

SHIPPED = [
    "amd-zen4",
    "atom-n100",
    "core-kiosk",
    "generic-cpu",
    "t4-cuda",
    "t4-tensorrt",
    "xeon-gold-6148",
    "xeon-icelake",
    "xeon-sapphire-rapids",
]

MINIMAL = """\
name: mine
description: a test
verified: false
detector:
  sizes: [[64, 64]]
recognizer:
  widths: [160, 320]
"""


def host(model: str, flags: set[str]) -> HostCpu:
    return HostCpu(model=model, flags=frozenset(flags), logical_cpus=8, usable_threads=8)


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_profiles_of_the_design_are_shipped() -> None:
    assert set(SHIPPED) <= set(list_profiles())


@pytest.mark.parametrize("name", list_profiles())
def test_every_shipped_profile_loads(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    assert profile.description
    # No latency is promised for a device that nobody has measured.
    assert profile.verified or profile.latency_budget_ms is None


@pytest.mark.parametrize("name", list_profiles())
def test_a_profile_leaves_nothing_to_defaults_and_says_why(name: str) -> None:
    said = (profiles_folder() / f"{name}.yaml").read_text(encoding="utf-8")
    blocks = {block.partition(":")[0]: block for block in re.split(r"\n(?=[a-z_]+:)", said)}
    explained = set(DeviceProfile.model_fields) - {"name", "description", "match", "engine"}
    assert explained - blocks.keys() == set()
    assert [key for key in explained | blocks.keys() - {"name", "description"} if "#" not in blocks[key]] == []


@pytest.mark.parametrize(
    ("model", "flags", "name"),
    [
        pytest.param("Intel(R) Xeon(R) Gold 6148 CPU @ 2.40GHz", AVX512, "xeon-gold-6148", id="Skylake-SP"),
        pytest.param("Intel(R) Xeon(R) CPU @ 2.00GHz", AVX512, "xeon-gold-6148", id="Skylake-SP under another name"),
        pytest.param("Intel(R) Xeon(R) Gold 6248 CPU @ 2.50GHz", VNNI, "xeon-icelake", id="Cascade Lake"),
        pytest.param("Intel(R) Xeon(R) Platinum 8358 CPU @ 2.60GHz", VNNI, "xeon-icelake", id="Ice Lake"),
        pytest.param("Intel(R) Xeon(R) Platinum 8480+", AMX, "xeon-sapphire-rapids", id="Sapphire Rapids"),
        pytest.param("Intel(R) Xeon(R) Platinum 8480+", AMX - {"amx_tile"}, FALLBACK, id="Sapphire Rapids, no tiles"),
        pytest.param("Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz", AVX2, FALLBACK, id="Broadwell"),
        pytest.param("12th Gen Intel(R) Core(TM) i5-12500", AVX2 | {"avx_vnni"}, "core-kiosk", id="Core"),
        pytest.param("Intel(R) Core(TM) Ultra 7 155H", AVX2 | {"avx_vnni"}, "core-kiosk", id="Core Ultra"),
        pytest.param("Intel(R) Core(TM) i5-8500 CPU @ 3.00GHz", AVX2, FALLBACK, id="Core without VNNI"),
        pytest.param("Intel(R) N100", AVX2 | {"avx_vnni"}, "atom-n100", id="N100"),
        pytest.param("Intel(R) Processor N97", AVX2 | {"avx_vnni"}, "atom-n100", id="N97"),
        pytest.param("Intel(R) Core(TM) i3-N305", AVX2 | {"avx_vnni"}, "atom-n100", id="N305 though it says Core"),
        pytest.param("AMD EPYC 9654 96-Core Processor", VNNI | {"avx512_bf16"}, FALLBACK, id="EPYC"),
        pytest.param("unknown", set(), FALLBACK, id="nothing known"),
    ],
)
def test_auto_picks_the_profile_of_the_host(model: str, flags: set[str], name: str) -> None:
    assert load_profile("auto", host(model, flags)).name == name


def test_the_choice_says_its_rule() -> None:
    profiles = [load_profile(name) for name in list_profiles()]
    assert choose_profile(profiles, host("unknown", set())).rule.startswith("no profile is made for this CPU")
    assert choose_profile(profiles, host("Intel(R) N100", AVX2 | {"avx_vnni"})).rule == "the only one made for this CPU"
    fewer = load_profile("xeon-gold-6148").model_copy(update={"name": "any-xeon", "match": Match(model="Xeon")})
    choice = choose_profile([*profiles, fewer], host("Intel(R) Xeon(R) Gold 6148", AVX512))
    assert (choice.profile.name, "more particular than any-xeon" in choice.rule) == ("xeon-gold-6148", True)


@pytest.mark.parametrize(
    ("model", "flags", "said"),
    [
        pytest.param("Xeon", VNNI, [], id="all holds"),
        pytest.param("EPYC", VNNI, ["the CPU's name does not match /Xeon/"], id="another name"),
        pytest.param("Xeon", AVX2, ["the CPU lacks avx512f avx512_vnni"], id="older"),
        pytest.param("Xeon", AMX, ["the CPU has avx512_bf16 amx_int8, of which this profile makes no use"], id="newer"),
    ],
)
def test_why_a_profile_is_for_another_cpu(model: str, flags: set[str], said: list[str]) -> None:
    assert mismatches(load_profile("xeon-icelake"), host(model, flags)) == said


@pytest.mark.parametrize("name", ["t4-cuda", "t4-tensorrt"])
@pytest.mark.parametrize("flags", [set(), AVX2, AVX512, VNNI, AMX])
def test_auto_never_picks_a_profile_of_a_gpu(name: str, flags: set[str]) -> None:
    profile = load_profile(name)
    assert not profile_matches(profile, host("Intel(R) Xeon(R) CPU @ 2.00GHz", flags))
    assert (profile.verified, profile.latency_budget_ms) == (False, None)


@pytest.mark.parametrize("name", SHIPPED)
def test_auto_asks_bf16_only_of_cpus_that_have_it(name: str) -> None:
    profile = load_profile(name)
    has_bf16 = bool({"amx_bf16", "avx512_bf16"} & set(profile.match.needs))
    # Taken by its name on a CPU without it, the engine refuses.
    assert profile.inference_precision != "bf16" or has_bf16 or not is_for_auto(profile)


def test_a_profile_that_is_accurate_on_most_kinds_of_pictures_only_is_never_taken_by_auto() -> None:
    assert not profile_matches(load_profile("amd-zen4"), host("AMD EPYC", VNNI | {"avx512_bf16"}))


def test_a_profile_of_ones_own_is_taken_by_its_path(tmp_path: Path) -> None:
    profile = load_profile(write(tmp_path, MINIMAL))
    assert (profile.name, profile.threads, profile.precision.detector) == ("mine", "auto", "best")


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        pytest.param(MINIMAL + "treads: 2\n", 8, "treads: unknown key; did you mean 'threads'", id="unknown key"),
        pytest.param(MINIMAL + "precision:\n  head: fp\n", 9, "precision.head: unknown key", id="unknown inner key"),
        pytest.param(MINIMAL + "threads: 0\n", 8, "threads", id="no threads"),
        pytest.param(MINIMAL + "threads: 100000\n", 8, "threads: should be less than", id="far too many threads"),
        pytest.param(MINIMAL + "streams: 5000\n", 8, "streams: should be less than", id="far too many streams"),
        pytest.param(MINIMAL.replace("64, 64", "64000, 64000"), 5, "at most 16 x 2", id="a size out of proportion"),
        pytest.param(MINIMAL.replace("320", "99992"), 7, "99992: at most 16384", id="a width out of proportion"),
        pytest.param(MINIMAL + "inference_precision: int4\n", 8, "int4", id="unknown precision"),
        pytest.param(MINIMAL.replace("[64, 64]", "[64, 70]"), 5, "multiples of 32", id="size the detector cannot take"),
        pytest.param(MINIMAL.replace("160, 320", "320, 160"), 7, "must ascend", id="widths in disorder"),
        pytest.param(MINIMAL + "  strip: 200\n", 6, "strip 200: must be one of widths", id="strip of another width"),
        pytest.param(MINIMAL + "  batch: 2\n", 6, "batch 2: strips that are read", id="batch without strips"),
        pytest.param(MINIMAL + "match: {model: '('}\n", 8, "not a regular expression", id="bad pattern"),
        pytest.param(MINIMAL.replace("verified: false\n", ""), 1, "verified", id="missing key"),
        pytest.param(MINIMAL + "hint: [latency\n", 9, "not valid YAML", id="not YAML"),
    ],
)
def test_a_wrong_profile_is_refused_in_one_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as refused:
        load_profile(path)
    message = str(refused.value)
    assert "\n" not in message
    assert message.startswith(f"{path}:{line}: ")
    assert said in message


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="'xeon': not found") as refused:
        load_profile("xeon")
    assert all(name in str(refused.value) for name in ["auto", *SHIPPED])


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not found"):
        load_profile(tmp_path / "nowhere.yaml")
