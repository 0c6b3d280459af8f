"""`edge-ocr worker`: read the frames that other boxes publish, until told to stop."""

import argparse
import logging
import os
import re
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from edge_ocr.errors import ConfigError
from edge_ocr.yamlfile import describe_error
from runtime.commands.run import Signals, load_warm_reader
from runtime.config.kiosk import MqttConfig, default_node
from runtime.config.offload import OffloadConfig
from runtime.mqtt.topics import NAME_PATTERN
from runtime.offload.frame_service import WorkerReader
from runtime.offload.worker import Worker, WorkerConfig

LoadReader = Callable[[str, str], WorkerReader]
"""Makes a warm reader from the names of a pack and a profile."""
DEFAULT_GROUP = OffloadConfig().group


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--broker", required=True, metavar="URL", help="mqtt://user@host:1883, or mqtts://; it has to speak MQTT 5"
    )
    parser.add_argument(
        "--group",
        default=DEFAULT_GROUP,
        metavar="G",
        help="whose frames: as `offload.group` of kiosk.yaml says (default: %(default)s)",
    )
    parser.add_argument("--name", metavar="N", help="name of this worker in topics (default: <host>-worker-<pid>)")
    parser.add_argument("--profile", default="auto", metavar="P", help="device profile (default: %(default)s)")
    parser.add_argument("--pack", default="latin", metavar="P", help="model pack (default: %(default)s)")
    parser.add_argument("--root", metavar="R", help="first levels of every topic (default: edge-ocr)")
    parser.add_argument("--password-file", type=Path, metavar="F", help="holds the password of the broker's user")
    parser.add_argument("--ca-file", type=Path, metavar="F", help="certificates to trust instead of the system's")
    parser.add_argument("--cert-file", type=Path, metavar="F", help="the worker's own certificate, with --key-file")
    parser.add_argument("--key-file", type=Path, metavar="F", help="the key of --cert-file")


def run(args: argparse.Namespace, *, load_reader: LoadReader = load_warm_reader) -> int:
    """Answer frames in the foreground.

    Returns:
        0 when it was stopped by a signal.

    Raises:
        ConfigError: an option cannot be used.
        EdgeOcrError: it cannot run, or had to stop.
    """
    # What changes is the log of a service; the default of other commands would leave half of it out.
    log = logging.getLogger("runtime")
    log.setLevel(min(log.getEffectiveLevel(), logging.INFO))
    config = read_config(args)
    with Signals() as signals:
        worker = Worker(config, load_reader(args.pack, args.profile))
        signals.stop = worker.stop
        worker.run()
    return 0


def read_config(args: argparse.Namespace) -> WorkerConfig:
    """What the options say.

    Raises:
        ConfigError: one cannot be used; one line that names it.
    """
    name = args.name if args.name is not None else f"{default_node()}-worker-{os.getpid()}"
    for option, value in {"--group": args.group, "--name": name}.items():
        if not re.fullmatch(NAME_PATTERN, value):
            raise ConfigError(f"{option} {value}: small letters, digits, - and _ only")
    given = {
        "url": args.broker if "://" in args.broker else f"mqtt://{args.broker}",
        "root": args.root,
        "password_file": args.password_file,
        "ca_file": args.ca_file,
        "cert_file": args.cert_file,
        "key_file": args.key_file,
    }
    try:
        mqtt = MqttConfig.model_validate({key: value for key, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else "url"
        option = "--broker" if key == "url" else f"--{key.replace('_', '-')}"
        raise ConfigError(f"{option}: {describe_error(first, MqttConfig, ())}") from None
    return WorkerConfig(mqtt=mqtt, group=args.group, name=name)
