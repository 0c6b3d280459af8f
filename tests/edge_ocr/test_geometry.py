import itertools

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_ocr.geometry import (
    Quad,
    clip_quad,
    cut_crop,
    image_quad,
    is_vertical,
    lengthened,
    order_corners,
    quad_size,
    reading_order,
    rect_corners,
    trimmed,
    turn_quad,
)

Image = NDArray[np.uint8]


def quad_at(x: float, y: float, width: float, height: float, *, angle_deg: float = 0.0) -> Quad:
    """A rectangle at (x, y), turned clockwise about the frame's origin."""
    corners = np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]])
    angle = np.radians(angle_deg)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return np.asarray(corners @ turn, dtype=np.float32)


def gradient(height: int, width: int) -> Image:
    """Brightness rises to the right and downwards: 1 a pixel in blue along x, 1 in green along y."""
    image = np.zeros((height, width, 3), dtype=np.uint8)
    image[..., 0] = np.arange(width)
    image[..., 1] = np.arange(height)[:, None]
    return image


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_corners_in_any_order_come_clockwise_from_the_top_left(order: tuple[int, ...]) -> None:
    quad = quad_at(10, 20, 50, 12)
    np.testing.assert_array_equal(order_corners(quad[list(order)]), quad)


@pytest.mark.parametrize("angle_deg", [-44, -10, 0, 10, 44])
def test_a_slanted_line_begins_where_its_text_begins(angle_deg: float) -> None:
    quad = quad_at(100, 100, 80, 16, angle_deg=angle_deg)
    np.testing.assert_array_equal(order_corners(quad[[2, 0, 3, 1]]), quad)


@pytest.mark.parametrize(
    ("size", "ratio"),
    [
        pytest.param((120.0, 20.0), 1.6, id="a line"),
        pytest.param((20.0, 120.0), 2.0, id="a column"),
        pytest.param((9.0, 9.0), 1.5, id="a letter"),
    ],
)
def test_a_grown_rectangle_is_what_polygon_clipping_gives(size: tuple[float, float], ratio: float) -> None:
    pyclipper = pytest.importorskip("pyclipper")
    grow = size[0] * size[1] * ratio / (2 * (size[0] + size[1]))
    corners = cv2.boxPoints(((300.0, 200.0), size, 30.0))
    offset = pyclipper.PyclipperOffset()
    offset.AddPath((corners * 1000).tolist(), pyclipper.JT_ROUND, pyclipper.ET_CLOSEDPOLYGON)
    outline = np.array(offset.Execute(grow * 1000)[0], dtype=np.float32) / 1000
    expected = order_corners(np.asarray(cv2.boxPoints(cv2.minAreaRect(outline)), dtype=np.float32))
    rects = np.array([(300, 200, *size, 30)] * 2, dtype=np.float32)
    grown = order_corners(rect_corners(rects, np.array([grow, grow], dtype=np.float32)))
    np.testing.assert_allclose(grown, [expected] * 2, atol=0.05)


def test_a_grown_rectangle_is_what_a_round_buffer_bounds() -> None:
    shapely = pytest.importorskip("shapely")
    buffered = shapely.Polygon(cv2.boxPoints(((50.0, 40.0), (60.0, 12.0), -12.0))).buffer(5, quad_segs=64)
    [corners] = rect_corners(np.array([(50, 40, 60, 12, -12)], dtype=np.float32), 5)
    ours = shapely.Polygon(corners)
    assert ours.buffer(0.01).contains(buffered)
    assert ours.area == pytest.approx(buffered.minimum_rotated_rectangle.area, rel=1e-3)


def test_clipping_moves_corners_onto_the_frame() -> None:
    clipped = clip_quad(np.array([[-5, -2], [30, 3], [30, 50], [-5, 9]], dtype=np.float32), width=20, height=10)
    np.testing.assert_array_equal(clipped, [[0, 0], [20, 3], [20, 10], [0, 9]])


def test_the_quad_of_an_image_is_its_frame() -> None:
    np.testing.assert_array_equal(image_quad(np.zeros((3, 7, 3), np.uint8)), [[0, 0], [7, 0], [7, 3], [0, 3]])


def test_the_size_of_a_quad_is_the_longer_of_opposite_sides() -> None:
    assert quad_size(np.array([[0, 0], [10, 0], [12, 5], [0, 4]], dtype=np.float32)) == pytest.approx(
        (12.04, 5.39), abs=0.01
    )


def test_a_quad_is_trimmed_along_its_top_and_its_bottom() -> None:
    level = np.array([[10, 10], [50, 10], [50, 30], [10, 30]], dtype=np.float32)
    np.testing.assert_allclose(trimmed(level, 0.5), [[10, 15], [50, 15], [50, 25], [10, 25]])
    np.testing.assert_allclose(trimmed(level, 0.0), level)
    # On its head, and running downwards: the strips lie along the line, whatever its direction.
    for turned in (np.roll(level, 2, axis=0), np.roll(level, 1, axis=0)):
        width, height = quad_size(turned)
        np.testing.assert_allclose(quad_size(trimmed(turned, 0.25)), (width, 0.75 * height), rtol=1e-6)


def test_a_quad_is_lengthened_along_its_line_at_both_ends() -> None:
    level = np.array([[10, 10], [50, 10], [50, 30], [10, 30]], np.float32)
    np.testing.assert_allclose(lengthened(level, 0.5), [[0, 10], [60, 10], [60, 30], [0, 30]])
    np.testing.assert_allclose(lengthened(level, 0.0), level)
    slanted = np.array([[0, 0], [30, 40], [22, 46], [-8, 6]], np.float32)  # 50 long, 10 high
    np.testing.assert_allclose(lengthened(slanted, 0.5)[0], [-3, -4], atol=1e-5)
    np.testing.assert_allclose(quad_size(lengthened(slanted, 0.5)), (60, 10), rtol=1e-5)


@pytest.mark.parametrize(
    ("size", "vertical"),
    [
        pytest.param((20, 29), False, id="a wide letter"),
        pytest.param((20, 30), True, id="half as high again as wide"),
        pytest.param((200, 20), False, id="a line"),
        pytest.param((20, 200), True, id="a column"),
    ],
)
def test_only_quads_much_higher_than_wide_run_downwards(size: tuple[int, int], vertical: bool) -> None:
    assert is_vertical(np.stack([quad_at(5, 5, *size)] * 2)).tolist() == [vertical] * 2


def test_a_turned_column_is_a_line_that_begins_at_its_top_right() -> None:
    turned = turn_quad(quad_at(0, 0, 10, 80))
    np.testing.assert_array_equal(turned[0], [10, 0])
    assert quad_size(turned) == (80, 10)


def test_a_quad_of_whole_pixels_is_cut_as_it_is() -> None:
    image = gradient(40, 60)
    crop = cut_crop(image, quad_at(10, 5, 20, 12), height=12, width=20)
    np.testing.assert_array_equal(crop, image[5:17, 10:30])
    crop[:] = 255
    assert image[5:17, 10:30, 2].max() == 0


@pytest.mark.parametrize(
    "quad",
    [
        pytest.param(quad_at(10, 5, 40, 16), id="whole pixels"),
        pytest.param(quad_at(10.4, 5.3, 40.3, 16.4), id="parts of pixels"),
        pytest.param(quad_at(0, 0, 100, 80), id="the whole image"),
        pytest.param(quad_at(-12, -6, 50, 20), id="over the top left corner of the frame"),
        pytest.param(quad_at(70, 70, 60, 24), id="over the bottom right corner of the frame"),
    ],
)
@pytest.mark.parametrize("size", [pytest.param((16, 40), id="same size"), pytest.param((48, 120), id="enlarged")])
def test_slice_and_warp_of_an_upright_quad_agree_to_a_pixel(
    quad: Quad, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    image = gradient(80, 100)
    sliced = cut_crop(image, quad, *size)
    monkeypatch.setattr("edge_ocr.geometry._upright_part", lambda image, quad: None)
    warped = cut_crop(image, quad, *size)
    assert np.abs(sliced.astype(int) - warped).max() <= 1  # a gradient of 1 a pixel


def test_a_line_that_hardly_rises_is_cut_upright_and_one_that_rises_is_followed() -> None:
    image, rise = gradient(80, 100), np.array([[0, 0], [0, 1], [0, 1], [0, 0]], dtype=np.float32)
    quad = quad_at(20, 30, 60, 20)
    hardly, clearly = (cut_crop(image, quad - px * rise, 20, 60)[..., 1].astype(int) for px in (2.0, 8.0))
    np.testing.assert_array_equal(hardly, cut_crop(image, quad - 1, 20, 60)[..., 1])
    assert set(hardly[10]) == {39}
    assert clearly[10, 0] - clearly[10, -1] == pytest.approx(8, abs=1)


def test_a_line_on_its_head_is_turned_upright() -> None:
    image = gradient(40, 60)
    crop = cut_crop(image, quad_at(10, 5, 20, 12)[[2, 3, 0, 1]], height=12, width=20)
    np.testing.assert_allclose(crop.astype(int), image[5:17, 10:30][::-1, ::-1], atol=1)


def test_a_column_is_turned_to_a_line() -> None:
    image = gradient(60, 40)
    crop = cut_crop(image, turn_quad(quad_at(8, 10, 6, 30)), height=6, width=30)
    assert crop[3, 0, 1] == pytest.approx(10, abs=1)
    assert crop[3, -1, 1] == pytest.approx(39, abs=1)
    assert crop[0, 15, 0] > crop[-1, 15, 0]


@pytest.mark.parametrize(
    ("quad", "blue", "green"),
    [
        pytest.param(quad_at(200, 10, 30, 10), 59, None, id="right of the frame"),
        pytest.param(quad_at(-90, 10, 30, 10), 0, None, id="left of the frame"),
        pytest.param(quad_at(10, -90, 30, 10, angle_deg=3), None, 0, id="slanted, above the frame"),
        pytest.param(quad_at(10, 200, 30, 10, angle_deg=3), None, 39, id="slanted, below the frame"),
    ],
)
def test_what_is_outside_of_the_frame_repeats_its_edge(quad: Quad, blue: int | None, green: int | None) -> None:
    crop = cut_crop(gradient(40, 60), quad, 8, 24)
    for channel, expected in enumerate((blue, green)):
        if expected is not None:
            assert set(np.unique(crop[..., channel])) == {expected}


@pytest.mark.parametrize(
    "quad",
    [
        pytest.param(quad_at(3, 4, 1, 1), id="one pixel"),
        pytest.param(quad_at(3.4, 4.4, 0.2, 0.2), id="less than a pixel"),
        pytest.param(quad_at(3, 4, 0, 0), id="a point"),
        pytest.param(quad_at(3, 4, 8, 0), id="a row without height"),
        pytest.param(quad_at(10, 10, 0.3, 0.3), id="at the corner of the frame"),
        pytest.param(quad_at(2, 2, 5, 0.5, angle_deg=20), id="a slanted hair"),
    ],
)
def test_the_smallest_quads_give_a_crop(quad: Quad) -> None:
    assert cut_crop(gradient(10, 10), quad, 48, 8).shape == (48, 8, 3)


def test_a_crop_of_a_1_pixel_image_has_its_colour() -> None:
    image = np.full((1, 1, 3), 77, dtype=np.uint8)
    assert set(np.unique(cut_crop(image, image_quad(image), 48, 48))) == {77}


@pytest.mark.parametrize("slant", [0.0, 2.0])
def test_a_large_line_is_averaged_when_it_is_shrunk(slant: float) -> None:
    stripes = np.zeros((400, 400, 3), dtype=np.uint8)
    stripes[::2] = 200
    quad = np.array([[10, 10], [390, 10 + slant], [390, 390], [10, 390]], dtype=np.float32)
    crop = cut_crop(stripes, quad, 38, 38)
    assert crop.min() > 85
    assert crop.max() < 115


@pytest.mark.parametrize(
    "quad",
    [
        pytest.param(quad_at(39_000, 5, 40, 12, angle_deg=0.02), id="a slanted line far to the right"),
        pytest.param(
            np.array([[10, 5], [39_900, 20], [39_900, 50], [10, 35]], dtype=np.float32), id="a slanted line all along"
        ),
    ],
)
def test_a_strip_longer_than_opencv_warps_is_cut(quad: Quad) -> None:
    strip = np.full((60, 40_000, 3), 9, dtype=np.uint8)
    crop = cut_crop(strip, quad, 16, 64)
    assert crop.shape == (16, 64, 3)
    assert set(np.unique(crop)) == {9}


def test_a_view_of_an_image_is_cut_like_a_copy() -> None:
    rgb = gradient(40, 60)[::-1, :, ::-1]
    for quad in (quad_at(10, 5, 20, 12), quad_at(10, 5, 20, 12, angle_deg=5)):
        np.testing.assert_array_equal(cut_crop(rgb, quad, 16, 30), cut_crop(rgb.copy(), quad, 16, 30))


@pytest.mark.parametrize("angle_deg", [-15, -3, 0, 3, 15])
def test_a_page_at_a_slant_is_read_row_by_row(angle_deg: float) -> None:
    quads = [quad_at(300 * x, 40 * y, 250, 20, angle_deg=angle_deg) for y in range(4) for x in range(4)]
    shuffled = np.random.default_rng(0).permutation(len(quads))
    assert [int(shuffled[i]) for i in reading_order([quads[j] for j in shuffled])] == list(range(16))


def test_words_far_apart_in_one_row_stay_in_it_though_each_is_a_little_slanted() -> None:
    quads = [quad_at(2000 * i, 5, 120, 24) for i in range(6)]
    tilted = [quad + np.array([[0, -0.8], [0, 0.8], [0, 0.8], [0, -0.8]], dtype=np.float32) for quad in quads]
    assert reading_order(tilted[::-1]) == [5, 4, 3, 2, 1, 0]


@pytest.mark.parametrize(
    ("quads", "order"),
    [
        pytest.param([], [], id="no quads"),
        pytest.param([quad_at(5, 5, 20, 10)], [0], id="one quad"),
        pytest.param([quad_at(50, 2, 20, 10), quad_at(5, 5, 20, 10)], [1, 0], id="a row from the left"),
        pytest.param([quad_at(5, 30, 20, 10), quad_at(50, 2, 20, 10)], [1, 0], id="rows from the top"),
        pytest.param([quad_at(60, 0, 40, 40), quad_at(0, 16, 40, 8)], [1, 0], id="small print beside a headline"),
        pytest.param(
            [quad_at(0, 30, 80, 10), quad_at(100, 0, 10, 90), quad_at(0, 0, 80, 10), quad_at(0, 60, 80, 10)],
            [2, 0, 1, 3],
            id="a column beside lines stands in the row at its middle",
        ),
        pytest.param(
            [turn_quad(quad_at(40, 0, 10, 90)), turn_quad(quad_at(0, 2, 10, 90))], [1, 0], id="columns from the left"
        ),
        pytest.param(
            [quad_at(0, 30, 80, 10)[[2, 3, 0, 1]], quad_at(0, 0, 80, 10)[[2, 3, 0, 1]]],
            [1, 0],
            id="lines on their heads",
        ),
    ],
)
def test_reading_order(quads: list[Quad], order: list[int]) -> None:
    assert reading_order(quads) == order
