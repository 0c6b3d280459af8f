"""`edge-ocr run` for many minutes with a fault every few seconds: what it says of itself is true, nothing is lost, and
it holds no more at the end than at the beginning.

    python -m tests.runtime.soak.run --minutes 30 --out soak/        # also draws the plot that has to be looked at

Node `kiosk` has two cameras: `door` plays a clip over RTSP and is killed and frozen; `desk` is never touched. It
reaches the broker through a gate that opens when the judge, a subscriber, is back: what the broker acknowledges, the
judge has seen. Node `hall` has its frames read by two workers, of which one is killed.
"""

import argparse
import contextlib
import itertools
import json
import logging
import random
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from runtime.spool.spool import Spool
from tests.runtime.mosquitto import Gate, Mosquitto
from tests.runtime.mqtt_tools import Received, Subscriber
from tests.runtime.soak.cast import DISK_MIB, LOOP_FPS, Command, Node, small_disk, write_pictures
from tests.runtime.soak.process_watch import ProcessWatch, plot, slope_per_hour, write_csv
from tests.runtime.soak.verdict import HELD, FaultRun, Verdict
from tests.runtime.sources.test_rtsp import RtspServer

PATIENCE_S = 300.0
"""How long something that has to happen may take before the soak fails; not a measure of anything."""
BREATH_S = 3.0
"""Between two faults nothing is broken for so long."""
HOLDS_S = (0.0, 1.0, 2.0, 4.0)
"""How long something stays broken after it was told; one of these by chance."""
LONG_EVERY, LONG_HOLD_S = 5, 60.0
"""By hand, something stays broken for a minute at every fifth fault."""
DESK = {"source": "test:640x360@2"}

log = logging.getLogger("soak")


class Soak:
    """Two nodes with everything around them. Use as a context manager.

    Args:
        folder: For everything that is written.
        disk: A small file system of its own for the spool, which is filled up at times; None: that fault is left out.
        is_long: Some faults last a minute.
        seed: Decides the order of the faults.
    """

    def __init__(self, folder: Path, *, disk: Path | None = None, is_long: bool = False, seed: int = 0) -> None:
        self._folder = folder
        self._disk = disk
        self._is_long = is_long
        self._draw = random.Random(seed)
        self._stack = contextlib.ExitStack()
        self._is_calm = False
        self.verdict = Verdict()
        self._faults: dict[str, Callable[[], Iterator[None]]] = {
            "broker killed": self._broker_killed,
            "broker frozen": self._broker_frozen,
            "network cut": self._network_cut,
            "camera killed": self._camera_killed,
            "camera frozen": self._camera_frozen,
            "camera added and removed": self._camera_added,
            "started anew by SIGHUP": self._started_anew,
            "worker killed": self._worker_killed,
        }
        if disk is not None:
            self._faults["disk full"] = self._disk_full

    def __enter__(self) -> "Soak":
        with self._stack as stack:
            self._broker = stack.enter_context(Mosquitto(self._folder))
            self._gate = stack.enter_context(Gate(self._broker.port))
            self._judge = stack.enter_context(Subscriber(self._broker.port, "edge-ocr/+/#", qos=0))
            write_pictures(self._folder / "clip")
            self._door = RtspServer("--loop", str(self._folder / "clip"), "--fps", str(LOOP_FPS))
            stack.callback(self._door.kill)
            self._start_nodes(stack)
            self._start_s = time.monotonic()
            watched = {"kiosk": self._kiosk, "hall": self._hall, "worker": self._steady}
            self.watches = {
                name: stack.enter_context(ProcessWatch(each.process.pid, lambda: self._is_calm))
                for name, each in watched.items()
            }
            self._until(self._is_well)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def run(self, minutes: float) -> Verdict:
        """Break one thing after the other for so long, at least each of them twice; then stop and judge.

        Raises:
            AssertionError: a state was not told, or something did not come back.
        """
        end_s = self._start_s + 60 * minutes
        for n_rounds in itertools.count():
            for name in self._draw.sample(list(self._faults), k=len(self._faults)):
                if n_rounds < 2 or time.monotonic() < end_s:
                    self._break(name)
            if n_rounds == 0:
                self.verdict.warm_s = time.monotonic() - self._start_s
            if n_rounds and time.monotonic() >= end_s:
                break
        self._judge_all()
        return self.verdict

    def _start_nodes(self, stack: contextlib.ExitStack) -> None:
        self._spool_path = (self._disk or self._folder) / "spool.db"
        spool = {"path": str(self._spool_path), "max_mb": DISK_MIB // 2}
        cameras = {"door": {"source": self._door.url()}, "desk": DESK}
        broker = f"mqtt://127.0.0.1:{self._broker.port}"
        mqtt = {"url": f"mqtt://127.0.0.1:{self._gate.port}"}
        self._kiosk = Node(self._folder, "kiosk", mqtt=mqtt, spool=spool, cameras=cameras)
        stack.callback(self._kiosk.kill)
        self._hall = Node(
            self._folder, "hall", mqtt={"url": broker}, spool={"path": str(self._folder / "hall.db")}, offload={},
            cameras={"gate": {"source": "test:640x360@2"}},
        )  # fmt: skip
        stack.callback(self._hall.kill)
        worker = ("worker", "--broker", broker, "--name")
        self._steady = Command(self._folder / "steady.log", *worker, "steady")
        stack.callback(self._steady.kill)
        self._mortal = Command(self._folder / "mortal.log", *worker, "mortal")
        stack.callback(lambda: self._mortal.kill())

    def _break(self, name: str) -> None:
        """One fault: the generator breaks something and waits until that is told, yields, and mends it."""
        began_s = time.monotonic()
        fault = self._faults[name]()
        next(fault)
        told_s = time.monotonic()
        is_long = self._is_long and len(self.verdict.faults) % LONG_EVERY == LONG_EVERY - 1
        time.sleep(LONG_HOLD_S if is_long else self._draw.choice(HOLDS_S))
        for _ in fault:
            raise AssertionError(f"{name} yields once")
        mended_s = time.monotonic()
        self._until(self._is_well)
        back_s = time.monotonic()
        run = FaultRun(name, began_s - self._start_s, told_s - began_s, back_s - mended_s)
        self.verdict.faults.append(run)
        log.info("%6.0f s %s: told after %.1f s, back after %.1f s", run.began_s, name, run.told_s, run.back_s)
        self._is_calm = True
        time.sleep(BREATH_S)
        self._is_calm = False

    # -- the faults

    def _broker_killed(self) -> Iterator[None]:
        self._judge.expect_new_subscription()
        self._gate.shut()
        self._broker.kill()
        self._until(lambda: self._kiosk.ready()["broker"] == "away")
        self._until(lambda: self._kiosk.ready()["pending"] >= 5)
        yield
        self._broker.start()
        self._judge.wait_subscribed()
        self._gate.open()

    def _broker_frozen(self) -> Iterator[None]:
        self._broker.freeze()
        self._until(lambda: self._kiosk.ready()["broker"] == "away")
        yield
        self._broker.go_on()

    def _network_cut(self) -> Iterator[None]:
        self._gate.close()
        self._until(lambda: self._kiosk.ready()["broker"] == "away")
        yield
        self._gate.open()

    def _camera_killed(self) -> Iterator[None]:
        self._door.kill()
        self._until(lambda: self._told("door") == ("reconnecting", "refused"))
        yield
        self._door.start()

    def _camera_frozen(self) -> Iterator[None]:
        self._door.signal(signal.SIGSTOP)
        self._until(lambda: self._told("door") == ("stalled", "timeout"))
        self._until(lambda: self._told("door") == ("reconnecting", "timeout"))
        yield
        self._door.signal(signal.SIGCONT)

    def _camera_added(self) -> Iterator[None]:
        self._kiosk.configure(cameras=self._kiosk.config["cameras"] | {"extra": {"source": "test:320x180@1"}})
        self._kiosk.process.send_signal(signal.SIGHUP)
        self._until(lambda: self._kiosk.ready()["cameras"].get("extra") == "streaming")
        yield
        self._kiosk.configure()
        self._kiosk.process.send_signal(signal.SIGHUP)
        self._until(lambda: "extra" not in self._kiosk.ready()["cameras"])

    def _started_anew(self) -> Iterator[None]:
        boot_id = self._latest("kiosk/status")["boot_id"]
        self._kiosk.configure(mqtt=self._kiosk.config["mqtt"] | {"commands": ["pause"]})
        self._kiosk.process.send_signal(signal.SIGHUP)
        self._until(lambda: self._latest("kiosk/status")["boot_id"] != boot_id)
        yield
        self._kiosk.configure()
        self._kiosk.process.send_signal(signal.SIGHUP)

    def _disk_full(self) -> Iterator[None]:
        assert self._disk is not None
        junk = self._disk / "junk"
        with contextlib.suppress(OSError), junk.open("wb", buffering=0) as file:
            while file.write(b"x" * 4096):
                pass
        # What was written into the log and taken out of it is room that a full disk does not take away.
        enough = len(self._events()) + 40
        self._until(lambda: self._latest("kiosk/status")["spool"] == "full" or len(self._events()) > enough)
        yield
        junk.unlink()

    def _worker_killed(self) -> Iterator[None]:
        self._mortal.kill()
        self._until_answered(5)
        yield
        self._mortal.start()
        self._until_answered(5)

    # -- what the nodes say

    def _is_well(self) -> bool:
        return not self._ailments()

    def _ailments(self) -> list[str]:
        """What is not well by some account: the answer to /readyz, or the states that were published last."""
        answer = self._kiosk.ready()
        status = self._latest("kiosk/status")
        is_well = {
            "kiosk is connected": answer["broker"] == "connected",
            "its spool is ok": answer["spool"] == "ok",
            "its cameras stream": answer["cameras"] == {"door": "streaming", "desk": "streaming"},
            "few events are pending": answer["pending"] < 5,
            "door tells that it streams": self._told("door") == ("streaming", None),
            "desk tells that it streams": self._told("desk") == ("streaming", None),
            "kiosk tells that it is online": (status["state"], status["spool"]) == ("online", "ok"),
            "hall is connected": self._hall.ready()["broker"] == "connected",
            "hall tells that it is online": self._latest("hall/status")["state"] == "online",
        }
        return [name for name, is_so in is_well.items() if not is_so]

    def _told(self, camera: str) -> tuple[str | None, str | None]:
        """State and kind of fault of a camera as published last."""
        status = self._latest(f"kiosk/{camera}/status")
        return status["state"], status["error"]

    def _latest(self, topic: str) -> dict[str, Any]:
        payloads = self._judge.payloads(f"edge-ocr/{topic}")
        return defaultdict(lambda: None, json.loads(payloads[-1]) if payloads else {})

    def _events(self) -> list[Received]:
        wanted = ("edge-ocr/kiosk/door/events", "edge-ocr/kiosk/desk/events", "edge-ocr/kiosk/extra/events")
        return [message for message in list(self._judge.received) if message.topic in wanted]

    def _until_answered(self, n_frames: int) -> None:
        """Wait for workers' answers."""

        def answered() -> int:
            return int((self._latest("hall/metrics")["offload"] or {"answered": 0})["answered"])

        enough = answered() + n_frames
        self._until(lambda: answered() >= enough)

    def _until(self, is_true: Callable[[], object]) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while not is_true():
            if time.monotonic() > deadline_s:
                topics = ("kiosk/status", "kiosk/door/status", "kiosk/desk/status", "hall/status", "hall/metrics")
                states = [f"{topic}: {dict(self._latest(topic))}" for topic in topics]
                told = [*self._kiosk.log_lines[-30:], *self._hall.log_lines[-9:], repr(self._kiosk.ready()), *states]
                missing = ", ".join(self._ailments()) or "nothing"
                raise AssertionError(f"waited for {is_true.__qualname__}; for all to be well is missing: {missing}; "
                                     "what the nodes said last:\n" + "\n".join(told))  # fmt: skip
            time.sleep(0.2)

    # -- the end

    def _judge_all(self) -> None:
        """Stop the nodes as systemd does, and look at everything that has arrived."""
        self._until(lambda: self._kiosk.ready()["pending"] == 0)
        verdict = self.verdict
        verdict.samples = {name: list(watch.samples) for name, watch in self.watches.items()}
        for node in (self._kiosk, self._hall):
            node.process.send_signal(signal.SIGTERM)
        verdict.exit_status = self._kiosk.process.wait(PATIENCE_S) or self._hall.process.wait(PATIENCE_S)
        if verdict.exit_status != 0:
            verdict.complaints.append(f"exit status {verdict.exit_status}")
        self._until_said("kiosk/status", "stopped")
        self._until_said("hall/status", "stopped")
        verdict.judge_events(self._events())
        with Spool(self._spool_path, max_bytes=DISK_MIB // 2 * 2**20, max_age_s=3600 * 72.0) as spool:
            verdict.judge_outbox(spool.counts())
        verdict.judge_frames(self._latest("hall/metrics")["offload"])
        for each in (self._kiosk, self._hall, self._steady, self._mortal):
            verdict.complaints += [line for line in each.log_lines if "Traceback" in line or " ERROR " in line]

    def _until_said(self, topic: str, state: str) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while self._latest(topic)["state"] != state:
            assert time.monotonic() < deadline_s, f"{topic} does not say {state}"
            time.sleep(0.1)


def main() -> None:
    """Soak, and write tables, plots and the verdict."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    options.out.mkdir(parents=True)
    with small_disk(options.out / "disk") as disk, Soak(options.out, disk=disk, is_long=True, seed=options.seed) as it:
        try:
            verdict = it.run(options.minutes)
        finally:
            for name, watch in it.watches.items():
                samples = list(watch.samples)  # which it goes on to take
                write_csv(samples, options.out / f"{name}.csv")
                plot(samples, [run.began_s for run in it.verdict.faults], options.out / f"{name}.png")
    report(verdict)


def report(verdict: Verdict) -> None:
    """Say what the soak has shown."""
    for process in verdict.samples:
        calm = verdict.calm(process)
        for name in HELD:
            values = [getattr(each, name) for each in calm]
            trend = slope_per_hour(calm, name)
            log.info("%s %s: first %.1f, last %.1f, least %.1f, most %.1f, trend %+.2f an hour",
                     process, name, values[0], values[-1], min(values), max(values), trend)  # fmt: skip
    for name in sorted({run.name for run in verdict.faults}):
        runs = [run for run in verdict.faults if run.name == name]
        log.info("%s: %d times, told within %.1f s, back within %.1f s", name, len(runs),
                 max(run.told_s for run in runs), max(run.back_s for run in runs))  # fmt: skip
    log.info("%d events, %d duplicates, exit status %d", verdict.events, verdict.duplicates, verdict.exit_status)
    log.info("%s", verdict.counts)
    log.info("complaints: %s", verdict.complaints or "none")


if __name__ == "__main__":
    main()
