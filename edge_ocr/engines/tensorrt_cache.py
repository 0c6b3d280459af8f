"""Engines that TensorRT built on this device, kept with what they were built for.

An engine is good for one GPU type, driver and TensorRT only: others must not run it, and its timings hold nowhere else.
ONNX Runtime would find that out too, but late, or not at all (a driver), and without a word about why a start takes
minutes.
"""

import fcntl
import hashlib
import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

Facts = dict[str, str]

FACTS = "built_for.json"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Shapes:
    """The inputs (1, H, W, 3) that one engine is built for."""

    smallest: tuple[int, ...]
    usual: tuple[int, ...]
    """What kernels are chosen for."""
    largest: tuple[int, ...]

    @property
    def label(self) -> str:
        """For file names and messages: `1x48x320x3`, or `1x48x128x3-1x48x1280x3`."""
        ends = dict.fromkeys("x".join(map(str, shape)) for shape in (self.smallest, self.largest))
        return "-".join(ends)


@contextmanager
def engine_folder(cache: Path, network: Path, shapes: Shapes, built_for: Facts) -> Iterator[Path]:
    """A folder to build an engine in or to find it in, this process's alone for as long.

    Engines of the same network and shapes that were built for something else are deleted; that, and a first build, is
    said. What the block leaves behind is kept only if it ends well.

    Args:
        cache: The folder of all engines.
        network: The ONNX file; another content gets another folder.
        shapes: What the engine is built for.
        built_for: GPU, driver and versions.
    """
    digest = hashlib.sha256(network.read_bytes()).hexdigest()[:12]
    folder = cache / f"{network.stem}-{shapes.label}-{digest}"
    folder.mkdir(exist_ok=True)
    with (cache / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = _read_facts(folder)
        if found != built_for:
            what = f"TensorRT engine of {network.name} for {shapes.label}"
            log.warning("%s: %s, which takes minutes, once", what, _why(found, built_for))
            shutil.rmtree(folder)
            folder.mkdir()
        yield folder
        (folder / FACTS).write_text(json.dumps(built_for, indent=1), encoding="utf-8")


def _read_facts(folder: Path) -> Facts | None:
    """What the engine in a folder was built for; None where there is none that was finished."""
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return facts if isinstance(facts, dict) else None


def _why(found: Facts | None, wanted: Facts) -> str:
    if found is None:
        return f"building for {wanted.get('name', 'this GPU')}"
    changed = [
        f"{key.replace('_', ' ')} {found.get(key)} (now {wanted.get(key)})"
        for key in sorted(found.keys() | wanted.keys())
        if found.get(key) != wanted.get(key)
    ]
    return f"was built for {', '.join(changed)}: building anew"
