"""`edge-ocr worker`: takes frames from a shared subscription, one at a time, and answers each with its page.

    frame -> service (decode, read) -> answer to its sender -> acknowledgement -> next frame

The broker gives each frame to one worker of the group. A frame is acknowledged after its answer was handed to the
broker; what a worker that dies had in hand is sent again by its sender.
"""

import logging
import time
import uuid
from dataclasses import asdict, dataclass
from queue import Empty, SimpleQueue

from edge_ocr import __version__
from edge_ocr.errors import PublishError
from runtime.backoff import Backoff
from runtime.config.kiosk import MqttConfig
from runtime.events import NodeStatus, rfc3339
from runtime.monitoring.latency import LatencyRecorder
from runtime.mqtt import topics
from runtime.offload.client import Delivery, LinkMessage
from runtime.offload.frame_service import PAGE_TYPE, FrameService, WorkerReader
from runtime.offload.link import Link
from runtime.offload.messages import WorkerMetrics
from runtime.payload import StageLatency

logger = logging.getLogger(__name__)

METRICS_EVERY_S = 10.0
METRICS_EXPIRY_S = 60
GONE_EXPIRY_S = 3600
"""For how long the broker tells that a worker has gone: a new one may come under another name."""
MAX_WAITING = 4
"""Messages that wait here at most. Those with QoS 1 come one at a time; somebody may flood us with QoS 0."""
STOP_TIMEOUT_S = 5.0
"""For the acknowledgement of the last answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerConfig:
    """Which frames a worker takes, and under what name."""

    mqtt: MqttConfig
    group: str = "readers"
    name: str
    """A worker is a node without cameras: no node may have the same name."""


class Worker:
    """Answers the frames of a group until told to stop."""

    def __init__(self, config: WorkerConfig, reader: WorkerReader, *, backoff: Backoff | None = None) -> None:
        """A worker that does not run yet.

        Args:
            config: Broker, group and name.
            reader: Reads the frames; warmed up by the caller.
            backoff: Waits between attempts to reach the broker.

        Raises:
            ConfigError: a certificate or password file cannot be used.
        """
        self._config = config
        self._reader = reader
        self._root = config.mqtt.root
        self._boot_id = uuid.uuid4().hex
        self._started, self._started_s = time.time(), time.monotonic()
        self._recorder = LatencyRecorder()
        self.service = FrameService(
            reader, root=self._root, group=config.group, worker=config.name, recorder=self._recorder
        )
        self._inbox: SimpleQueue[Delivery | None] = SimpleQueue()
        self._n_overflows = 0
        self._n_unsent = 0
        self._is_stopping = False
        self._failure: PublishError | None = None
        self._link = Link(
            config.mqtt,
            client_id=f"edge-ocr-{config.name}",
            topic_filter=topics.offload_share(self._root, config.group),
            on_message=self._take_in,
            on_give_up=self._give_up,
            announcement=self._status("online"),
            will=self._status("offline"),
            one_at_a_time=True,
            backoff=backoff,
        )

    def run(self) -> None:
        """Answer frames until `stop` is called; the frame in hand is finished and answered.

        Raises:
            PublishError: the broker cannot be used, or another client has our name.
        """
        self._link.start()
        metrics_due_s = 0.0
        while not self._is_stopping:
            delivery = self._next(metrics_due_s - time.monotonic())
            if delivery is not None:
                self._handle(delivery)
            if time.monotonic() >= metrics_due_s:
                metrics_due_s = time.monotonic() + METRICS_EVERY_S
                self._publish(self._metrics_message())
        self._publish(self._metrics_message())
        self._link.stop(self._status("stopped"), STOP_TIMEOUT_S)
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Ask `run` to end; from any thread or signal handler."""
        self._is_stopping = True
        self._inbox.put(None)

    def metrics(self) -> WorkerMetrics:
        """Counters and latencies so far."""
        service = self.service
        ignored = {**service.ignored, "overflow": self._n_overflows} if self._n_overflows else dict(service.ignored)
        return WorkerMetrics(
            worker=self._config.name,
            group=self._config.group,
            boot_id=self._boot_id,
            ts=rfc3339(time.time()),
            uptime_s=round(time.monotonic() - self._started_s, 1),
            pack=self._reader.pack.name,
            profile=self._reader.profile.name,
            received=service.received + self._n_overflows,
            answered=service.answered,
            refused=dict(service.refused),
            ignored=ignored,
            unsent=self._n_unsent,
            connects=self._link.connects,
            latency_ms={name: StageLatency(**asdict(stage)) for name, stage in self._recorder.summary().items()},
        )

    def _handle(self, delivery: Delivery) -> None:
        """Answer a message; the next one comes only then."""
        try:
            answer = self.service.answer(delivery)
            if answer is not None and not self._publish(answer):
                self._n_unsent += 1
        finally:
            delivery.acknowledge()

    def _publish(self, message: LinkMessage) -> bool:
        try:
            self._link.publish(message)
        except ConnectionError:
            return False
        return True

    def _next(self, timeout_s: float) -> Delivery | None:
        try:
            return self._inbox.get(timeout=max(timeout_s, 0.001))
        except Empty:
            return None

    # -- from the link's threads

    def _take_in(self, delivery: Delivery) -> None:
        if self._inbox.qsize() >= MAX_WAITING:
            self._n_overflows += 1
            delivery.acknowledge()
        else:
            self._inbox.put(delivery)

    def _give_up(self, error: PublishError) -> None:
        self._failure = error
        self.stop()

    # -- what we say about ourselves

    def _metrics_message(self) -> LinkMessage:
        return LinkMessage(
            topic=topics.worker_metrics(self._root, self._config.name),
            payload=self.metrics().to_json(),
            content_type=PAGE_TYPE,
            expiry_s=METRICS_EXPIRY_S,
            qos=0,
            retain=True,
        )

    def _status(self, state: str) -> LinkMessage:
        status = {
            "state": state,
            "version": __version__,
            "boot_id": self._boot_id,
            "since": rfc3339(self._started),
        }
        return LinkMessage(
            topic=topics.node_status(self._root, self._config.name),
            payload=NodeStatus.model_validate(status).to_json(),
            content_type=PAGE_TYPE,
            expiry_s=None if state == "online" else GONE_EXPIRY_S,
            retain=True,
        )
