"""Build a pack: networks in, a folder with their files, charset and manifest out."""

import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import yaml

from edge_ocr.charset import Charset
from edge_ocr.errors import ConfigError
from edge_ocr.pack import (
    MANIFEST,
    DetectorSpec,
    Files,
    Gate,
    Manifest,
    Network,
    Normalization,
    OrientationSpec,
    Origin,
    RecognizerSpec,
    SecondLook,
    file_sha256,
    load_pack,
)
from edge_ocr.recognition import check_head
from optimize import gate, quantize
from optimize.evaluate import (
    Crop,
    LabelledPage,
    detector_tallies,
    load_crops,
    recognizer_hits,
)
from optimize.facts import facts_of
from optimize.formats import IR, NetworkFormat
from optimize.rendered import CALIBRATION_SEED, GATE_SEED, rendered_lines, rendered_pages

CENTRED = Normalization(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
IMAGENET = Normalization(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
"""ImageNet's constants in RGB order, applied to BGR as PP-OCR was trained (reference: its pitfall 11)."""

SpecT = TypeVar("SpecT", bound=Network)
Source = Callable[[], Any] | Path
"""Makes a network; or the folder of a pack whose files of it are taken as they are, with their gates."""
N_LINES, N_PAGES = 1000, 80
"""Rendered pictures that INT8 is judged on, and as many other pages that it is calibrated with."""
CALIBRATION_LINES, CALIBRATION_LINES_SEED = 400, 9
"""Lines that it is calibrated with. What INT8 loses hangs on them: words of icdar15_words at 32 and 48 rows (float
.7600 .7963), in 1,282 fonts of Debian's packages with 600 lines of seed 8 .7588 .7875, of this one .7562 .8013; of this
one in the 395 fonts of a usual system .7612 .7937, and three more plates are misread. Since the last layer comes behind
the mean: rendered .829, .828, .832 at 48 rows (float .842) with 600, 500, 400 lines."""

CALIBRATIONS = 3
"""Sets of such lines that a recogniser is calibrated with, one after the other, until INT8 passes: which lines it
misreads is chance as much as loss."""


@dataclass(frozen=True, kw_only=True)
class Ingredients:
    """What a pack is made of."""

    name: str
    version: str
    description: str
    licence: str
    origin: tuple[Origin, ...]
    charset: Charset
    form: NetworkFormat = IR
    """What the networks below are, and what the pack holds."""
    detector: Source
    detector_spec: DetectorSpec
    recognizer: Callable[[], Any]
    recognizer_spec: RecognizerSpec
    orientation: Source | None = None
    orientation_spec: OrientationSpec | None = None
    training_runs: tuple[str, ...] = ()
    detector_recipe: str = "detector"
    """Of `optimize.quantize.RECIPES`; an IR's."""
    recognizer_recipe: str = "recognizer"
    """As `detector_recipe`."""

    def with_int8(self) -> "Ingredients":
        """The same with an INT8 file beside the detector's and the recogniser's FP ones.

        The classifier stays in float: it is asked about a few doubtful lines of a page, on which INT8 saves half a
        millisecond each, and it lost 0.65 point over 47,506 lines (0.29 with its first convolution in float).
        """
        return replace(
            self, detector_spec=_int8_beside(self.detector_spec), recognizer_spec=_int8_beside(self.recognizer_spec)
        )


@dataclass(frozen=True, kw_only=True)
class Quantisation:
    """How INT8 is made and judged."""

    fonts: Path | None = None
    """Folder of fonts for the rendered pictures; None for the system's."""
    gate_fonts: Path | None = None
    """Another folder for those that INT8 is judged on; None for the same."""
    crop_sets: tuple[Path, ...] = ()
    """Further labelled crop sets that the recogniser is judged on."""
    calibration_sets: tuple[Path, ...] = ()
    """Crop sets that the recogniser is calibrated with, besides rendered lines."""


def build_pack(ingredients: Ingredients, out: Path, quantisation: Quantisation | None) -> Manifest:
    """Build a pack in a folder; nothing half-built is left there when it fails.

    Args:
        ingredients: Networks, charset and where they come from.
        out: The pack's folder; an old one of the same name is replaced.
        quantisation: How INT8 is made; None for a pack with FP only.

    Raises:
        ModelError: a network does not fit the charset, or INT8 did not pass the gate.
        ConfigError: `out` is a folder that is not a pack.
    """
    if out.exists() and not (out / MANIFEST).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out}: is there and is not a pack; name another folder")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as temporary:
        folder = Path(temporary) / "pack"
        folder.mkdir()
        manifest = _fill(ingredients, folder, quantisation)
        load_pack(folder)
        if out.exists():
            # Moved away, not removed: whatever stops us here, the old pack or the new one is whole.
            out.rename(Path(temporary) / "old")
        folder.rename(out)
    return manifest


def _fill(ingredients: Ingredients, folder: Path, quantisation: Quantisation | None) -> Manifest:
    ingredients.charset.to_file(folder / "charset.txt")
    form = ingredients.form
    rendered = _Rendered(quantisation, ingredients.charset) if quantisation else None
    specs: dict[str, Network] = {}
    for network, make, spec in (
        ("detector", ingredients.detector, ingredients.detector_spec),
        ("recognizer", ingredients.recognizer, ingredients.recognizer_spec),
        ("orientation", ingredients.orientation, ingredients.orientation_spec),
    ):
        if make is None or spec is None:
            continue
        if isinstance(make, Path):
            _take(make, spec, folder)
            specs[network] = spec
            continue
        _say(f"{network}: converting")
        model = make()
        if network == "recognizer":
            check_head(form.n_classes(model), ingredients.charset)
        folded = form.fold(model, network, spec.normalization)
        form.save(folded, folder / spec.files.fp)
        gates: tuple[Gate, ...] = ()
        if rendered and quantisation and spec.files.int8:
            sets = _gate_sets(spec, ingredients.charset, rendered, quantisation)
            recipe = ingredients.detector_recipe if network == "detector" else ingredients.recognizer_recipe
            gates = _quantised(form, folded, recipe, spec, folder, rendered, sets)
        files = spec.files if gates else Files(fp=spec.files.fp)
        specs[network] = spec.model_copy(update={"files": files, "gates": gates})
    for network, filled in specs.items():
        for name in (filled.files.fp, filled.files.int8):
            if name:
                form.tell(folder / name, facts_of(network, filled, ingredients.charset))
    manifest = Manifest.model_validate({
        "format": "edge-ocr.pack/1",
        "name": ingredients.name,
        "version": ingredients.version,
        "description": ingredients.description,
        "licence": ingredients.licence,
        "origin": ingredients.origin,
        "charset": "charset.txt",
        **specs,
        "training_runs": ingredients.training_runs,
        "sha256": {file.name: file_sha256(file) for file in sorted(folder.iterdir())},
    })
    text = yaml.safe_dump(manifest.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120)
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    return manifest


def _quantised(
    form: NetworkFormat,
    folded: Any,
    recipe: str,
    spec: Network,
    folder: Path,
    rendered: "_Rendered",
    sets: Sequence[gate.GateSet],
) -> tuple[Gate, ...]:
    """Write the INT8 file of the first calibration that passes the gate."""
    assert spec.files.int8
    fp, int8 = folder / spec.files.fp, folder / spec.files.int8
    n_attempts = CALIBRATIONS if isinstance(spec, RecognizerSpec) else 1
    fp_scores = [one.score(fp) for one in sets]
    for attempt in range(n_attempts):
        _say(f"{int8.name}: quantising" + (f", calibration {attempt + 1} of {n_attempts}" if attempt else ""))
        source = form.reread(fp) if form.reread else folded
        form.save(form.quantize(source, recipe, rendered.inputs(spec, attempt)), int8)
        try:
            return gate.hold_against(fp_scores, int8, sets)
        except gate.GateError as refused:
            if attempt + 1 == n_attempts:
                raise
            _say(str(refused))
    raise AssertionError("every way out is above")


def _take(pack: Path, spec: Network, folder: Path) -> None:
    for name in (spec.files.fp, spec.files.int8):
        for file in (pack / name, (pack / name).with_suffix(".bin")) if name else ():
            if file.exists():  # an ONNX file has no weights beside it
                shutil.copy(file, folder)


class _Rendered:
    """Rendered pictures, drawn when first needed."""

    def __init__(self, quantisation: Quantisation, charset: Charset) -> None:
        self.fonts = quantisation.fonts
        self.gate_fonts = quantisation.gate_fonts or quantisation.fonts
        self.calibration_sets = quantisation.calibration_sets
        self.charset = frozenset(charset)
        self._drawn: dict[int, list[Crop]] = {}

    def calibration_lines(self, attempt: int) -> list[Crop]:
        if attempt not in self._drawn:
            self._drawn[attempt] = self._lines(CALIBRATION_LINES_SEED + attempt, CALIBRATION_LINES, self.fonts)
        return self._drawn[attempt]

    @cached_property
    def calibration_pages(self) -> list[LabelledPage]:
        return self._pages(CALIBRATION_SEED, self.fonts)

    @cached_property
    def gate_lines(self) -> list[Crop]:
        return self._lines(GATE_SEED, N_LINES, self.gate_fonts)

    @cached_property
    def gate_pages(self) -> list[LabelledPage]:
        return self._pages(GATE_SEED, self.gate_fonts)

    def _lines(self, seed: int, n: int, fonts: Path | None) -> list[Crop]:
        _say(f"drawing {n} lines")
        return rendered_lines(n, seed, fonts, self.charset)

    def _pages(self, seed: int, fonts: Path | None) -> list[LabelledPage]:
        _say(f"drawing {N_PAGES} pages")
        return rendered_pages(N_PAGES, seed, fonts)

    def inputs(self, spec: Network, attempt: int) -> list[quantize.Tensor]:
        if isinstance(spec, DetectorSpec):
            return quantize.detector_inputs(self.calibration_pages, spec.scale)
        assert isinstance(spec, RecognizerSpec)
        own = [crop for path in self.calibration_sets for crop in load_crops(path).crops]
        # At the larger of two looks: word accuracy on icdar15_words then .748 at 32 rows and .800 at 48, calibrated at
        # both .743 and .800, at 32 alone .744 and .800.
        look = spec.second_look or spec
        return quantize.recognizer_inputs([*self.calibration_lines(attempt), *own], look.height, look.width_scale)


def _gate_sets(
    spec: Network, charset: Charset, rendered: _Rendered, quantisation: Quantisation
) -> Sequence[gate.GateSet]:
    if isinstance(spec, DetectorSpec):
        return [_detector_set(spec, rendered.gate_pages)]
    assert isinstance(spec, RecognizerSpec)
    real = [load_crops(folder) for folder in quantisation.crop_sets]
    sets = [("rendered", rendered.gate_lines), *((crop_set.name, crop_set.crops) for crop_set in real)]
    looks: list[tuple[str, RecognizerSpec | SecondLook]] = [("", spec)]
    if spec.second_look:
        looks.append((", second look", spec.second_look))
    return [_recognizer_set(name + which, look, charset, crops) for which, look in looks for name, crops in sets]


def _detector_set(spec: DetectorSpec, pages: Sequence[LabelledPage]) -> gate.GateSet:
    def score(xml: Path) -> gate.Score:
        return gate.Score.of_tallies(detector_tallies(xml, spec, pages))

    return gate.GateSet("rendered", "detection Hmean", gate.DETECTOR_MARGIN, score)


def _recognizer_set(
    name: str, look: RecognizerSpec | SecondLook, charset: Charset, crops: Sequence[Crop]
) -> gate.GateSet:
    def score(xml: Path) -> gate.Score:
        return gate.Score.of_hits(recognizer_hits(xml, look, charset, crops))

    return gate.GateSet(name, "word accuracy", gate.RECOGNIZER_MARGIN, score)


def _int8_beside(spec: SpecT) -> SpecT:
    fp = spec.files.fp
    return spec.model_copy(update={"files": Files(fp=fp, int8=fp.replace(".fp.", ".int8."))})


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
