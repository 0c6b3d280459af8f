"""What is said of a message beside its payload, and what an acknowledgement means for an event."""

from runtime.events import mark_delayed
from runtime.monitoring.latency import LatencyRecorder
from runtime.mqtt.link import Link
from runtime.mqtt.messages import Acknowledged, Publication
from runtime.spool.outbox import Outbox, StoredMessage


class Delivery:
    """Takes events out of the outbox when the broker has them, not before."""

    def __init__(self, outbox: Outbox, recorder: LatencyRecorder | None, *, boot_id: str, event_expiry_s: int) -> None:
        """A delivery of nothing yet.

        Args:
            outbox: Where events come from.
            recorder: Gets `publish` (commit to acknowledgement) and `capture_to_publish`, except for events that had
                to wait for the broker to come back.
            boot_id: Said of every message.
            event_expiry_s: How long a broker keeps an event.
        """
        self._outbox = outbox
        self._recorder = recorder
        self._said = (("boot_id", boot_id),)
        self._event_expiry_s = event_expiry_s

    def latest(self, topic: str, payload: bytes, *, qos: int = 1, expiry_s: int | None = None) -> Publication:
        """A retained value."""
        return Publication(topic, payload, qos, retain=True, user_properties=self._said, expiry_s=expiry_s)

    def event(self, stored: StoredMessage, *, is_delayed: bool) -> Publication:
        """An event, marked when it had to wait for the broker.

        Raises:
            ValueError: what is stored is damaged.
        """
        message = stored.message
        payload = mark_delayed(message.payload) if is_delayed else message.payload
        said = (*self._said, ("schema", "edge-ocr.event/1"))
        return Publication(message.topic, payload, 1, retain=False, user_properties=said, expiry_s=self._event_expiry_s)

    def acknowledged(self, link: Link, signal: Acknowledged) -> None:
        """The broker has (or will not take) a message."""
        flight = link.in_flight.pop(signal.mid, None)
        if flight is None or flight.stored is None:
            return
        stored = flight.stored
        if signal.refusal is not None:
            self._outbox.drop(stored.key, "refused")
            return
        self._outbox.acknowledge(stored.key)
        if self._recorder is not None and not link.is_delayed(stored):
            self._recorder.add("publish", (signal.at_s - stored.put_s) * 1e3)
            self._recorder.add("capture_to_publish", (signal.at_s - stored.message.arrival_s) * 1e3)
