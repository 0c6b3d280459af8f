from collections.abc import Iterator

import pytest

import edge_ocr.engines.openvino  # noqa: F401  (before any test imports OpenVINO: its telemetry is off from here on)
from edge_ocr.reader import Reader
from tests.edge_ocr.fakes import tiny_profile


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Compiled models stay out of the user's folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGE_OCR_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def reader(cache_folder: None) -> Reader:
    """The default pack under a small profile."""
    return Reader("latin", tiny_profile())
