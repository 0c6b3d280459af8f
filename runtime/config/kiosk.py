"""kiosk.yaml: which cameras are read, by which reader, and where the events go."""

import re
import socket
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from edge_ocr.errors import ConfigError
from edge_ocr.yamlfile import and_more, describe_error, load_yaml_model
from runtime.config.base import Config, FilePath
from runtime.config.listeners import MetricsConfig, PreviewConfig
from runtime.config.offload import OffloadConfig
from runtime.config.zones import TextRules, ZoneConfig
from runtime.events import CommandName
from runtime.payload import Name
from runtime.redact import redact
from runtime.rules.zones import OUTSIDE, Zones
from runtime.sources.spec import is_live_spec, resolve_spec

DEFAULT_CAMERA = "cam0"
"""Name of the camera of `run --source`."""
DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883}
OPTIONS = {
    ("cameras", DEFAULT_CAMERA, "source"): "--source",
    ("mqtt", "url"): "--broker",
    ("node",): "--node",
    ("profile",): "--profile",
    ("pack",): "--pack",
}
"""Which option a value of `config_from_options` came from."""

Policy = Literal["latest", "every"]


def _number_as_text(value: Any) -> Any:
    return str(value) if type(value) is int else value


Point = tuple[float, float]
Polygon = Annotated[tuple[Point, ...], Field(min_length=3)]
"""Corners (x, y) in pixels of the frame."""


class MqttConfig(Config):
    """The broker, and who we are to it."""

    url: str = "mqtt://localhost:1883"
    """mqtt://host:port, or mqtts:// for TLS. Credentials written into it are moved to `username` and `password`."""
    root: Annotated[str, Field(pattern=r"^[^/#+$\s][^#+\s]*$")] = "edge-ocr"
    """First levels of every topic."""
    username: str | None = None
    password: SecretStr | None = None
    password_file: FilePath | None = None
    """Holds the password alone; a line end after it does not count."""
    ca_file: FilePath | None = None
    """Certificates to trust instead of the system's."""
    cert_file: FilePath | None = None
    """The client's own certificate, with `key_file`."""
    key_file: FilePath | None = None
    commands: tuple[CommandName, ...] = ()
    """Commands that are carried out; others are answered with a refusal. None listed: nothing is subscribed to."""
    home_assistant: bool | None = None
    """Announce the node to Home Assistant. False takes an earlier announcement back; None leaves its topics alone."""
    home_assistant_prefix: Annotated[str, Field(pattern=r"^[^/#+$\s][^#+\s]*$")] = "homeassistant"
    """First levels of Home Assistant's own topics: its "discovery prefix"."""

    @model_validator(mode="before")
    @classmethod
    def _take_credentials_out_of_url(cls, data: Any) -> Any:
        """Leave nothing secret in `url`."""
        if not isinstance(data, dict) or not isinstance(data.get("url"), str):
            return data
        parts = _split(data["url"])
        if parts is None or "@" not in parts.netloc:
            return data
        given = {"username": parts.username, "password": parts.password}
        credentials = {key: unquote(value) for key, value in given.items() if value}
        for key in credentials:
            if data.get(key) is not None or (key == "password" and data.get("password_file") is not None):
                raise ValueError(f"the {key} is in the URL and set beside it; leave one out")
        host = parts.netloc.rpartition("@")[2]
        return {**data, **credentials, "url": parts._replace(netloc=host).geturl()}

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        parts = _split(url)
        if parts is None or not parts.hostname:
            raise ValueError(
                "not a broker's URL; write mqtt://host:1883, with special characters of a password as %40 and the like"
            )
        if parts.scheme not in DEFAULT_PORTS:
            raise ValueError(f"unknown scheme '{parts.scheme}'; write mqtt://host, or mqtts://host for TLS")
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError("nothing may follow the port in a broker's URL; the topics' first level is `root`")
        return url

    @model_validator(mode="after")
    def _check_together(self) -> "MqttConfig":
        if self.password is not None and self.password_file is not None:
            raise ValueError("password and password_file are both set; leave one out")
        if (self.password is not None or self.password_file is not None) and not self.username:
            raise ValueError("a password needs a username")
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file go together")
        if not self.tls and (self.ca_file or self.cert_file):
            raise ValueError("ca_file, cert_file and key_file need TLS; write mqtts:// in the url")
        return self

    @property
    def host(self) -> str:
        """Name or address of the broker."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """TCP port of the broker."""
        parts = urlsplit(self.url)
        return parts.port or DEFAULT_PORTS[parts.scheme]

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted and the broker's certificate verified."""
        return urlsplit(self.url).scheme == "mqtts"

    def read_password(self) -> str | None:
        """The password to connect with, None without one.

        Raises:
            ConfigError: `password_file` cannot be read.
        """
        if self.password_file is None:
            return self.password.get_secret_value() if self.password else None
        try:
            return self.password_file.read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            raise ConfigError(f"mqtt.password_file: {self.password_file}: {error.strerror}") from error
        except UnicodeDecodeError:
            raise ConfigError(f"mqtt.password_file: {self.password_file}: not text in UTF-8") from None


class SpoolConfig(Config):
    """Where events wait for the broker, and how many."""

    path: FilePath | None = None
    """The file; None: `runtime.spool.path` says where."""
    max_mb: Annotated[int, Field(ge=4, le=65536)] = 64
    """Bound in MiB for the file and its log; the oldest events make room."""
    max_age_h: Annotated[float, Field(gt=0)] = 72.0
    """Older events are dropped."""


class CameraConfig(Config):
    """One camera: where its frames come from, and when a text counts."""

    source: Annotated[str, BeforeValidator(_number_as_text), Field(min_length=1, repr=False)]
    """What `runtime.sources.open_source` opens. May hold credentials: show `shown_source` instead."""
    ca_file: FilePath | None = None
    """For rtsps:// and https://: trusted certificates instead of the system's; a camera's own if self-signed."""
    policy: Policy | None = None
    """latest: only the newest frame is read; every: the source waits. None: latest for live sources, else every."""
    ignore: tuple[Polygon, ...] = ()
    """Areas that are painted black before anything looks at the frame."""
    min_score: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Readings below this confidence do not count."""
    min_reads: Annotated[int, Field(ge=1)] = 2
    """Reads that must agree on every character before a text has settled."""
    sure_score: Annotated[float, Field(ge=0, le=1)] = 0.8
    """A single sharp read of a text that stands still settles too, if no character is less sure than this; 1: never."""
    refresh_s: Annotated[float, Field(ge=0)] = 2.0
    """Longest time between two searches of a whole frame; what is too faint to be noticed as a change is found after
    it. A search every two seconds costs a kiosk some 3 % of a core. 0: every frame is searched and read in full."""
    zones: dict[Name, ZoneConfig] = Field(default_factory=dict)
    """Where texts are read, and which of them count; with none, everywhere."""
    outside: TextRules | None = None
    """Rules for what is in no zone. None: masked if there are zones, else read without rules."""

    @field_validator("zones")
    @classmethod
    def _check_zone_names(cls, zones: dict[str, ZoneConfig]) -> dict[str, ZoneConfig]:
        if OUTSIDE in zones:
            raise ValueError(f"'{OUTSIDE}' stands for what is in no zone; give this zone another name")
        return zones

    @field_validator("source")
    @classmethod
    def _resolve_source(cls, source: str, info: ValidationInfo) -> str:
        """Start a relative file name at the folder of the configuration file."""
        return resolve_spec(source, (info.context or {}).get("folder", Path()))

    @property
    def all_rules(self) -> dict[str, TextRules]:
        """The rules of every zone, and of what is in none where that has some, by name."""
        return {**self.zones, **({OUTSIDE: self.outside} if self.outside is not None else {})}

    def make_zones(self) -> Zones:
        """The zones, ready for use."""
        return Zones(self.zones, outside=self.outside, ignore=self.ignore)

    @property
    def shown_source(self) -> str:
        """The source without credentials."""
        return redact(self.source)

    @property
    def effective_policy(self) -> Policy:
        """The policy, or what its absence means for this source."""
        return self.policy or ("latest" if is_live_spec(self.source) else "every")


def default_node() -> str:
    """The host name as the name of a node."""
    host = socket.gethostname().partition(".")[0].lower()
    return re.sub(r"[^a-z0-9_-]+", "-", host).strip("-") or "node"


class KioskConfig(Config):
    """All of kiosk.yaml."""

    @model_validator(mode="after")
    def _check_redaction_key(self) -> "KioskConfig":
        if self.redaction_key_file is None and self.needs_redaction_key:
            raise ValueError("redact: hmac needs a key; name a file for it with `redaction_key_file`")
        return self

    @property
    def needs_redaction_key(self) -> bool:
        """Whether any rule asks for `redact: hmac`."""
        return any(rules.redact == "hmac" for camera in self.cameras.values() for rules in camera.all_rules.values())

    @property
    def allowed_sets(self) -> frozenset[frozenset[str]]:
        """The sets of characters that lines of one place or another are decoded from; empty: none is limited."""
        rules = (rules for camera in self.cameras.values() for rules in camera.all_rules.values())
        return frozenset(rule.decoded for rule in rules if rule.decoded is not None)

    def check_allowed(self, charset: Collection[str]) -> None:
        """Refuse allowed characters that a pack cannot read.

        Raises:
            ConfigError: there are some; one line that names camera, zone and characters.
        """
        for camera, config in self.cameras.items():
            for name, rules in config.all_rules.items():
                place = name if name == OUTSIDE else f"zones.{name}"
                unknown = "".join(sorted((rules.decoded or frozenset()) - set(charset)))
                if unknown:
                    key = "mrz" if rules.allowed is None else "allowed"
                    raise ConfigError(
                        f"cameras.{camera}.{place}.{key}: the pack {self.pack} cannot read {unknown!r};"
                        " leave these characters out, or use a pack that can"
                    )

    node: Name = Field(default_factory=default_node)
    """Name of this box, in every topic; the client id is `edge-ocr-<node>`."""
    profile: str = "auto"
    """Device profile: a name, a YAML file, or auto."""
    pack: str = "latin"
    """Model pack: a name or a folder."""
    mqtt: MqttConfig = MqttConfig()
    spool: SpoolConfig = SpoolConfig()
    redaction_key_file: FilePath | None = None
    """The key of `redact: hmac`, in bytes or text; made with mode 0600 at the first start."""
    offload: OffloadConfig | None = None
    """None: this box reads its frames itself."""
    cameras: Annotated[dict[Name, CameraConfig], Field(min_length=1)]
    metrics: MetricsConfig | None = None
    """None: nothing listens."""
    preview: PreviewConfig | None = None
    """None: nothing listens."""

    @field_validator("cameras")
    @classmethod
    def _keep_commands_apart(cls, cameras: dict[str, CameraConfig]) -> dict[str, CameraConfig]:
        """The topics of a camera called `set` would be those of the node's commands."""
        if "set" in cameras:
            raise ValueError("no camera may be called 'set': its topics are those of commands; give it another name")
        return cameras

    @model_validator(mode="after")
    def _check_offload(self) -> "KioskConfig":
        if self.offload is not None and self.profile != "auto":
            raise ValueError(
                "profile is for reading on this box; with offload the workers have their own, leave it out"
            )
        if self.offload is not None and Path(self.pack).name != self.pack:
            raise ValueError("with offload, pack is the name of the workers' pack, not a folder")
        return self


def load_kiosk(path: str | Path) -> KioskConfig:
    """Load kiosk.yaml; `${NAME}` in string values is taken from the environment.

    Raises:
        ConfigError: the file cannot be used; one line that names file, line and key.
    """
    return load_yaml_model(path, KioskConfig, substitute_env=True)


def config_from_options(
    *,
    source: str,
    broker: str | None = None,
    node: str | None = None,
    profile: str | None = None,
    pack: str | None = None,
) -> KioskConfig:
    """The configuration that `run --source S --broker URL` means: one camera called cam0.

    Raises:
        ConfigError: an option cannot be used; one line that names it.
    """
    data: dict[str, Any] = {"cameras": {DEFAULT_CAMERA: {"source": source}}}
    if broker is not None:
        data["mqtt"] = {"url": broker if "://" in broker else f"mqtt://{broker}"}
    data |= {key: value for key, value in {"node": node, "profile": profile, "pack": pack}.items() if value is not None}
    try:
        return KioskConfig.model_validate(data)
    except ValidationError as error:
        at = error.errors()[0]["loc"]
        option = next((name for place, name in OPTIONS.items() if at == place[: len(at)]), "")
        text = describe_error(error.errors()[0], KioskConfig, ())
        raise ConfigError(f"{option}: {text}{and_more(error.errors())}") from None


def _split(url: str) -> SplitResult | None:
    """The parts of a URL, None where it is not one; urllib's own message would quote a piece of a password."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts
