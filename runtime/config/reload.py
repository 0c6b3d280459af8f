"""What a new kiosk.yaml changes, so that no more is stopped than has to be.

| changed | what happens |
|---|---|
| `cameras` | added, changed and removed ones start and stop; the others go on, with their open texts |
| `metrics`, `preview` | these servers start anew |
| `node`, `mqtt`, `pack`, `profile`, `offload` | the appliance starts anew inside the process: texts end, events wait |
| `spool`, and what its file is named after | refused: what waits there would be left behind; restart the process |
"""

from dataclasses import dataclass

from edge_ocr.errors import ConfigError
from runtime.config.kiosk import KioskConfig

SERVED = frozenset({"metrics", "preview"})
IN_PLACE = SERVED | {"cameras"}
NEVER = frozenset({"spool"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Which parts of the appliance a new configuration touches."""

    keys: tuple[str, ...]
    """Names of the changed keys of the file, sorted."""

    @property
    def of_reader(self) -> bool:
        """Whether other models, or the same in another way, are to be used."""
        return not {"pack", "profile", "offload"}.isdisjoint(self.keys)

    @property
    def of_appliance(self) -> bool:
        """Whether the appliance has to start anew."""
        return not IN_PLACE.issuperset(self.keys)

    @property
    def of_cameras(self) -> bool:
        """Whether cameras change."""
        return "cameras" in self.keys

    @property
    def of_servers(self) -> bool:
        """Whether what listens changes."""
        return not SERVED.isdisjoint(self.keys)


def changes(old: KioskConfig, new: KioskConfig) -> Changes:
    """What differs between two configurations.

    Raises:
        ConfigError: something differs that cannot change while running.
    """
    keys = sorted(key for key in KioskConfig.model_fields if getattr(old, key) != getattr(new, key))
    if "node" in keys and new.spool.path is None:
        raise ConfigError("node: names the spool's file too; set spool.path first, or restart edge-ocr")
    refused = NEVER.intersection(keys)
    if refused:
        raise ConfigError(f"{', '.join(sorted(refused))}: cannot change while running; restart edge-ocr")
    return Changes(keys=tuple(keys))
