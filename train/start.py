"""Weights to begin with: published ones or an earlier run's, their charset mapped to the new one by character."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from edge_ocr.charset import BLANK
from edge_ocr.errors import ModelError
from train.checkpoint import below, read_tensors
from train.pretrained import PublishedModels, published_v6
from train.recipe import Start

CLASS_TENSORS = ("head.classes.weight", "head.classes.bias")
"""Tensors of a recogniser with one row a class: the blank, then the characters."""

Published = Literal["ppocrv3", "ppocrv6", "detector", "orientation"]
"""Published networks: two recognisers, and the others of PP-OCRv3."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StartWeights:
    """Weights from elsewhere."""

    tensors: Mapping[str, Tensor]
    where: str
    """The file, for messages."""
    characters: Sequence[str] | None = None
    """Of a recogniser, in class order without the blank."""


def start_recognizer(
    network: nn.Module, start: Start, characters: Sequence[str], *, published: Published = "ppocrv3"
) -> None:
    """Give a recogniser the weights that a recipe asks for; it stays random where the recipe names none.

    Rows of the head are taken over by character; a character that the other charset lacks keeps its random row.

    Args:
        network: Changed in place.
        start: Of the recipe.
        characters: Its own, in class order without the blank.
        published: Which recogniser `start.published` means.

    Raises:
        ModelError: the weights are not there, or are those of another network.
    """
    weights = _weights(start, published)
    if weights is None:
        return
    if weights.characters is None:
        raise ModelError(f"{weights.where}: the weights of no recogniser: they come without a charset")
    tensors = dict(weights.tensors)
    own = network.state_dict()
    for name in CLASS_TENSORS:
        if name in tensors and name in own:
            tensors[name] = map_rows(own[name], tensors[name], characters, weights.characters)
    _load(network, tensors, weights.where)
    old, new = set(weights.characters), set(characters)
    _log.info(
        "%s: %d characters taken over, %d new, %d dropped",
        weights.where,
        len(old & new),
        len(new - old),
        len(old - new),
    )


def start_network(network: nn.Module, start: Start, *, kind: Published) -> None:
    """Give a detector or an orientation classifier the weights that a recipe asks for.

    Args:
        network: Changed in place; left random where the recipe names no weights.
        start: Of the recipe.
        kind: `detector` or `orientation`.

    Raises:
        ModelError: the weights are not there, or are those of another network.
    """
    weights = _weights(start, kind)
    if weights is not None:
        _load(network, weights.tensors, weights.where)


def map_rows(own: Tensor, other: Tensor, characters: Sequence[str], other_characters: Sequence[str]) -> Tensor:
    """Rows of a head for another charset.

    Args:
        own: (1 + len(characters), ...) as the network has them now.
        other: (1 + len(other_characters), ...) to take over.
        characters: The new charset, without the blank.
        other_characters: The charset of `other`.

    Returns:
        A tensor like `own` whose rows of the blank and of shared characters are those of `other`.
    """
    row_of = {character: row for row, character in enumerate(other_characters, start=1)}
    mapped = own.clone()
    mapped[BLANK] = other[BLANK]
    for row, character in enumerate(characters, start=1):
        if character in row_of:
            mapped[row] = other[row_of[character]]
    return mapped


def _weights(start: Start, published: Published) -> StartWeights | None:
    if start.checkpoint:
        tensors, about = read_tensors(start.checkpoint)
        name = start.network or about["released"]
        chosen = below(tensors, f"{name}.")
        if not chosen:
            names = sorted({tensor.partition(".")[0] for tensor in tensors})
            raise ModelError(f"{start.checkpoint}: no network {name!r} in it; there are {', '.join(names)}")
        return StartWeights(chosen, str(start.checkpoint), about["details"].get("charset"))
    if start.published:
        where = str(start.published)
        if published == "ppocrv6":
            recognizer, characters = published_v6(start.published)
            return StartWeights(recognizer.state_dict(), where, characters)
        models = PublishedModels(start.published)
        if published == "ppocrv3":
            recognizer, characters = models.recognizer()
            return StartWeights(recognizer.state_dict(), where, characters)
        network = models.detector() if published == "detector" else models.orientation()
        return StartWeights(network.state_dict(), where)
    return None


def _load(network: nn.Module, tensors: Mapping[str, Tensor], where: str) -> None:
    own = network.state_dict()
    missing = torch.empty(0, 0, 0, 0, 0)  # no tensor of a network has this shape
    odd = [name for name in {**own, **tensors} if own.get(name, missing).shape != tensors.get(name, missing).shape]
    if odd:
        shown = ", ".join(odd[:3])
        raise ModelError(f"{where}: the weights of another network: {len(odd)} tensors do not fit, such as {shown}")
    network.load_state_dict(dict(tensors))
