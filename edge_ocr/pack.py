"""Model packs: a folder with networks, charset and a manifest that says what they are and where they come from."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from edge_ocr.charset import Charset
from edge_ocr.detection import DetectorThresholds, ScaleRule
from edge_ocr.errors import ConfigError, ModelError
from edge_ocr.yamlfile import load_yaml_model

MANIFEST = "pack.yaml"
PACKS = Path(__file__).parent / "packs"
"""The packs that come with edge-ocr."""

Precision = Literal["fp", "int8"]
ROUNDING = 1.01e-4
"""By which the difference of two figures of four digits may be too large."""


def _plain_name(name: str) -> str:
    if not name or "/" in name or "\\" in name or ".." in name or name.startswith("."):
        raise ValueError("must be a plain file name inside the pack, without '/', '\\' or '..'")
    return name


FileName = Annotated[str, AfterValidator(_plain_name)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Origin(_Strict):
    """Where weights come from."""

    what: str
    source: str
    licence: str
    sha256: str


class Gate(_Strict):
    """What INT8 costs on the labelled set that decided whether it may ship."""

    measure: str
    dataset: str
    fp: float
    int8: float
    margin: float
    """Largest loss that the gate lets pass."""
    standard_error: float = 0.0
    """Of the loss, from the lines that only one of both reads; 0 where it is not known."""

    @property
    def passed(self) -> bool:
        """Whether INT8 loses no more than margin and standard error; the figures are kept with four digits."""
        return self.fp - self.int8 <= self.margin + self.standard_error + ROUNDING


def _network_name(name: str) -> str:
    if Path(name).suffix not in {".xml", ".onnx"}:
        raise ValueError("must be an IR (.xml) or an ONNX file (.onnx)")
    return name


NetworkName = Annotated[FileName, AfterValidator(_network_name)]


class Files(_Strict):
    """The files of one network per precision: an IR (.xml; the .bin lies beside it), or ONNX for NVIDIA GPUs."""

    fp: NetworkName
    int8: NetworkName | None = None


class Normalization(_Strict):
    """(x / 255 - mean) / std per channel of the BGR input; folded into the networks, kept here to tell."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class Network(_Strict):
    """What the networks of a pack have in common."""

    files: Files
    normalization: Normalization
    gates: tuple[Gate, ...] = ()
    """The measured accuracy of both precisions; none where the pack holds no INT8 network."""


class DetectorSpec(Network):
    """The detector: (1, H, W, 3) uint8 BGR in, (1, H, W) uint8 probability * 255 out; H and W multiples of 32."""

    scale: ScaleRule = ScaleRule()
    thresholds: DetectorThresholds = DetectorThresholds()


WidthScale = Annotated[float, Field(gt=0, le=2)]
"""Columns of a crop beside those that would keep its aspect."""


class SecondLook(_Strict):
    """How lines are read in larger crops: doubtful ones once more, what scores higher is kept; few ones at once."""

    at_least: float = 0.0
    """Readings that score less are of no text that a second look would find."""
    below: float
    """Readings that score this or more stand."""
    few_lines: int = 0
    """On pages of so many lines and no more, labels, plates and signs, this is the only look."""
    height: int
    width_scale: WidthScale = 1.0
    margin: float = 0.0
    """How much further than its quad a line is cut at both ends, in heights: detectors cut off first letters."""


class RecognizerSpec(Network):
    """The recogniser: (N, height, W, 3) uint8 BGR in, per time step the best class and its probability out."""

    height: int = 48
    min_width: int = 0
    """Narrower crops are padded to this: networks trained on 320 columns read short words better so, but slower."""
    width_scale: WidthScale = 1.0
    """Crops are made this much wider than their aspect says; below 1 they are squeezed, which saves time."""
    trim: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """How much less high than its quad a line is cut, in heights of it: detectors leave room above and below letters. A
    second look is at all that the detector found."""
    second_look: SecondLook | None = None
    stride: int = 8
    """Input columns per time step."""
    min_score: float = 0.7
    """Readings below this are left out of a page."""
    min_score_short: float = 0.0
    """The same for readings of one or two characters, if higher: a corner or a bolt is soon taken for a letter."""

    @property
    def tallest(self) -> int:
        """Rows of the largest crop that is made of a line."""
        return max(self.height, self.second_look.height if self.second_look else 0)


class OrientationSpec(Network):
    """The classifier of upside-down lines: (N, height, width, 3) uint8 BGR in, (N, 2) probabilities out."""

    height: int = 48
    width: int = 192
    threshold: float = 0.5
    """Probability of 180 degrees above which a line is read again turned."""


class Manifest(_Strict):
    """pack.yaml."""

    format: Literal["edge-ocr.pack/1"]
    name: Annotated[str, Field(pattern=r"^[a-z0-9_-]+$")]
    version: str
    description: str
    licence: str
    origin: tuple[Origin, ...]
    charset: FileName
    detector: DetectorSpec
    recognizer: RecognizerSpec
    orientation: OrientationSpec | None = None
    training_runs: tuple[str, ...] = ()
    """Runs of train/ that the weights came from; empty for published weights."""
    sha256: dict[FileName, str]
    """Of every other file of the pack."""


@dataclass(frozen=True)
class Pack:
    """A checked pack."""

    folder: Path
    manifest: Manifest
    charset: Charset

    @property
    def name(self) -> str:
        """The pack's name."""
        return self.manifest.name

    @property
    def version(self) -> str:
        """The pack's version."""
        return self.manifest.version

    @property
    def networks(self) -> dict[str, Network]:
        """The networks by name."""
        manifest = self.manifest
        networks: dict[str, Network] = {"detector": manifest.detector, "recognizer": manifest.recognizer}
        if manifest.orientation:
            networks["orientation"] = manifest.orientation
        return networks

    @cached_property
    def sha256(self) -> str:
        """Hash of the manifest, which holds the hash of every other file."""
        return hashlib.sha256((self.folder / MANIFEST).read_bytes()).hexdigest()

    def choose(self, network: str, wanted: Literal["fp", "int8", "best"]) -> tuple[Path, Precision]:
        """The file of a network in the wanted precision.

        Args:
            network: detector, recognizer or orientation.
            wanted: `best` is INT8 where the pack has it and it passed its gate, else FP.

        Raises:
            ModelError: INT8 is asked for, and the pack does not have it or it did not pass.
        """
        spec = self.networks[network]
        passed = spec.files.int8 is not None and bool(spec.gates) and all(gate.passed for gate in spec.gates)
        if wanted == "int8" and not passed:
            why = "did not pass its accuracy gate" if spec.files.int8 else "is not in the pack"
            raise ModelError(
                f"{self.folder / MANIFEST}: an INT8 {network} {why}; set precision {network}: best or fp in the profile"
            )
        if passed and wanted != "fp":
            assert spec.files.int8 is not None
            return self.folder / spec.files.int8, "int8"
        return self.folder / spec.files.fp, "fp"


def list_packs() -> list[Path]:
    """Folders of the packs that come with edge-ocr."""
    return sorted(folder.parent for folder in PACKS.glob(f"*/{MANIFEST}"))


def load_pack(name_or_folder: str | Path) -> Pack:
    """Load and check a pack by its name or its folder.

    Raises:
        ModelError: no such pack, a file is missing or altered, a file name leaves the folder, or the manifest is wrong.
    """
    folder = _find(name_or_folder)
    try:
        manifest = load_yaml_model(folder / MANIFEST, Manifest)
    except ConfigError as error:
        raise ModelError(str(error)) from error
    _check_files(folder, manifest)
    return Pack(folder, manifest, Charset.from_file(folder / manifest.charset))


def file_sha256(path: Path) -> str:
    """SHA-256 of a file as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _find(name_or_folder: str | Path) -> Path:
    for folder in (PACKS / name_or_folder, Path(name_or_folder)):
        if (folder / MANIFEST).is_file():
            return folder
    known = ", ".join(folder.name for folder in list_packs()) or "none"
    raise ModelError(f"pack {str(name_or_folder)!r}: no {MANIFEST} there; name a folder, or one of: {known}")


def _check_files(folder: Path, manifest: Manifest) -> None:
    needed = {manifest.charset}
    for spec in (manifest.detector, manifest.recognizer, manifest.orientation):
        for name in (spec.files.fp, spec.files.int8) if spec else ():
            if name:
                needed |= {name, str(Path(name).with_suffix(".bin"))} if name.endswith(".xml") else {name}
    unhashed = sorted(needed - manifest.sha256.keys())
    if unhashed:
        raise ModelError(f"{folder / MANIFEST}: sha256 of {unhashed[0]} is missing; assemble the pack anew")
    for name, expected in manifest.sha256.items():
        path = folder / name
        if not path.is_file():
            raise ModelError(f"{path}: missing, though {MANIFEST} names it; copy the whole pack again")
        if file_sha256(path) != expected:
            raise ModelError(f"{path}: not the file the pack was made with (wrong sha256); copy the whole pack again")
