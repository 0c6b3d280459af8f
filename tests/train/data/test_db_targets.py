import math

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_ocr.metrics import Label
from train.data.db_targets import make_targets, shrink_offset, signed_distances

SIZE_HW = (80, 140)
WHOLE = (slice(0, SIZE_HW[0]), slice(0, SIZE_HW[1]))


def label(*points: tuple[float, float], text: str = "text") -> Label:
    return Label(np.array(points, np.float32), text)


def rectangle(x: float, y: float, width: float, height: float, angle_deg: float = 0, text: str = "text") -> Label:
    corners = cv2.boxPoints(((x + width / 2, y + height / 2), (width, height), angle_deg))
    return Label(np.asarray(corners, np.float32), text)


LINE = rectangle(20, 30, 90, 20)
OFFSET = 90 * 20 * (1 - 0.16) / 220

BENT = label((10, 20), (70, 10), (130, 24), (128, 50), (70, 34), (12, 48))


def clipped(shape: Label, offset: float) -> list[NDArray[np.float64]]:
    pyclipper = pytest.importorskip("pyclipper")
    clipper = pyclipper.PyclipperOffset()
    clipper.AddPath((shape.polygon * 1000).tolist(), pyclipper.JT_ROUND, pyclipper.ET_CLOSEDPOLYGON)
    return [np.array(piece) / 1000 for piece in clipper.Execute(offset * 1000)]


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param(LINE, id="a line"),
        pytest.param(rectangle(30, 30, 70, 16, 25), id="a turned line"),
        pytest.param(label((20, 20), (120, 30), (118, 60), (22, 44)), id="in perspective"),
        pytest.param(BENT, id="a bent line"),
        pytest.param(Label(BENT.polygon[::-1].copy(), "text"), id="the other way round"),
    ],
)
@pytest.mark.parametrize("sign", [-1, 1])
def test_offsets_are_those_of_a_polygon_clipper(shape: Label, sign: int) -> None:
    offset = sign * shrink_offset(shape.polygon, 0.4)
    ours = signed_distances(shape.polygon, WHOLE) >= -offset
    theirs = np.zeros(SIZE_HW, bool)
    for piece in clipped(shape, offset):
        theirs ^= signed_distances(piece, WHOLE) >= 0
    assert theirs.any()
    # Pixels right on an edge may fall either way.
    assert (ours != theirs).sum() <= 2


def test_a_line_shrinks_by_the_papers_offset() -> None:
    assert shrink_offset(LINE.polygon, 0.4) == pytest.approx(OFFSET)
    shrink = make_targets([LINE], SIZE_HW).shrink
    rows, columns = np.flatnonzero(shrink.any(axis=1)), np.flatnonzero(shrink.any(axis=0))
    assert (rows[0], rows[-1]) == (math.ceil(30 + OFFSET), math.floor(50 - OFFSET))
    assert (columns[0], columns[-1]) == (math.ceil(20 + OFFSET), math.floor(110 - OFFSET))
    assert shrink.sum() == pytest.approx((90 - 2 * OFFSET) * (20 - 2 * OFFSET), rel=0.15)


def test_thresholds_peak_at_the_outline_and_fall_to_the_offset() -> None:
    targets = make_targets([LINE], SIZE_HW)
    column = targets.threshold[:, 65]
    assert column[30] == column[50] == pytest.approx(0.7)
    assert column[34] == pytest.approx(0.3 + 0.4 * (1 - 4 / OFFSET))
    assert column[26] == pytest.approx(0.3 + 0.4 * (1 - 4 / OFFSET))
    assert column[40] == pytest.approx(0.3)
    assert targets.threshold.min() == pytest.approx(0.3)
    judged = np.flatnonzero(targets.threshold_mask[:, 65])
    assert (judged[0], judged[-1]) == (math.ceil(30 - OFFSET), math.floor(50 + OFFSET))
    assert targets.shrink_mask.all()


def test_the_nearer_of_two_outlines_sets_the_threshold() -> None:
    other = rectangle(20, 52, 90, 20)
    both = make_targets([LINE, other], SIZE_HW).threshold
    alone = [make_targets([shape], SIZE_HW).threshold for shape in (LINE, other)]
    np.testing.assert_array_equal(both, np.maximum(*alone))


def test_ignored_text_is_neither_text_nor_background() -> None:
    targets = make_targets([rectangle(20, 30, 90, 20, text="")], SIZE_HW)
    assert not targets.shrink.any()
    assert not targets.threshold_mask.any()
    assert not targets.shrink_mask[31:50, 21:110].any()
    assert targets.shrink_mask.sum() == pytest.approx(targets.shrink_mask.size - 90 * 20, abs=120)


def test_text_under_eight_pixels_is_ignored_but_has_thresholds() -> None:
    targets = make_targets([rectangle(20, 30, 90, 7)], SIZE_HW)
    assert not targets.shrink.any()
    assert not targets.shrink_mask[31:37, 21:110].any()
    assert targets.threshold_mask.any()


def test_text_that_reaches_out_of_the_picture_goes_on_to_its_edge() -> None:
    shrink = make_targets([rectangle(100, 30, 200, 20)], SIZE_HW).shrink
    assert shrink[40, -1] == 1


@pytest.mark.parametrize("shapes", [[], [rectangle(500, 30, 90, 20)], [label((5, 5), (5, 5), (5, 5))]])
def test_no_text_in_the_picture_is_all_background(shapes: list[Label]) -> None:
    targets = make_targets(shapes, SIZE_HW)
    assert not targets.shrink.any()
    assert not targets.threshold_mask.any()
    assert targets.shrink_mask.mean() > 0.999
