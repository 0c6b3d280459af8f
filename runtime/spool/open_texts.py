"""Which texts have begun and not ended, so that a start after a crash can end them."""

import logging
from collections.abc import Iterable, Iterator

from runtime.events import ended_by_restart
from runtime.spool.file import SeqKey, SpoolFile, TextKey
from runtime.spool.outbox import Message

logger = logging.getLogger(__name__)


class OpenTexts:
    """The open texts of this run, and which of them the file does not know yet."""

    def __init__(self) -> None:
        self._open: dict[TextKey, bytes] = {}
        self._seqs: dict[SeqKey, int] = {}
        self._changed: set[TextKey] = set()
        self._rewrites = False

    def note(self, messages: Iterable[Message]) -> None:
        """Take in events that are about to be committed."""
        for message in messages:
            about = message.about
            if about is None:
                continue
            key = (message.topic, about.boot_id, about.track_id)
            if about.is_end:
                self._open.pop(key, None)
            else:
                self._open[key] = message.payload
            self._seqs[message.topic, about.boot_id] = about.seq
            if not self._rewrites:
                self._changed.add(key)

    @property
    def seqs(self) -> dict[SeqKey, int]:
        """The newest `seq` of every run of a camera."""
        return dict(self._seqs)

    def rewrite(self) -> None:
        """The file knows something else: replace all of it the next time. Bounds what waits for a full disk too."""
        self._rewrites = True
        self._changed.clear()

    def save(self, file: SpoolFile) -> None:
        """Write what the file does not know, inside the transaction of the events."""
        if self._rewrites:
            file.forget_texts()
        for key in self._open if self._rewrites else self._changed:
            file.save_text(key, self._open.get(key))
        for topic, boot_id in {key[:2] for key in self._changed} if not self._rewrites else self._seqs:
            file.save_seq((topic, boot_id), self._seqs[topic, boot_id])

    def saved(self) -> None:
        """The transaction has been committed."""
        self._rewrites = False
        self._changed.clear()


def ends_of(texts: dict[TextKey, bytes], seqs: dict[SeqKey, int]) -> Iterator[tuple[str, bytes]]:
    """Topic and payload of the `end` of every text that an earlier run left open; each run's `seq` goes on.

    Args:
        texts: The newest event of each.
        seqs: The newest `seq` of each run.
    """
    seqs = dict(seqs)
    for (topic, boot_id, track_id), payload in texts.items():
        seq = seqs.get((topic, boot_id), 0) + 1
        try:
            yield topic, ended_by_restart(payload, seq)
        except ValueError as error:
            logger.warning("%s: text %d was left open and cannot be ended: %s", topic, track_id, error)
            continue
        seqs[topic, boot_id] = seq
