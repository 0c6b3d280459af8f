"""CopyPaste: texts of one scene are pasted into another, where it has none.

Reference:
    PP-OCRv2 (Du et al. 2021), section 2.2.2; the numbers are those of its public code.
"""

import math
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_ocr.geometry import cut_crop, quad_size
from edge_ocr.metrics import Label
from train.data.scene import Scene, boxes_of, moved_label

SHARE, AT_MOST = 0.2, 30
"""Texts that are copied: this share of the donor's, at least one, at most so many."""
TRIES = 50


def copy_paste(rng: np.random.Generator, scene: Scene, donor: Scene) -> Scene:
    """Paste some of a donor's texts into a scene, turned by any angle and at places free of text.

    Args:
        rng: Chooses texts, angles and places.
        scene: What is pasted into; it is not changed.
        donor: Whose texts that count are copied, in their size.

    Returns:
        A scene with the pasted texts after its own. A text for which no place is found in 50 tries, or which is larger
        than the scene, is left out.
    """
    texts = [label for label in donor.labels if label.counts]
    if not texts:
        return scene
    n_copied = max(1, min(int(SHARE * len(texts)), AT_MOST))
    image, labels = scene.image.copy(), list(scene.labels)
    taken = boxes_of(labels)
    for i in rng.permutation(len(texts))[:n_copied]:
        crop = _cut(donor.image, texts[i])
        if crop is None:
            continue
        turned = _turned(crop, float(rng.uniform(0, 360)), texts[i])
        corner = _free_corner(rng, turned[0].shape[:2], image.shape[:2], taken)
        if corner is None:
            continue
        labels.append(_paste(image, turned, corner))
        taken = np.vstack([taken, boxes_of(labels[-1:])])
    return Scene(image, tuple(labels))


def _cut(image: NDArray[np.uint8], label: Label) -> NDArray[np.uint8] | None:
    """A text upright; outlines of other than four corners by their smallest rectangle."""
    quad = label.polygon
    if len(quad) != 4:
        quad = np.asarray(cv2.boxPoints(cv2.minAreaRect(np.asarray(quad, np.float32))), np.float32)
    width, height = (round(side) for side in quad_size(quad))
    return cut_crop(image, quad, height, width) if min(width, height) >= 2 else None


def _turned(
    crop: NDArray[np.uint8], angle_deg: float, label: Label
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], Label]:
    """A crop turned onto a canvas that just holds it, how much of each pixel is the crop (0 to 255), its outline."""
    height, width = crop.shape[:2]
    cos, sin = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    canvas_w, canvas_h = (
        math.ceil(abs(cos) * width + abs(sin) * height) + 2,
        math.ceil(abs(sin) * width + abs(cos) * height) + 2,
    )
    matrix = np.array([[cos, -sin, 0.0], [sin, cos, 0.0]])
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    matrix[:, 2] = np.array([(canvas_w - 1) / 2, (canvas_h - 1) / 2]) - matrix[:, :2] @ centre
    size_wh = (canvas_w, canvas_h)
    # The border repeats, so that the edge blends with the scene and not with black.
    pixels = cv2.warpAffine(crop, matrix, size_wh, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.warpAffine(np.full((height, width), 255, np.uint8), matrix, size_wh, flags=cv2.INTER_LINEAR)
    corners = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.float32)
    outline = moved_label(replace(label, polygon=corners), matrix)
    return np.asarray(pixels, np.uint8), np.asarray(alpha, np.uint8), outline


def _free_corner(
    rng: np.random.Generator, part_hw: tuple[int, int], scene_hw: tuple[int, int], taken: NDArray[np.float32]
) -> tuple[int, int] | None:
    """A top-left corner (x, y) where a part meets none of the boxes taken."""
    (height, width), (room_y, room_x) = part_hw, np.subtract(scene_hw, part_hw)
    if room_y < 0 or room_x < 0:
        return None
    x = rng.integers(0, room_x + 1, TRIES)[:, None]
    y = rng.integers(0, room_y + 1, TRIES)[:, None]
    meets = (x <= taken[:, 2]) & (x + width >= taken[:, 0]) & (y <= taken[:, 3]) & (y + height >= taken[:, 1])
    free = np.flatnonzero(~meets.any(axis=1))
    return (int(x[free[0], 0]), int(y[free[0], 0])) if free.size else None


def _paste(
    image: NDArray[np.uint8], part: tuple[NDArray[np.uint8], NDArray[np.uint8], Label], corner: tuple[int, int]
) -> Label:
    """Draw a part into the image, which is changed, and say where its text is now."""
    pixels, alpha, outline = part
    x, y = corner
    target = image[y : y + pixels.shape[0], x : x + pixels.shape[1]]
    weight = alpha[..., None].astype(np.float32) / 255
    target[...] = np.rint(pixels * weight + target * (1 - weight)).astype(np.uint8)
    return moved_label(outline, np.array([[1.0, 0.0, x], [0.0, 1.0, y]]))
