"""/healthz, /readyz and Prometheus' /metrics.

Every number comes from `Appliance.metrics()`, the payload that goes over MQTT, or from the recorder behind it, at the
moment somebody asks: there is no second set of counters. Labels are names from the configuration and fixed words only,
so the number of time series is bounded.
"""

import contextlib
import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol, get_args

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edge_ocr import __version__
from runtime.config.listeners import MetricsConfig
from runtime.events import CameraMetrics, CameraState, Metrics, SpoolState
from runtime.monitoring.health import Progress, unreadiness
from runtime.monitoring.http_server import listen_on, serve_http, url_of
from runtime.monitoring.latency import LatencyRecorder

logger = logging.getLogger(__name__)

CAMERA_STATES: tuple[str, ...] = get_args(CameraState)
SPOOL_STATES: tuple[str, ...] = get_args(SpoolState)


class Monitored(Protocol):
    """What is watched: `runtime.appliance.Appliance`."""

    @property
    def recorder(self) -> LatencyRecorder:
        """Latency of every stage."""
        ...

    def metrics(self) -> Metrics:
        """The counters."""
        ...

    @property
    def connected(self) -> bool:
        """Whether the broker has us."""
        ...

    def progress(self) -> Progress:
        """When each thread took its last turn."""
        ...


@contextlib.contextmanager
def serve_monitoring(config: MetricsConfig, subject: Monitored) -> Iterator[None]:
    """Answer where the configuration says, until the block ends.

    Raises:
        EdgeOcrError: the address is taken.
    """
    listening = listen_on(config.listen, "metrics")
    logger.info("metrics: %s/metrics, with /healthz and /readyz", url_of(listening))
    with serve_http(monitoring_app(subject), listening, "metrics"):
        yield


def monitoring_app(subject: Monitored) -> Starlette:
    """The application that answers /healthz, /readyz and /metrics."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ApplianceCollector(subject))
    ProcessCollector(registry=registry)

    def healthz(request: Request) -> Response:
        progress = subject.progress()
        complaints = progress.complaints()
        return _verdict(
            "alive",
            complaints,
            {
                "inference_idle_s": round(progress.inference_idle_s, 1),
                "publisher_idle_s": round(progress.publisher_idle_s, 1),
            },
        )

    def readyz(request: Request) -> Response:
        metrics = subject.metrics()
        return _verdict(
            "ready",
            unreadiness(metrics),
            {
                "cameras": {name: camera.state for name, camera in metrics.cameras.items()},
                "broker": "connected" if subject.connected else "away",
                "spool": metrics.outbox.state,
                "pending": metrics.outbox.pending,
            },
        )

    def exposition(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"content-type": content_type})

    routes = [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", exposition)]
    return Starlette(routes=routes)


class ApplianceCollector(Collector):
    """The metrics payload and the latency histograms as Prometheus families."""

    def __init__(self, subject: Monitored) -> None:
        self._subject = subject

    def collect(self) -> Iterator[Metric]:
        """All families, with the values of now."""
        metrics = self._subject.metrics()
        yield _info(metrics)
        yield _gauge("edge_ocr_uptime_seconds", "Seconds since the start", metrics.uptime_s)
        yield from _of_cameras(metrics.cameras)
        connected = float(self._subject.connected)
        yield _gauge("edge_ocr_broker_connected", "Whether the broker has us", connected)
        yield from _of_delivery(metrics)
        yield _histogram(self._subject.recorder)


def _info(metrics: Metrics) -> Metric:
    family = GaugeMetricFamily("edge_ocr_build_info", "Always 1", labels=["version", "node"])
    family.add_metric([__version__, metrics.node], 1)
    return family


def _of_cameras(cameras: Mapping[str, CameraMetrics]) -> Iterator[Metric]:
    def counter(name: str, text: str, values: Iterable[tuple[str, int]]) -> Metric:
        return _counter(f"edge_ocr_{name}", text, ["camera"], (((camera,), n) for camera, n in values))

    each = cameras.items()
    yield counter("frames", "Frames decoded", ((name, c.frames_in) for name, c in each))
    yield counter("frames_read", "Frames that the reader looked at", ((name, c.frames_read) for name, c in each))
    yield counter("read_errors", "Frames on which reading failed", ((name, c.read_errors) for name, c in each))
    yield counter("over_budget", "Frames slower than the profile's budget", ((name, c.over_budget) for name, c in each))
    yield counter("camera_reconnects", "Times a source was opened again", ((name, c.reconnects) for name, c in each))
    yield counter("camera_stalls", "Times a source stopped giving frames", ((name, c.stalls) for name, c in each))
    yield _counter(
        "edge_ocr_frames_dropped",
        "Frames that were not read, by cause",
        ["camera", "cause"],
        (((name, cause), n) for name, c in each for cause, n in c.dropped.items()),
    )
    yield _counter(
        "edge_ocr_texts_filtered",
        "Texts that a zone's rules refused, by zone and rule",
        ["camera", "zone", "cause"],
        (((name, zone, why), n) for name, c in each for zone, of in c.filtered.items() for why, n in of.items()),
    )
    yield _counter(
        "edge_ocr_events",
        "Text events, by type",
        ["camera", "type"],
        (((name, kind), n) for name, c in each for kind, n in c.events_by_type.items()),
    )
    state = GaugeMetricFamily("edge_ocr_camera_state", "1 for the state it is in", labels=["camera", "state"])
    rate = GaugeMetricFamily("edge_ocr_camera_fps", "Frames a second arriving", labels=["camera"])
    age = GaugeMetricFamily("edge_ocr_frame_age_seconds", "Age of a camera's newest frame", labels=["camera"])
    for name, camera in each:
        for known in CAMERA_STATES:
            state.add_metric([name, known], float(camera.state == known))
        rate.add_metric([name], camera.fps or 0.0)
        if camera.frame_age_ms is not None:
            age.add_metric([name], camera.frame_age_ms / 1e3)
    yield from (state, rate, age)


def _of_delivery(metrics: Metrics) -> Iterator[Metric]:
    outbox = metrics.outbox
    yield _counter("edge_ocr_broker_connects", "Times the broker accepted us", [], [((), metrics.connects)])
    yield _counter("edge_ocr_mqtt_faults", "Connections ended by an error of our own", [], [((), metrics.mqtt_faults)])
    yield _counter(
        "edge_ocr_commands", "Commands over MQTT, by what became of them", ["outcome"],
        (((outcome,), n) for outcome, n in metrics.commands.items()),
    )  # fmt: skip
    state = GaugeMetricFamily("edge_ocr_spool_state", "1 for the state it is in", labels=["state"])
    for known in SPOOL_STATES:
        state.add_metric([known], float(outbox.state == known))
    yield state
    yield _gauge("edge_ocr_spool_pending", "Events that the broker has not acknowledged", outbox.pending)
    yield _counter("edge_ocr_spool_sent", "Events that the broker acknowledged", [], [((), outbox.sent)])
    yield _counter(
        "edge_ocr_spool_dropped", "Events lost, by cause", ["cause"], (((c,), n) for c, n in outbox.dropped.items())
    )


def _histogram(recorder: LatencyRecorder) -> Metric:
    family = HistogramMetricFamily("edge_ocr_stage_seconds", "Latency by stage", labels=["stage"])
    for stage, histogram in recorder.histograms().items():
        buckets = [("+Inf" if up_to_ms is None else str(up_to_ms / 1e3), n) for up_to_ms, n in histogram.cumulative]
        family.add_metric([stage], buckets, histogram.total_ms / 1e3)
    return family


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value)


def _counter(name: str, text: str, labels: list[str], values: Iterable[tuple[tuple[str, ...], int]]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for of_labels, value in values:
        family.add_metric(of_labels, value)
    return family


def _verdict(what: str, complaints: list[str], detail: Mapping[str, object]) -> Response:
    """200 when there is nothing to complain of, else 503; both say why."""
    return JSONResponse({what: not complaints, "problems": complaints, **detail}, 503 if complaints else 200)
