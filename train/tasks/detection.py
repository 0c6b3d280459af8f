"""Training DB text detectors: alone, as two peers (DML), or as two peers with a frozen teacher (CML).

Shape suffixes: N images, C channels, H and W pixels.
"""

from collections.abc import Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveInt, model_validator
from torch import Tensor, nn

from edge_ocr.detection import DetectorThresholds, ScaleRule
from edge_ocr.errors import ModelError
from train.data.font_book import FontBook
from train.data.scene import Scene
from train.data.scene_augment import AugmentSettings
from train.data.scene_batches import SceneBatches, draw_maps
from train.data.scene_source import SceneSource, load_scene, pages_of, read_pages
from train.datasets.formats import fingerprints, read_labels
from train.db_loss import db_loss, peer_loss, teacher_loss
from train.evaluation.torch_networks import IMAGENET_MEAN, IMAGENET_STD
from train.find_quads import score_detector
from train.nets.db import DBDetector, DBMaps, lcnet_detector, ppocrv2_detector, ppocrv3_detector, teacher_detector
from train.recipe import Recipe, Settings
from train.released import load_released
from train.start import start_network
from train.task import HELD_OUT_SEED, Batch, Frozen, Task

MAKERS = {
    "ppocrv2": ppocrv2_detector,
    "ppocrv3": ppocrv3_detector,
    "lcnet": lcnet_detector,
    "resnet18vd": teacher_detector,
}
RULE, THRESHOLDS = ScaleRule(), DetectorThresholds()
"""What a device does by default."""


class DetectorSettings(Settings):
    """The networks."""

    network: Literal["ppocrv2", "ppocrv3", "lcnet", "resnet18vd"] = "ppocrv3"
    """MobileNetV3 x0.5 with the pyramid of PP-OCRv2 or v3 (RSEFPN), LCNet x0.5 with RSEFPN, or the teacher's own."""
    method: Literal["alone", "dml", "cml"] = "alone"
    """`dml` trains two networks that learn from each other too, `cml` moreover from a teacher."""
    teacher: Path | None = None
    """Of `cml`: the checkpoint of a detector (`det_teacher.yaml` trains one)."""

    @model_validator(mode="after")
    def _teacher_fits(self) -> "DetectorSettings":
        if (self.method == "cml") != (self.teacher is not None):
            raise ValueError("`teacher` belongs to `method: cml`, which needs the checkpoint of a detector")
        return self


class ScenesSettings(Settings):
    """What is shown to the networks."""

    fonts: Path | None = None
    """Folder of fonts; /usr/share/fonts when not given."""
    sets: tuple[Path, ...] = ()
    """Label files or folders of pages to learn from too (train/datasets/formats.py)."""
    sets_share: float = Field(default=0.5, gt=0, le=1)
    """Share of the scenes that come from `sets`, where there are any."""
    crops_per_scene: PositiveInt = 4
    """Steps in a row that cut their crops from the same scenes."""
    copy_paste: float = Field(default=0.0, ge=0, le=1)
    """Probability that texts of another scene of the batch are pasted in."""
    augment: AugmentSettings = AugmentSettings()


class EvaluationSettings(Settings):
    """What is evaluated on, whole pictures at the scale a device sees."""

    rendered: NonNegativeInt = 16
    """Rendered scenes of another seed."""
    sets: tuple[Path, ...] = ()
    """Label files or folders of pages; figures carry their names."""


class DetectionRecipe(Recipe):
    """What a detector is trained from."""

    model: DetectorSettings = DetectorSettings()
    data: ScenesSettings = ScenesSettings()
    evaluation: EvaluationSettings = EvaluationSettings()

    @model_validator(mode="after")
    def _something_is_evaluated(self) -> "DetectionRecipe":
        if not self.evaluation.rendered and not self.evaluation.sets:
            raise ValueError("`evaluation` needs `rendered` scenes or `sets`, to choose the best checkpoint")
        if self.start.published and self.model.network != "ppocrv3":
            raise ValueError("`start.published` is PP-OCRv3's detector: set `model.network` to ppocrv3")
        return self


class DetectionTask(Task):
    """A detector learns where lines of text are."""

    recipe_type = DetectionRecipe
    kind = "detector"
    best = "hmean"
    recipe: DetectionRecipe

    def __init__(self, recipe: DetectionRecipe) -> None:
        super().__init__(recipe)
        model = recipe.model
        for name in ("student",) if model.method == "alone" else ("student", "peer"):
            self.networks[name] = self.build(self.details())
            # Each draws a threshold branch of its own where the published weights have none.
            start_network(self.networks[name], recipe.start, kind=self.kind)
        self.teacher = Frozen(load_teacher(model.teacher)) if model.teacher else None

    @classmethod
    def build(cls, details: Mapping[str, Any]) -> DBDetector:
        """The network of that name."""
        return MAKERS[details["network"]]()

    def batches(self) -> SceneBatches:
        """Augmented crops with their maps."""
        data = self.recipe.data
        rendered_share = 1 - data.sets_share if data.sets else 1.0
        fonts = FontBook.from_folder(data.fonts) if rendered_share else None
        source = SceneSource(self.recipe.seed, fonts, read_pages(data.sets), rendered_share)
        return SceneBatches(source, data.augment, data.copy_paste, self.recipe.batch_size, data.crops_per_scene)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Each network's own loss, and what it learns from its peer and its teacher; all have weight 1."""
        image_NCHW = normalized(batch["image_NCHW"])
        said: dict[str, DBMaps] = {name: network(image_NCHW) for name, network in self.networks.items()}
        total = torch.zeros((), device=image_NCHW.device)
        terms: dict[str, Tensor] = {}
        for name, maps in said.items():
            own = db_loss(maps, batch)
            total = total + own["total"]
            terms |= {f"{name}_{term}": value for term, value in own.items() if term != "total"}
        if "peer" in said:
            terms["mutual"] = peer_loss(said["student"].prob, said["peer"].prob)
            total = total + terms["mutual"]
        if self.teacher is not None:
            teacher_prob: Tensor = self.teacher(image_NCHW)
            for name, maps in said.items():
                terms[f"{name}_teacher"] = teacher_loss(maps, teacher_prob, batch["shrink_mask"].float())
                total = total + terms[f"{name}_teacher"]
        return {"total": total, **terms}

    def evaluate(self, networks: nn.ModuleDict) -> dict[str, float]:
        """Hmean, precision and recall of the released network per set; `hmean` is the mean over the sets."""
        detector: DBDetector = networks[self.released]  # type: ignore[assignment]
        figures: dict[str, float] = {}
        for name, scenes in self._held_out.items():
            score = score_detector(detector, scenes, rule=RULE, thresholds=THRESHOLDS)
            figures |= {f"{name}_{measure}": value for measure, value in score.items()}
        return {"hmean": float(np.mean([figures[f"{name}_hmean"] for name in self._held_out])), **figures}

    def details(self) -> dict[str, Any]:
        """The network, and how a device is to show pictures to it and to read its map."""
        return {"network": self.recipe.model.network, "scale": asdict(RULE), "thresholds": asdict(THRESHOLDS)}

    def data(self) -> dict[str, str]:
        """The label files; rendered scenes follow from the seed and the code's revision."""
        return fingerprints((*self.recipe.data.sets, *self.recipe.evaluation.sets))

    def picture(self, batch: Batch) -> NDArray[np.uint8]:
        """The crops of a batch beside themselves with the maps laid over."""
        return draw_maps(batch)

    @cached_property
    def _held_out(self) -> Mapping[str, list[tuple[Scene, bool]]]:
        """Scenes by set, each with whether only a part of its texts is labelled."""
        settings = self.recipe.evaluation
        sets: dict[str, list[tuple[Scene, bool]]] = {}
        if settings.rendered:
            source = SceneSource(self.recipe.seed + HELD_OUT_SEED, FontBook.from_folder(self.recipe.data.fonts))
            sets["rendered"] = [(source.scene(index), False) for index in range(settings.rendered)]
        for path in settings.sets:
            sets[read_labels(path, limit=1).name] = [(load_scene(page), page.partial) for page in pages_of(path)]
        return sets


def load_teacher(path: Path) -> nn.Module:
    """The released detector of a checkpoint.

    Raises:
        ModelError: it cannot be read, or is no detector's.
    """
    loaded = load_released(path)
    if loaded.kind != DetectionTask.kind:
        raise ModelError(f"{path}: a {loaded.kind}; a detector's teacher is a detector (det_teacher.yaml trains one)")
    return loaded.network


def normalized(image_NCHW: Tensor) -> Tensor:
    """(N, 3, H, W) uint8 BGR to float32, less ImageNet's mean and over its deviation, both in RGB order."""
    mean = torch.tensor(IMAGENET_MEAN, device=image_NCHW.device).view(1, 3, 1, 1)
    std = torch.tensor(IMAGENET_STD, device=image_NCHW.device).view(1, 3, 1, 1)
    return (image_NCHW.float() / 255 - mean) / std
