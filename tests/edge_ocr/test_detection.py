import itertools

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_ocr.detection import (
    OVERLAP_PX,
    DetectorThresholds,
    LineFinder,
    ScaleRule,
    Size,
    Tile,
    TilePlan,
    letterbox,
    map_to_quads,
    merge_tiles,
    plan_tiles,
    tile_tensors,
)
from edge_ocr.engines import Arrays
from edge_ocr.geometry import quad_size
from tests.edge_ocr.fakes import FakeNetwork

Image = NDArray[np.uint8]
Box = tuple[int, int, int, int]

SIZES = ((256, 960), (960, 960), (960, 256))
PLAIN = DetectorThresholds(dilate=False)


def prob_map(height: int, width: int, *boxes: Box, prob: int = 230) -> Image:
    """A map with regions of text at boxes x_min, y_min, x_max, y_max (the last pixel is outside)."""
    drawn = np.zeros((height, width), dtype=np.uint8)
    for x0, y0, x1, y1 in boxes:
        drawn[y0:y1, x0:x1] = prob
    return drawn


def dark_is_text(tensor: Image) -> Arrays:
    """A detector that takes dark pixels for text."""
    return (np.where(tensor[..., 0] < 64, 230, 0).astype(np.uint8),)


@pytest.mark.parametrize(
    ("rule", "size", "scale"),
    [
        pytest.param(ScaleRule(limit_px=960), (600, 800), 1.0, id="max leaves a smaller image alone"),
        pytest.param(ScaleRule(limit_px=960), (1080, 1920), 0.5, id="max lowers the longer side"),
        pytest.param(ScaleRule(limit_px=960), (1, 1), 1.0, id="max leaves one pixel alone"),
        pytest.param(ScaleRule(limit_px=960), (40, 12_000), 1.0, id="max keeps the text of a strip"),
        pytest.param(
            ScaleRule(limit_px=960), (480, 9600), 0.5, id="max shrinks a high strip to a quarter of the limit"
        ),
        pytest.param(ScaleRule(limit_px=960), (1, 30_000), 1.0, id="max leaves a strip one pixel high alone"),
        pytest.param(ScaleRule(limit_side="min", limit_px=736), (368, 500), 2.0, id="min raises the shorter side"),
        pytest.param(
            ScaleRule(limit_side="min", limit_px=736), (1000, 1200), 1.0, id="min leaves a larger image alone"
        ),
        pytest.param(ScaleRule(limit_side="min", limit_px=736), (1, 1), 4.0, id="min enlarges one pixel no further"),
        pytest.param(ScaleRule(max_megapixels=1), (2000, 2000), 0.48, id="an image is shrunk to the longer side first"),
        pytest.param(
            ScaleRule(limit_px=9000, max_megapixels=1), (2000, 2000), 0.5, id="an image is shrunk to the megapixels"
        ),
    ],
)
def test_scale(rule: ScaleRule, size: Size, scale: float) -> None:
    assert rule.scale(*size) == pytest.approx(scale)
    assert rule.scale(*size[::-1]) == pytest.approx(scale)


@pytest.mark.parametrize(
    "rule", [ScaleRule(max_megapixels=2.0), ScaleRule(limit_side="min", max_megapixels=2.0, max_scale=1000.0)]
)
@pytest.mark.parametrize("size", [(1, 1), (1, 30_000), (40, 12_000), (10_000, 10_000), (3, 2)])
def test_no_image_is_shown_above_the_megapixels(rule: ScaleRule, size: Size) -> None:
    assert size[0] * size[1] * rule.scale(*size) ** 2 <= 2.0e6 * 1.0001


@pytest.mark.parametrize(
    ("size", "tile"),
    [
        pytest.param((200, 900), (256, 960), id="wide"),
        pytest.param((900, 200), (960, 256), id="high"),
        pytest.param((900, 900), (960, 960), id="square"),
        pytest.param((256, 960), (256, 960), id="exactly one size"),
        pytest.param((1, 1), (256, 960), id="one pixel"),
        pytest.param((900, 300), (960, 960), id="one large tile rather than two small ones"),
    ],
)
def test_an_image_is_put_into_the_smallest_size_that_holds_it(size: Size, tile: Size) -> None:
    assert plan_tiles(*size, ScaleRule(), SIZES) == TilePlan(size, (Tile(0, 0, tile),))


def test_a_large_image_is_scaled_before_it_is_planned() -> None:
    plan = plan_tiles(1920, 1080, ScaleRule(limit_px=960), SIZES)
    assert plan == TilePlan((960, 540), (Tile(0, 0, (960, 960)),))


@pytest.mark.parametrize(
    ("height", "width", "scaled", "size"),
    [
        pytest.param(961, 961, (960, 960), (960, 960), id="to fit at all"),
        pytest.param(500, 560, (486, 544), (544, 544), id="to fit a smaller size"),
        pytest.param(500, 544, (500, 544), (544, 544), id="not where it fits"),
        pytest.param(500, 580, (500, 580), (960, 960), id="not by more than a little"),
    ],
)
def test_an_image_is_shrunk_a_little_to_fit(height: int, width: int, scaled: Size, size: Size) -> None:
    plan = plan_tiles(height, width, ScaleRule(limit_px=100_000, max_megapixels=100.0), ((544, 544), (960, 960)))
    assert (plan.scaled, [tile.size for tile in plan.tiles]) == (scaled, [size])


@pytest.mark.parametrize(
    ("height", "width", "sizes"),
    [
        pytest.param(40, 12_000, SIZES, id="a strip"),
        pytest.param(12_000, 40, SIZES, id="a column"),
        pytest.param(1, 30_000, SIZES, id="a strip one pixel high"),
        pytest.param(1500, 1700, SIZES, id="a page larger than every size"),
        pytest.param(1011, 1011, ((960, 960),), id="more too large than it is shrunk"),
        pytest.param(500, 700, ((64, 64),), id="a size as small as the usual overlap"),
        pytest.param(100, 70, ((32, 32),), id="the smallest size"),
    ],
)
def test_tiles_cover_every_pixel_and_overlap(height: int, width: int, sizes: tuple[Size, ...]) -> None:
    plan = plan_tiles(height, width, ScaleRule(limit_px=100_000, max_megapixels=100.0), sizes)
    assert plan.scaled == (height, width)
    seen = np.zeros(plan.scaled, dtype=bool)
    for tile in plan.tiles:
        assert 0 <= tile.y <= max(0, height - tile.size[0])
        assert 0 <= tile.x <= max(0, width - tile.size[1])
        seen[tile.y : tile.y + tile.size[0], tile.x : tile.x + tile.size[1]] = True
    assert seen.all()
    columns = sorted({tile.x for tile in plan.tiles})
    overlap = min(OVERLAP_PX, plan.tiles[0].size[1] // 2)
    assert all(right - left <= plan.tiles[0].size[1] - overlap for left, right in itertools.pairwise(columns))


def test_the_size_that_needs_the_least_area_tiles_a_strip() -> None:
    plan = plan_tiles(40, 12_000, ScaleRule(), SIZES)
    assert {tile.size for tile in plan.tiles} == {(256, 960)}
    assert len(plan.tiles) == 14


def test_letterbox_fills_the_right_and_the_bottom_with_black() -> None:
    boxed = letterbox(np.full((3, 5, 3), 200, dtype=np.uint8), Tile(0, 0, (4, 8)))
    assert boxed.shape == (1, 4, 8, 3)
    assert (boxed[0, :3, :5] == 200).all()
    assert boxed.sum() == 200 * 3 * 5 * 3


def test_letterbox_cuts_a_tile_out_of_the_middle() -> None:
    image = np.arange(6 * 10 * 3, dtype=np.uint8).reshape(6, 10, 3)
    boxed = letterbox(image, Tile(1, 2, (4, 8)))
    np.testing.assert_array_equal(boxed[0], image[1:5, 2:10])
    assert boxed.flags.c_contiguous


def test_the_detector_sees_the_scaled_image() -> None:
    image = np.full((100, 200, 3), 90, dtype=np.uint8)
    (tensor,) = tile_tensors(image, TilePlan((50, 100), (Tile(0, 0, (64, 128)),)))
    assert (tensor[0, :50, :100] == 90).all()
    assert tensor[0, 50:].max() == tensor[0, :, 100:].max() == 0


def test_one_tile_is_merged_by_cutting_the_padding_off() -> None:
    tile_map = prob_map(64, 128, (0, 0, 128, 64))
    assert merge_tiles(TilePlan((50, 100), (Tile(0, 0, (64, 128)),)), [tile_map]).shape == (50, 100)


def test_the_larger_probability_wins_where_tiles_overlap() -> None:
    plan = TilePlan((4, 6), (Tile(0, 0, (4, 4)), Tile(0, 2, (4, 4))))
    merged = merge_tiles(plan, [np.full((4, 4), 10, np.uint8), np.full((4, 4), 20, np.uint8)])
    assert merged[0].tolist() == [10, 10, 20, 20, 20, 20]
    assert merge_tiles(plan, [np.full((4, 4), 30, np.uint8), np.full((4, 4), 20, np.uint8)])[0, 2] == 30


def test_a_line_over_a_seam_is_one_line() -> None:
    image = np.full((40, 500, 3), 255, dtype=np.uint8)
    image[15:25, 20:480] = 0
    finder = LineFinder(FakeNetwork(dark_is_text), rule=ScaleRule(), thresholds=PLAIN, sizes=[(64, 192)])
    (quad,) = finder.find(image).quads
    grow = 459 * 9 * 1.6 / (2 * (459 + 9))
    assert quad[:, 0].min() == pytest.approx(20 - grow, abs=0.5)
    assert quad[:, 0].max() == pytest.approx(479 + grow, abs=0.5)


def test_a_region_grows_by_area_times_ratio_over_perimeter() -> None:
    (quad,) = map_to_quads(prob_map(100, 300, (50, 40, 151, 61)), PLAIN, 300, 100)
    grow = 100 * 20 * 1.6 / 240
    np.testing.assert_allclose(quad[0], [50 - grow, 40 - grow], atol=0.1)
    np.testing.assert_allclose(quad[2], [150 + grow, 60 + grow], atol=0.1)
    assert quad.dtype == np.float32


def test_quads_are_in_pixels_of_the_image() -> None:
    small = map_to_quads(prob_map(100, 300, (50, 40, 151, 61)), PLAIN, 300, 100)[0]
    large = map_to_quads(prob_map(100, 300, (50, 40, 151, 61)), PLAIN, 900, 200)[0]
    np.testing.assert_allclose(large, small * (3, 2), rtol=1e-5)


def test_quads_end_at_the_frame() -> None:
    (quad,) = map_to_quads(prob_map(40, 100, (0, 0, 100, 40)), PLAIN, 200, 80)
    np.testing.assert_array_equal(quad, [[0, 0], [200, 0], [200, 80], [0, 80]])


def test_a_slanted_region_gives_a_slanted_quad() -> None:
    drawn = np.zeros((200, 300), dtype=np.uint8)
    corners = cv2.boxPoints(((150.0, 100.0), (160.0, 24.0), 20.0))
    cv2.fillConvexPoly(drawn, corners.astype(np.int32), 255)
    (quad,) = map_to_quads(drawn, PLAIN, 300, 200)
    along = quad[1] - quad[0]
    assert np.degrees(np.arctan2(along[1], along[0])) == pytest.approx(20, abs=1.5)


@pytest.mark.parametrize(
    ("drawn", "thresholds"),
    [
        pytest.param(prob_map(50, 50), PLAIN, id="an empty map"),
        pytest.param(prob_map(1, 1), PLAIN, id="a map of one pixel"),
        pytest.param(prob_map(1, 1, (0, 0, 1, 1)), PLAIN, id="one pixel of text"),
        pytest.param(prob_map(50, 50, (5, 5, 45, 7)), PLAIN, id="a thin stroke"),
        pytest.param(prob_map(50, 50, (5, 5, 45, 30), prob=100), PLAIN, id="a faint region"),
        pytest.param(prob_map(50, 50, (5, 5, 45, 30), prob=76), PLAIN, id="just below the threshold"),
    ],
)
def test_what_is_no_text_gives_no_quads(drawn: Image, thresholds: DetectorThresholds) -> None:
    assert map_to_quads(drawn, thresholds, 100, 100).shape == (0, 4, 2)


def test_dilation_joins_regions_that_nearly_touch() -> None:
    drawn = prob_map(40, 100, (10, 10, 40, 25), (41, 10, 80, 25))
    assert len(map_to_quads(drawn, PLAIN, 100, 40)) == 2
    assert len(map_to_quads(drawn, DetectorThresholds(dilate=True), 100, 40)) == 1


def test_the_largest_candidates_are_looked_at_first() -> None:
    drawn = prob_map(60, 200, (5, 5, 25, 15), (60, 5, 180, 40), (5, 40, 30, 52))
    (quad,) = map_to_quads(drawn, DetectorThresholds(dilate=False, max_candidates=1), 200, 60)
    assert quad_size(quad)[0] > 100


def test_lines_are_found_in_reading_order_and_columns_begin_at_their_top_right() -> None:
    image = np.full((200, 300, 3), 255, dtype=np.uint8)
    image[150:170, 20:140] = 0
    image[20:40, 160:280] = 0
    image[20:40, 20:140] = 0
    image[80:190, 220:240] = 0
    finder = LineFinder(FakeNetwork(dark_is_text), rule=ScaleRule(), thresholds=PLAIN, sizes=[(256, 320)])
    quads = finder.find(image).quads
    middles = np.array([quad.mean(axis=0) for quad in quads])
    np.testing.assert_allclose(middles, [[80, 30], [220, 30], [230, 134], [80, 160]], atol=2)
    assert quads[2][0] == pytest.approx([250, 70], abs=10)
    assert quad_size(quads[2])[0] > quad_size(quads[2])[1]


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (40, 12_000), (2, 2)])
def test_images_of_any_shape_have_quads_or_none(size: Size) -> None:
    finder = LineFinder(FakeNetwork(dark_is_text), rule=ScaleRule(), thresholds=PLAIN, sizes=[(320, 320)])
    assert finder.find(np.full((*size, 3), 255, dtype=np.uint8)).quads == []


def test_a_reduced_rule_shows_large_images_smaller_and_leaves_small_ones() -> None:
    rule = ScaleRule(limit_side="max", limit_px=1280, max_megapixels=4.0)
    reduced = rule.reduced(0.75)
    assert reduced.scale(720, 1280) == pytest.approx(0.75 * rule.scale(720, 1280))
    assert reduced.scale(3000, 4000) == pytest.approx(0.75 * rule.scale(3000, 4000))
    assert reduced.scale(480, 640) == rule.scale(480, 640) == 1.0
    assert rule.reduced(1.0) == rule
