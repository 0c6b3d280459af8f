from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import ImageFont


@pytest.fixture(autouse=True)
def fixed_seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session", autouse=True)
def one_torch_thread() -> Iterator[None]:
    """On tensors this small, threads mostly wait for each other: 5 times the CPU time on a shared machine."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture(scope="session")
def font_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the one font that Pillow brings along, so that no test needs the machine's."""
    bundled = ImageFont.load_default(20)
    assert isinstance(bundled, ImageFont.FreeTypeFont)
    folder = tmp_path_factory.mktemp("fonts")
    data = bundled.font_bytes
    (folder / "Bundled.ttf").write_bytes(data)
    return folder
