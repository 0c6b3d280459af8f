"""What was measured so far, in a file beside the output: a search that was interrupted goes on from there.

The search decides by what it measured and by nothing else, so that reading the journal again leads it to where it was.
One JSON object a line, appended when a round of reads is complete; a line that was cut short is as if never written.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from edge_ocr.errors import ConfigError, EdgeOcrError
from runtime.tuning.scores import Read


class Round(BaseModel):
    """Some profiles read some pages in turns."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    contest: int
    """Number of the contest in the order of the search."""
    number: int
    """Number of the round in the contest."""
    reads: dict[str, tuple[Read, ...]]
    """By key of the profile; in the order of reading."""
    failed: dict[str, str] = {}
    """Profiles that cannot be used here, with the reason."""
    others_cores: float | None = None
    """Cores that other processes kept busy meanwhile."""


class Journal:
    """The rounds of one search."""

    def __init__(self, path: Path | None, header: dict[str, Any]) -> None:
        """Open the journal of a search, and take up what is in it.

        Args:
            path: The file; None keeps nothing.
            header: What the search is about: machine, pack, pages, base profile. Plain data.

        Raises:
            ConfigError: the file is the journal of another search.
            EdgeOcrError: it cannot be read or written.
        """
        self._path = path
        self._rounds: dict[tuple[int, int], Round] = {}
        if path is None:
            return
        try:
            lines = path.read_text(encoding="utf-8").split("\n") if path.exists() else []
            if lines and lines[0]:
                self._check(json.loads(lines[0]), header)
                self._take_up(lines[1:])
            else:
                path.write_text(json.dumps(header) + "\n", encoding="utf-8")
        except OSError as error:
            raise EdgeOcrError(f"{path}: cannot be used ({error.strerror}); name another --out") from error
        except ValueError as error:
            raise ConfigError(f"{path}: not the state of a search; delete it, or start anew with --restart") from error

    @property
    def n_rounds(self) -> int:
        """Rounds that are known."""
        return len(self._rounds)

    def find(self, contest: int, number: int, keys: Sequence[str]) -> Round | None:
        """A round that was measured before; None if it was not.

        Raises:
            ConfigError: another round was measured in its place.
        """
        found = self._rounds.get((contest, number))
        if found is not None and set(found.reads) | set(found.failed) != set(keys):
            raise ConfigError(f"{self._path}: the state of another version's search; start anew with --restart")
        return found

    def add(self, one: Round) -> None:
        """Keep a round.

        Raises:
            EdgeOcrError: it cannot be written.
        """
        self._rounds[one.contest, one.number] = one
        if self._path is None:
            return
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(one.model_dump_json() + "\n")
        except OSError as error:
            raise EdgeOcrError(f"{self._path}: cannot be written ({error.strerror}); make room") from error

    def _check(self, found: Any, header: dict[str, Any]) -> None:
        """Whether the search is the same: figures of another machine, pack or set of pages say nothing here."""
        known = found if isinstance(found, dict) else {}
        differing = [name for name, value in header.items() if known.get(name) != value]
        if differing:
            raise ConfigError(
                f"{self._path}: was begun with another {', '.join(differing)};"
                " start anew with --restart, or name another --out"
            )

    def _take_up(self, lines: Sequence[str]) -> None:
        whole = []
        for line in lines:
            try:
                one = Round.model_validate_json(line)
            except ValidationError:
                break
            self._rounds[one.contest, one.number] = one
            whole.append(line)
        # What follows a cut line would be lost behind it.
        if self._path is not None and any(lines[len(whole) :]):
            first = self._path.read_text(encoding="utf-8").split("\n")[0]
            self._path.write_text("\n".join([first, *whole]) + "\n", encoding="utf-8")
