"""The two steps of a reader, for fakes that know whole pages."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_ocr import Detection, Line, Page, Recognition


class PageSteps:
    """Detects and recognises what `read` says."""

    def read(self, image: NDArray[np.uint8]) -> Page:
        """The lines of an image."""
        raise NotImplementedError

    def detect(self, image: NDArray[np.uint8]) -> Detection:
        """The places of the lines of `read`."""
        page = self.read(image)
        total = {"total": page.timings_ms["total"]} if "total" in page.timings_ms else {}
        detect = {"detect": page.timings_ms["detect"]} if "detect" in page.timings_ms else {}
        return Detection(page.width, page.height, tuple(line.quad for line in page.lines), detect | total)

    def recognize(
        self,
        image: NDArray[np.uint8],
        quads: Sequence[NDArray[np.float32]],
        *,
        allowed: Sequence[frozenset[str] | None] | None = None,
        closely: bool = False,
    ) -> Recognition:
        """The texts of `read` at these places; nothing elsewhere."""
        page = self.read(image)
        lines = [next((line for line in page.lines if _is_at(line, quad)), Line("", 0.0, quad)) for quad in quads]
        rest = {stage: ms for stage, ms in page.timings_ms.items() if stage not in {"detect", "total"}}
        return Recognition(tuple(lines), rest)


def _is_at(line: Line, quad: NDArray[np.float32]) -> bool:
    return bool(np.array_equal(line.quad, quad))
