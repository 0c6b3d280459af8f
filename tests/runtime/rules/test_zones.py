"""Where texts are read: geometry, masks, and what a picture may show."""

import logging
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from runtime.config.zones import TextRules, ZoneConfig
from runtime.rules.zones import Zones

Image = NDArray[np.uint8]


def square(x: float, y: float, side: float) -> list[tuple[float, float]]:
    return [(x, y), (x + side, y), (x + side, y + side), (x, y + side)]


def quad(x: float, y: float, width: float = 10, height: float = 6) -> NDArray[np.float32]:
    """A quad around a centre."""
    corners = [(x - width / 2, y - height / 2), (x + width / 2, y - height / 2)]
    corners += [(x + width / 2, y + height / 2), (x - width / 2, y + height / 2)]
    return np.array(corners, np.float32)


def zone(x: float, y: float, side: float, **rules: Any) -> ZoneConfig:
    return ZoneConfig.model_validate({"polygon": square(x, y, side), **rules})


def grey(value: int = 90) -> Image:
    return np.full((100, 200, 3), value, np.uint8)


def seen(image: Image) -> list[list[bool]]:
    """Whether something is seen at the middle of the left, middle and right of the upper and lower half."""
    return [[bool(image[y, x].any()) for x in (30, 100, 170)] for y in (25, 75)]


def test_a_line_belongs_to_the_zone_that_holds_its_centre() -> None:
    zones = Zones({"a": zone(0, 0, 50), "b": zone(50, 0, 50)})
    assert zones.zone_of(quad(49, 25, width=90)) == "a"
    assert zones.zone_of(quad(51, 25, width=90)) == "b"
    assert zones.zone_of(quad(150, 25)) is None


def test_of_two_zones_that_overlap_the_first_counts() -> None:
    assert Zones({"b": zone(0, 0, 50), "a": zone(0, 0, 90)}).zone_of(quad(20, 20)) == "b"


@pytest.mark.parametrize("seed", range(20))
def test_every_centre_inside_a_polygon_is_in_its_zone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 100, (3, 2))
    zones = Zones({"z": ZoneConfig(polygon=tuple(map(tuple, corners.tolist())))})
    inside = rng.dirichlet((1, 1, 1)) @ corners
    assert zones.zone_of(quad(*inside)) == "z"
    assert zones.zone_of(quad(*(corners.max(axis=0) + 1))) is None


def test_without_zones_the_image_itself_is_seen() -> None:
    image = grey()
    assert Zones().mask(image) is image
    assert not Zones().has_rules
    assert Zones({"a": zone(0, 0, 50)}, outside=TextRules()).mask(image) is image


def test_with_zones_all_else_is_black_and_the_image_given_stays() -> None:
    image = grey()
    zones = Zones({"a": zone(0, 0, 50), "b": zone(150, 50, 50)})
    assert seen(zones.mask(image)) == [[True, False, False], [False, False, True]]
    np.testing.assert_array_equal(image, grey())
    np.testing.assert_array_equal(zones.mask(image)[:49, :49], image[:49, :49])


def test_what_is_ignored_is_black_inside_a_zone_too() -> None:
    inside = Zones({"a": zone(0, 0, 90)}, ignore=[square(0, 0, 50)])
    assert seen(inside.mask(grey())) == [[False, False, False], [True, False, False]]
    assert seen(Zones(ignore=[square(0, 0, 50)]).mask(grey())) == [[False, True, True], [True, True, True]]


def test_frames_of_another_size_get_a_mask_of_their_own() -> None:
    zones = Zones({"a": zone(0, 0, 50)})
    for shape in ((100, 200, 3), (40, 40, 3), (100, 200, 3)):
        masked = zones.mask(np.full(shape, 9, np.uint8))
        assert masked.shape == shape
        assert masked[20, 20].all()


def test_a_zone_that_no_frame_shows_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    zones = Zones({"far": zone(900, 0, 50), "near": zone(0, 0, 50)})
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            zones.mask(grey())
    assert caplog.messages == ["zone far lies outside the frame, which is 200 x 100"]


def test_rules_and_characters_follow_the_place() -> None:
    zones = Zones({"digits": zone(0, 0, 50, allowed="0-9"), "mrz": zone(50, 0, 50, mrz=["td3"])})
    assert zones.allowed(quad(20, 20)) == frozenset("0123456789")
    assert zones.allowed(quad(70, 20)) == frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789<")
    assert zones.allowed(quad(150, 20)) is None
    assert zones.rules_of(None) is None
    assert Zones(outside=TextRules(min_length=3)).rules_of(None) == TextRules(min_length=3)


def test_a_picture_hides_zones_that_redact_as_a_whole() -> None:
    zones = Zones({"open": zone(0, 0, 50), "secret": zone(150, 0, 50, redact="mask")}, outside=TextRules())
    assert seen(zones.hide_redacted(grey())) == [[True, True, False], [True, True, True]]
    image = grey()
    assert Zones({"open": zone(0, 0, 50)}).hide_redacted(image) is image


def test_a_picture_hides_a_redacted_line_where_it_sticks_out_of_its_zone() -> None:
    zones = Zones({"secret": zone(150, 0, 50, redact="drop")}, outside=TextRules())
    sticking_out = quad(155, 25, width=130)
    assert seen(zones.hide_redacted(grey(), [sticking_out]))[0] == [True, False, False]


def test_a_picture_hides_all_but_the_zones_where_the_outside_redacts() -> None:
    zones = Zones({"open": zone(0, 0, 50)}, outside=TextRules(redact="hmac"))
    assert seen(zones.hide_redacted(grey())) == [[True, False, False], [False, False, False]]
    assert not Zones(outside=TextRules(redact="hmac")).hide_redacted(grey()).any()


def test_of_overlapping_zones_the_first_says_what_a_picture_hides() -> None:
    places = {"secret": zone(0, 0, 60, redact="mask"), "open": zone(0, 0, 200)}
    assert seen(Zones(places).hide_redacted(grey()))[0] == [False, True, True]
    assert seen(Zones(dict(reversed(places.items()))).hide_redacted(grey()))[0] == [True, True, True]
