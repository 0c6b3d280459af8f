"""Which engines are kept, and what is said when one is built."""

from pathlib import Path

import pytest

from edge_ocr.engines.tensorrt_cache import Facts, Shapes, engine_folder

SIZE = (1, 736, 1280, 3)
SHAPES = Shapes(SIZE, SIZE, SIZE)
T4: Facts = {"name": "Tesla T4", "compute_capability": "7.5", "driver": "580.95.05", "tensorrt": "10.16.1"}


@pytest.fixture
def network(tmp_path: Path) -> Path:
    path = tmp_path / "detector.fp.onnx"
    path.write_bytes(b"one network")
    return path


def build(cache: Path, network: Path, built_for: Facts = T4, shapes: Shapes = SHAPES) -> bool:
    """Whether an engine had to be built."""
    cache.mkdir(exist_ok=True)
    with engine_folder(cache, network, shapes, built_for) as folder:
        engine = folder / "engine"
        is_new = not engine.exists()
        engine.write_text("built")
    return is_new


def test_an_engine_is_built_once(tmp_path: Path, network: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert build(tmp_path / "cache", network)
    assert "detector.fp.onnx for 1x736x1280x3: building for Tesla T4, which takes minutes, once" in caplog.text
    caplog.clear()
    assert not build(tmp_path / "cache", network)
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        pytest.param({"driver": "590.1"}, "was built for driver 580.95.05 (now 590.1): building anew", id="driver"),
        pytest.param({"tensorrt": "10.17.0"}, "tensorrt 10.16.1 (now 10.17.0)", id="TensorRT"),
        pytest.param(
            {"name": "NVIDIA L4", "compute_capability": "8.9"},
            "compute capability 7.5 (now 8.9), name Tesla T4 (now NVIDIA L4)",
            id="GPU",
        ),
    ],
)
def test_on_another_device_it_is_built_anew_and_said_why(
    tmp_path: Path, network: Path, caplog: pytest.LogCaptureFixture, changed: Facts, said: str
) -> None:
    build(tmp_path / "cache", network)
    caplog.clear()
    assert build(tmp_path / "cache", network, T4 | changed)
    assert said in caplog.text
    assert not build(tmp_path / "cache", network, T4 | changed)


def test_another_network_or_shape_has_an_engine_of_its_own(tmp_path: Path, network: Path) -> None:
    build(tmp_path / "cache", network)
    assert build(tmp_path / "cache", network, shapes=Shapes((1, 384, 1280, 3), SIZE, SIZE))
    network.write_bytes(b"another network")
    assert build(tmp_path / "cache", network)


def test_what_a_failed_build_left_is_not_used(tmp_path: Path, network: Path) -> None:
    (tmp_path / "cache").mkdir()

    def fail() -> None:
        with engine_folder(tmp_path / "cache", network, SHAPES, T4) as folder:
            (folder / "engine").write_text("half")
            raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        fail()
    assert build(tmp_path / "cache", network)


def test_a_damaged_note_counts_as_none(tmp_path: Path, network: Path) -> None:
    build(tmp_path / "cache", network)
    (note,) = (tmp_path / "cache").glob("*/built_for.json")
    note.write_text("{half")
    assert build(tmp_path / "cache", network)
