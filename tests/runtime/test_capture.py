"""One camera's thread: what it gives out, what it drops, and how it comes back."""

import logging
import threading
from collections.abc import Sequence
from queue import SimpleQueue

import numpy as np
import pytest

from edge_ocr.errors import SourceError
from runtime.backoff import Backoff
from runtime.capture import ABANDONED_AFTER_S, MAX_ABANDONED, CaptureThread
from runtime.frame_slot import LatestFrameSlot
from runtime.frames import Frame

TIMEOUT_S = 10.0
"""Far more than anything here takes; nothing waits that long when all is well."""


def make_frame(index: int) -> Frame:
    return Frame(np.full((8, 8, 3), 200, np.uint8), index, ts=float(index), arrival_s=float(index), decode_ms=0.0)


class FakeSource:
    """Gives what its script says: a frame, an error, a function that is called, or None for the end.

    `frames` are the steps after every `open`; a step that is an error before the first frame fails the opening.
    """

    description = "fake"

    def __init__(self, *openings: Sequence[object], is_live: bool = True, fps: float | None = 10.0) -> None:
        self.is_live = is_live
        self.nominal_fps = fps
        self._openings = list(openings)
        self._steps: list[object] = []
        self.n_opened = self.n_closed = 0

    def open(self) -> None:
        self.n_opened += 1
        self._steps = list(self._openings.pop(0)) if self._openings else [SourceError("no more openings")]
        if self._steps and isinstance(self._steps[0], OSError):
            raise SourceError(str(self._steps[0]))

    def read(self) -> Frame | None:
        step = self._steps.pop(0) if self._steps else None
        if isinstance(step, Exception):
            raise step
        if callable(step):
            step = step()
        assert step is None or isinstance(step, Frame)
        return step

    def close(self) -> None:
        self.n_closed += 1


class Bench:
    """A capture thread with a clock, waits and states that the test sees."""

    def __init__(self, source: FakeSource, **options: object) -> None:
        self.now_s = 0.0
        self.waits_s: list[float] = []
        self.states: SimpleQueue[tuple[str, str | None]] = SimpleQueue()
        self.seen: list[str] = []
        defaults: dict[str, object] = {"policy": "every", "draw": lambda: 1.0, "wait": self._wait}
        self.capture = CaptureThread(
            "cam0",
            source,
            on_state=lambda state, reason: self.states.put((state, reason)),
            clock=lambda: self.now_s,
            **(defaults | options),  # type: ignore[arg-type]
        )

    def _wait(self, seconds: float) -> None:
        self.waits_s.append(seconds)
        self.now_s += seconds

    def frames(self) -> list[int]:
        """Read until the end."""
        indices = []
        while not self.capture.ended:
            frame = self.capture.next_frame(TIMEOUT_S)
            if frame is not None:
                indices.append(frame.index)
        return indices

    def reported(self) -> list[str]:
        while not self.states.empty():
            self.seen.append(self.states.get()[0])
        return self.seen


def start(bench: Bench) -> Bench:
    bench.capture.start()
    return bench


def test_the_slot_keeps_the_newest_frame_and_says_when_one_was_lost() -> None:
    slot = LatestFrameSlot()
    assert [slot.put(make_frame(index)) for index in range(3)] == [False, True, True]
    frame = slot.take(0)
    assert frame is not None
    assert frame.index == 2
    assert slot.take(0) is None


def test_a_closed_slot_still_gives_its_last_frame() -> None:
    slot = LatestFrameSlot()
    slot.put(make_frame(0))
    slot.close()
    assert [slot.is_drained, slot.take(TIMEOUT_S) is None, slot.is_drained] == [False, False, True]
    assert slot.take(TIMEOUT_S) is None
    assert slot.put_when_empty(make_frame(1)) is False


def test_backoff_doubles_to_a_minute_and_starts_again_when_reset() -> None:
    backoff = Backoff(lambda: 1.0)
    assert [backoff.next_s() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    backoff.reset()
    assert backoff.next_s() == 1


def test_backoff_has_full_jitter() -> None:
    assert Backoff(lambda: 0.25).next_s() == 0.25


def test_every_frame_of_a_file_arrives_and_the_end_is_signalled() -> None:
    source = FakeSource([make_frame(index) for index in range(5)], is_live=False)
    bench = start(Bench(source))
    assert bench.frames() == [0, 1, 2, 3, 4]
    bench.capture.stop()
    stats = bench.capture.stats()
    assert (stats.frames_in, stats.frames_dropped, stats.reconnects) == (5, {}, 0)
    assert source.n_closed >= source.n_opened == 1
    assert bench.reported() == ["streaming"]


def test_the_latest_frame_wins_and_every_other_is_counted() -> None:
    frames = [make_frame(index) for index in range(5)]
    bench = Bench(FakeSource(frames, is_live=False), policy="latest")
    start(bench).capture._threads[-1].join(TIMEOUT_S)  # the reader is through before anybody takes a frame
    assert bench.frames() == [4]
    assert bench.capture.stats().frames_dropped == {"overwritten": 4}


def test_masks_are_black_before_anybody_sees_the_frame_and_the_source_keeps_its_own() -> None:
    original = make_frame(0)
    mask = [(0.0, 0.0), (3.0, 0.0), (3.0, 7.0), (0.0, 7.0)]
    bench = start(Bench(FakeSource([original], is_live=False), masks=[mask]))
    frame = bench.capture.next_frame(TIMEOUT_S)
    assert frame is not None
    assert (frame.image[:, :4] == 0).all()
    assert (frame.image[:, 4:] == 200).all()
    assert (original.image == 200).all()


def test_a_live_source_is_opened_again_with_growing_waits() -> None:
    no_camera = OSError("no camera")
    source = FakeSource([make_frame(0), SourceError("cable")], [no_camera], [no_camera], [make_frame(1), None])
    bench = start(Bench(source))
    assert bench.frames() == [0, 1]
    assert bench.waits_s == [1, 2, 4]
    assert bench.capture.stats().reconnects == 1
    assert list(dict.fromkeys(bench.reported())) == ["streaming", "reconnecting"]
    assert bench.seen[-1] == "streaming"


def test_good_frames_make_the_next_waits_short_again() -> None:
    bench = Bench(FakeSource())

    def later() -> Frame:
        bench.now_s += 11
        return make_frame(0)

    outages = FakeSource([OSError("a")], [OSError("b")], [later, SourceError("c")], [None])
    bench.capture = CaptureThread(
        "cam0", outages, "every", clock=lambda: bench.now_s, wait=bench._wait, draw=lambda: 1.0
    )
    start(bench).frames()
    assert bench.waits_s == [1, 2, 1]


def test_a_file_that_fails_has_ended() -> None:
    bench = start(Bench(FakeSource([make_frame(0), SourceError("damaged")], is_live=False)))
    assert bench.frames() == [0]
    assert (bench.capture.state, bench.capture.reason) == ("failed", "damaged")
    assert bench.waits_s == []


def test_an_unexpected_error_is_logged_and_the_camera_opened_again(caplog: pytest.LogCaptureFixture) -> None:
    bench = start(Bench(FakeSource([ZeroDivisionError("driver")], [make_frame(0), None])))
    assert bench.frames() == [0]
    assert bench.states.get() == ("reconnecting", "fake: ZeroDivisionError: driver")
    assert "unexpected error" in caplog.text


def test_reasons_never_hold_credentials() -> None:
    bench = start(Bench(FakeSource([SourceError("rtsp://u:s3cret@cam/1: gone")], [None])))
    bench.frames()
    assert bench.states.get() == ("reconnecting", "rtsp://***@cam/1: gone")


def test_the_first_failure_is_logged_although_the_camera_was_never_there(caplog: pytest.LogCaptureFixture) -> None:
    bench = start(Bench(FakeSource([OSError("no camera")], [OSError("still none")], [None])))
    bench.frames()
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert warnings == ["cam0: reconnecting: no camera"]


def test_a_listener_that_fails_does_not_stop_the_camera(caplog: pytest.LogCaptureFixture) -> None:
    def fail(state: str, reason: str | None) -> None:
        raise RuntimeError("listener")

    capture = CaptureThread("cam0", FakeSource([make_frame(0), None]), "every", on_state=fail)
    capture.start()
    assert capture.next_frame(TIMEOUT_S) is not None
    capture.stop()
    assert "the listener failed" in caplog.text


class StuckRead:
    """A read that does not return until it is let go."""

    def __init__(self, result: Frame | None = None) -> None:
        self.began = threading.Event()
        self.let_go = threading.Event()
        self._result = result

    def __call__(self) -> Frame | None:
        self.began.set()
        assert self.let_go.wait(TIMEOUT_S)
        return self._result


@pytest.mark.parametrize(
    ("fps", "limit_s"),
    [pytest.param(10.0, 5.0, id="five seconds"), pytest.param(0.5, 10.0, id="five frames of a slow camera")],
)
def test_a_camera_without_frames_is_stalled_until_the_next_one(fps: float, limit_s: float) -> None:
    stuck = StuckRead(make_frame(1))
    bench = start(Bench(FakeSource([make_frame(0), stuck, None], fps=fps)))
    assert bench.capture.next_frame(TIMEOUT_S) is not None
    assert stuck.began.wait(TIMEOUT_S)
    bench.now_s += limit_s
    bench.capture.check_freshness()
    assert bench.capture.state == "streaming"
    bench.now_s += 1
    bench.capture.check_freshness()
    assert (bench.capture.state, bench.capture.stats().stalls) == ("stalled", 1)
    assert bench.capture.stats().fps is None
    assert bench.capture.stats().frame_age_s == limit_s + 1
    stuck.let_go.set()
    assert bench.frames() == [1]
    assert bench.reported() == ["streaming", "stalled", "streaming"]


def test_a_consumer_that_takes_its_time_stalls_nothing() -> None:
    bench = Bench(FakeSource([make_frame(0), make_frame(1)], is_live=False))
    start(bench).capture.next_frame(TIMEOUT_S)
    bench.now_s += 1000
    bench.capture.check_freshness()
    assert bench.capture.state == "streaming"
    assert bench.frames() == [1]


def test_a_read_that_never_returns_is_abandoned_for_a_new_source() -> None:
    stuck = StuckRead(make_frame(99))
    old, new = FakeSource([make_frame(0), stuck]), FakeSource([make_frame(1), None])
    bench = start(Bench(old, reopen=lambda: new))
    assert bench.capture.next_frame(TIMEOUT_S) is not None
    assert stuck.began.wait(TIMEOUT_S)
    bench.now_s += ABANDONED_AFTER_S + 1
    bench.capture.check_freshness()
    assert bench.frames() == [1]
    stuck.let_go.set()
    bench.capture.stop()
    assert old.n_closed >= 1
    assert bench.capture.stats().frames_in == 2  # the frame of the abandoned read came too late


def test_a_camera_that_gets_stuck_again_and_again_is_given_up() -> None:
    stuck = [StuckRead() for _ in range(MAX_ABANDONED + 1)]
    sources = [FakeSource([read]) for read in stuck]
    following = iter(sources[1:])
    bench = start(Bench(sources[0], reopen=lambda: next(following)))
    for read in stuck:
        assert read.began.wait(TIMEOUT_S)
        bench.now_s += ABANDONED_AFTER_S + 1
        bench.capture.check_freshness()
    assert bench.capture.state == "failed"
    assert bench.capture.ended
    for read in stuck:
        read.let_go.set()


def test_a_paused_camera_is_drained_and_its_frames_are_counted() -> None:
    gate = StuckRead(make_frame(0))
    last = StuckRead(make_frame(1))
    bench = Bench(FakeSource([gate, last, None]))
    bench.capture.pause()
    start(bench)
    gate.let_go.set()
    assert last.began.wait(TIMEOUT_S)
    assert bench.capture.state == "paused"
    assert bench.capture.stats().frames_dropped == {"paused": 1}
    bench.capture.resume()
    last.let_go.set()
    assert bench.frames() == [1]
    assert bench.reported() == ["paused", "reconnecting", "streaming"]


def test_stopping_wakes_whoever_waits_for_a_frame() -> None:
    stuck = StuckRead()
    bench = start(Bench(FakeSource([stuck])))
    assert stuck.began.wait(TIMEOUT_S)
    taken: list[Frame | None] = []
    waiter = threading.Thread(target=lambda: taken.append(bench.capture.next_frame(TIMEOUT_S)))
    waiter.start()
    bench.capture.stop(timeout_s=0.0)  # the read is stuck: it is left behind
    waiter.join(TIMEOUT_S)
    assert taken == [None]
    assert bench.capture.ended
    stuck.let_go.set()


def test_a_reader_that_waits_for_its_consumer_can_be_stopped() -> None:
    source = FakeSource([make_frame(index) for index in range(3)], is_live=False)
    bench = start(Bench(source))
    assert bench.capture.next_frame(TIMEOUT_S) is not None
    bench.capture.stop(TIMEOUT_S)
    assert source.n_closed >= 1
    assert len(bench.frames()) <= 1


def test_the_rate_and_age_of_frames_are_known() -> None:
    bench = Bench(FakeSource())

    def after_100_ms() -> Frame:
        bench.now_s += 0.1
        return make_frame(0)

    stuck = StuckRead()
    source = FakeSource([after_100_ms] * 5 + [stuck])
    bench.capture = CaptureThread("cam0", source, "latest", clock=lambda: bench.now_s)
    assert bench.capture.stats().frame_age_s is None
    start(bench)
    assert stuck.began.wait(TIMEOUT_S)
    bench.now_s += 2
    stats = bench.capture.stats()
    assert stats.fps == pytest.approx(10)
    assert stats.frame_age_s == pytest.approx(2)
    stuck.let_go.set()
    bench.capture.stop()
