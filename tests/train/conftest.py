from pathlib import Path

import pytest
from PIL import ImageFont

from tests.torch_fixtures import fixed_seed, one_torch_thread

__all__ = ["fixed_seed", "font_folder", "one_torch_thread"]


@pytest.fixture(scope="session")
def font_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the one font that Pillow brings along, so that no test needs the machine's."""
    bundled = ImageFont.load_default(20)
    assert isinstance(bundled, ImageFont.FreeTypeFont)
    folder = tmp_path_factory.mktemp("fonts")
    data = bundled.font_bytes
    (folder / "Bundled.ttf").write_bytes(data)
    return folder
