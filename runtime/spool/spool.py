"""The spool: events on the disk between their commit and the broker's acknowledgement.

    put -> held in memory -> one transaction for the events of a frame -> peeked at, sent, acknowledged -> deleted

A commit costs an fsync of the log (for a frame's three events 0.5 ms of CPU, and 7 ms on a virtual disk that others use
too), an acknowledgement none: after a power cut a few acknowledged events are sent again, with the same dedup key.
While the disk is full or fails, events stay held and are sent from memory; of too many the oldest are dropped and
counted. The reserve, a page beside the file, then tells the next run how many a crash took along.
"""

import logging
import sqlite3
import time
from collections import Counter, OrderedDict
from math import inf
from pathlib import Path
from threading import Lock

from edge_ocr.errors import ConfigError, EdgeOcrError
from runtime.events import SpoolState
from runtime.spool.file import Row, SeqKey, SpoolFile, TextKey
from runtime.spool.open_texts import OpenTexts, ends_of
from runtime.spool.opening import DAMAGE, DamagedError, ForeignError, InUseError, error_code, open_database
from runtime.spool.outbox import Message, OutboxCounts, StoredMessage
from runtime.spool.place import NotOursError, Place
from runtime.spool.reserve import Record, Reserve
from runtime.spool.set_aside import set_aside, try_counts
from runtime.spool.state import SpoolCondition

logger = logging.getLogger(__name__)

SENT = "sent"
"""Name of the count of acknowledged events, beside the causes of drops."""
MAX_HELD = 200
"""Events held in memory while they cannot be spooled."""


class Spool:
    """An outbox in a file, bounded by bytes and age: the oldest message makes room, and is counted.

    Safe to share between threads. No method but `__init__` raises for what is wrong with the disk.
    """

    def __init__(self, path: Path, *, max_bytes: int, max_age_s: float) -> None:
        """Open the file, or make it; texts that a crash left open are ended, damage is set aside.

        Args:
            path: The database; its log lies beside it.
            max_bytes: Bound for both together, at least 4 MiB.
            max_age_s: Older messages are dropped.

        Raises:
            EdgeOcrError: another process uses the file.
            ConfigError: it is a folder, or somebody else's database.
        """
        self._path = path
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._lock = Lock()
        self._file: SpoolFile | None = None
        self._place = Place(path)
        self._is_astray = False
        """Whether the open file is not in its place any more, and could not be put back."""
        self._reserve = Reserve(path)
        self._condition = SpoolCondition(path)
        self._held: OrderedDict[int, StoredMessage] = OrderedDict()
        self._gone: dict[int, str] = {}
        """Keys that are still in the file though they are done with, and what became of them."""
        self._n_rows = 0
        self._counts: Counter[str] = Counter()
        self._uncounted: Counter[str] = Counter()
        """Part of `_counts` that the file does not know yet."""
        self._texts = OpenTexts()
        self._next_key = 1
        self._shift: int | None = None
        """Added to the file's keys: where it could be opened only later, its keys follow those already given out."""
        self._old_keys = range(0)
        """Keys of messages that an earlier run has put."""
        # A clock that does not jump with the system's: a box that learns the time late must not expire what it has.
        self._epoch_s = time.time() - time.monotonic()
        if path.is_dir():
            raise ConfigError(f"spool.path: {path} is a folder; name a file in it")
        with self._lock:
            self._open()
            self._flush(expire=True)
            self._note()

    @property
    def state(self) -> SpoolState:
        """Whether messages are safe."""
        return self._condition.state

    def put(self, *messages: Message) -> None:
        """Commit messages in one transaction; then they are on the disk, or held, and the state tells why."""
        with self._lock:
            self._hold(*messages)
            self._texts.note(messages)
            self._flush()
            while len(self._held) > MAX_HELD:
                self._held.popitem(last=False)
                self._count("unspooled")
            self._note()

    def peek(self, limit: int) -> list[StoredMessage]:
        """The oldest pending messages, at most `limit`."""
        with self._lock:
            found = [*self._peek_file(0, limit), *self._held.values()]
            return sorted(found, key=lambda one: one.key)[:limit]

    def acknowledge(self, key: int) -> None:
        """Delete a message that the broker has."""
        self._remove(key, SENT)

    def drop(self, key: int, cause: str) -> None:
        """Delete and count a message that will never be sent."""
        self._remove(key, cause)

    def counts(self) -> OutboxCounts:
        """How many are pending, sent and dropped since the file was made."""
        with self._lock:
            pending = max(self._n_rows - len(self._gone), 0) + len(self._held)
            counts = self._counts + Counter(self._gone.values())
            return OutboxCounts(pending, counts[SENT], _drops(counts))

    def tend(self) -> None:
        """Drop what is too old and try again what failed; to be called every few seconds."""
        with self._lock:
            if self._file is None:
                self._reopen()
            elif self.state == "full":
                self._shorten_log(self._file)
            if self._file is not None:
                self._check_place()
                self._reserve.allocate()
            self._flush(expire=True)
            self._note()

    def close(self) -> None:
        """Close the file. What could not be spooled or sent is lost, said, and counted by the next run."""
        with self._lock:
            self._flush()
            if self._held:
                logger.warning("spool %s: %d events could neither be spooled nor sent", self._path, len(self._held))
                self._count("unspooled", len(self._held))
                self._held.clear()
            self._note()
            self._reserve.close()
            if self._file is not None:
                self._file.close()
                self._file = None

    def __enter__(self) -> "Spool":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # -- all below is called with the lock

    def _hold(self, *messages: Message) -> None:
        now_s = time.monotonic()
        for message in messages:
            self._held[self._next_key] = StoredMessage(self._next_key, message, now_s)
            self._next_key += 1

    def _remove(self, key: int, cause: str) -> None:
        with self._lock:
            if self._held.pop(key, None) is not None:
                self._count(cause)
            elif self._is_in_file(key):
                self._gone[key] = cause
            if self._condition.is_writable:  # else the next `put` or `tend` tries
                self._flush()
            self._note()

    def _count(self, cause: str, n: int = 1) -> None:
        self._counts[cause] += n
        self._uncounted[cause] += n

    def _note(self) -> None:
        """Write down, where that takes no room, what only memory knows."""
        is_all_in_file = not (self._held or self._uncounted)
        n_put = self._n_rows + len(self._held) + self._counts.total()
        self._reserve.note(None if is_all_in_file else Record(n_put, dict(self._counts), self._texts.seqs))

    def _is_in_file(self, key: int) -> bool:
        """Whether it is a message of the file; assumed while that cannot be read."""
        found = self._peek_file(key - 1, 1)
        return self._file is None or [one.key for one in found] == [key]

    def _peek_file(self, after: int, limit: int) -> list[StoredMessage]:
        """Pending messages of the file with a key above `after`; nothing while it cannot be read."""
        if self._file is None or self._shift is None:
            return []
        try:
            rows = self._file.peek(after - self._shift, limit + len(self._gone))
        except sqlite3.Error as error:
            self._failed(error)
            return []
        stored = (self._stored(row, row.key + self._shift) for row in rows)
        return [one for one in stored if one.key not in self._gone][:limit]

    def _stored(self, row: Row, key: int) -> StoredMessage:
        if key in self._old_keys:
            return StoredMessage(key, Message(row.topic, row.payload, -inf), -inf)
        message = Message(row.topic, row.payload, row.arrival_ts - self._epoch_s)
        return StoredMessage(key, message, row.put_ts - self._epoch_s)

    # -- writing

    def _flush(self, *, expire: bool = False) -> None:
        """Bring the file up to date: what is held, what is gone, what was counted. Sets the state."""
        if self._file is not None and not self._is_astray:
            self._check_place()
        for _ in range(2):
            if self._file is None:
                return
            try:
                self._write(self._file, expire=expire)
                return
            except sqlite3.Error as error:
                if not self._failed(error):
                    return

    def _write(self, file: SpoolFile, *, expire: bool) -> None:
        """All changes in one transaction; what is in memory follows when it has been committed."""
        assert self._shift is not None
        done: Counter[str] = Counter()
        with file.transaction(durable=bool(self._held)):
            for key, cause in self._gone.items():
                done[cause] += file.delete(key - self._shift)
            if expire:
                done["expired"] = file.drop_older(time.monotonic() + self._epoch_s - self._max_age_s)
            file.insert(self._row(one, self._shift) for one in self._held.values())
            n_full = file.drop_excess() if self._held else 0
            done["full"] += n_full
            file.add_counts(self._uncounted + done)
            self._texts.save(file)
        self._n_rows += len(self._held) - done.total()
        self._counts += done
        self._uncounted.clear()
        self._gone.clear()
        self._held.clear()
        self._texts.saved()
        if self._is_astray:
            return
        self._condition.committed(n_dropped=n_full, filling=file.filling(), dropped_so_far=_drops(self._counts))

    def _row(self, one: StoredMessage, shift: int) -> Row:
        message = one.message
        arrival_ts, put_ts = message.arrival_s + self._epoch_s, one.put_s + self._epoch_s
        return Row(one.key - shift, message.topic, message.payload, arrival_ts, put_ts)

    # -- what can go wrong

    def _failed(self, error: sqlite3.Error) -> bool:
        """Do what can be done about an error; whether it is worth trying again at once."""
        self._texts.rewrite()
        if error_code(error) in DAMAGE:
            self._replace(str(error))
            return self._file is not None
        was = self.state
        self._condition.broke(error)
        if self._file is None:
            return False
        if self.state == "full":
            return was != "full" and self._shorten_log(self._file)
        self._file.close()
        self._file = None
        return False

    def _check_place(self) -> None:
        """See whether the file was deleted, which an open one does not show, and put it back."""
        self._is_astray = not self._place.is_kept()
        if not self._is_astray:
            return
        assert self._file is not None
        try:
            self._place.put_back(self._file)
            self._file = None
            self._adopt(SpoolFile(open_database(self._path), self._max_bytes))
        except NotOursError:
            self._condition.fail("failed", "another file has taken its place; move that away, or restart edge-ocr")
        except (sqlite3.Error, OSError, DamagedError, ForeignError, InUseError) as error:
            self._condition.fail("failed", f"its file was deleted and cannot be made again ({error}); check the disk")
        else:
            logger.warning("spool %s: was deleted; made again with all %d events in it. See what deletes it",
                           self._path, self._n_rows)  # fmt: skip

    def _shorten_log(self, file: SpoolFile) -> bool:
        """Whether there may be room in the file's own space."""
        try:
            file.shorten_log()
        except sqlite3.Error:
            return False
        return True

    def _open(self) -> None:
        """Open the file if it can be opened; what is wrong with the disk becomes the state.

        Raises:
            EdgeOcrError: another process uses it.
            ConfigError: it is somebody else's.
        """
        try:
            self._adopt(SpoolFile(open_database(self._path), self._max_bytes))
        except InUseError:
            raise EdgeOcrError(
                f"spool {self._path}: another process uses it; stop that one, or give each its own node or spool.path"
            ) from None
        except ForeignError:
            raise ConfigError(f"spool.path: {self._path} is not a spool of edge-ocr; name another file") from None
        except DamagedError as error:
            self._replace(str(error))
        except sqlite3.Error as error:
            self._failed(error)
        except OSError as error:
            self._condition.fail("failed", f"it cannot be made ({error.strerror}); check the disk, or set spool.path")

    def _reopen(self) -> None:
        """Open the file again; by now nothing is a reason to stop."""
        try:
            self._open()
        except EdgeOcrError as error:
            self._condition.fail("failed", str(error))

    def _adopt(self, file: SpoolFile) -> None:
        """Take an open file into use; the first one may hold what an earlier run left."""
        try:
            n_rows, keys, counts = file.n_events(), file.key_range(), file.counts()
            texts, seqs = file.open_texts(), file.last_seqs()
        except BaseException:
            file.close()
            raise
        self._file = file
        self._place, self._is_astray = Place(self._path), False
        self._reserve.allocate()
        self._find_missing(n_rows, counts)
        self._n_rows = n_rows
        self._counts = Counter(counts) + self._uncounted
        self._texts.rewrite()
        if self._shift is None:
            first, last = keys or (1, 0)
            self._shift = max(self._next_key - first, 0)
            self._old_keys = range(first + self._shift, last + self._shift + 1)
            self._next_key = self._old_keys.stop
            record = self._reserve.read()
            for key, seq in record.seqs.items() if record is not None else ():
                seqs[key] = max(seq, seqs.get(key, 0))
            self._end_texts(texts, seqs)

    def _find_missing(self, n_rows: int, counts: dict[str, int]) -> None:
        """Count what an earlier run held in memory when it ended, or what was in a file that is gone."""
        known = Counter(counts)
        record = self._reserve.read()
        if self._shift is not None:
            known += self._uncounted
            record = Record(self._n_rows + self._counts.total(), self._counts)
        besides, n_lost = record.unknown_to(n_rows, known) if record is not None else ({}, 0)
        self._uncounted.update(besides)
        if n_lost:
            cause = "crash" if self._shift is None else "deleted"
            self._uncounted[cause] += n_lost
            logger.warning(
                "spool %s: %d events are lost: they %s",
                self._path,
                n_lost,
                "waited in memory when the last run ended" if cause == "crash" else "were in a file that is gone",
            )

    def _end_texts(self, texts: dict[TextKey, bytes], seqs: dict[SeqKey, int]) -> None:
        """End what an earlier run left open, after all that it published."""
        ends = [Message(topic, payload, time.monotonic()) for topic, payload in ends_of(texts, seqs)]
        if ends:
            logger.info("spool %s: the last run ended without a stop; ending its %d open texts", self._path, len(ends))
            self._hold(*ends)

    def _replace(self, why: str) -> None:
        """Set a damaged file aside and begin a new one."""
        if self._file is not None:
            self._file.close()
            self._file = None
        try:
            aside = set_aside(self._path)
            is_known = self._shift is not None
            n_lost, counts = (self._n_rows, self._counts) if is_known else try_counts(aside)
            self._n_rows = 0
            self._gone.clear()
            self._counts = Counter(counts)
            self._count("damaged", n_lost)
            self._uncounted = Counter(self._counts)
            self._adopt(SpoolFile(open_database(self._path), self._max_bytes))
        except (sqlite3.Error, OSError, DamagedError, ForeignError, InUseError) as error:
            self._condition.fail("failed", f"it is damaged ({why}) and cannot be replaced ({error}); check the disk")
            return
        logger.warning(
            "spool %s: damaged (%s); set aside as %s with %s events, and begun anew; check the disk",
            self._path, why, aside.name, f"at least {n_lost}" if n_lost else "an unknown number of",
        )  # fmt: skip


def _drops(counts: Counter[str]) -> dict[str, int]:
    return {cause: n for cause, n in counts.items() if cause != SENT}
