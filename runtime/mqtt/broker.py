"""A small MQTT broker inside this process, for `edge-ocr demo` and for tests; not for production.

amqtt (MQTT 3.1.1 only) in a thread with its own event loop, listening on loopback, on a free port.
"""

import asyncio
import contextlib
import logging
import threading
import warnings
from types import TracebackType
from typing import Any

from edge_ocr.errors import EdgeOcrError

logger = logging.getLogger(__name__)

START_TIMEOUT_S = 20.0
SHUTDOWN_S = 2.0
TASKS_STOP_S = 1.0


class EmbeddedBroker:
    """Use as a context manager: the broker runs inside the `with`."""

    host = "127.0.0.1"

    def __init__(self, port: int = 0) -> None:
        """A broker that does not run yet.

        Args:
            port: Where to listen; 0 takes a free port.

        Raises:
            EdgeOcrError: amqtt is not installed.
        """
        self._broker_class = _import_amqtt()
        self._port = port
        self._loop = asyncio.new_event_loop()
        # Connections that end with the broker are nothing to report.
        self._loop.set_exception_handler(lambda _, context: logger.debug("embedded broker: %s", context))
        self._started = threading.Event()
        self._stop: asyncio.Event | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="embedded-broker", daemon=True)

    def __enter__(self) -> "EmbeddedBroker":
        self._thread.start()
        self._started.wait(START_TIMEOUT_S)
        if self._error is not None or not self._started.is_set():
            raise EdgeOcrError(f"embedded broker: cannot listen on {self.host}:{self._port}: {self._error}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(START_TIMEOUT_S)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._port

    @property
    def url(self) -> str:
        """Where clients connect to."""
        return f"mqtt://{self.host}:{self._port}"

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except Exception as error:  # handed to the thread that waits
            self._error = error
        finally:
            _finish(self._loop)
            self._loop.close()
            self._started.set()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        broker = self._broker_class({
            "listeners": {"default": {"type": "tcp", "bind": f"{self.host}:{self._port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        })
        await broker.start()
        self._port = broker._servers["default"].instance.sockets[0].getsockname()[1]
        self._started.set()
        await self._stop.wait()
        # A client that comes during the shutdown would be left hanging.
        broker._servers["default"].instance.close()
        with contextlib.suppress(TimeoutError):  # now and then it waits for a client for ever
            await asyncio.wait_for(broker.shutdown(), SHUTDOWN_S)


def _import_amqtt() -> Any:
    """The broker class of amqtt, which is an extra."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            from amqtt.broker import Broker
    except ImportError as error:
        raise EdgeOcrError("the embedded broker is not installed; type: pip install 'edge-ocr[demo]'") from error
    # It logs every connection, and every connection that ends, as something to act on.
    for name in ("amqtt", "transitions"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return Broker


def _finish(loop: asyncio.AbstractEventLoop) -> None:
    """End what the broker left running, so that closing the loop is quiet; some of its tasks outlive a cancel."""
    for transport in list(getattr(loop, "_transports", {}).values()):
        transport.abort()
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks, timeout=TASKS_STOP_S))
    loop.run_until_complete(loop.shutdown_asyncgens())
