"""The default pack `latin`: PP-OCRv3's detector and classifier, and a recogniser trained from PP-OCRv6 small's.

All are in our own modules, detector and classifier with published weights, the recogniser with those that
train/recipes/rec_latin.yaml came to. Its head is cut down to the letters of European languages in Latin script; its
lines are squeezed, and then cost what PP-OCRv3's did.
"""

from pathlib import Path
from typing import Any

from edge_ocr.detection import DetectorThresholds, ScaleRule
from edge_ocr.pack import DetectorSpec, Files, OrientationSpec, Origin, RecognizerSpec, SecondLook, file_sha256
from optimize.build import CENTRED, IMAGENET, Ingredients
from optimize.equalize import equalize, normalized
from optimize.formats import IR, NetworkFormat
from optimize.quantize import detector_inputs
from optimize.rendered import CALIBRATION_SEED, rendered_pages
from optimize.rewrite import SubpixelDetector
from train.nets.db import DBDetector
from train.pretrained import (
    RECOGNIZER_FILE,
    V6_RECOGNIZER_FILE,
    V6_WHEEL,
    WHEEL,
    PublishedModels,
)
from train.released import load_released

TRAINED = Path(__file__).parents[1] / "train" / "weights" / "recognizer.safetensors"
"""Kept by `python -m train keep`; its .json says which run it comes from."""
BEGAN_WITH = Origin(
    what=V6_RECOGNIZER_FILE,
    source=f"PaddleOCR PP-OCRv6, as ONNX in {V6_WHEEL}",
    licence="Apache-2.0",
    sha256="6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
)
"""What the recogniser's training began with."""

LOOKS: dict[str, Any] = {
    "height": 32,
    "width_scale": 0.85,
    # The quads reach beyond letters; what is left is as close around them as rendered lines are. Word F1 of sroie,
    # funsd and docs, trimmed by 0, .15, .25, .35 with about as many columns a line: .918 .920 .922 .907, .842 .845 .846
    # .842, .955 .956 .955 .956. By .25 at .9, .83, .8, .75 of the columns: .920 .920 .915 .912, .846 .840 .838 .833,
    # .958 .953 .946 .934. In 24 rows: .885 .833 .951.
    "trim": 0.25,
    # Few lines, a label or a plate, are shown large at once and further than the quad goes. Images read whole (icdar15:
    # word F1) in float with this, and with 32 rows and a second look below .95 as until `latin` 5: plates_us .761 .726,
    # plates_eu .855 both, pump_displays .833 both, icdar15 .633 .629. With the surer of both looks .744 .855 .833 .632.
    "second_look": SecondLook(at_least=0.4, below=0.9, few_lines=8, height=48, width_scale=1.0, margin=0.1),
    # The surer of two looks has a higher score, also where there is no text. Lines on 230 photographs without text
    # 12 -> 4, all but one real lettering. Computed from one output, at .75 and .925 -> as here: word F1 of sroie .918
    # .915, funsd .840 .841, docs .954 .953, icdar15 .612 .622, images read whole of wire_markers .729 .708 (read again
    # later: .746), pump_displays .821 both, plates and documents as before.
    "min_score": 0.82,
    "min_score_short": 0.985,
}
"""A line of 32 rows takes 0.7 of the time of one of 48, and what it says hangs on its columns: word F1 or images read
whole at 48 x 0.8, 40 x 0.96, 32 x 1.2 and 24 x 1.6 (rows x columns for the same length of line) on 16 images of sroie
.889 .892 .890 .865, 12 of funsd .870 .869 .866 .834, 12 of docs .951 .954 .950 .940, plates_us .667 .684 .667 .590,
plates_eu .727 .709 .782 .800; at 32 x 1.35 .891 .868 .956 .727 .800. Single words are what it costs: icdar15_words .770
.754 .746 .671. The second look brings them back, for 4 lines of a hundred on sroie, 6 on funsd, 24 on icdar15_words:
.777; one at 48 x 1.25 .782, one of all below 0.95 .785."""
ONE_LOOK: dict[str, Any] = {"height": 48, "width_scale": 0.8, "min_score": 0.75, "min_score_short": 0.925}
"""For engines that build a network for one height."""

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
    trained = load_released(TRAINED)
    source, about = trained.about["kept_from"], trained.about
    run = f"{TRAINED.stem}, step {about['step']} of {about['recipe']['steps']}, revision {about['revision']}"
    way = "all" if source["share"] == 1 else f"{source['share']:g}"
    kept = Origin(
        what=f"train/weights/{TRAINED.name}",
        source=f"edge-ocr, trained on rendered lines from {V6_RECOGNIZER_FILE}, {way} of the way",
        licence="Apache-2.0",
        sha256=file_sha256(TRAINED),
    )

    def detector() -> Any:
        # TensorRT has fast transposed convolutions, and quantises by its own rules.
        published_detector = models.detector()
        ready = _ready_for_int8(published_detector, fonts) if form is IR else published_detector
        return form.convert(ready, "detector")

    return Ingredients(
        name="latin",
        version="6.6",
        description="PP-OCRv3 detector, recogniser trained from PP-OCRv6 small, for European languages in Latin script",
        licence="Apache-2.0",
        origin=(
            *(
                Origin(what=name, source=f"PaddleOCR PP-OCRv3, as ONNX in {WHEEL}", licence="Apache-2.0", sha256=sha256)
                for name, sha256 in models.origin().items()
                if name != RECOGNIZER_FILE
            ),
            BEGAN_WITH,
            kept,
        ),
        charset=trained.charset,
        form=form,
        detector=detector,
        detector_spec=DetectorSpec(
            files=Files(fp=f"detector.fp{form.suffix}"),
            normalization=IMAGENET,
            scale=SCALE,
            thresholds=DetectorThresholds(bin=0.3, box=0.5, unclip=1.8, dilate=True),
        ),
        recognizer=lambda: form.convert(trained.network, "recognizer"),
        recognizer_spec=RecognizerSpec(
            files=Files(fp=f"recognizer.fp{form.suffix}"),
            normalization=CENTRED,
            **(LOOKS if form is IR else ONE_LOOK),
            stride=8,
        ),
        orientation=lambda: form.convert(models.orientation(), "orientation"),
        orientation_spec=OrientationSpec(
            files=Files(fp=f"orientation.fp{form.suffix}"), normalization=CENTRED, height=48, width=192
        ),
        training_runs=(run,),
        detector_recipe="detector_with_float_joins",
    ).with_int8()


def _ready_for_int8(trained: DBDetector, fonts: Path | None) -> SubpixelDetector:
    """The same function in the form that is fast and that INT8 costs little."""
    detector = SubpixelDetector(trained)
    pages = detector_inputs(rendered_pages(N_EQUALIZED, CALIBRATION_SEED, fonts), SCALE)
    equalize(detector, [normalized(page, IMAGENET) for page in pages])
    return detector
