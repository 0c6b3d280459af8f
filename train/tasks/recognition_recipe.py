"""What a recipe of a recogniser may say."""

from pathlib import Path
from typing import Literal

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from train.data.line_kinds import KINDS
from train.nets.ctc import FORMS
from train.recipe import Recipe, Settings
from train.teacher import HEIGHT, STRIDE

LATIN_CHARSET = Path(__file__).parents[1] / "charsets" / "latin.txt"
"""ASCII, the letters of European languages in Latin script, and common signs; all of them are in PP-OCRv6's head."""

PUBLISHED = ("ppocrv3", "ppocrv6")
"""Networks whose weights are published (`start.published`)."""


class RecognizerSettings(Settings):
    """The network."""

    network: Literal["ppocrv1", "ppocrv2", "ppocrv3", "ppocrv6", "ppocrv6_slim"] = "ppocrv3"
    """MobileNetV3 with BiLSTM, LCNet with BiLSTM and a two-layer head (both of height 32), LCNet with SVTR (48),
    PP-OCRv6 small as published and narrowed (48)."""
    charset: Path = LATIN_CHARSET
    """One character a line, in class order, without the blank."""


class MutualSettings(Settings):
    """U-DML: a second student; the published weights are all 1."""

    outputs: NonNegativeFloat = 1.0
    """Of the divergence between both outputs."""
    features: NonNegativeFloat = 1.0
    """Of the squared difference of both backbones' maps."""


class CentreSettings(Settings):
    """Enhanced CTC."""

    centres: Path
    """From `python -m train centres`."""
    weight: PositiveFloat = 0.05
    """lambda of the paper."""


class AttentionSettings(Settings):
    """GTC: a branch that is left behind."""

    weight: PositiveFloat = 1.0
    """As published for PP-OCRv3 and PP-OCRv4."""
    guides: bool = True
    """The backbone learns from the branch alone; neck and CTC head read what it gives. Set it to false where the
    backbone is trained already: a branch that starts at random would spoil it first."""
    width: PositiveInt = Field(default=192, multiple_of=8)


class ShortcutSettings(Settings):
    """A second CTC head, right on the backbone's map, that is left behind. For networks that begin at random."""

    weight: PositiveFloat = 1.0
    alone: NonNegativeInt = 0
    """For that many steps the backbone learns from this head alone. A BiLSTM that begins at random gives every time
    step nearly the same features, and what it hands back keeps the backbone from learning letters."""


class TeacherSettings(Settings):
    """A published larger recogniser."""

    model: Path
    """The wheel rapidocr-3.10.0 or PP-OCRv6_rec_small.onnx itself; see train/teacher.py."""
    weight: PositiveFloat = 0.5


class AnchorSettings(Settings):
    """What the network said before training, on the same pictures: fine-tuning forgets less of what it is not shown."""

    weight: PositiveFloat = 1.0
    """Of the divergence from it, summed over time steps as CTC is."""


class GuideSettings(Settings):
    """A larger recogniser of the same form and charset, whose features and posteriors a narrower one learns to give."""

    checkpoint: Path
    height: PositiveInt | None = None
    """Rows at which it sees the lines, with the columns of the look at which the student sees them; None for the rows
    of the look too."""
    weight: PositiveFloat = 1.0
    """Of the divergence from its posteriors, summed over time steps as CTC is."""
    features: NonNegativeFloat = 1.0
    """Of what is missed of its features, as a part of their variance: of the backbone's map and of the neck's."""


class LookSettings(Settings):
    """A size at which a reader shows lines to the network (`height`, `width_scale` of pack.yaml)."""

    height: PositiveInt
    width_scale: PositiveFloat = 1.0


class LearnSettings(Settings):
    """What is learnt from besides CTC on labels; nothing when not given."""

    mutual: MutualSettings | None = None
    centre: CentreSettings | None = None
    attention: AttentionSettings | None = None
    shortcut: ShortcutSettings | None = None
    teacher: TeacherSettings | None = None
    anchor: AnchorSettings | None = None
    guide: GuideSettings | None = None


class LineData(Settings):
    """Lines drawn on the fly, and lines of files."""

    fonts: Path | None = None
    """Folder of fonts; /usr/share/fonts when not given."""
    augment: float = Field(default=0.4, ge=0, le=1)
    """Probability of each change of `train.data.augment`, on rendered lines, which have been through a camera already,
    and on labelled ones."""
    join: float = Field(default=0.0, ge=0, le=1)
    """Probability of a second line, after a space, beside a rendered line where there is room (RecConAug)."""
    held_out: PositiveInt = 200
    """Rendered lines of another seed that are evaluated on."""
    sets: tuple[Path, ...] = ()
    """Label files or folders to learn from too (train/datasets/formats.py)."""
    sets_share: float = Field(default=0.5, gt=0, le=1)
    """Share of the batches that is made of `sets`, where there are any."""
    unlabelled: tuple[Path, ...] = ()
    """Folders of pictures of lines that only a teacher reads."""
    unlabelled_share: float = Field(default=0.3, gt=0, lt=1)
    """Share of the batches that is made of them, where there are any."""
    held_out_sets: tuple[Path, ...] = ()
    """Label files or folders to evaluate on, instead of rendered lines."""
    kinds: dict[str, PositiveFloat] = Field(default_factory=dict)
    """Kinds of rendered lines (train/data/line_kinds.py) and how many times as often they come."""
    looks: tuple[LookSettings, ...] = ()
    """Further sizes: every other batch, in turn, is shown at one of them."""
    only_looks: bool = False
    """Every batch is shown at one of `looks`, held-out lines at the first."""
    strips: float = Field(default=0.0, ge=0, le=1)
    """Share of the batches whose lines stand side by side in strips, as on a page of many lines; they have no labels,
    only a guide teaches what to read there."""
    widths: tuple[PositiveInt, ...] = (96, 160, 240, 320)
    """Widths of batches, ascending multiples of 16; the last one squeezes lines of files that are longer."""
    drop: bool = False
    """Leave out labels that cannot be learnt (empty, outside the charset, too few time steps), not refuse them."""

    @field_validator("kinds")
    @classmethod
    def _known(cls, kinds: dict[str, float]) -> dict[str, float]:
        unknown = sorted(set(kinds) - {kind.name for kind in KINDS})
        if unknown:
            raise ValueError(f"no kind {unknown[0]!r}; known are {', '.join(kind.name for kind in KINDS)}")
        return kinds

    @field_validator("widths")
    @classmethod
    def _ascend(cls, widths: tuple[int, ...]) -> tuple[int, ...]:
        if not widths or list(widths) != sorted(set(widths)) or any(width % 16 for width in widths):
            raise ValueError("must be ascending multiples of 16")
        return widths


class RecognitionRecipe(Recipe):
    """What a recogniser is trained from."""

    model: RecognizerSettings = RecognizerSettings()
    learn: LearnSettings = LearnSettings()
    data: LineData = LineData()

    @model_validator(mode="after")
    def _fit_together(self) -> "RecognitionRecipe":
        if self.learn.mutual and self.start.published:
            raise ValueError(
                "`learn.mutual` needs two students that differ: begin at random, or with a checkpoint of such a pair"
            )
        if self.start.published and self.model.network not in PUBLISHED:
            raise ValueError(f"`start.published` has the weights of `model.network: {' or '.join(PUBLISHED)}` only")
        if self.data.unlabelled and not self.learn.teacher:
            raise ValueError("`data.unlabelled` needs `learn.teacher`, which reads what has no label")
        if self.learn.anchor and not (self.start.published or self.start.checkpoint):
            raise ValueError("`learn.anchor` holds on to what the network could do, so it needs `start`")
        if self.data.looks and self.learn.teacher:
            raise ValueError("`data.looks` has other time steps than `learn.teacher`: leave out one of them")
        if self.data.only_looks and not self.data.looks:
            raise ValueError("`data.only_looks` needs `data.looks`")
        if self.learn.guide and not self.data.only_looks:
            raise ValueError("`learn.guide` sees what the student sees in more rows, so it needs `data.only_looks`")
        if self.data.strips and not self.learn.guide:
            raise ValueError("`data.strips` have no labels: they need `learn.guide`")
        form = FORMS[self.model.network]
        if self.learn.teacher and (form.height, form.stride) != (HEIGHT, STRIDE):
            raise ValueError("`learn.teacher` has the time steps of `model.network: ppocrv3`; choose that network")
        return self
