"""How well a detector in training finds the lines of whole pictures, by the code that a device runs."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_ocr.detection import DetectorThresholds, ScaleRule, map_to_quads, plan_tiles, tile_tensors
from edge_ocr.geometry import Quad
from edge_ocr.metrics import PageScore
from train.data.scene import Scene
from train.evaluation.torch_networks import TorchDetector
from train.nets.db import STRIDE, DBDetector


class FoundQuad(NamedTuple):
    """A line that was found and not read."""

    quad: Quad
    text: str = ""


def find_quads(
    detector: DBDetector, image: NDArray[np.uint8], *, rule: ScaleRule, thresholds: DetectorThresholds
) -> list[Quad]:
    """Find the lines of a picture, shown whole.

    Args:
        detector: In eval mode, on any device.
        image: (H, W, 3) uint8 BGR.
        rule: How large it is shown.
        thresholds: How the map becomes quads.

    Returns:
        Quads in pixels of the picture, in no particular order.
    """
    height, width = image.shape[:2]
    scale = rule.scale(height, width)
    rows, columns = (max(STRIDE, -(-round(side * scale) // STRIDE) * STRIDE) for side in (height, width))
    plan = plan_tiles(height, width, rule, [(rows, columns)])
    (tensor,) = tile_tensors(image, plan)
    (prob_maps,) = TorchDetector(detector).infer(tensor)
    prob_map = prob_maps[0, : plan.scaled[0], : plan.scaled[1]]
    return list(map_to_quads(np.ascontiguousarray(prob_map), thresholds, width, height))


def score_detector(
    detector: DBDetector, scenes: Iterable[tuple[Scene, bool]], *, rule: ScaleRule, thresholds: DetectorThresholds
) -> dict[str, float]:
    """Hmean, precision and recall by name: hits are one to one above an intersection over union of 0.5.

    Args:
        detector: In eval mode.
        scenes: Each with whether only some of its texts are labelled.
        rule: How large pictures are shown.
        thresholds: How a map becomes quads.
    """
    score = PageScore()
    for scene, is_partial in scenes:
        quads = find_quads(detector, scene.image, rule=rule, thresholds=thresholds)
        score.add([FoundQuad(quad) for quad in quads], scene.labels, partial=is_partial)
    found = score.detection
    return {"hmean": score.detection_hmean, "precision": found.precision, "recall": found.recall}
