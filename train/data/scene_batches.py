"""Batches for the detector: crops of scenes with their target maps."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from train.data.copy_paste import copy_paste
from train.data.db_targets import DBTargets, make_targets
from train.data.scene import Scene
from train.data.scene_augment import AugmentSettings, augment
from train.data.scene_source import SceneSource
from train.task import Batch, Share, sample_rng

MAPS = ("shrink", "shrink_mask", "threshold", "threshold_mask")
_COLUMNS = 4


@dataclass(frozen=True)
class SceneBatches:
    """Augmented crops, all of one size."""

    source: SceneSource
    settings: AugmentSettings
    copy_paste: float
    """Probability of CopyPaste."""
    batch_size: int
    crops_per_scene: int = 1
    """Steps in a row whose crops come from the same scenes: drawing a scene takes longer than learning from a crop."""

    def __call__(self, step: int, share: Share) -> Batch:
        """Make one process's crops of a step and draw their maps."""
        crops = [self._crop(step, i) for i in share.of(range(self.batch_size))]
        size_hw = (self.settings.size, self.settings.size)
        targets = [make_targets(crop.labels, size_hw) for crop in crops]
        images = torch.from_numpy(np.stack([crop.image for crop in crops]))
        return {"image_NCHW": images.permute(0, 3, 1, 2).contiguous(), **_stacked(targets)}

    def _crop(self, step: int, i: int) -> Scene:
        """Sample i of a batch; the donor of its texts is the scene of the sample before, or of the next batch's."""
        rng = sample_rng(self.source.seed, step * self.batch_size + i)
        first = step // self.crops_per_scene * self.batch_size
        scene = self.source.scene(first + i)
        if rng.random() < self.copy_paste:
            before = (i - 1) % self.batch_size if self.batch_size > 1 else 1
            scene = copy_paste(rng, scene, self.source.scene(first + before))
        return augment(rng, scene, self.settings)


def draw_maps(batch: Batch) -> NDArray[np.uint8]:
    """Crops of a batch in rows of pairs: each as it is, and with its maps laid over.

    Green is the shrunk text, red the threshold map where it is judged, blue what is left out of the prob map.
    """
    cells = []
    for image_CHW, *maps in zip(batch["image_NCHW"], *(batch[name] for name in MAPS), strict=True):
        image = np.ascontiguousarray(image_CHW.permute(1, 2, 0).numpy())
        shrink, shrink_mask, threshold, threshold_mask = (np.asarray(part[0].numpy(), np.float32) for part in maps)
        tint = np.stack([1 - shrink_mask, shrink, (threshold - 0.3) / 0.4 * threshold_mask], axis=2) * 255
        overlaid = cv2.addWeighted(image, 0.5, np.clip(tint, 0, 255).astype(np.uint8), 0.5, 0)
        pair = np.hstack([image, overlaid])
        cells.append(cv2.copyMakeBorder(pair, 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=(90, 90, 90)))
    cells += [np.full_like(cells[0], 90)] * (-len(cells) % (_COLUMNS // 2))
    rows = [np.hstack(cells[i : i + _COLUMNS // 2]) for i in range(0, len(cells), _COLUMNS // 2)]
    return np.asarray(np.vstack(rows), np.uint8)


def _stacked(targets: list[DBTargets]) -> dict[str, Tensor]:
    """Maps (N, 1, H, W) by name."""
    return {name: torch.from_numpy(np.stack([getattr(t, name) for t in targets]))[:, None] for name in MAPS}
