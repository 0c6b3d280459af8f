"""What surrounds an appliance that runs as a service: systemd is told how it is, and who may ask is answered."""

import contextlib
import logging

from runtime.appliance import Appliance
from runtime.config import KioskConfig
from runtime.http_server import listen_on, serve_http, url_of
from runtime.systemd import Notifier

logger = logging.getLogger(__name__)

STATUS_EVERY_TICKS = 10


class Service:
    """Runs an appliance, and feeds systemd's watchdog as long as it makes progress."""

    def __init__(self, config: KioskConfig, appliance: Appliance, notifier: Notifier | None = None) -> None:
        """A service that does not run yet.

        Args:
            config: What the appliance was made from.
            appliance: Does the work.
            notifier: Tells systemd; by default the one that the environment names.
        """
        self._config = config
        self._appliance = appliance
        self._notifier = notifier or Notifier()
        self._is_stuck = False
        self._n_ticks = 0

    def run(self) -> None:
        """Run until the appliance has ended.

        Raises:
            EdgeOcrError: it cannot run, had to stop, or an address is taken.
        """
        with contextlib.ExitStack() as servers:
            if self._config.metrics is not None:
                from runtime.prometheus import monitoring_app

                listening = listen_on(self._config.metrics.listen, "metrics")
                servers.enter_context(serve_http(monitoring_app(self._appliance), listening, "metrics"))
                logger.info("metrics: %s/metrics, with /healthz and /readyz", url_of(listening))
            try:
                self._notifier.ready(self._status())
                self._appliance.run(self._tick)
            finally:
                self._notifier.stopping()

    def stop(self) -> None:
        """Ask `run` to end; from any thread or signal handler."""
        self._notifier.stopping()
        self._appliance.stop()

    def _tick(self) -> None:
        """Once a second: feed the watchdog, or say why not."""
        complaints = self._appliance.progress().complaints()
        if not complaints:
            self._notifier.alive()
        elif not self._is_stuck:
            logger.error("%s; a watchdog would restart edge-ocr now", "; ".join(complaints))
        self._is_stuck = bool(complaints)
        self._n_ticks += 1
        if self._n_ticks % STATUS_EVERY_TICKS == 0:
            self._notifier.status(self._status())

    def _status(self) -> str:
        """One line for `systemctl status`."""
        metrics = self._appliance.metrics()
        cameras = ", ".join(f"{name} {camera.state}" for name, camera in metrics.cameras.items())
        broker = "connected" if self._appliance.connected else "away"
        return f"{cameras}; broker {broker}, {metrics.outbox.pending} events waiting"
