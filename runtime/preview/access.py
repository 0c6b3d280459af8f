"""Who may see the preview: whoever knows the token and reached the page under a name that is ours.

The token comes once, in the fragment of a URL (which browsers send to nobody) or by hand; a cookie made from it stands
in for it afterwards. The Host header is checked because a foreign site could otherwise have its own name resolve to
this address and read the page through a visitor's browser (DNS rebinding).
"""

import hashlib
import hmac
import socket
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from edge_ocr.errors import ConfigError

MIN_TOKEN = 16
COOKIE = "edge-ocr-preview"
PUBLIC = frozenset({"/login", "/login.js", "/page.css", "/icon.svg"})
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def read_token(file: Path) -> str:
    """The token that a file holds.

    Raises:
        ConfigError: the file cannot be read, or holds too little.
    """
    try:
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text in UTF-8"
        raise ConfigError(f"preview.token_file: {file}: {reason.lower()}") from error
    if len(token) < MIN_TOKEN or not token.isascii():
        raise ConfigError(f"preview.token_file: {file}: needs {MIN_TOKEN} ASCII characters; try: openssl rand -hex 16")
    return token


class Access:
    """ASGI middleware that lets nobody else pass, and adds the security headers to every answer."""

    def __init__(self, app: ASGIApp, *, token: str | None, hosts: Iterable[str]) -> None:
        """Guard an application.

        Args:
            app: What is guarded.
            token: What viewers have to know; None: nothing.
            hosts: Names under which the page may be reached, besides addresses, localhost and this box's own name.
        """
        self._app = app
        self._token = token
        own = socket.gethostname().lower()
        self._hosts = {"localhost", own, f"{own}.local", *(host.lower() for host in hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it here."""
        if scope["type"] != "http":
            return
        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = _host_name(headers.get("host", ""))
        if not self._is_ours(host):
            return PlainTextResponse("This name is not ours; add it to preview.hosts in kiosk.yaml.\n", 421)
        path = scope["path"]
        if path in PUBLIC or self._knows_token(headers):
            return None
        if path == "/":
            return RedirectResponse("/login", 303)
        return JSONResponse({"error": "log in first"}, 401)

    def _is_ours(self, host: str) -> bool:
        """Whether the page may be reached as `host`; an address cannot be re-bound."""
        try:
            ip_address(host)
        except ValueError:
            return host in self._hosts
        return True

    def _knows_token(self, headers: Headers) -> bool:
        if self._token is None:
            return True
        shown = headers.get("authorization", "").removeprefix("Bearer ")
        cookie = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
        return _equal(shown, self._token) or _equal(cookie, cookie_of(self._token))


def is_token(authorization: str, token: str | None) -> bool:
    """Whether an Authorization header holds the token."""
    return token is None or _equal(authorization.removeprefix("Bearer "), token)


def cookie_of(token: str) -> str:
    """What stands in for the token in the cookie; the token cannot be had from it."""
    return hmac.new(token.encode(), b"edge-ocr preview cookie", hashlib.sha256).hexdigest()


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _host_name(header: str) -> str:
    """The name in a Host header, without port and brackets, in lower case."""
    host = header.lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".")


def _with_headers(send: Send) -> Send:
    async def wrapped(message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", []))  # type: ignore[call-overload]
            message["headers"] = [*headers, *((k.lower().encode(), v.encode()) for k, v in HEADERS.items())]
        await send(message)

    return wrapped  # type: ignore[return-value]
