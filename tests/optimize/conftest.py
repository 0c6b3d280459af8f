from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import ImageFont

import optimize  # noqa: F401  (before any test imports OpenVINO: its telemetry is off from here on)
from tests.torch_fixtures import fixed_seed, one_torch_thread

__all__ = ["fixed_seed", "font_folder", "no_model_cache", "one_torch_thread", "published"]


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
