"""Cameras in virtual time: what is read, what is overwritten, whose time it was."""

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.camera_shares import fair_shares
from benchmarks.photo_events import FRAME_WH, fit_into_frame
from benchmarks.scenes import DrawnScene, SensorNoise
from benchmarks.virtual_stream import VirtualCapture, VirtualClock, run_virtual
from edge_ocr import Line, Page
from tests.runtime.test_appliance import FakeReader

QUAD = np.array([[20, 20], [100, 20], [100, 50], [20, 50]], dtype=np.float32)


class Bright(FakeReader):
    def read(self, image: NDArray[np.uint8]) -> Page:
        lines = (Line("HELLO", 0.9, QUAD),) if image.mean() > 128 else ()
        return Page(image.shape[1], image.shape[0], lines, {"total": 2.0})


class LateRate(DrawnScene):
    """A file tells its rate only when it is open."""

    is_open = False

    @property
    def nominal_fps(self) -> float | None:
        return super().nominal_fps if self.is_open else None

    def open(self) -> None:
        super().open()
        self.is_open = True


def plain(index: int) -> NDArray[np.uint8]:
    return np.full((60, 120, 3), 255 if 5 <= index < 20 else 0, np.uint8)


def test_events_carry_the_scenes_own_time() -> None:
    run = run_virtual({"cam": LateRate(plain, 40, 10)}, Bright(), cores=1e6)
    begin, end = run.told["cam"]
    assert (begin.event.type, begin.event.text, end.event.type) == ("begin", "HELLO", "end")
    assert 0.5 <= begin.shown_s <= 0.8
    assert begin.told_s == pytest.approx(begin.shown_s, abs=1e-3)
    assert run.duration_s == pytest.approx(4.0, abs=0.11)


def test_two_cameras_have_accounts_of_their_own() -> None:
    run = run_virtual({"one": DrawnScene(plain, 20, 10), "two": DrawnScene(plain, 10, 10)}, Bright(), cores=1e6)
    assert set(run.cpu_s) == {"one", "two"}
    assert run.frames_read["one"] == 2 * run.frames_read["two"]


def test_frames_that_came_meanwhile_are_overwritten() -> None:
    clock = VirtualClock(1.0)
    capture = VirtualCapture(DrawnScene(plain, 10, 10), clock, "cam")
    capture.start()
    first = capture.next_frame(1.0)
    clock.now_s = 0.65
    second = capture.next_frame(1.0)
    assert first is not None
    assert second is not None
    assert (first.index, second.index, second.ts) == (0, 6, 0.6)
    assert capture.stats().frames_dropped == {"overwritten": 5}


def test_a_wait_is_no_longer_than_the_time_out() -> None:
    clock = VirtualClock(1e9)
    capture = VirtualCapture(DrawnScene(plain, 10, 1), clock, "cam")
    capture.start()
    assert capture.next_frame(0.25) is not None
    assert capture.next_frame(0.25) is None
    assert clock.now_s == pytest.approx(0.25, abs=1e-3)


def test_time_passes_for_others_where_a_recording_has_ended() -> None:
    clock = VirtualClock(1e9)
    capture = VirtualCapture(DrawnScene(plain, 1, 10), clock, "cam")
    capture.start()
    assert capture.next_frame(0.5) is not None
    assert capture.next_frame(0.5) is None
    assert capture.ended
    before_s = clock.now_s
    assert capture.next_frame(0.5) is None
    assert clock.now_s == pytest.approx(before_s + 0.5, abs=1e-3)


def test_fair_shares_leave_to_others_what_one_does_not_ask_for() -> None:
    assert fair_shares({"a": 10.0, "b": 1.0, "c": 6.0}, 9.0) == {"b": 1.0, "c": 4.0, "a": 4.0}
    assert fair_shares({"a": 1.0, "b": 2.0}, 9.0) == {"a": 1.0, "b": 2.0}


def test_noise_differs_from_frame_to_frame_and_not_from_run_to_run() -> None:
    grey = np.full((40, 40, 3), 128, np.uint8)
    noise = SensorNoise(4.0)
    assert np.array_equal(noise.on(grey, 3), SensorNoise(4.0).on(grey, 3))
    assert not np.array_equal(noise.on(grey, 3), noise.on(grey, 4))
    assert noise.on(grey, 5).std() == pytest.approx(4.0, abs=0.5)


def test_a_photograph_fills_the_frame_one_way() -> None:
    frame = fit_into_frame(np.full((320, 480, 3), 255, np.uint8))
    assert frame.shape == (FRAME_WH[1], FRAME_WH[0], 3)
    assert (frame == 255).all(axis=2).sum() == 1080 * 720
