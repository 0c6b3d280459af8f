"""What there is to choose on a host."""

import pytest

from edge_ocr.cpu import HostCpu
from edge_ocr.detection import ScaleRule
from edge_ocr.pack import Pack, load_pack
from edge_ocr.profile import DeviceProfile, list_profiles, load_profile
from runtime.tuning.space import dimensions, fitted_sizes, profile_key
from tests.runtime.tuning.fakes import BASE, CPU

RULE = ScaleRule(limit_side="max", limit_px=1280)


@pytest.fixture(scope="module")
def pack() -> Pack:
    return load_pack("latin")


def labels(name: str, pack: Pack, profile: DeviceProfile = BASE, cpu: HostCpu = CPU) -> list[str]:
    found = {one.name: one for one in dimensions(profile, cpu, pack, [(700, 1000)])}
    return [option.label for option in found[name].options(profile)]


def test_every_dimension_leaves_out_what_the_profile_has(pack: Pack) -> None:
    assert labels("threads", pack) == ["1", "3", "4"]
    assert labels("streams", pack) == ["2"]
    assert labels("hint", pack) == ["throughput"]
    assert labels("orientation", pack) == ["off"]
    assert labels("scale", pack) == ["0.6", "0.7", "0.85"]
    assert labels("widths", pack) == ["fine", "coarse"]
    assert labels("batches", pack) == ["strips of 640, up to 1 to a request", "strips of 640, up to 4 to a request"]
    assert labels("sizes", pack) == ["fitted to the pictures"]


def test_only_floats_that_the_cpu_has_are_tried(pack: Pack) -> None:
    assert labels("floats", pack) == ["bf16"]
    old = HostCpu(model="old", flags=frozenset({"avx2"}), logical_cpus=4, usable_threads=4)
    assert labels("floats", pack, cpu=old) == []


def test_int8_is_tried_where_its_gate_passed(pack: Pack) -> None:
    gated = [name for name, network in pack.networks.items() if network.files.int8 and network.gates]
    assert gated == ["detector", "recognizer"]
    assert all(gate.passed for name in gated for gate in pack.networks[name].gates)
    assert labels("precision", pack) == [f"{name} fp" for name in gated]
    floats = BASE.model_copy(update={"precision": load_profile("xeon-gold-6148").precision})
    assert labels("precision", pack, floats) == [f"{name} best" for name in gated]


def test_the_fast_cores_of_a_hybrid_processor_are_a_choice(pack: Pack) -> None:
    hybrid = HostCpu(model="hybrid", flags=frozenset(), logical_cpus=16, usable_threads=16, fast_cpus=6)
    assert labels("threads", pack, cpu=hybrid) == ["1", "4", "6", "8", "15", "16"]


@pytest.mark.parametrize("name", [name for name in list_profiles() if not name.startswith("t4")])
def test_every_value_is_a_profile_that_loads(name: str, pack: Pack) -> None:
    profile = load_profile(name)
    for dimension in dimensions(profile, CPU, pack, [(700, 1000)]):
        for option in dimension.options(profile):
            assert DeviceProfile.model_validate(option.profile.model_dump()) == option.profile
            assert option.key != profile_key(profile)


def test_profiles_that_do_the_same_have_one_key() -> None:
    assert profile_key(BASE.model_copy(update={"name": "other", "latency_budget_ms": 5.0})) == profile_key(BASE)
    assert profile_key(BASE.model_copy(update={"threads": 1})) != profile_key(BASE)


def test_sizes_are_fitted_to_the_pictures() -> None:
    assert fitted_sizes(RULE, [(720, 1280), (720, 1280)]) == ((736, 1280),)
    assert fitted_sizes(RULE, [(480, 640), (1000, 2000)]) == ((480, 640), (640, 1280))


def test_few_sizes_hold_pictures_of_many() -> None:
    pictures = [(640, 640 + 40 * step) for step in range(12)]
    sizes = fitted_sizes(RULE, pictures, n_most=3)
    assert len(sizes) == 3
    for height, width in pictures:
        assert any(size[0] >= height and size[1] >= width for size in sizes)


def test_sizes_of_the_profile_stay_beside_the_fitted_ones(pack: Pack) -> None:
    found = {one.name: one for one in dimensions(BASE, CPU, pack, [(700, 1000)])}
    sizes = found["sizes"].options(BASE)[0].profile.detector.sizes
    assert sizes[0] == (736, 1280)
    assert len(sizes) == 2
