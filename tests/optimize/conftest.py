from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import ImageFont

import optimize  # noqa: F401  (before any test imports OpenVINO: its telemetry is off from here on)


@pytest.fixture(autouse=True)
def fixed_seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session", autouse=True)
def one_torch_thread() -> Iterator[None]:
    """On tensors this small, threads mostly wait for each other."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture(scope="session", autouse=True)
def no_model_cache() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGE_OCR_CACHE", "")
        yield


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A folder with a toy of each published network."""
    from tests.optimize.toys import write_published

    folder = tmp_path / "published" / "models"
    folder.mkdir(parents=True)
    write_published(folder)
    return folder.parent


@pytest.fixture(scope="session")
def font_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the one font that Pillow brings along."""
    bundled = ImageFont.load_default(20)
    assert isinstance(bundled, ImageFont.FreeTypeFont)
    folder = tmp_path_factory.mktemp("fonts")
    (folder / "Bundled.ttf").write_bytes(bundled.font_bytes)
    return folder
