"""A narrower recogniser out of a published one: channels that others can stand in for are left out.

Each block's inner channels are chosen one by one, always the one that explains most of what is still missing of the
block's output; then the layer behind them is solved for, so that it gives what the whole block gave. Block by block
from the picture on, each solved on what the narrower blocks before it really give, so errors do not add up.

Reference:
    He, Zhang, Sun 2017 (channel pruning), section 3.1; the choice by orthogonal matching (Chen, Billings, Luo 1989)
    instead of LASSO.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from edge_ocr.charset import Charset
from edge_ocr.errors import ConfigError, ModelError
from train.checkpoint import write_weights
from train.nets.ctc import FORMS, Recognizer
from train.nets.ppocrv6 import V6Backbone, V6Block
from train.pretrained import published_v6, restrict_charset
from train.recipe import Recipe, Start, task_class
from train.released import load_released
from train.task import Share
from train.tasks.recognition_losses import normalized
from train.tasks.recognition_recipe import LearnSettings, RecognitionRecipe

NETWORKS = ("ppocrv6", "ppocrv6_slim")
WIDTH_STEP = 32
"""Inner widths are multiples of this: what vector units take at once."""
RIDGE = 1e-4
"""Added to the diagonal, as a share of its mean: channels that are nearly sums of others have no certain weights."""


def write_slim(recipe: Recipe, whole: Path, out: Path, *, n_lines: int) -> None:
    """Write a checkpoint of a recipe's network with the weights of PP-OCRv6 small; training starts from it.

    Args:
        recipe: Of a recogniser whose network is one of `NETWORKS`; its data show what the channels do.
        whole: A checkpoint of that network at full width; or the wheel rapidocr 3.10.0, or a folder with its ONNX file.
        out: The checkpoint.
        n_lines: Lines to look at.

    Raises:
        ConfigError: another network, or a character that the published head lacks.
        ModelError: the weights are not there, or are those of another network.
    """
    recipe, full, images = _prepared(recipe, whole, n_lines)
    name, charset = recipe.model.network, Charset.from_file(recipe.model.charset)
    form = FORMS[name]
    slim = form.make(1 + len(charset)).eval()
    make_slim(full, slim, images)
    details = {"network": name, "height": form.height, "stride": form.stride, "charset": list(charset)}
    about = {"task": recipe.task, "released": "student", "step": 0, "figures": {}, "details": details}
    out.parent.mkdir(parents=True, exist_ok=True)
    write_weights(out, nn.ModuleDict({"student": slim}), {**about, "recipe": recipe.model_dump(mode="json")})


def planned_widths(recipe: Recipe, whole: Path, *, share: float, n_lines: int) -> list[int]:
    """`plan_widths` on lines of a recipe's data; the arguments and errors are those of `write_slim`."""
    _, full, images = _prepared(recipe, whole, n_lines)
    return plan_widths(full, images, share=share)


def make_slim(full: Recognizer, slim: Recognizer, images: Sequence[Tensor]) -> None:
    """Give a narrower network the weights with which it does as the full one does.

    Args:
        full: In eval mode.
        slim: Changed in place; like `full` but for the inner widths of its blocks.
        images: (N, 3, 48, W) normalised lines each, of any width.
    """
    whole_backbone, narrow_backbone = _backbone(full), _backbone(slim)
    narrow_backbone.stem.load_state_dict(whole_backbone.stem.state_dict())
    slim.neck.load_state_dict(full.neck.state_dict())
    slim.head.load_state_dict(full.head.state_dict())
    with torch.no_grad():
        whole = [whole_backbone.stem(image) for image in images]
        narrow = list(whole)
        for theirs, ours in zip(_blocks(whole_backbone), _blocks(narrow_backbone), strict=True):
            whole = [theirs(feat) for feat in whole]
            narrow = _fit(theirs, ours, narrow, whole)


def plan_widths(full: Recognizer, images: Sequence[Tensor], *, share: float) -> list[int]:
    """Choose how many inner channels each block keeps: taken where they are missed least for the products they cost.

    Args:
        full: In eval mode.
        images: As for `make_slim`.
        share: Of the products of all pointwise pairs, what may be left, in (0, 1].

    Returns:
        A width for each block, multiples of `WIDTH_STEP`.
    """
    curves: list[list[float]] = []
    costs: list[float] = []
    with torch.no_grad():
        feats = [_backbone(full).stem(image) for image in images]
        for block in _blocks(_backbone(full)):
            moments, after = _Moments(), []
            for feat in feats:
                around = block.around(feat)
                hidden = block.hidden(around)
                mixed = block.shrink(hidden)
                moments.add(_rows(hidden), _rows(mixed))
                after.append(mixed if block.leads else around + mixed)
            feats = after
            covariance_HH, shared_HO, _, _ = moments.result()
            spread = float(torch.cat([_rows(feat) for feat in feats]).var(0).sum())
            gains = _match(covariance_HH, shared_HO, len(covariance_HH))[1]
            curves.append([float(left) / spread for left in sum(gains) - torch.tensor([0.0, *gains]).cumsum(0)])
            costs.append(feats[0][0, 0].numel() * (block.widen.in_channels + block.shrink.out_channels))
    widths = [block.widen.out_channels for block in _blocks(_backbone(full))]
    allowed = share * sum(width * cost for width, cost in zip(widths, costs, strict=True))
    while sum(width * cost for width, cost in zip(widths, costs, strict=True)) > allowed:
        losses = [
            (curve[width - WIDTH_STEP] - curve[width]) / cost if width > WIDTH_STEP else float("inf")
            for curve, width, cost in zip(curves, widths, costs, strict=True)
        ]
        widths[losses.index(min(losses))] -= WIDTH_STEP
    return widths


def choose_channels(covariance_HH: Tensor, shared_HO: Tensor, n: int) -> list[int]:
    """Choose inputs of a linear map one by one, each the one that explains most of what is left.

    Args:
        covariance_HH: Of the inputs.
        shared_HO: Covariance of inputs with the wanted outputs.
        n: How many to choose.

    Returns:
        Their numbers, ascending.
    """
    return sorted(_match(covariance_HH, shared_HO, n)[0])


def _match(covariance_HH: Tensor, shared_HO: Tensor, n: int) -> tuple[list[int], list[float]]:
    """Inputs in the order of choice, and the variance of the outputs that each explains."""
    left_HH, left_HO = covariance_HH.clone(), shared_HO.clone()
    floor = 1e-9 * covariance_HH.diagonal().mean()
    chosen: list[int] = []
    explained: list[float] = []
    for _ in range(n):
        variances_H = left_HH.diagonal()
        gains_H = left_HO.square().sum(1) / variances_H.clamp(min=floor)
        gains_H[variances_H <= floor] = 0
        gains_H[chosen] = -1
        best = int(gains_H.argmax())
        chosen.append(best)
        explained.append(float(gains_H[best]))
        if variances_H[best] > floor:
            column_H, row_O, scale = left_HH[:, best].clone(), left_HO[best].clone(), variances_H[best].clone()
            left_HH -= torch.outer(column_H, column_H) / scale
            left_HO -= torch.outer(column_H, row_O) / scale
    return chosen, explained


def _prepared(recipe: Recipe, whole: Path, n_lines: int) -> tuple[RecognitionRecipe, Recognizer, list[Tensor]]:
    """The recipe, the full network with its charset, and lines of its data."""
    if not isinstance(recipe, RecognitionRecipe) or recipe.model.network not in NETWORKS:
        raise ConfigError(f"slim: a recipe with `model.network` {' or '.join(NETWORKS)} is needed")
    full, characters = _whole(whole)
    full = restrict_charset(full, characters, tuple(Charset.from_file(recipe.model.charset)))
    # What the recipe starts from is yet to be made, and nothing is learnt here.
    data_only = recipe.model_copy(update={"start": Start(), "learn": LearnSettings()})
    batches = task_class(recipe.task)(data_only).batches()
    n_batches = -(-n_lines // recipe.batch_size)
    return recipe, full, [normalized(batches(step, Share())["image_NCHW"]) for step in range(n_batches)]


def _whole(path: Path) -> tuple[Recognizer, tuple[str, ...]]:
    if path.suffix != ".safetensors":
        return published_v6(path)
    loaded = load_released(path)
    if loaded.details.get("network") != "ppocrv6":
        raise ModelError(f"{path}: not the weights of the network ppocrv6, which is what can be made narrower")
    assert isinstance(loaded.network, Recognizer)
    return loaded.network, tuple(loaded.charset)


def _fit(theirs: V6Block, ours: V6Block, feats: Sequence[Tensor], wanted: Sequence[Tensor]) -> list[Tensor]:
    """Make a block do with fewer inner channels, on its own inputs, what another gives; what it gives then."""
    ours.depthwise.load_state_dict(theirs.depthwise.state_dict())
    ours.se.load_state_dict(theirs.se.state_dict())
    arounds = [ours.around(feat) for feat in feats]
    moments = _Moments()
    for around, target in zip(arounds, wanted, strict=True):
        moments.add(_rows(theirs.hidden(around)), _rows(target if ours.leads else target - around))
    covariance_HH, shared_HO, mean_H, mean_O = moments.result()
    chosen = choose_channels(covariance_HH, shared_HO, ours.widen.out_channels)
    among = covariance_HH[chosen][:, chosen]
    ridge = RIDGE * among.diagonal().mean() * torch.eye(len(chosen), dtype=among.dtype)
    weights_KO = torch.linalg.solve(among + ridge, shared_HO[chosen])
    ours.widen.weight.copy_(theirs.widen.weight[chosen])
    _bias(ours.widen).copy_(_bias(theirs.widen)[chosen])
    ours.shrink.weight.copy_(weights_KO.T[:, :, None, None])
    _bias(ours.shrink).copy_(mean_O - mean_H[chosen] @ weights_KO)
    return [ours.across(around) for around in arounds]


class _Moments:
    """Sums over rows of inputs and outputs, in double precision."""

    def __init__(self) -> None:
        self.n = 0
        self.sums: list[Tensor] = []

    def add(self, inputs_RH: Tensor, outputs_RO: Tensor) -> None:
        """Count some rows."""
        inputs_RH, outputs_RO = inputs_RH.double(), outputs_RO.double()
        self.n += len(inputs_RH)
        new = [inputs_RH.T @ inputs_RH, inputs_RH.T @ outputs_RO, inputs_RH.sum(0), outputs_RO.sum(0)]
        self.sums = [old + more for old, more in zip(self.sums, new, strict=True)] if self.sums else new

    def result(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Covariance of inputs, of inputs with outputs, and both means."""
        products_HH, products_HO, *sums = self.sums
        mean_H, mean_O = (total / self.n for total in sums)
        covariance_HH = products_HH / self.n - torch.outer(mean_H, mean_H)
        return covariance_HH, products_HO / self.n - torch.outer(mean_H, mean_O), mean_H, mean_O


def _rows(feat_NCHW: Tensor) -> Tensor:
    """A row a cell."""
    return feat_NCHW.permute(0, 2, 3, 1).flatten(0, 2)


def _bias(layer: nn.Conv2d) -> Tensor:
    assert layer.bias is not None
    return layer.bias


def _backbone(network: Recognizer) -> V6Backbone:
    assert isinstance(network.backbone, V6Backbone)
    return network.backbone


def _blocks(backbone: V6Backbone) -> list[V6Block]:
    return [block for block in backbone.blocks if isinstance(block, V6Block)]
