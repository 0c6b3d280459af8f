"""Where a camera's texts are read: zones, what is masked, and which rules hold at a place.

A camera with zones looks at nothing else: all that lies outside is painted black before anybody sees the frame, so that
no text there costs time, is read by mistake, or leaks. Who wants the rest too says so with `outside`, which also
holds the rules for it. What `ignore` lists is black in any case.
"""

import logging
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.config.zones import Point, TextRules, ZoneConfig

OUTSIDE = "outside"
"""Stands for all that is in no zone, where a name is needed; no zone is called so."""

Image = NDArray[np.uint8]
Quad = NDArray[np.float32]

logger = logging.getLogger(__name__)


class Zones:
    """The zones of one camera, in the order of its file."""

    def __init__(
        self,
        zones: Mapping[str, ZoneConfig] | None = None,
        *,
        outside: TextRules | None = None,
        ignore: Sequence[Sequence[Point]] = (),
    ) -> None:
        """Keep what the configuration says.

        Args:
            zones: By name.
            outside: The rules for what is in no zone; None: masked if there are zones, else read without rules.
            ignore: Polygons in pixels that nothing looks at.
        """
        self._zones = dict(zones or {})
        self._polygons = {name: np.asarray(zone.polygon, np.float32) for name, zone in self._zones.items()}
        self._outside = outside if outside is not None or self._zones else TextRules()
        everywhere = [*self._zones.values(), *([self._outside] if self._outside is not None else [])]
        self.limits_characters = any(rules.decoded is not None for rules in everywhere)
        """Whether any place allows certain characters only."""
        self._ignore = [np.asarray(polygon, np.float32) for polygon in ignore]
        self._masks: dict[tuple[int, int], Image | None] = {}

    @property
    def has_rules(self) -> bool:
        """Whether any text may be refused or changed."""
        return bool(self._zones) or self._outside != TextRules()

    def zone_of(self, quad: Quad) -> str | None:
        """The name of the zone that holds a quad's centre; None outside of all."""
        x, y = np.asarray(quad, np.float64).mean(axis=0).tolist()
        inside = (name for name, polygon in self._polygons.items() if cv2.pointPolygonTest(polygon, (x, y), False) >= 0)
        return next(inside, None)

    def rules_of(self, zone: str | None) -> TextRules | None:
        """The rules of a zone, or of what is outside of all (None); None: nothing is read there."""
        return self._outside if zone is None else self._zones[zone]

    def allowed(self, quad: Quad) -> frozenset[str] | None:
        """The characters that a line at a place may hold; None: all of the charset."""
        rules = self.rules_of(self.zone_of(quad))
        return None if rules is None else rules.decoded

    def mask(self, image: Image) -> Image:
        """The image with all black that nothing may look at; the image itself where that is nothing.

        Args:
            image: (H, W, 3) uint8.
        """
        size_hw = image.shape[:2]
        if size_hw not in self._masks:
            self._masks = {size_hw: self._make_mask(size_hw)}
        mask = self._masks[size_hw]
        return image if mask is None else np.asarray(cv2.bitwise_and(image, mask), np.uint8)

    def hide_redacted(self, image: Image, quads: Sequence[Quad] = ()) -> Image:
        """The image with all black whose text is redacted: what a picture that leaves the device has to go through.

        Args:
            image: (H, W, 3) uint8.
            quads: Redacted lines, hidden where they stick out of their zone, too.

        Returns:
            Zones that redact are black as a whole, so that text is hidden which was not found.
        """
        places = [(self._polygons[name], zone.redact is not None) for name, zone in self._zones.items()]
        hides_outside = self._outside is not None and self._outside.redact is not None
        if not quads and not hides_outside and not any(is_hidden for _, is_hidden in places):
            return image
        keep = np.full(image.shape, 0 if hides_outside else 255, np.uint8)
        for polygon, is_hidden in reversed(places):  # of two that overlap the first counts, so it is painted last
            _paint(keep, polygon, 0 if is_hidden else 255)
        for quad in quads:
            _paint(keep, quad, 0)
        return np.asarray(cv2.bitwise_and(image, keep), np.uint8)

    def misplaced(self, width: int, height: int) -> list[str]:
        """The zones of which a frame of this size shows nothing."""
        return [
            name
            for name, polygon in self._polygons.items()
            if (polygon.max(axis=0) < 0).any() or (polygon.min(axis=0) >= (width, height)).any()
        ]

    def _make_mask(self, size_hw: tuple[int, int]) -> Image | None:
        """255 where something may be seen; None where that is everywhere."""
        for name in self.misplaced(size_hw[1], size_hw[0]):
            logger.warning("zone %s lies outside the frame, which is %d x %d", name, size_hw[1], size_hw[0])
        is_open = self._outside is not None
        if is_open and not self._ignore:
            return None
        mask = np.full((*size_hw, 3), 255 if is_open else 0, np.uint8)
        for polygon in self._polygons.values():
            _paint(mask, polygon, 255)
        for polygon in self._ignore:
            _paint(mask, polygon, 0)
        return mask


def _paint(image: Image, polygon: NDArray[np.float32], value: int) -> None:
    cv2.fillPoly(image, [np.round(polygon).astype(np.int32)], (value, value, value))
