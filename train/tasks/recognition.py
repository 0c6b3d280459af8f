"""Training a recogniser of text lines: CTC on rendered and labelled lines, and what helps it (`learn` in a recipe).

    mutual      U-DML: a peer of the same form, and each learns from the other
    centre      enhanced CTC: features are drawn to the centre of their class
    attention   GTC: a branch with attention guides the backbone
    shortcut    a CTC head right on the backbone, for the first steps of random weights
    teacher     a published larger recogniser reads the same pictures
    guide       a larger one of the same form, its features and posteriors, in more rows than the student sees
    anchor      it says what it said before, where labels do not contradict

All of them can be combined. Only `student` is released; what else is trained stays in checkpoints and is left there.

Shape suffixes: N lines, C channels or classes, H and W pixels, T time steps, D features.
"""

import copy
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from edge_ocr.charset import Charset
from edge_ocr.ctc import decode_probs
from edge_ocr.errors import ModelError
from train.centres import load_centres
from train.data.font_book import FontBook
from train.datasets.formats import fingerprints
from train.datasets.labelled import LabelledLine
from train.evaluation.measures import line_figures
from train.nets.attention import AttentionBranch
from train.nets.ctc import FORMS, CTCHead, Recognizer, RecognizerParts
from train.start import Published, start_recognizer
from train.task import HELD_OUT_SEED, Batch, Batches, Frozen, Share, Task
from train.tasks.line_sets import (
    LabelledBatches,
    checked_lines,
    held_out_batches,
    read_lines,
    unlabelled_lines,
)
from train.tasks.looks import ShownBatches, shown_at
from train.tasks.mixed_batches import MixedBatches
from train.tasks.recognition_losses import (
    anchor_loss,
    attention_loss,
    centre_loss,
    ctc_loss,
    feature_loss,
    missed_share,
    mutual_loss,
    normalized,
    teacher_loss,
)
from train.tasks.recognition_recipe import GuideSettings, RecognitionRecipe
from train.tasks.rendered_lines import LineShape, RenderedBatches
from train.teacher import TaughtBatches, Teacher

STUDENT, PEER = "student", "peer"


class RecognitionTask(Task):
    """A recogniser learns to read lines."""

    recipe_type = RecognitionRecipe
    kind = "recognizer"
    best = "line_accuracy"
    recipe: RecognitionRecipe
    centres: Tensor
    """(C, D) of the enhanced CTC loss."""
    known: Tensor
    """(C,) bool: which of them there are."""

    def __init__(self, recipe: RecognitionRecipe) -> None:
        super().__init__(recipe)
        learn = recipe.learn
        self.charset = Charset.from_file(recipe.model.charset)
        self.form = FORMS[recipe.model.network]
        student = self.build(self.details())
        published: Published = "ppocrv6" if recipe.model.network == "ppocrv6" else "ppocrv3"
        start_recognizer(student, recipe.start, self.charset, published=published)
        self.networks[STUDENT] = student
        if learn.mutual:
            peer = self.build(self.details())
            start_recognizer(peer, recipe.start.model_copy(update={"network": PEER}), self.charset)
            self.networks[PEER] = peer
        if learn.anchor:
            self.anchor = Frozen(copy.deepcopy(student))
        if learn.guide:
            self.guide = Frozen(load_guide(learn.guide.checkpoint, self.charset, student))
        self.students = tuple(self.networks)
        """Names of those that learn to read, the released one first."""
        if learn.attention:
            for name in self.students:
                self.networks[_branch(name)] = AttentionBranch(
                    student.backbone.out_channels, self.charset.n_classes, width=learn.attention.width
                )
        if learn.shortcut:
            for name in self.students:
                self.networks[_shortcut_head(name)] = CTCHead(student.backbone.out_channels, self.charset.n_classes)
        if learn.centre:
            centres = load_centres(learn.centre.centres, tuple(self.charset), student.head.classes.in_features)
            self.register_buffer("centres", centres.means, persistent=False)
            self.register_buffer("known", centres.counts > 0, persistent=False)

    @classmethod
    def build(cls, details: Mapping[str, Any]) -> Recognizer:
        """The network of that name with a head for that charset."""
        return FORMS[details["network"]].make(1 + len(details["charset"]))

    def batches(self) -> Batches:
        """Rendered lines; batches from files among them where the recipe names some."""
        data, teacher = self.recipe.data, self.recipe.learn.teacher
        batches: Batches
        if data.sets and data.sets_share == 1:
            batches = self._labelled()
        else:
            batches = self._rendered(self.recipe.seed, augment=data.augment, join=data.join)
            if data.sets:
                batches = MixedBatches(batches, self._labelled(), data.sets_share, self.recipe.seed)
        if data.unlabelled:
            batches = MixedBatches(batches, self._unlabelled(), data.unlabelled_share, self.recipe.seed, salt=2)
        if data.looks:
            guide = self.recipe.learn.guide
            batches = ShownBatches(
                batches, data.looks, self.form, each=data.only_looks, guide_height=guide.height if guide else None,
                strips=data.strips, seed=self.recipe.seed,
            )  # fmt: skip
        return TaughtBatches(batches, Teacher(teacher.model, tuple(self.charset))) if teacher else batches

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The weighted terms that the recipe asks for."""
        learn = self.recipe.learn
        image_NCHW, targets, lengths = normalized(batch["image_NCHW"]), batch["targets"], batch["lengths"]
        guided = bool(learn.attention and learn.attention.guides)
        guided |= bool(learn.shortcut and batch["step"] < learn.shortcut.alone)
        parts = {name: self._network(name).parts(image_NCHW, guided=guided) for name in self.students}
        terms = {"ctc": _added(ctc_loss(part.logits, targets, lengths) for part in parts.values())}
        if learn.mutual:
            one, other = parts[STUDENT], parts[PEER]
            terms["mutual"] = learn.mutual.outputs * mutual_loss(one.logits, other.logits)
            terms["features"] = learn.mutual.features * feature_loss(one.backbone, other.backbone)
        if learn.attention:
            losses = [self._attention(name, part, batch) for name, part in parts.items()]
            terms["attention"] = learn.attention.weight * _added(losses)
        if learn.shortcut:
            losses = [self._shortcut(name, part, batch) for name, part in parts.items()]
            terms["shortcut"] = learn.shortcut.weight * _added(losses)
        if learn.anchor:
            before_NTC = self.anchor(image_NCHW)
            terms["anchor"] = learn.anchor.weight * _added(anchor_loss(p.logits, before_NTC) for p in parts.values())
        if learn.guide:
            seen_NCHW = normalized(batch["guide_NCHW"]) if learn.guide.height else image_NCHW
            terms |= self._guide_terms(learn.guide, parts[STUDENT], seen_NCHW)
        terms |= self._constant_terms(parts, batch)
        return {"total": _added(terms.values()), **terms}

    def evaluate(self, networks: nn.ModuleDict) -> dict[str, float]:
        """Accuracy on held-out lines, strict and folded, and 1 - NED."""
        device = next(networks.parameters()).device
        pairs: list[tuple[str, str]] = []
        for images, texts in self._held_out:
            probs_NTC = networks[self.released](normalized(self._shown(images).to(device)))
            readings = decode_probs(probs_NTC.float().cpu().numpy(), self.charset)
            pairs += [(reading.text, text) for reading, text in zip(readings, texts, strict=True)]
        return line_figures(pairs)

    def details(self) -> dict[str, Any]:
        """The charset and the input of the network."""
        form = {"height": self.form.height, "stride": self.form.stride}
        return {"network": self.recipe.model.network, **form, "charset": list(self.charset)}

    def data(self) -> dict[str, str]:
        """The label files; rendered lines follow from the seed and the code's revision."""
        return fingerprints((*self.recipe.data.sets, *self.recipe.data.held_out_sets))

    def _network(self, name: str) -> Recognizer:
        network: Recognizer = self.networks[name]  # type: ignore[assignment]
        return network

    @property
    def _guide(self) -> Recognizer:
        assert isinstance(self.guide.network, Recognizer)
        return self.guide.network

    def _attention(self, name: str, parts: RecognizerParts, batch: Batch) -> Tensor:
        logits_NLC = self.networks[_branch(name)](parts.backbone, batch["targets"])
        return attention_loss(logits_NLC, batch["targets"], batch["lengths"])

    def _shortcut(self, name: str, parts: RecognizerParts, batch: Batch) -> Tensor:
        logits_NTC = self.networks[_shortcut_head(name)](parts.backbone.squeeze(2).transpose(1, 2))
        return ctc_loss(logits_NTC, batch["targets"], batch["lengths"])

    def _constant_terms(self, parts: Mapping[str, RecognizerParts], batch: Batch) -> dict[str, Tensor]:
        """What comes from a constant: centres, for the student they were made for, and a teacher."""
        learn, terms = self.recipe.learn, dict[str, Tensor]()
        if learn.centre:
            part = parts[STUDENT]
            distance = centre_loss(part.feat, part.logits, self.centres, self.known)
            terms["centre"] = learn.centre.weight * distance
        if learn.teacher:
            losses = [teacher_loss(p.logits, batch["teacher_NTC"], batch["mass_NT"]) for p in parts.values()]
            terms["teacher"] = learn.teacher.weight * _added(losses)
        return terms

    def _guide_terms(self, settings: GuideSettings, part: RecognizerParts, image_NCHW: Tensor) -> dict[str, Tensor]:
        """What the guide says of the lines, and from which features."""
        with torch.no_grad():
            guide = self._guide.parts(image_NCHW)
        missed = missed_share(part.backbone, guide.backbone) + missed_share(part.feat, guide.feat)
        return {
            "guide": settings.weight * anchor_loss(part.logits, guide.logits.float().softmax(2)),
            "features": settings.features * missed,
        }

    def _rendered(self, seed: int, *, augment: float = 0.0, join: float = 0.0) -> RenderedBatches:
        recipe = self.recipe
        shape = LineShape(self.form.height, self.form.stride, recipe.data.widths)
        fonts = FontBook.from_folder(recipe.data.fonts)
        emphasis = tuple(sorted(recipe.data.kinds.items()))
        return RenderedBatches(seed, recipe.batch_size, self.charset, fonts, shape, augment, join, emphasis)

    def _labelled(self) -> LabelledBatches:
        data = self.recipe.data
        shape = {"height": self.form.height, "stride": self.form.stride}
        lines = checked_lines(read_lines(data.sets), self.charset, **shape, max_width=data.widths[-1], drop=data.drop)
        return self._from_files(lines)

    def _unlabelled(self) -> LabelledBatches:
        data = self.recipe.data
        return self._from_files(unlabelled_lines(data.unlabelled, height=self.form.height, max_width=data.widths[-1]))

    def _from_files(self, lines: Sequence[tuple[LabelledLine, float]]) -> LabelledBatches:
        recipe = self.recipe
        return LabelledBatches(
            lines, self.charset, height=self.form.height, stride=self.form.stride, buckets=recipe.data.widths,
            batch_size=recipe.batch_size, seed=recipe.seed, augment=recipe.data.augment,
        )  # fmt: skip

    @cached_property
    def _held_out(self) -> list[tuple[Tensor, list[str]]]:
        """Held-out lines in batches of one width: labelled ones, or rendered from a seed that training cannot reach."""
        recipe = self.recipe
        if recipe.data.held_out_sets:
            return held_out_batches(
                read_lines(recipe.data.held_out_sets),
                height=self.form.height,
                buckets=recipe.data.widths,
                batch_size=recipe.batch_size,
            )
        batches = self._rendered(recipe.seed + HELD_OUT_SEED)
        n_batches = -(-recipe.data.held_out // recipe.batch_size)
        made = [batches(step, Share()) for step in range(n_batches)]
        return [(batch["image_NCHW"], batch["texts"]) for batch in made]

    def _shown(self, image_NCHW: Tensor) -> Tensor:
        """Held-out lines as the network gets them."""
        data = self.recipe.data
        return shown_at(image_NCHW, data.looks[0], self.form) if data.only_looks else image_NCHW


def load_guide(path: Path, charset: Charset, student: Recognizer) -> Recognizer:
    """The larger recogniser that a student learns from.

    Raises:
        ModelError: the checkpoint is not there, or of no network with the student's charset and features.
    """
    # Imported late: it asks train.recipe for the tasks, which are this module.
    from train.released import load_released

    loaded = load_released(path)
    if loaded.kind != "recognizer" or tuple(loaded.charset) != tuple(charset):
        raise ModelError(f"{path}: no recogniser with the charset of the recipe; a guide has the student's")
    guide = loaded.network
    assert isinstance(guide, Recognizer)
    features = [(one.backbone.out_channels, one.head.classes.in_features) for one in (guide, student)]
    if features[0] != features[1]:
        raise ModelError(f"{path}: its features are {features[0]} wide, the student's {features[1]}: take one like it")
    return guide


def _branch(student: str) -> str:
    return f"{student}_attention"


def _shortcut_head(student: str) -> str:
    return f"{student}_shortcut"


def _added(terms: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(terms)).sum()
