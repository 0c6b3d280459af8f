"""What every part of kiosk.yaml is made of."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo


def _beside_file(path: Path, info: ValidationInfo) -> Path:
    folder: Path = (info.context or {}).get("folder", Path())
    return folder / path.expanduser()


FilePath = Annotated[Path, AfterValidator(_beside_file)]
"""A path; a relative one starts at the folder of the configuration file."""


class Config(BaseModel):
    """A part of the configuration: immutable, unknown keys refused, values never quoted in pydantic's own errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)
