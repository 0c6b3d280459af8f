"""Two minutes of `edge-ocr run` with a fault every few seconds; half an hour is done by hand: `soak.py`."""

from pathlib import Path

import pytest

from tests.runtime.mosquitto import needs_mosquitto
from tests.runtime.soak.cast import small_disk
from tests.runtime.soak.process_watch import Sample
from tests.runtime.soak.run import Soak
from tests.runtime.sources.test_rtsp import needs_rtsp_server

pytestmark = [pytest.mark.slow, needs_mosquitto, needs_rtsp_server]

GROWN_MIB = 60.0
"""The allocator's swings over two minutes; half an hour by hand shows the trend."""


def test_whatever_breaks_nothing_is_lost_the_states_are_true_and_nothing_piles_up(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk, Soak(tmp_path, disk=disk) as soak:
        verdict = soak.run(minutes=2)
    assert verdict.complaints == []
    assert verdict.events > 50
    assert_flat(verdict.calm("kiosk"), n_children=1)  # the process of the camera that comes over RTSP
    assert_flat(verdict.calm("hall"), n_children=0)
    assert_flat(verdict.calm("worker"), n_children=0)


def assert_flat(samples: list[Sample], *, n_children: int) -> None:
    warm, last = samples[0], samples[-1]
    assert last.children == warm.children == n_children
    assert last.threads <= warm.threads + 3
    assert last.files <= warm.files + 5
    assert last.rss_mib + last.children_rss_mib < warm.rss_mib + warm.children_rss_mib + GROWN_MIB
