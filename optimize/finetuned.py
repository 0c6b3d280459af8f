"""A pack with a recogniser of one's own: everything else is another pack's, gates and all.

What is learnt may cost what was known. The recogniser is held against the one it replaces on rendered lines, and both
figures are told; whether a loss there is worth the gain is the user's to say.
"""

import sys
from pathlib import Path

from edge_ocr.errors import ModelError
from edge_ocr.pack import Files, Origin, Pack, file_sha256, load_pack
from optimize.build import N_LINES, Ingredients, Quantisation, build_pack
from optimize.evaluate import CropSet, load_crops, recognizer_hits
from optimize.formats import IR
from optimize.rendered import GATE_SEED, rendered_lines
from train.released import Released, load_released


def build_finetuned(
    checkpoint: Path, base: Pack, out: Path, *, name: str, judged: Quantisation, has_int8: bool = True
) -> None:
    """Build a pack with the recogniser of a checkpoint, and tell what has become better and worse.

    Args:
        checkpoint: Of a run of train/, of a recogniser that takes lines as the pack's does.
        base: Where detector, classifier and all settings come from.
        out: The new pack's folder.
        name: The new pack's name.
        judged: How INT8 is made and judged; its crop sets are compared too.
        has_int8: Whether there is an INT8 recogniser beside that in FP.

    Raises:
        ModelError: no recogniser's checkpoint, lines of another height or stride, a pack that is not for CPUs, or INT8
            did not pass the gate.
        ConfigError: `out` is a folder that is not a pack.
    """
    ingredients = finetuned_ingredients(checkpoint, base, name=name, has_int8=has_int8)
    build_pack(ingredients, out, judged if has_int8 else None)
    for line in changes(base, load_pack(out), judged):
        sys.stderr.write(f"{line}\n")


def finetuned_ingredients(checkpoint: Path, base: Pack, *, name: str, has_int8: bool = True) -> Ingredients:
    """What such a pack is made of; see `build_finetuned`."""
    released = load_released(checkpoint)
    spec = base.manifest.recognizer
    _check_fit(checkpoint, released, base)
    sha256 = file_sha256(checkpoint)
    about = released.about
    run = f"{checkpoint.parent.name}, step {about['step']}, revision {about.get('revision') or 'unknown'}"
    weights = Origin(what=checkpoint.name, source="fine-tuned", licence=base.manifest.licence, sha256=sha256)
    return Ingredients(
        name=name,
        version=sha256[:8],
        description=f"{base.manifest.description}; its recogniser fine-tuned",
        licence=base.manifest.licence,
        origin=(*base.manifest.origin, weights),
        charset=released.charset,
        detector=base.folder,
        detector_spec=base.manifest.detector,
        recognizer=lambda: IR.convert(released.network, "recognizer"),
        recognizer_spec=spec.model_copy(
            update={"files": Files(fp="recognizer.fp.xml", int8="recognizer.int8.xml" if has_int8 else None)}
        ),
        orientation=base.folder,
        orientation_spec=base.manifest.orientation,
        training_runs=(*base.manifest.training_runs, run),
    )


def changes(before: Pack, after: Pack, judged: Quantisation) -> list[str]:
    """Word accuracy in float of the recognisers of two packs, a line for each set: rendered lines and the crop sets."""
    shared = frozenset(before.charset) & frozenset(after.charset)
    rendered = CropSet("rendered", rendered_lines(N_LINES, GATE_SEED, judged.fonts, shared))
    lines = []
    for crop_set in (rendered, *map(load_crops, judged.crop_sets)):
        old, new = (
            recognizer_hits(pack.folder / spec.files.fp, spec, pack.charset, crop_set.crops).mean()
            for pack, spec in ((pack, pack.manifest.recognizer) for pack in (before, after))
        )
        lines.append(f"word accuracy on {crop_set.name}: {before.name} {old:.4f}, {after.name} {new:.4f}")
    return lines


def _check_fit(checkpoint: Path, released: Released, base: Pack) -> None:
    spec = base.manifest.recognizer
    if released.kind != "recognizer":
        raise ModelError(f"{checkpoint}: the weights of a {released.kind}; give those of a recogniser")
    if not spec.files.fp.endswith(IR.suffix):
        raise ModelError(f"{base.folder}: a pack for GPUs; give one for CPUs, whose networks are {IR.suffix} files")
    takes = (released.details["height"], released.details["stride"])
    if takes != (spec.tallest, spec.stride):
        raise ModelError(
            f"{checkpoint}: takes lines of height {takes[0]} with a step per {takes[1]} columns, {base.name} of"
            f" {spec.tallest} and {spec.stride}; train a network that fits it (`model.network` in the recipe)"
        )
