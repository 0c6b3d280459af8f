"""The preview's HTTP interface.

| path | answer |
|---|---|
| `/`, `/page.js`, `/page.css`, `/icon.svg` | the page; it needs nothing from elsewhere |
| `/login`, `/login.js` | asks for the token; POST with `Authorization: Bearer TOKEN` sets the cookie |
| `/state` | JSON: cameras, broker, spool, latency per stage, last events |
| `/view/CAMERA?after=N` | multipart/form-data: the next picture other than number N (JPEG), and its lines (JSON) |
"""

import asyncio
import json
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edge_ocr import __version__
from runtime.events import Metrics
from runtime.monitoring.health import unreadiness
from runtime.monitoring.latency import LatencyRecorder
from runtime.preview.access import COOKIE, Access, cookie_of, is_token
from runtime.preview.live import LiveView, View

PAGE = Path(__file__).parent / "page"
FILES = {
    "/": ("index.html", "text/html"),
    "/login": ("login.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/login.js": ("login.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
RECENT_FRAMES = 300
"""Latencies are those of the last so many."""
LONG_POLL_S = 10.0
LOOK_EVERY_S = 0.03


class Shown(Protocol):
    """What the page shows: `runtime.service.Service`."""

    @property
    def recorder(self) -> LatencyRecorder:
        """Latency of every stage."""
        ...

    @property
    def connected(self) -> bool:
        """Whether the broker has us."""
        ...

    @property
    def camera_names(self) -> tuple[str, ...]:
        """The cameras that are read now."""
        ...

    def reasons(self) -> dict[str, str | None]:
        """Why each camera does not give pictures; None for one that does."""
        ...

    def metrics(self) -> Metrics:
        """The counters."""
        ...


def preview_app(subject: Shown, live: LiveView, *, token: str | None, hosts: tuple[str, ...]) -> Starlette:
    """The application behind the page.

    Args:
        subject: Whose state is shown.
        live: Where pictures and events come from.
        token: What viewers have to know; None: nothing.
        hosts: Names under which the page may be reached, see `Access`.
    """

    async def login(request: Request) -> Response:
        if not is_token(request.headers.get("authorization", ""), token):
            return JSONResponse({"error": "not the token"}, 401)
        answer = Response(status_code=204)
        if token is not None:
            answer.set_cookie(COOKIE, cookie_of(token), httponly=True, samesite="lax")
        return answer

    def state(request: Request) -> Response:
        return JSONResponse(state_of(subject, live))

    async def view(request: Request) -> Response:
        camera = request.path_params["camera"]
        if camera not in subject.camera_names:
            return JSONResponse({"error": "no such camera"}, 404)
        after = request.query_params.get("after", "")
        found = await _next_view(request, live, camera, int(after) if after.isdecimal() else 0)
        return Response(status_code=204) if found is None else await run_in_threadpool(_multipart, found)

    return Starlette(
        routes=[
            *(Route(path, _file(name, kind)) for path, (name, kind) in FILES.items()),
            Route("/login", login, methods=["POST"]),
            Route("/state", state),
            Route("/view/{camera}", view),
        ],
        middleware=[Middleware(Access, token=token, hosts=hosts)],
    )


def state_of(subject: Shown, live: LiveView) -> dict[str, Any]:
    """Everything on the page but the picture and its lines, as plain data."""
    metrics = subject.metrics()
    reasons = subject.reasons()
    stages = subject.recorder.summary(last=RECENT_FRAMES)
    return {
        "node": metrics.node,
        "version": __version__,
        "boot_id": metrics.boot_id,
        "uptime_s": metrics.uptime_s,
        "problems": unreadiness(metrics),
        "broker": {"connected": subject.connected, "connects": metrics.connects},
        "spool": metrics.outbox.model_dump(),
        "cameras": {
            name: {**camera.model_dump(), "reason": reasons.get(name)} for name, camera in metrics.cameras.items()
        },
        "stages": [{"name": name, **stage.to_dict()} for name, stage in stages.items()],
        "events": [event.model_dump(by_alias=True) for event in live.events()],
    }


async def _next_view(request: Request, live: LiveView, camera: str, after: int) -> View | None:
    """Wait for a picture; None when none came in time or nobody waits any more."""
    until_s = time.monotonic() + LONG_POLL_S
    while (found := live.view(camera, after)) is None:
        if time.monotonic() > until_s or await request.is_disconnected():
            return None
        await asyncio.sleep(LOOK_EVERY_S)
    return found


def _multipart(view: View) -> Response:
    """Lines and picture in one answer, so that they belong together; browsers read it with `response.formData()`."""
    boundary = secrets.token_hex(16)
    lines = {"number": view.number, **view.text.model_dump(mode="json", by_alias=True)}
    body = b"".join((
        f'--{boundary}\r\nContent-Disposition: form-data; name="text"\r\n\r\n'.encode(),
        json.dumps(lines, ensure_ascii=False).encode(),
        f'\r\n--{boundary}\r\nContent-Disposition: form-data; name="picture"; filename="view.jpg"\r\n'.encode(),
        b"Content-Type: image/jpeg\r\n\r\n",
        view.jpeg(),
        f"\r\n--{boundary}--\r\n".encode(),
    ))
    return Response(body, media_type=f"multipart/form-data; boundary={boundary}")


def _file(name: str, kind: str) -> Callable[[Request], Response]:
    content = (PAGE / name).read_bytes()

    def answer(request: Request) -> Response:
        return Response(content, media_type=kind)

    return answer
