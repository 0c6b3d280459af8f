"""Several profiles read the same pages in turns, so that a slow minute of the machine hits all of them."""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType

from edge_ocr.errors import EdgeOcrError
from edge_ocr.metrics import word_tally
from edge_ocr.profile import DeviceProfile
from runtime.profiling.host_watch import HostWatch
from runtime.tuning.contestant import Contestant, OpenContestant, SizeHW
from runtime.tuning.journal import Journal, Round
from runtime.tuning.pages import LabelledPage
from runtime.tuning.scores import Read

PAUSE_S = 0.01
"""Before every read: idle threads of the reader before it stop spinning."""


class Contest:
    """One comparison; readers are opened when something is to be read that the journal does not know.

    A `with` block closes them.
    """

    def __init__(
        self,
        number: int,
        profiles: Mapping[str, DeviceProfile],
        *,
        pack: str,
        pages: Sequence[LabelledPage],
        journal: Journal,
        open_contestant: OpenContestant,
        sizes_hw: Sequence[SizeHW],
    ) -> None:
        """Prepare.

        Args:
            number: Of the contest in the search.
            profiles: By key.
            pack: The model pack that all use.
            pages: What is read.
            journal: What is known, and where what is measured goes.
            open_contestant: Opens a reader.
            sizes_hw: (height, width) of the pages.
        """
        self._number = number
        self._profiles = dict(profiles)
        self._pack = pack
        self._pages = pages
        self._journal = journal
        self._open = open_contestant
        self._sizes_hw = sizes_hw
        self._contestants: dict[str, Contestant] = {}
        self._n_rounds = 0

    def __enter__(self) -> "Contest":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for key in list(self._contestants):
            self.drop(key)

    def read(self, keys: Sequence[str], page_indexes: Sequence[int], *, repeat: int = 1) -> Round:
        """Let some profiles read some pages in turns, or tell what came of it before.

        Args:
            keys: Of the profiles.
            page_indexes: Which pages.
            repeat: How often each page is read.

        Raises:
            EdgeOcrError: a page cannot be read.
        """
        number, self._n_rounds = self._n_rounds, self._n_rounds + 1
        known = self._journal.find(self._number, number, keys)
        if known is not None:
            return known
        failed = self._open_missing(keys)
        able = [key for key in keys if key not in failed]
        reads: dict[str, list[Read]] = {key: [] for key in able}
        with HostWatch() as watch:
            for turn, index in enumerate(index for _ in range(repeat) for index in page_indexes):
                self._read_page(self._pages[index], _rotated(able, turn), reads)
        done = Round(
            contest=self._number,
            number=number,
            reads={key: tuple(found) for key, found in reads.items()},
            failed=failed,
            others_cores=watch.disturbance.others_cores,
        )
        self._journal.add(done)
        return done

    def drop(self, key: str) -> None:
        """Close a profile's reader; it is out of the contest."""
        contestant = self._contestants.pop(key, None)
        if contestant is not None:
            with suppress(OSError):
                contestant.close()

    def _open_missing(self, keys: Sequence[str]) -> dict[str, str]:
        """Open readers; what cannot be opened, with the reason."""
        failed = {}
        for key in keys:
            if key not in self._contestants:
                try:
                    self._contestants[key] = self._open(self._profiles[key], self._pack, self._sizes_hw)
                except EdgeOcrError as error:
                    failed[key] = str(error)
        return failed

    def _read_page(self, page: LabelledPage, keys: Sequence[str], reads: Mapping[str, list[Read]]) -> None:
        pixels = page.load()
        for key in keys:
            time.sleep(PAUSE_S)
            ms, cpu_ms, lines = self._contestants[key].read(pixels)
            words = word_tally(lines, page.labels, partial=page.partial)
            reads[key].append(
                Read(
                    page=page.name,
                    ms=ms,
                    cpu_ms=cpu_ms,
                    hits=words.hits,
                    predicted=words.predicted,
                    labelled=words.labelled,
                )
            )


def _rotated(keys: Sequence[str], turn: int) -> list[str]:
    """Another one first in every turn: being first after a pause, or after a slow one, is not the same."""
    start = turn % max(len(keys), 1)
    return [*keys[start:], *keys[:start]]
