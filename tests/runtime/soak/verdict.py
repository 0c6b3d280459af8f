"""What a soak has shown: the faults, what the processes held, and whether every event arrived once and in order."""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.runtime.mqtt_tools import Received
from tests.runtime.soak.process_watch import Sample

HELD = ("rss_mib", "children_rss_mib", "files", "threads", "children")
"""What must not grow."""


@dataclass(frozen=True, slots=True)
class FaultRun:
    """One fault and how it went."""

    name: str
    began_s: float
    told_s: float
    """From the fault to the state that tells of it."""
    back_s: float
    """From its end to the states that tell that all is well."""


@dataclass(slots=True)
class Verdict:
    """What a soak has shown."""

    faults: list[FaultRun] = field(default_factory=list)
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    """Of every process that is never killed, by its name."""
    warm_s: float = 0.0
    """When every fault had happened once."""
    events: int = 0
    """Different ones that arrived."""
    duplicates: int = 0
    exit_status: int = -1
    counts: dict[str, Any] = field(default_factory=dict)
    """The nodes' own account."""
    complaints: list[str] = field(default_factory=list)
    """Whatever was not as it has to be."""

    def calm(self, process: str) -> list[Sample]:
        """The samples after the warm-up during which nothing was broken."""
        return [each for each in self.samples[process] if each.is_calm and each.seconds >= self.warm_s]

    def judge_events(self, messages: Iterable[Received]) -> None:
        """First arrivals are in order without a gap; a repetition says the same as the first."""
        first: dict[tuple[str, str, int], dict[str, Any]] = {}
        runs: dict[tuple[str, str], list[int]] = defaultdict(list)
        for message in messages:
            event = json.loads(message.payload)
            key = (event["camera"], event["boot_id"], event["seq"])
            if key not in first:
                first[key] = event
                runs[key[:2]].append(event["seq"])
                continue
            self.duplicates += 1
            if first[key] | {"delayed": True} != event | {"delayed": True}:
                self.complaints.append(f"{key} came twice with different contents")
        self.events = len(first)
        for run, numbers in runs.items():
            if numbers != list(range(1, len(numbers) + 1)):
                self.complaints.append(f"{run}: lost or out of order: {numbers[:50]}")

    def judge_outbox(self, outbox: Any) -> None:
        """Nothing waits, nothing was dropped, and what counts as sent has arrived."""
        self.counts["outbox"] = outbox
        if outbox.sent != self.events or outbox.pending or outbox.dropped:
            self.complaints.append(f"{self.events} events arrived, but the node counts {outbox}")

    def judge_frames(self, offload: dict[str, Any]) -> None:
        """Every frame that was sent away was answered, or counted as lost; one may be under way."""
        self.counts["offload"] = offload
        known = offload["answered"] + sum(offload["refused"].values()) + sum(offload["lost"].values())
        if not known <= offload["frames"] <= known + 1:
            self.complaints.append(f"frames without an account: {offload}")
