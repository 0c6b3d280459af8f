"""kiosk.yaml's `metrics` and `preview`: what listens for HTTP, and for whom. Nothing does unless it is there."""

import re
from ipaddress import ip_address
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from runtime.config.base import Config, FilePath

_LISTEN = re.compile(r"^(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9._-]+)):(?P<port>\d{1,5})$")


def _check_listen(listen: str) -> str:
    match = _LISTEN.match(listen)
    if match is None or int(match["port"]) > 65535:
        raise ValueError("not an address to listen on; write 127.0.0.1:8080, [::1]:8080, or 0.0.0.0:8080 for everybody")
    return listen


Listen = Annotated[str, AfterValidator(_check_listen)]
"""host:port; port 0 takes any free one."""


class MetricsConfig(Config):
    """Where /healthz, /readyz and /metrics are answered. They need no token: no text that was read is in them."""

    listen: Listen


class PreviewConfig(Config):
    """The page that shows what the cameras see and what is read."""

    listen: Listen
    token_file: FilePath | None = None
    """Holds what viewers have to know, 16 characters at least. Default: made up at every start, and logged."""
    open: bool = False
    """Let everybody in who can reach the address, without a token."""
    hosts: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Names by which browsers reach the page, besides addresses, localhost and this box's own name."""
    max_fps: Annotated[float, Field(gt=0, le=30)] = 5.0
    """Pictures a second, at most, for each camera that somebody watches."""
    width: Annotated[int, Field(ge=160, le=3840)] = 960
    """Pixels; wider pictures are made smaller."""

    @model_validator(mode="after")
    def _check_together(self) -> "PreviewConfig":
        if self.open and self.token_file is not None:
            raise ValueError("open and token_file exclude each other; leave one out")
        return self


def split_listen(listen: str) -> tuple[str, int]:
    """The host and port of an address to listen on."""
    match = _LISTEN.match(listen)
    assert match is not None, listen
    return match["v6"] or match["host"], int(match["port"])


def is_loopback(host: str) -> bool:
    """Whether only this box can reach the host."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
