"""How well a clip was published: its labelled lines against the events that arrived."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_ocr.errors import ConfigError
from runtime.events import TextEvent


@dataclass(frozen=True, slots=True)
class ClipScore:
    """What became of a clip's lines. Texts are compared exactly: case, spaces and punctuation count."""

    n_lines: int
    missing: tuple[str, ...]
    """Lines that no event carried."""
    wrong: tuple[str, ...]
    """Last texts of published tracks that belong to no line."""
    n_begins: int

    @property
    def n_exact(self) -> int:
        """Lines that were published exactly."""
        return self.n_lines - len(self.missing)

    @property
    def begins_per_line(self) -> float:
        """Begin events for each line; 1 is perfect."""
        return self.n_begins / max(self.n_lines, 1)


def load_labels(path: Path) -> list[str]:
    """The texts of all lines of a clip, in the order of their documents.

    Raises:
        ConfigError: the file is not the ground truth of a clip.
    """
    try:
        truth = json.loads(path.read_text(encoding="utf-8"))
        return [str(line["text"]) for document in truth["documents"] for line in document["lines"]]
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: not the ground truth of a clip: {error!r}") from error


def score_clip(labels: Sequence[str], events: Sequence[TextEvent]) -> ClipScore:
    """Give every label to one track that published exactly its text.

    A track counts for one label only, so that a text that stands on three documents has to be published three times.
    """
    texts: dict[tuple[str, int], list[str]] = defaultdict(list)
    for event in events:
        if event.type != "end":
            texts[event.camera, event.track_id].append(event.text)
    free = dict(texts)
    missing = []
    for label in labels:
        # A track whose last text is the label first: one that passed it by may be needed for another line.
        owner = next((track for track, said in free.items() if said[-1] == label), None)
        owner = owner or next((track for track, said in free.items() if label in said), None)
        if owner is None:
            missing.append(label)
        else:
            del free[owner]
    n_begins = sum(event.type == "begin" for event in events)
    return ClipScore(len(labels), tuple(missing), tuple(said[-1] for said in free.values()), n_begins)
