"""One camera's thread: what it gives out, what it drops, and how it comes back."""

import logging
import threading
from collections.abc import Sequence
from queue import SimpleQueue

import numpy as np
import pytest

from edge_ocr.errors import SourceError
from runtime.backoff import Backoff
from runtime.capture.frame_slot import LatestFrameSlot
from runtime.capture.freshness import N_GAPS, Freshness
from runtime.capture.thread import CaptureThread
from runtime.frames import CameraFault, Frame
from runtime.sources.faults import CameraError

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
        self.use(source, **options)

    def use(self, source: FakeSource, **options: object) -> None:
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
    assert [slot.put(make_frame(index)) for index in range(3)] == [None, "overwritten", "overwritten"]
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
    assert slot.put(make_frame(1)) == "stopped"


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


def test_a_live_source_is_opened_again_with_growing_waits() -> None:
    no_camera = OSError("no camera")
    source = FakeSource([make_frame(0), SourceError("cable")], [no_camera], [no_camera], [make_frame(1), None])
    bench = start(Bench(source))
    assert bench.frames() == [0, 1]
    assert bench.waits_s == [1, 2, 2]
    assert bench.capture.stats().reconnects == 1
    assert list(dict.fromkeys(bench.reported())) == ["streaming", "reconnecting"]
    assert bench.seen[-1] == "streaming"


def test_good_frames_make_the_next_waits_short_again() -> None:
    bench = Bench(FakeSource())

    def later() -> Frame:
        bench.now_s += 11
        return make_frame(0)

    outages = FakeSource([OSError("a")], [OSError("b")], [later, SourceError("c")], [None])
    bench.use(outages)
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
    ("gap_s", "limit_s"),
    [
        pytest.param(0.1, 5.0, id="five seconds"),
        pytest.param(2.0, 10.0, id="five gaps of a slow camera"),
        pytest.param(10.0, 50.0, id="five gaps of a very slow camera"),
    ],
)
def test_a_camera_is_stalled_after_a_silence_that_is_long_for_it(gap_s: float, limit_s: float) -> None:
    bench = Bench(FakeSource())

    def after_a_gap() -> Frame:
        bench.now_s += gap_s
        return make_frame(0)

    stuck = StuckRead(make_frame(1))
    bench.use(FakeSource([*[after_a_gap] * (N_GAPS + 1), stuck, None]), policy="latest")
    start(bench)
    assert stuck.began.wait(TIMEOUT_S)
    bench.now_s += limit_s
    bench.capture.check_freshness()
    assert bench.capture.state == "streaming"
    bench.now_s += 1
    bench.capture.check_freshness()
    assert (bench.capture.state, bench.capture.fault, bench.capture.stats().stalls) == ("stalled", "timeout", 1)
    assert bench.capture.stats().fps is None
    assert bench.capture.stats().frame_age_s == pytest.approx(limit_s + 1)
    stuck.let_go.set()
    bench.capture._threads[-1].join(TIMEOUT_S)
    assert bench.reported() == ["streaming", "stalled", "streaming"]


def test_a_burst_at_the_start_does_not_make_a_slow_camera_look_stalled() -> None:
    freshness = Freshness()
    for now_s in (0.0, 0.01, 0.02, 10.0):
        freshness.add(now_s)
        assert freshness.stalled_after_s >= 30
    assert freshness.stalled_after_s == pytest.approx(50, abs=0.2)


@pytest.mark.parametrize(
    ("n_frames", "limit_s"),
    [
        pytest.param(0, 30.0, id="nothing is known before the first"),
        pytest.param(6, 30.0, id="a handful may be a burst of a slow camera"),
        pytest.param(11, 15.0, id="ten gaps"),
        pytest.param(21, 7.5, id="twenty gaps"),
        pytest.param(N_GAPS + 1, 5.0, id="all that the rate is taken from"),
    ],
)
def test_the_silence_that_is_long_falls_as_gaps_become_known(n_frames: int, limit_s: float) -> None:
    freshness = Freshness()
    for number in range(n_frames):
        freshness.add(number / 25)
    assert freshness.stalled_after_s == pytest.approx(limit_s)


def test_a_slow_camera_outlasts_the_burst_it_begins_with_whatever_its_length() -> None:
    for n_burst in range(2, 15):
        freshness = Freshness()
        for number in range(n_burst):
            freshness.add(number / 100)
        assert freshness.stalled_after_s > 10.0
        freshness.add(10.0 + n_burst / 100)
        assert freshness.stalled_after_s >= 50.0


def test_an_outage_is_no_gap_between_frames() -> None:
    freshness = Freshness()
    for now_s in range(N_GAPS + 1):
        freshness.add(now_s / 10)
    freshness.interrupt()
    freshness.add(1000.0)
    assert (freshness.stalled_after_s, freshness.fps) == (5.0, None)


def test_a_consumer_that_takes_its_time_stalls_nothing() -> None:
    bench = Bench(FakeSource([make_frame(0), make_frame(1)], is_live=False))
    start(bench).capture.next_frame(TIMEOUT_S)
    bench.now_s += 1000
    bench.capture.check_freshness()
    assert bench.capture.state == "streaming"
    assert bench.frames() == [1]


class CancellableSource(FakeSource):
    """A source in a process of its own: a read that is stuck fails when it is cancelled."""

    def __init__(self, *openings: Sequence[object], losses: dict[str, int] | None = None) -> None:
        super().__init__(*openings)
        self.cancelled = threading.Event()
        self._losses = losses or {}

    def cancel(self) -> None:
        self.cancelled.set()

    def losses(self) -> dict[str, int]:
        return self._losses

    def stuck(self) -> Frame:
        assert self.cancelled.wait(TIMEOUT_S)
        raise CameraError("process", "killed")


def test_a_read_that_never_returns_is_cancelled_and_the_camera_opened_anew() -> None:
    source = CancellableSource()
    began = threading.Event()

    def stuck() -> Frame:
        began.set()
        return source.stuck()

    source._openings = [[stuck], [make_frame(1), None]]
    bench = start(Bench(source))
    assert began.wait(TIMEOUT_S)
    bench.now_s += 60
    bench.capture.check_freshness()
    assert not source.cancelled.is_set()
    bench.now_s += 1
    bench.capture.check_freshness()
    assert bench.frames() == [1]
    assert bench.states.get() == ("reconnecting", "fake: no frame for 61 s; opening it anew")


def test_a_camera_that_freezes_after_its_first_frames_is_opened_anew_within_half_a_minute() -> None:
    source = CancellableSource()
    bench = Bench(source, policy="latest")
    began = threading.Event()

    def after_a_gap() -> Frame:
        bench.now_s += 0.04
        return make_frame(0)

    def stuck() -> Frame:
        began.set()
        return source.stuck()

    source._openings = [[*[after_a_gap] * 16, stuck], [make_frame(1), None]]
    start(bench)
    assert began.wait(TIMEOUT_S)
    bench.now_s += 11
    bench.capture.check_freshness()
    assert (bench.capture.state, source.cancelled.is_set()) == ("stalled", False)
    bench.now_s += 10
    bench.capture.check_freshness()
    assert source.cancelled.wait(TIMEOUT_S)


def test_frames_that_a_process_lost_are_counted() -> None:
    source = CancellableSource([make_frame(0), None], losses={"overwritten": 3, "damaged": 2})
    bench = start(Bench(source))
    assert bench.frames() == [0]
    stats = bench.capture.stats()
    assert (stats.frames_in, stats.frames_dropped) == (6, {"overwritten": 3, "damaged": 2})


def test_a_frame_that_nobody_took_is_counted_when_the_camera_is_stopped() -> None:
    stuck = StuckRead(make_frame(1))
    bench = start(Bench(FakeSource([make_frame(0), stuck, None]), policy="latest"))
    assert stuck.began.wait(TIMEOUT_S)
    bench.capture.stop(0.0)
    stuck.let_go.set()
    bench.capture.stop(TIMEOUT_S)
    assert bench.capture.next_frame(0.0) is None
    stats = bench.capture.stats()
    assert (stats.frames_in, stats.frames_dropped) == (2, {"stopped": 2})


@pytest.mark.parametrize(
    ("fault", "waits_s"),
    [
        pytest.param("refused", [1, 2, 2, 2, 2], id="a camera that may return is looked for every few seconds"),
        pytest.param("auth", [1, 2, 4, 8, 16], id="a wrong password is not tried so often that the account is locked"),
    ],
)
def test_how_often_a_camera_is_tried_depends_on_its_fault(fault: CameraFault, waits_s: list[float]) -> None:
    bench = start(Bench(FakeSource(*[[CameraError(fault, "no")]] * 5, [None])))
    bench.frames()
    assert bench.waits_s == waits_s
    assert bench.capture.fault == fault


def test_a_stream_that_is_not_there_yet_when_the_camera_returns_is_tried_soon() -> None:
    away, starting = CameraError("refused", "no"), CameraError("not_found", "not yet")
    bench = start(Bench(FakeSource(*[[away]] * 5, [starting], [starting], [None])))
    bench.frames()
    assert bench.waits_s[5:] == [1, 2]


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
    bench.use(source, policy="latest")
    assert bench.capture.stats().frame_age_s is None
    start(bench)
    assert stuck.began.wait(TIMEOUT_S)
    bench.now_s += 2
    stats = bench.capture.stats()
    assert stats.fps == pytest.approx(10)
    assert stats.frame_age_s == pytest.approx(2)
    stuck.let_go.set()
    bench.capture.stop()
