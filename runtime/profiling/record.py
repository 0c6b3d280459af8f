"""What the parts of a profile report have in common."""

import json
import re
from typing import Any

from pydantic import BaseModel, ConfigDict

DECIMALS = 4
"""Accuracies have as many in `pack.yaml`."""


class Record(BaseModel):
    """A part of a report: immutable, without unknown keys, NaN or infinities."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def to_json(self) -> str:
        """The record as JSON: numbers rounded to `DECIMALS`, a list of numbers on one line."""
        text = json.dumps(_rounded(self.model_dump(mode="json", by_alias=True)), indent=1, ensure_ascii=False)
        return re.sub(r"\[([-\d.,\s]+)\]", lambda numbers: f"[{' '.join(numbers[1].split())}]", text)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return round(value, DECIMALS) if isinstance(value, float) else value
