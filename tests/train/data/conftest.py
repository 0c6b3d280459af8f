from pathlib import Path

import pytest

from train.data.kiosk_papers import FONT_FILES


@pytest.fixture(scope="session")
def fonts(font_folder: Path) -> tuple[Path, ...]:
    return (font_folder / "Bundled.ttf",)


@pytest.fixture(scope="session")
def role_fonts(fonts: tuple[Path, ...]) -> dict[str, Path]:
    return dict.fromkeys(FONT_FILES, fonts[0])
