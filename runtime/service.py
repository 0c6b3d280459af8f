"""An appliance as a service: systemd is told how it is, who may ask is answered, and SIGHUP reads kiosk.yaml again."""

import contextlib
import logging
import secrets
from collections.abc import Callable
from typing import Protocol

from edge_ocr.errors import ConfigError, EdgeOcrError
from runtime import memory
from runtime.appliance import Appliance
from runtime.config.kiosk import KioskConfig
from runtime.config.reload import changes
from runtime.events import Metrics
from runtime.frame_loop import PageReader
from runtime.monitoring.health import Progress
from runtime.monitoring.latency import LatencyRecorder
from runtime.monitoring.systemd import Notifier
from runtime.offload.remote_reader import RemoteReader

logger = logging.getLogger(__name__)

STATUS_EVERY_TICKS = 10

LoadReader = Callable[[str, str], PageReader]
"""Makes a warm reader from the names of a pack and a profile."""


class MakeAppliance(Protocol):
    """Makes an appliance that does not run yet."""

    def __call__(self, config: KioskConfig, reader: PageReader) -> Appliance:
        """The appliance of a configuration."""
        ...


class Service:
    """Runs an appliance until it ends, and another one in its place when the configuration asks for it."""

    def __init__(
        self,
        config: KioskConfig,
        *,
        load_reader: LoadReader,
        make_appliance: MakeAppliance = Appliance,
        reread: Callable[[], KioskConfig] | None = None,
        notifier: Notifier | None = None,
    ) -> None:
        """A service that does not run yet; its models are loaded.

        Args:
            config: What to run.
            load_reader: Loads the models, now and whenever they change.
            make_appliance: Makes the appliance, now and whenever it has to start anew.
            reread: Reads the configuration again; None: there is nothing to read.
            notifier: Tells systemd; by default the one that the environment names.

        Raises:
            EdgeOcrError: it cannot be made.
        """
        self._config = config
        self._load_reader = load_reader
        self._make_appliance = make_appliance
        self._reread = reread
        self._notifier = notifier or Notifier()
        self._reader = self._load(config)
        self._appliance = make_appliance(config, self._reader)
        self._successor: KioskConfig | None = None
        self._is_stopping = False
        self._is_stuck = False
        self._n_ticks = 0
        self._servers = contextlib.ExitStack()
        self._preview_token = secrets.token_urlsafe(24)
        """Unless a file holds one; the same across reloads, so that viewers stay logged in."""

    def run(self) -> None:
        """Run until the appliance has ended.

        Raises:
            EdgeOcrError: it cannot run, had to stop, or an address is taken.
        """
        with self._servers:
            self._serve()
            try:
                self._notifier.ready(self._status())
                self._run_appliance()
                while self._successor is not None and not self._is_stopping:
                    self._succeed(self._successor)
            finally:
                self._notifier.stopping()

    def stop(self) -> None:
        """Ask `run` to end; from any thread or signal handler."""
        self._is_stopping = True
        self._appliance.stop()

    def reload(self) -> None:
        """Read the configuration again soon; from any thread or signal handler."""
        self._appliance.request_reload()

    # -- what is asked of us over HTTP, across reloads

    @property
    def recorder(self) -> LatencyRecorder:
        """Latency of every stage."""
        return self._appliance.recorder

    @property
    def connected(self) -> bool:
        """Whether the broker has us."""
        return self._appliance.connected

    @property
    def camera_names(self) -> tuple[str, ...]:
        """The cameras that are read now."""
        return self._appliance.camera_names

    def reasons(self) -> dict[str, str | None]:
        """Why each camera does not give pictures; None for one that does."""
        return self._appliance.reasons()

    def metrics(self) -> Metrics:
        """The counters."""
        return self._appliance.metrics()

    def progress(self) -> Progress:
        """When each thread took its last turn."""
        return self._appliance.progress()

    def _serve(self) -> None:
        """Start what the configuration wants to listen."""
        if self._config.metrics is not None:
            from runtime.monitoring.prometheus import serve_monitoring

            self._servers.enter_context(serve_monitoring(self._config.metrics, self))
        if self._config.preview is not None:
            from runtime.preview.serving import serve_preview

            observer = self._servers.enter_context(serve_preview(self._config.preview, self, self._preview_token))
            self._appliance.observe(observer)
            self._servers.callback(lambda: self._appliance.observe(None))

    # -- every second

    def _tick(self) -> None:
        if self._appliance.take_reload_request():
            self._reload()
        complaints = self.progress().complaints()
        if not complaints:
            self._notifier.alive()
        elif not self._is_stuck:
            logger.error("%s; systemd's watchdog restarts edge-ocr if this lasts", "; ".join(complaints))
        self._is_stuck = bool(complaints)
        self._n_ticks += 1
        if self._n_ticks % STATUS_EVERY_TICKS == 0:
            self._notifier.status(self._status())

    def _status(self) -> str:
        """One line for `systemctl status`."""
        metrics = self.metrics()
        cameras = ", ".join(f"{name} {camera.state}" for name, camera in metrics.cameras.items())
        return f"{cameras}; broker {'connected' if self.connected else 'away'}, {metrics.outbox.pending} events waiting"

    # -- another configuration

    def _reload(self) -> None:
        """Take on the configuration as it is now; one that cannot be used changes nothing and costs a line."""
        self._notifier.reloading()
        try:
            if self._reread is None:
                raise ConfigError("started without a file; there is nothing to read again")
            self._take_on(self._reread())
        except EdgeOcrError as error:
            logger.error("reload: %s; going on as before", error)
        finally:
            self._notifier.ready(self._status())

    def _take_on(self, config: KioskConfig) -> None:
        changed = changes(self._config, config)
        if changed.of_appliance:
            # Everything that can be wrong is tried before anything stops.
            reader = self._load(config) if changed.of_reader or config.offload is not None else self._reader
            self._make_appliance(config, reader)
            self._notifier.alive()  # loading took its time, and stopping may too
            self._reader, self._successor = reader, config
            self._appliance.stop()
        elif changed.of_cameras:
            self._appliance.set_cameras(config.cameras)
        if changed.of_servers and not changed.of_appliance:
            self._serve_anew(config)
        self._config = config
        logger.info("reload: %s", f"{', '.join(changed.keys)} changed" if changed.keys else "nothing has changed")

    def _load(self, config: KioskConfig) -> PageReader:
        """What reads the frames; one that has others read belongs to one appliance only."""
        return RemoteReader(config) if config.offload is not None else self._load_reader(config.pack, config.profile)

    def _serve_anew(self, config: KioskConfig) -> None:
        self._servers.close()
        self._config = config
        self._serve()

    def _succeed(self, config: KioskConfig) -> None:
        """Start the appliance anew, with what the reload found good."""
        self._successor = None
        self._notifier.alive()
        self._appliance = self._make_appliance(config, self._reader)
        self._serve_anew(config)
        memory.give_back()
        if not self._is_stopping:
            self._run_appliance()

    def _run_appliance(self) -> None:
        try:
            self._appliance.run(self._tick)
        except EdgeOcrError as error:
            if self._successor is None:
                raise
            logger.error("%s; starting anew with the new configuration", error)
