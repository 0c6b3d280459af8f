from pathlib import Path

import pytest
from PIL import ImageFont

from train.data.kiosk_papers import FONT_FILES


@pytest.fixture(scope="session")
def font_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the one font that Pillow brings along, so that no test needs the machine's."""
    bundled = ImageFont.load_default(20)
    assert isinstance(bundled, ImageFont.FreeTypeFont)
    folder = tmp_path_factory.mktemp("fonts")
    data = bundled.font_bytes
    (folder / "Bundled.ttf").write_bytes(data)
    return folder


@pytest.fixture(scope="session")
def fonts(font_folder: Path) -> tuple[Path, ...]:
    return (font_folder / "Bundled.ttf",)


@pytest.fixture(scope="session")
def role_fonts(fonts: tuple[Path, ...]) -> dict[str, Path]:
    return dict.fromkeys(FONT_FILES, fonts[0])
