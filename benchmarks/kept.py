"""What was measured so far, in a file: a run of hours that was interrupted goes on from there."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge_ocr.errors import ConfigError


class Kept:
    """Measured values by what decides them, a line of JSON each; one that was cut short is as if never written."""

    def __init__(self, path: Path | None) -> None:
        """Take up what a file holds.

        Args:
            path: The file, made when the first value is kept; None keeps nothing.

        Raises:
            ConfigError: It is there and holds something else.
        """
        self._path = path
        self._values: dict[str, Any] = {}
        if path is None or not path.exists():
            return
        whole: list[str] = []
        for row in path.read_text(encoding="utf-8").split("\n")[:-1]:
            try:
                entry = json.loads(row)
                self._values[_name(entry["key"])] = entry["value"]
            except (KeyError, TypeError, ValueError) as error:
                raise ConfigError(f"{path}: line {len(whole) + 1} was not written by a benchmark; delete it") from error
            whole.append(row + "\n")
        path.write_text("".join(whole), encoding="utf-8")

    def find(self, key: Mapping[str, Any]) -> Any | None:
        """The value that was kept under a key of plain data; None if there is none."""
        return self._values.get(_name(key))

    def add(self, key: Mapping[str, Any], value: Any) -> None:
        """Keep a value of plain data."""
        self._values[_name(key)] = value
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"key": key, "value": value}, ensure_ascii=False) + "\n")


def _name(key: Mapping[str, Any]) -> str:
    return json.dumps(key, sort_keys=True)
