"""An HTTP server in a thread of its own, at one address, for one ASGI application.

uvicorn and starlette, because they are pure Python, typed, and together a third of aiohttp's size on the device; they
are imported only where something is configured to listen.
"""

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from ipaddress import ip_address
from typing import TYPE_CHECKING

from edge_ocr.errors import EdgeOcrError
from runtime.config.listeners import split_listen

if TYPE_CHECKING:
    from starlette.types import ASGIApp

MAX_CONNECTIONS = 64
"""More at once are answered with 503."""
STOP_S = 2.0


@contextlib.contextmanager
def serve_http(app: "ASGIApp", listening: socket.socket, name: str) -> Iterator[None]:
    """Serve an application on a socket that listens, until the block ends.

    Args:
        app: What answers.
        listening: From `listen_on`; closed at the end.
        name: Of the thread.
    """
    import uvicorn

    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        loop="asyncio",
        http="h11",
        ws="none",
        proxy_headers=False,
        server_header=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: server.run(sockets=[listening]), name=f"http-{name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(STOP_S)
        listening.close()


def listen_on(listen: str, key: str) -> socket.socket:
    """A socket that listens.

    Args:
        listen: host:port.
        key: Where it was configured, for messages.

    Raises:
        EdgeOcrError: it cannot: the port is taken, or the address is not this box's.
    """
    host, port = split_listen(listen)
    try:
        return socket.create_server((host, port), family=_family(host))
    except OSError as error:
        # Not its own text: socket.create_server appends the address to it. Names that do not resolve have codes < 0.
        code = error.errno or 0
        reason = os.strerror(code) if code > 0 else error.strerror or str(error)
        raise EdgeOcrError(f"{key}.listen: {listen}: {reason.lower()}; choose another address or port") from error


def url_of(listening: socket.socket) -> str:
    """The URL of what a socket listens for."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _family(host: str) -> socket.AddressFamily:
    with contextlib.suppress(ValueError):
        return socket.AF_INET6 if ip_address(host).version == 6 else socket.AF_INET
    return socket.AF_INET
