"""The default pack `latin`: the published PP-OCRv3 networks in our modules, the head cut down to Latin characters."""

from pathlib import Path
from typing import Any

from edge_ocr.charset import Charset
from edge_ocr.detection import DetectorThresholds, ScaleRule
from edge_ocr.pack import DetectorSpec, Files, OrientationSpec, Origin, RecognizerSpec
from optimize.build import CENTRED, IMAGENET, Ingredients
from optimize.equalize import equalize, normalized
from optimize.formats import IR, NetworkFormat
from optimize.quantize import detector_inputs
from optimize.rendered import CALIBRATION_SEED, rendered_pages
from optimize.rewrite import SubpixelDetector
from train.nets.db import DBDetector
from train.pretrained import WHEEL, PublishedModels, restrict_charset

EXTRA_CHARACTERS = "£¥€°§®éèüòóúíáāēÉ"
"""Beyond printable ASCII: what the published head can read of Western European letters and signs. More letters come
with training."""

SCALE = ScaleRule(limit_side="max", limit_px=1280, max_megapixels=0.95)
N_EQUALIZED = 6
"""Rendered pages whose activations say how loud the detector's channels are: more change no factor by 10 %."""


def latin_ingredients(published: Path, *, form: NetworkFormat = IR, fonts: Path | None = None) -> Ingredients:
    """What the default pack is made of.

    Args:
        published: The wheel rapidocr-onnxruntime 1.2.13, or a folder with its ONNX files.
        form: What the networks are written as.
        fonts: Folder of fonts for the pages that the detector is equalised on; None for the system's.

    Raises:
        ModelError: the files are not there.
    """
    models = PublishedModels(published)
    full, characters = models.recognizer()
    wanted = {chr(code) for code in range(32, 127)} | set(EXTRA_CHARACTERS)
    keep = [character for character in characters if character in wanted]

    def recognizer() -> Any:
        return form.convert(restrict_charset(full, characters, keep), "recognizer")

    def detector() -> Any:
        # TensorRT has fast transposed convolutions, and quantises by its own rules.
        trained = models.detector()
        return form.convert(_ready_for_int8(trained, fonts) if form is IR else trained, "detector")

    return Ingredients(
        name="latin",
        version="2",
        description="PP-OCRv3, its head restricted to Latin characters",
        licence="Apache-2.0",
        origin=tuple(
            Origin(what=name, source=f"PaddleOCR PP-OCRv3, as ONNX in {WHEEL}", licence="Apache-2.0", sha256=sha256)
            for name, sha256 in models.origin().items()
        ),
        charset=Charset(keep),
        form=form,
        detector=detector,
        detector_spec=DetectorSpec(
            files=Files(fp=f"detector.fp{form.suffix}"),
            normalization=IMAGENET,
            scale=SCALE,
            thresholds=DetectorThresholds(bin=0.3, box=0.5, unclip=2.0, dilate=True),
        ),
        recognizer=recognizer,
        recognizer_spec=RecognizerSpec(
            # The restricted head shares probability among fewer classes: its scores are higher than the full head's.
            files=Files(fp=f"recognizer.fp{form.suffix}"),
            normalization=CENTRED,
            height=48,
            stride=8,
            min_score=0.75,
        ),
        orientation=lambda: form.convert(models.orientation(), "orientation"),
        orientation_spec=OrientationSpec(
            files=Files(fp=f"orientation.fp{form.suffix}"), normalization=CENTRED, height=48, width=192
        ),
    ).with_int8()


def _ready_for_int8(trained: DBDetector, fonts: Path | None) -> SubpixelDetector:
    """The same function in the form that is fast and that INT8 costs little."""
    detector = SubpixelDetector(trained)
    pages = detector_inputs(rendered_pages(N_EQUALIZED, CALIBRATION_SEED, fonts), SCALE)
    equalize(detector, [normalized(page, IMAGENET) for page in pages])
    return detector
