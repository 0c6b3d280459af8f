"""The characters a recogniser can read, in class order."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_ocr.errors import ConfigError, ModelError

BLANK = 0
"""Class of the CTC blank; the characters follow from class 1 on."""
FORBIDDEN = -2.0
"""Added to a class's probability, it makes every other class the better choice."""


class Charset(Sequence[str]):
    """Characters in class order, without the blank: character i is class i + 1."""

    def __init__(self, characters: Sequence[str]) -> None:
        """Check and keep the characters.

        Raises:
            ModelError: a character occurs twice or is empty.
        """
        self._characters = tuple(characters)
        if len(set(self._characters)) != len(self._characters):
            twice = sorted({c for c in self._characters if self._characters.count(c) > 1})
            raise ModelError(f"charset: {twice[:5]} occur more than once; a class must have one character")
        if "" in self._characters:
            raise ModelError("charset: an empty character; write the space as a line with one space")

    def __len__(self) -> int:
        return len(self._characters)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]  # int and slice alike, as Sequence wants it
        return self._characters[index]

    def __iter__(self) -> Iterator[str]:
        return iter(self._characters)

    def __repr__(self) -> str:
        return f"Charset({len(self)} characters)"

    @property
    def n_classes(self) -> int:
        """Classes of a CTC head for this charset: the characters and the blank."""
        return len(self) + 1

    def class_bias(self, allowed: Collection[str]) -> NDArray[np.float32]:
        """What keeps an arg-max over class probabilities to some characters and the blank.

        Returns:
            (n_classes,) float32: 0 for the blank and what is allowed, `FORBIDDEN` for the rest.

        Raises:
            ConfigError: a character that may occur is not in the charset.
        """
        unknown = sorted(set(allowed) - set(self._characters))
        if unknown:
            raise ConfigError(f"allowed: the model pack cannot read {''.join(unknown)!r}; leave these characters out")
        return np.array([0.0, *(0.0 if c in allowed else FORBIDDEN for c in self._characters)], dtype=np.float32)

    @classmethod
    def from_file(cls, path: Path) -> "Charset":
        """Read one character a line, UTF-8, in class order.

        Raises:
            ModelError: the file is missing, is not UTF-8, or repeats a character.
        """
        try:
            lines = path.read_text(encoding="utf-8").split("\n")
        except OSError as error:
            raise ModelError(f"{path}: cannot be read ({error.strerror}); a pack needs its charset file") from error
        except UnicodeDecodeError as error:
            raise ModelError(f"{path}: not UTF-8 at byte {error.start}; save the charset as UTF-8") from error
        try:
            return cls(lines[:-1] if lines and lines[-1] == "" else lines)
        except ModelError as error:
            raise ModelError(f"{path}: {error}") from error

    def to_file(self, path: Path) -> None:
        """Write one character a line, UTF-8, in class order."""
        path.write_text("".join(f"{character}\n" for character in self), encoding="utf-8")
