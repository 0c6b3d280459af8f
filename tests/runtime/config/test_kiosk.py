"""kiosk.yaml: what it may say, and how its mistakes are told."""

from pathlib import Path

import pytest

from edge_ocr.errors import ConfigError
from runtime.commands.run import check_charset
from runtime.config.kiosk import CameraConfig, KioskConfig, MqttConfig, config_from_options, default_node, load_kiosk
from runtime.config.zones import expand_characters
from runtime.redact import redact


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Write":
    monkeypatch.chdir(tmp_path)
    return Write(tmp_path / "kiosk.yaml")


class Write:
    """Writes kiosk.yaml, and gives the name to load it by."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, text: str) -> str:
        self.path.write_text(text, encoding="utf-8")
        return self.path.name


def test_only_cameras_are_required(write: Write) -> None:
    config = load_kiosk(write("cameras: {cam0: {source: 0}}"))
    assert (config.node, config.profile, config.pack) == (default_node(), "auto", "latin")
    assert (config.mqtt.host, config.mqtt.port, config.mqtt.tls) == ("localhost", 1883, False)
    assert config.cameras["cam0"].source == "0"


def test_a_full_file_loads(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAM_PASSWORD", "s3cret")
    config = load_kiosk(
        write(
            """
node: lobby-3
profile: core-kiosk
pack: latin
mqtt: {url: "mqtts://broker.local", root: site/ocr, username: kiosk, password_file: password, ca_file: /etc/ca.pem}
cameras:
  cam0:
    source: rtsp://user:${CAM_PASSWORD}@10.0.0.7/stream1
    policy: every
    ignore: [[[0, 0], [1280, 0], [1280, 40], [0, 40]]]
    min_score: 0.6
    min_reads: 3
"""
        )
    )
    camera = config.cameras["cam0"]
    assert camera.source == "rtsp://user:s3cret@10.0.0.7/stream1"
    assert camera.shown_source == "rtsp://***@10.0.0.7/stream1"
    assert camera.ignore[0][2] == (1280.0, 40.0)
    assert (config.mqtt.port, config.mqtt.tls) == (8883, True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "node: a\ncameras:\n  cam0:\n    source: 0\n    polcy: latest\n",
            "kiosk.yaml:5: cameras.cam0.polcy: unknown key; did you mean 'policy'?",
            id="a key with a typo",
        ),
        pytest.param(
            "cameras: {cam0: {source: 0}}\nquux: 1\n",
            "kiosk.yaml:2: quux: unknown key; known are node, profile, pack, mqtt, spool, redaction_key_file, ",
            id="a key like no other",
        ),
        pytest.param(
            "cameras:\n  cam0:\n    source: 0\n    policy: newest\n",
            "kiosk.yaml:4: cameras.cam0.policy: should be 'latest' or 'every', not 'newest'",
            id="a value that is not offered",
        ),
        pytest.param(
            "cameras:\n  Cam 0:\n    source: 0\n",
            "kiosk.yaml:2: cameras.Cam 0: the name should match pattern '^[a-z0-9_-]+$', not 'Cam 0'",
            id="a camera's name with a space",
        ),
        pytest.param(
            "cameras:\n  1:\n    source: 0\n",
            "kiosk.yaml:2: cameras[1]: the name should be text; put it in quotes",
            id="a camera's name that is a number",
        ),
        pytest.param(
            "node: a\ncameras:\n  cam0:\n    policy: latest\n",
            "kiosk.yaml:3: cameras.cam0.source: this key is required",
            id="a key that is missing",
        ),
        pytest.param(
            "metrics: {listen: 9464}\ncameras: {cam0: {source: 0}}\n",
            "kiosk.yaml:1: metrics.listen: should be text; put it in quotes",
            id="a port without an address",
        ),
        pytest.param(
            "preview: {listen: 'everywhere'}\ncameras: {cam0: {source: 0}}\n",
            "kiosk.yaml:1: preview.listen: not an address to listen on; write 127.0.0.1:8080, [::1]:8080, "
            "or 0.0.0.0:8080 for everybody",
            id="an address without a port",
        ),
        pytest.param(
            "cameras:\n  cam0: {source: 0}\n  cam0: {source: 1}\n",
            "kiosk.yaml:3: cameras.cam0: duplicate key; it stands on line 2 already",
            id="a key that is there twice",
        ),
        pytest.param(
            "cameras:\n  cam0:\n    source: ${NOT_SET}\n",
            "kiosk.yaml:3: cameras.cam0.source: the environment variable NOT_SET is not set",
            id="an unset variable",
        ),
        pytest.param(
            "cameras:\n  cam0:\n    source: ${CAM-1}\n",
            "kiosk.yaml:3: cameras.cam0.source: ${...} must hold the name of an environment variable",
            id="not a variable's name",
        ),
        pytest.param(
            "cameras:\n  cam0: !!python/object:os.system {}\n",
            "kiosk.yaml:2: cameras.cam0: the tag tag:yaml.org,2002:python/object:os.system is not allowed here",
            id="an arbitrary object",
        ),
        pytest.param("cameras: [\n", "kiosk.yaml:2: not valid YAML", id="not YAML"),
        pytest.param("- a\n", "kiosk.yaml:1: not a mapping; write `key: value` lines", id="a list"),
        pytest.param("", "kiosk.yaml:1: cameras: this key is required", id="an empty file"),
        pytest.param(
            "cameras: {}\n",
            "kiosk.yaml:1: cameras: must not be empty",
            id="no camera",
        ),
        pytest.param(
            "cameras: {cam0: {source: 0, ignore: [[[0, 0], [9, 9]]]}}\n",
            "kiosk.yaml:1: cameras.cam0.ignore[0]: needs at least 3 entries",
            id="a polygon of two corners",
        ),
        pytest.param(
            "cameras: {cam0: {source: 0}}\nmqtt:\n  url: http://broker\n",
            "kiosk.yaml:3: mqtt.url: unknown scheme 'http'; write mqtt://host, or mqtts://host for TLS",
            id="not a broker's URL",
        ),
        pytest.param(
            "cameras: {cam0: {source: 0}}\nmqtt:\n  password: x\n  password_file: y\n",
            "kiosk.yaml:2: mqtt: password and password_file are both set; leave one out",
            id="two passwords",
        ),
        pytest.param(
            "cameras: {cam0: {source: 0}}\nmqtt:\n  ca_file: ca.pem\n",
            "kiosk.yaml:2: mqtt: ca_file, cert_file and key_file need TLS; write mqtts:// in the url",
            id="certificates without TLS",
        ),
        pytest.param(
            "cameras: {cam0: {source: 0}}\nmqtt: {username: u, password: 123}\n",
            "kiosk.yaml:2: mqtt.password: should be text; put it in quotes",
            id="a password of digits",
        ),
        pytest.param(
            "cameras: {cam0: {source: 0}}\noffload: {}\nprofile: atom-n100\n",
            "kiosk.yaml:1: profile is for reading on this box; with offload the workers have their own, leave it out",
            id="a profile for workers",
        ),
        pytest.param(
            "cameras: {cam0: {source: 0}}\noffload: {}\npack: packs/mine\n",
            "kiosk.yaml:1: with offload, pack is the name of the workers' pack, not a folder",
            id="a folder of the workers",
        ),
        pytest.param(
            "cameras: {cam0: {source: 0}}\noffload: {resends: 3}\n",
            "kiosk.yaml:2: offload.resends: should be less than or equal to 2, not 3",
            id="too many resends",
        ),
        pytest.param("a: &x [*x]\n", "kiosk.yaml:1: a[0]: the file refers to itself", id="a circle"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(write: Write, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_kiosk(write(text))
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_the_first_of_several_problems_is_told_and_the_others_counted(write: Write) -> None:
    text = "cameras:\n  cam0:\n    source: 0\n    min_reads: 0\n    min_score: 2\nnode: A\n"
    with pytest.raises(ConfigError) as caught:
        load_kiosk(write(text))
    expected = "kiosk.yaml:4: cameras.cam0.min_reads: should be greater than or equal to 1, not 0 (and 2 more problems)"
    assert str(caught.value) == expected


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read \(No such file or directory\)"):
        load_kiosk(tmp_path / "none.yaml")


def test_binary_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "kiosk.yaml").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(ConfigError, match=r"kiosk\.yaml: not a text file in UTF-8"):
        load_kiosk(tmp_path / "kiosk.yaml")


def test_merged_keys_yield_to_own_ones(write: Write) -> None:
    text = "cameras:\n  cam0: &first {source: 0, min_reads: 5}\n  cam1: {source: 1, <<: *first}\n"
    cameras = load_kiosk(write(text)).cameras
    assert (cameras["cam1"].source, cameras["cam1"].min_reads) == ("1", 5)


def test_relative_files_start_at_the_folder_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "password").write_text("pa ss\n")
    file = tmp_path / "site" / "kiosk.yaml"
    file.write_text("cameras: {cam0: {source: clip.mp4}}\nmqtt: {username: u, password_file: password}\n")
    config = load_kiosk(file)
    assert config.cameras["cam0"].source == str(tmp_path / "site" / "clip.mp4")
    assert config.mqtt.read_password() == "pa ss"


def test_a_password_file_that_is_missing_is_told_when_it_is_read() -> None:
    mqtt = MqttConfig(username="u", password_file=Path("/nowhere/password"))
    with pytest.raises(ConfigError, match=r"mqtt\.password_file: /nowhere/password: No such file"):
        mqtt.read_password()


@pytest.mark.parametrize(
    ("url", "host", "port", "tls"),
    [
        pytest.param("mqtt://broker", "broker", 1883, False, id="default port"),
        pytest.param("mqtts://broker", "broker", 8883, True, id="default port of TLS"),
        pytest.param("mqtt://10.0.0.9:2000", "10.0.0.9", 2000, False, id="own port"),
        pytest.param("mqtt://[::1]:2000/", "::1", 2000, False, id="IPv6"),
    ],
)
def test_the_brokers_url_has_host_port_and_tls(url: str, host: str, port: int, tls: bool) -> None:
    mqtt = MqttConfig(url=url)
    assert (mqtt.host, mqtt.port, mqtt.tls) == (host, port, tls)


def test_credentials_of_the_url_are_moved_out_of_it() -> None:
    mqtt = MqttConfig(url="mqtt://kiosk:s3cr%40t@broker:1884")
    assert (mqtt.url, mqtt.username, mqtt.read_password()) == ("mqtt://broker:1884", "kiosk", "s3cr@t")
    assert "s3cr" not in repr(mqtt) + str(mqtt) + mqtt.model_dump_json()


@pytest.mark.parametrize(
    "mqtt",
    [
        "{url: 'mqtt://u:s3cret@host/path'}",
        "{url: 'mqtt://u:s3cret/x@host'}",
        "{url: 's3cret'}",
        "{url: 'mqtt://u:s3cret@host', password: s3cret}",
        "{password: [s3cret]}",
        "{password: s3cret}",
        "{url: 'mqtt://u:s3cret@h', qos: 3}",
    ],
)
def test_no_mistake_shows_the_password(write: Write, mqtt: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_kiosk(write(f"cameras: {{cam0: {{source: 0}}}}\nmqtt: {mqtt}\n"))
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_cameras_credentials_are_not_in_its_repr() -> None:
    assert "s3cret" not in repr(CameraConfig(source="rtsp://u:s3cret@cam/1"))


@pytest.mark.parametrize(
    ("source", "policy"),
    [
        ("0", "latest"),
        ("rtsp://cam/1", "latest"),
        ("test:", "latest"),
        ("clip.mp4", "every"),
        ("shots/*.png", "every"),
    ],
)
def test_without_a_policy_live_sources_give_their_latest_frame_and_files_every(source: str, policy: str) -> None:
    assert CameraConfig(source=source).effective_policy == policy


def test_options_make_one_camera_called_cam0() -> None:
    config = config_from_options(source="clip.mp4", broker="mqtt://user@host:1884", node="n1", profile="p", pack="q")
    assert list(config.cameras) == ["cam0"]
    assert (config.node, config.profile, config.pack) == ("n1", "p", "q")
    assert (config.mqtt.username, config.mqtt.host, config.mqtt.port) == ("user", "host", 1884)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"node": "Lobby 3"}, r"^--node: should match pattern .*, not 'Lobby 3'$", id="node"),
        pytest.param({"broker": "ftp://host"}, r"^--broker: unknown scheme 'ftp'", id="broker"),
        pytest.param({"source": ""}, r"^--source: must not be empty$", id="no source"),
        pytest.param({"source": "rtsp://u:s3cret"}, r"^--source: rtsp://\*\*\*: not a URL", id="a URL without a host"),
        pytest.param({"source": "ftp://u:p@host/x"}, r"^--source: ftp://\*\*\*@host/x: a source's URL", id="source"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config_from_options(**{"source": "0", **options})


@pytest.mark.parametrize(("host", "node"), [("Lobby 3.local", "lobby-3"), ("box_7", "box_7"), ("...", "node")])
def test_the_host_name_becomes_a_nodes_name(monkeypatch: pytest.MonkeyPatch, host: str, node: str) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: host)
    assert KioskConfig(cameras={"cam0": CameraConfig(source="0")}).node == node


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://u:p@cam/1", "rtsp://***@cam/1"),
        ("open rtsp://u:p@ss/w@cam/1: refused", "open rtsp://***@cam/1: refused"),
        ("http://cam/snap?user=a&pwd=b&channel=1", "http://cam/snap?user=***&pwd=***&channel=1"),
        ("rtsp://cam/1", "rtsp://cam/1"),
        ("rtsp://u:s3cret: not a URL", "rtsp://***: not a URL"),
        ("rtsp://u:s3cret/stream", "rtsp://***/stream"),
        ("rtsp://[::1]:554/1", "rtsp://[::1]:554/1"),
        ("mqtt://broker:1883: refused", "mqtt://broker:1883: refused"),
        ("see http://host: gone", "see http://host: gone"),
        ("http://cam/snap?channel=1: no video", "http://cam/snap?channel=1: no video"),
        ("http://cam/snap?pwd=a:/b: no video", "http://cam/snap?pwd=***: no video"),
        ("mail me@home", "mail me@home"),
    ],
)
def test_redact_hides_credentials_only(text: str, shown: str) -> None:
    assert redact(text) == shown


ZONE = "cameras:\n  cam0:\n    source: 0\n    zones:\n      ticket:\n        polygon: [[0, 0], [9, 0], [9, 9]]\n"


def test_zones_and_the_outside_take_the_same_rules(write: Write) -> None:
    config = load_kiosk(
        write(
            "redaction_key_file: key\n" + ZONE + "        min_score: 0.6\n        allowed: A-Z0-9-\n"
            "        match: '^[A-Z]{2}[0-9]{6}$'\n        replace: [{pattern: O, with: '0'}]\n        redact: hmac\n"
            "      passport: {polygon: [[0, 0], [9, 0], [9, 9]], mrz: [td1, td3]}\n"
            "    outside: {min_length: 2, max_length: 9, redact: mask}\n"
        )
    )
    camera = config.cameras["cam0"]
    ticket, passport = camera.zones.values()
    assert ticket.decoded == frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")
    assert passport.decoded == frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789<")
    assert camera.outside is not None
    assert camera.outside.max_length == 9
    assert list(camera.all_rules) == ["ticket", "passport", "outside"]
    assert config.needs_redaction_key
    assert config.redaction_key_file == Path("key")


@pytest.mark.parametrize(
    ("spec", "characters"),
    [
        pytest.param("abc", "abc", id="as they stand"),
        pytest.param("0-3", "0123", id="a range"),
        pytest.param("a-c-", "abc-", id="a dash at the end"),
        pytest.param("-a", "-a", id="a dash at the start"),
        pytest.param("0-9 <", "0123456789 <", id="the space counts"),
    ],
)
def test_allowed_characters_may_be_ranges(spec: str, characters: str) -> None:
    assert expand_characters(spec) == frozenset(characters)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        pytest.param(
            "match: '[A-Z'",
            "kiosk.yaml:7: cameras.cam0.zones.ticket.match: not a regular expression: ",
            id="expression",
        ),
        pytest.param(
            "replace:\n        - {pattern: a, with: b}\n        - {pattern: (a), with: '\\2'}",
            "kiosk.yaml:9: cameras.cam0.zones.ticket.replace[1]: `with` does not fit the pattern: ",
            id="reference to no group",
        ),
        pytest.param(
            "mach: a",
            "kiosk.yaml:7: cameras.cam0.zones.ticket.mach: unknown key; did you mean 'match'?",
            id="unknown key",
        ),
        pytest.param("allowed: 123", "ticket.allowed: should be text; put it in quotes", id="a number as characters"),
        pytest.param("allowed: z-a", "ticket.allowed: the range z-a runs backwards", id="a range that runs backwards"),
        pytest.param("allowed: ''", "ticket.allowed: must not be empty", id="no characters"),
        pytest.param("mrz: [td9]", "kiosk.yaml:7: cameras.cam0.zones.ticket.mrz[0]: ", id="an unknown format"),
        pytest.param("mrz: []", "ticket: mrz: [] leaves no format", id="no format"),
        pytest.param(
            "{mrz: [td3], allowed: A-Z}",
            "ticket: mrz needs all of A-Z0-9<; leave `allowed` out",
            id="too few characters",
        ),
        pytest.param(
            "{min_length: 5, max_length: 4}", "ticket: min_length 5 is above max_length 4", id="no length left"
        ),
        pytest.param("redact: blur", "kiosk.yaml:7: cameras.cam0.zones.ticket.redact: should be", id="redaction"),
        pytest.param("redact: hmac", "redact: hmac needs a key; name a file", id="hashing without a key"),
        pytest.param("polygon: [[0, 0], [1, 1]]", "needs at least 3 entries", id="a polygon of two points"),
    ],
)
def test_a_mistake_in_a_zone_is_told_with_its_place(write: Write, line: str, message: str) -> None:
    text = ZONE
    if line.startswith("polygon"):
        text = text.rpartition("        polygon")[0]
    keys = line.strip("{}").split(", ") if line.startswith("{") else [line]
    with pytest.raises(ConfigError) as raised:
        load_kiosk(write(text + "".join(f"        {key}\n" for key in keys)))
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("Ticket 1", "the name should match pattern", id="not a name"),
        pytest.param("outside", "'outside' stands for what is in no zone", id="a name that is taken"),
    ],
)
def test_a_zones_name_is_checked(write: Write, name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_kiosk(write(ZONE.replace("ticket", name)))


def test_allowed_characters_must_be_in_the_packs_charset(write: Write) -> None:
    config = load_kiosk(write(ZONE + "        allowed: А-Я\n"))
    with pytest.raises(ConfigError, match=r"cameras\.cam0\.zones\.ticket\.allowed: the pack latin cannot read 'АБ"):
        config.check_allowed("ABC")
    load_kiosk(write(ZONE + "        allowed: A-C\n")).check_allowed("ABC")
    with pytest.raises(ConfigError, match=r"cameras\.cam0\.outside\.mrz: .* cannot read '0123456789<D"):
        load_kiosk(write("cameras: {cam0: {source: 0, outside: {mrz: [td3]}}}")).check_allowed("ABC")


def test_what_workers_read_is_not_checked_against_a_pack_here(write: Write) -> None:
    check_charset(load_kiosk(write("offload: {}\npack: theirs\n" + ZONE + "        allowed: A-C\n")))
