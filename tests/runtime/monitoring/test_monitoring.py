"""/healthz, /readyz and /metrics over real HTTP, of an appliance that is plain data."""

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from prometheus_client.parser import text_string_to_metric_families

from edge_ocr.errors import EdgeOcrError
from runtime.events import CameraMetrics, CameraState, Metrics, OutboxMetrics
from runtime.monitoring.health import INFERENCE_LIMIT_S, PUBLISHER_LIMIT_S, Progress, unreadiness
from runtime.monitoring.http_server import listen_on, serve_http, url_of
from runtime.monitoring.latency import LatencyRecorder
from runtime.monitoring.prometheus import monitoring_app


def camera(state: CameraState = "streaming", **values: object) -> CameraMetrics:
    numbers = {"frames_in": 7, "frames_read": 5, "read_errors": 0, "dropped": {"overwritten": 2}, "events": 3}
    return CameraMetrics.model_validate({**numbers, "state": state, **values})


@dataclass
class FakeAppliance:
    cameras: dict[str, CameraMetrics] = field(default_factory=lambda: {"door": camera()})
    recorder: LatencyRecorder = field(default_factory=LatencyRecorder)
    connected: bool = True
    idle_s: tuple[float, float] = (0.0, 0.0)

    def metrics(self) -> Metrics:
        return Metrics(
            node="n",
            boot_id="b",
            ts="2026-01-01T00:00:00Z",
            uptime_s=1.5,
            cameras=self.cameras,
            outbox=OutboxMetrics(pending=4, sent=9, dropped={"full": 1}),
            connects=2,
            latency_ms={},
        )

    def progress(self) -> Progress:
        return Progress(inference_idle_s=self.idle_s[0], publisher_idle_s=self.idle_s[1])


@contextmanager
def served(subject: FakeAppliance) -> Iterator[str]:
    listening = listen_on("127.0.0.1:0", "metrics")
    with serve_http(monitoring_app(subject), listening, "test"):
        yield url_of(listening)


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def samples(text: str) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics_are_those_of_the_payload() -> None:
    subject = FakeAppliance()
    subject.cameras = {
        "door": camera(
            filtered={"ticket": {"min_score": 6}},
            over_budget=1,
            reconnects=3,
            stalls=2,
            events_by_type={"begin": 2, "end": 1},
            fps=15.0,
            frame_age_ms=40.0,
        )
    }
    for ms in (0.5, 30.0, 30.0, 20_000.0):
        subject.recorder.add("detect", ms)
    with served(subject) as url:
        status, text = get(f"{url}/metrics")
    assert status == 200
    found = samples(text)
    expected = {
        ("edge_ocr_frames_total", "door"): 7,
        ("edge_ocr_frames_read_total", "door"): 5,
        ("edge_ocr_frames_dropped_total", "door", "overwritten"): 2,
        ("edge_ocr_over_budget_total", "door"): 1,
        ("edge_ocr_texts_filtered_total", "door", "min_score", "ticket"): 6,
        ("edge_ocr_camera_reconnects_total", "door"): 3,
        ("edge_ocr_camera_stalls_total", "door"): 2,
        ("edge_ocr_events_total", "door", "begin"): 2,
        ("edge_ocr_events_total", "door", "end"): 1,
        ("edge_ocr_camera_state", "door", "streaming"): 1,
        ("edge_ocr_camera_state", "door", "failed"): 0,
        ("edge_ocr_frame_age_seconds", "door"): 0.04,
        ("edge_ocr_broker_connected",): 1,
        ("edge_ocr_broker_connects_total",): 2,
        ("edge_ocr_mqtt_faults_total",): 0,
        ("edge_ocr_spool_pending",): 4,
        ("edge_ocr_spool_state", "ok"): 1,
        ("edge_ocr_spool_state", "full"): 0,
        ("edge_ocr_spool_dropped_total", "full"): 1,
        ("edge_ocr_stage_seconds_bucket", "0.001", "detect"): 1,
        ("edge_ocr_stage_seconds_bucket", "0.025", "detect"): 1,
        ("edge_ocr_stage_seconds_bucket", "0.05", "detect"): 3,
        ("edge_ocr_stage_seconds_bucket", "+Inf", "detect"): 4,
        ("edge_ocr_stage_seconds_count", "detect"): 4,
        ("edge_ocr_stage_seconds_sum", "detect"): pytest.approx(20.0605),
    }
    assert {key: found.get(key) for key in expected} == expected
    assert found["process_resident_memory_bytes",] > 0


def test_a_camera_without_a_frame_has_no_frame_age() -> None:
    with served(FakeAppliance(cameras={"door": camera("reconnecting")})) as url:
        found = samples(get(f"{url}/metrics")[1])
    assert ("edge_ocr_frame_age_seconds", "door") not in found
    assert found["edge_ocr_camera_fps", "door"] == 0


@pytest.mark.parametrize(
    ("idle_s", "problems"),
    [
        pytest.param((INFERENCE_LIMIT_S, PUBLISHER_LIMIT_S), [], id="at the limit all is well"),
        pytest.param((75.0, 0.0), ["inference: no progress for 75 s"], id="inference stands still"),
        pytest.param((0.0, 130.0), ["publisher: no progress for 130 s"], id="the publisher stands still"),
    ],
)
def test_alive_means_that_threads_turn(idle_s: tuple[float, float], problems: list[str]) -> None:
    with served(FakeAppliance(idle_s=idle_s)) as url:
        status, text = get(f"{url}/healthz")
    assert (status, json.loads(text)["problems"]) == (503 if problems else 200, problems)


@pytest.mark.parametrize(
    ("states", "problems"),
    [
        pytest.param({"a": "streaming", "b": "failed"}, [], id="one camera gives frames"),
        pytest.param({"a": "paused"}, [], id="paused on purpose"),
        pytest.param({"a": "stalled", "b": "failed"}, ["a: stalled", "b: failed"], id="no camera gives frames"),
    ],
)
def test_ready_means_that_a_camera_is_fresh(states: dict[str, CameraState], problems: list[str]) -> None:
    subject = FakeAppliance(cameras={name: camera(state) for name, state in states.items()})
    assert unreadiness(subject.metrics()) == problems


def test_a_broker_that_is_away_is_told_but_leaves_the_box_ready() -> None:
    with served(FakeAppliance(connected=False)) as url:
        status, text = get(f"{url}/readyz")
    assert status == 200
    answer = json.loads(text)
    assert (answer["ready"], answer["broker"], answer["pending"]) == (True, "away", 4)


def test_other_paths_are_not_there() -> None:
    with served(FakeAppliance()) as url:
        assert get(f"{url}/secrets")[0] == 404


def test_a_taken_port_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        where = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(EdgeOcrError, match=f"^metrics.listen: {where}: address already in use; choose another"):
            listen_on(where, "metrics")
