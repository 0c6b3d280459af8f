"""What is measured: an open reader, with what the report says about it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_ocr import Page
from edge_ocr.cpu import host_cpu
from edge_ocr.pack import Pack
from edge_ocr.profile import Match, load_profile, profile_matches
from runtime.frame_loop import PageReader
from runtime.profiling.input import Job
from runtime.profiling.report import GateFacts, StreamPart


class MeasuredReader(PageReader, Protocol):
    """What is measured; `edge_ocr.Reader` is one."""

    def read(self, image: NDArray[np.uint8]) -> Page:
        """The lines of an image."""
        ...

    def warm_up(self) -> None:
        """Compile what every image needs."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An open reader with what the report says about it."""

    reader: MeasuredReader
    name: str
    profile: dict[str, Any]
    verified: bool
    is_its_device: bool
    match: str
    budget_ms: float | None
    pack: dict[str, Any]
    accuracy: tuple[GateFacts, ...]
    describe: Callable[[], dict[str, Any]]
    """`Reader.describe`: threads, streams and networks; asked after the measurement, when all is compiled."""


OpenSubject = Callable[[str, Job], Subject]
"""Opens a profile's reader. Pickled by name for the other process, so a function of a module."""
RunStream = Callable[[Subject, Job], StreamPart]
"""Runs the appliance around a reader; pickled by name too."""


def open_subject(profile_name: str, job: Job) -> Subject:
    """Open a reader under a profile of the device library.

    Raises:
        ConfigError: no such profile, or it is wrong.
        ModelError: no such pack, or it is damaged or does not fit.
    """
    from edge_ocr.reader import Reader

    profile = load_profile(profile_name)
    reader = Reader(pack=job.pack, profile=profile)
    match = profile.match
    is_for_any = not (match.model or match.needs)
    pack = {**reader.describe()["pack"], "files": reader.pack.manifest.sha256}
    return Subject(
        reader=reader,
        name=profile.name,
        profile=profile.model_dump(mode="json"),
        verified=profile.verified,
        is_its_device=is_for_any or profile_matches(profile, host_cpu()),
        match=_match_text(match),
        budget_ms=profile.latency_budget_ms,
        pack=pack,
        accuracy=gate_facts(reader.pack),
        describe=reader.describe,
    )


def gate_facts(pack: Pack) -> tuple[GateFacts, ...]:
    """INT8 against FP of a pack's networks on every set that a gate looked at."""
    return tuple(
        GateFacts(network=name, passed=gate.passed, **gate.model_dump())
        for name, network in pack.networks.items()
        for gate in network.gates
    )


def _match_text(match: Match) -> str:
    """What a profile is made for, in words."""
    parts = [f"a CPU named /{match.model}/" if match.model else ""]
    parts += [f"with {' '.join(match.needs)}" if match.needs else ""]
    parts += [f"without {' '.join(match.lacks)}" if match.lacks else ""]
    return " ".join(part for part in parts if part) or "any CPU"
