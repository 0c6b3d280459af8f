"""Whether the appliance lives, and whether it reads. Two questions with two consequences.

*Alive* (/healthz, systemd's watchdog): the threads turn. If not, only a restart helps. *Ready* (/readyz): at least one
camera gives fresh frames, or was paused on purpose. A broker that is away makes the box neither dead nor unready:
reading goes on, events wait in the spool, and a restart would help nobody; it is told beside the verdict.
"""

from dataclasses import dataclass

from runtime.events import Metrics

INFERENCE_LIMIT_S = 60.0
"""The inference thread turns ten times a second; the largest frames on the slowest CPUs take some seconds."""
PUBLISHER_LIMIT_S = 120.0
"""The publisher turns at least every ten seconds, or hangs in name resolution and connecting, which have time-outs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Seconds since each thread that must never stand still took its last turn."""

    inference_idle_s: float
    publisher_idle_s: float

    def complaints(self) -> list[str]:
        """What stands still; empty when all is alive."""
        limits = {
            "inference": (self.inference_idle_s, INFERENCE_LIMIT_S),
            "publisher": (self.publisher_idle_s, PUBLISHER_LIMIT_S),
        }
        stuck = {name: idle_s for name, (idle_s, limit_s) in limits.items() if idle_s > limit_s}
        return [f"{name}: no progress for {idle_s:.0f} s" for name, idle_s in stuck.items()]


def unreadiness(metrics: Metrics) -> list[str]:
    """Why nothing is read now; empty when at least one camera is."""
    cameras = metrics.cameras
    if any(camera.state in {"streaming", "paused"} for camera in cameras.values()):
        return []
    return [f"{name}: {camera.state}" for name, camera in cameras.items()]
