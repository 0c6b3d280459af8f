"""Training a recogniser of text lines with CTC, on rendered lines.

Shape suffixes: N lines, C channels or classes, H and W pixels, T time steps.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from edge_ocr.charset import Charset
from edge_ocr.ctc import decode_probs
from edge_ocr.metrics import word_accuracy
from edge_ocr.recognition import pad_crop, scale_line
from train.ctc_targets import classes_of, pack_targets, steps_needed
from train.data.fonts import find_fonts
from train.data.lines import render_line
from train.nets.ctc import BLANK, Recognizer, ppocrv2_recognizer, ppocrv3_recognizer
from train.recipe import Recipe, Settings
from train.task import Batch, Share, Task, sample_rng

LATIN_CHARSET = Path(__file__).parents[2] / "edge_ocr" / "packs" / "latin" / "charset.txt"
MAKERS = {"ppocrv2": ppocrv2_recognizer, "ppocrv3": ppocrv3_recognizer}
HEIGHTS = {"ppocrv2": 32, "ppocrv3": 48}
STRIDES = {"ppocrv2": 4, "ppocrv3": 8}
"""Columns of the picture per time step."""


class RecognizerSettings(Settings):
    """The network."""

    network: Literal["ppocrv2", "ppocrv3"] = "ppocrv3"
    charset: Path = LATIN_CHARSET
    """One character a line, in class order, without the blank."""


class RenderedLines(Settings):
    """Lines drawn on the fly."""

    fonts: Path | None = None
    """Folder of fonts; /usr/share/fonts when not given."""
    width: PositiveInt = Field(default=320, multiple_of=16)
    """Pixels that every line is padded to; a longer one is squeezed."""
    held_out: PositiveInt = 200
    """Lines of another seed that are evaluated on."""


class RecognitionRecipe(Recipe):
    """What a recogniser is trained from."""

    model: RecognizerSettings = RecognizerSettings()
    data: RenderedLines = RenderedLines()


class RecognitionTask(Task):
    """A recogniser learns to read rendered lines."""

    recipe_type = RecognitionRecipe
    best = "line_accuracy"
    recipe: RecognitionRecipe

    def __init__(self, recipe: RecognitionRecipe) -> None:
        super().__init__(recipe)
        self.charset = Charset.from_file(recipe.model.charset)
        self.networks["student"] = MAKERS[recipe.model.network](self.charset.n_classes)

    def batches(self) -> "RenderedBatches":
        """Rendered lines, all of one width."""
        return RenderedBatches(self.recipe, self.charset, find_fonts(self.recipe.data.fonts))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """CTC, per line and averaged over the batch."""
        student: Recognizer = self.networks["student"]  # type: ignore[assignment]
        ctc = ctc_loss(student(normalized(batch["image_NCHW"])), batch["targets"], batch["lengths"])
        return {"total": ctc, "ctc": ctc}

    def evaluate(self, networks: nn.ModuleDict) -> dict[str, float]:
        """Share of held-out rendered lines that are read right: every character, and letters and digits only."""
        device = next(networks.parameters()).device
        pairs: list[tuple[str, str]] = []
        for images, texts in self._held_out:
            probs_NTC = networks[self.released](normalized(images.to(device)))
            readings = decode_probs(probs_NTC.float().cpu().numpy(), self.charset)
            pairs += [(reading.text, text) for reading, text in zip(readings, texts, strict=True)]
        exact = sum(read == text for read, text in pairs) / max(1, len(pairs))
        return {"line_accuracy": exact, "word_accuracy_folded": word_accuracy(pairs)}

    def details(self) -> dict[str, Any]:
        """The charset and the input of the network."""
        name = self.recipe.model.network
        return {"network": name, "height": HEIGHTS[name], "charset": list(self.charset)}

    @cached_property
    def _held_out(self) -> list[tuple[Tensor, list[str]]]:
        """Batches of lines from a seed that training cannot reach, drawn once."""
        recipe = self.recipe.model_copy(update={"seed": self.recipe.seed + 1_000_000_007})
        batches = RenderedBatches(recipe, self.charset, find_fonts(recipe.data.fonts))
        n_batches = -(-recipe.data.held_out // recipe.batch_size)
        made = [batches(step, Share()) for step in range(n_batches)]
        return [(batch["image_NCHW"], batch["texts"]) for batch in made]


@dataclass(frozen=True)
class RenderedBatches:
    """Batches of rendered lines."""

    recipe: RecognitionRecipe
    charset: Charset
    fonts: tuple[Path, ...]

    def __call__(self, step: int, share: Share) -> Batch:
        """Draw one process's lines of a step."""
        name, width = self.recipe.model.network, self.recipe.data.width
        images, texts = [], []
        for i in share.of(range(self.recipe.batch_size)):
            image, text = self._draw(step * self.recipe.batch_size + i, n_steps=width // STRIDES[name])
            images.append(fitted(image, HEIGHTS[name], width))
            texts.append(text)
        where = f"rendered line of step {step}"
        n_steps = width // STRIDES[name]
        targets, lengths = pack_targets([classes_of(t, self.charset, n_steps=n_steps, where=where) for t in texts])
        image_NCHW = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()
        return {"image_NCHW": image_NCHW, "targets": targets, "lengths": lengths, "texts": texts}

    def _draw(self, index: int, *, n_steps: int) -> tuple[NDArray[np.uint8], str]:
        """Draw until a text fits the charset and the time steps; most do."""
        rng = sample_rng(self.recipe.seed, index)
        while True:
            image, text = render_line(rng, self.fonts)
            if steps_needed(text) <= n_steps and set(text) <= set(self.charset):
                return image, text


def fitted(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """A line at the network's height, squeezed to the width or padded up to it; (height, width, 3)."""
    line = scale_line(image, height)
    if line.shape[1] > width:
        line = np.asarray(cv2.resize(line, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    padded: NDArray[np.uint8] = pad_crop(line, [width])[0]
    return padded


def normalized(image_NCHW: Tensor) -> Tensor:
    """(N, 3, H, W) uint8 BGR to float32, (x / 255 - 0.5) / 0.5."""
    return image_NCHW.float() / 127.5 - 1.0


def ctc_loss(logits_NTC: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
    """CTC averaged over the batch, not divided by the length of the labels (PP-OCRv2's code)."""
    log_probs_TNC = logits_NTC.float().log_softmax(2).transpose(0, 1)
    n_steps = torch.full_like(lengths, logits_NTC.shape[1])
    losses = nn.functional.ctc_loss(log_probs_TNC, targets, n_steps, lengths, blank=BLANK, reduction="none")
    return losses.mean()
