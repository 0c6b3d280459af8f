"""`edge-ocr run`: read cameras and publish what they show, until told to stop."""

import argparse
import functools
import logging
import signal
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from edge_ocr.errors import ConfigError
from runtime.appliance import Appliance, open_configured_capture
from runtime.config.kiosk import KioskConfig, config_from_options, load_kiosk
from runtime.inference_thread import InferenceThread
from runtime.service import LoadReader, Service
from runtime.spool.path import open_spool

if TYPE_CHECKING:
    from edge_ocr import Reader

USUAL_HW = (720, 1280)
"""(height, width) of frames that networks are compiled for before the first one comes."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--config", type=Path, metavar="FILE", help="kiosk.yaml: cameras, broker and the rest")
    what.add_argument(
        "--source", metavar="S", help="one camera instead: a number, /dev/videoN, a URL, a video file, a folder, test:"
    )
    parser.add_argument(
        "--broker", metavar="URL", help="mqtt://user@host:1883, or mqtts:// (default: mqtt://localhost:1883)"
    )
    parser.add_argument("--node", metavar="N", help="name of this box in every topic (default: the host name)")
    parser.add_argument("--profile", metavar="P", help="device profile: a name, a YAML file or auto (default: auto)")
    parser.add_argument("--pack", metavar="P", help="model pack: a name or a folder (default: latin)")
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument("--realtime", action="store_true", help="play files at their own rate, as if they were cameras")
    pace.add_argument("--every", action="store_true", help="read every frame, even where a newer one is there")


def run(args: argparse.Namespace, *, load_reader: LoadReader | None = None) -> int:
    """Run the appliance in the foreground.

    Returns:
        0 when it was stopped by a signal or its files have ended.

    Raises:
        ConfigError: the configuration cannot be used.
        EdgeOcrError: it cannot run, or had to stop.
    """
    # What changes is the log of an appliance; the default of other commands would leave half of it out.
    log = logging.getLogger("runtime")
    log.setLevel(min(log.getEffectiveLevel(), logging.INFO))
    config = read_config(args)
    with Signals() as signals, open_spool(config) as spool:
        open_capture = functools.partial(open_configured_capture, realtime=args.realtime)
        service = Service(
            config,
            load_reader=load_reader or load_warm_reader,
            make_appliance=functools.partial(
                Appliance, open_capture=open_capture, outbox=spool, inference=InferenceThread()
            ),
            reread=functools.partial(read_config, args) if args.config is not None else None,
        )
        signals.stop, signals.reload = service.stop, service.reload
        service.run()
    return 0


def read_config(args: argparse.Namespace) -> KioskConfig:
    """The configuration that the options name, with `--every` applied.

    Raises:
        ConfigError: a file or option cannot be used.
        ModelError: zones allow certain characters, and the pack cannot be used.
    """
    if args.config is not None:
        only_alone = {"--broker": args.broker, "--node": args.node, "--profile": args.profile, "--pack": args.pack}
        given = [option for option, value in only_alone.items() if value is not None]
        if given:
            raise ConfigError(f"{', '.join(given)}: goes with --source only; write it into {args.config} instead")
        config = load_kiosk(args.config)
    else:
        config = config_from_options(
            source=args.source, broker=args.broker, node=args.node, profile=args.profile, pack=args.pack
        )
    check_charset(config)
    if not args.every:
        return config
    cameras = {name: camera.model_copy(update={"policy": "every"}) for name, camera in config.cameras.items()}
    return config.model_copy(update={"cameras": cameras})


def check_charset(config: KioskConfig) -> None:
    """Refuse allowed characters that the pack cannot read, before anything is loaded; workers see to that themselves.

    Raises:
        ConfigError: there are some.
        ModelError: the pack cannot be used.
    """
    if config.offload is None and config.allowed_sets:
        from edge_ocr.pack import load_pack

        config.check_allowed(load_pack(config.pack).charset)


def load_warm_reader(pack: str, profile: str, frame_hw: tuple[int, int] = USUAL_HW) -> "Reader":
    """A reader with its networks compiled for frames of a size.

    Raises:
        ModelError: the pack cannot be used.
        ConfigError: the profile cannot be used.
    """
    from edge_ocr import Reader

    reader = Reader(pack=pack, profile=profile)
    reader.warm_up((frame_hw,))
    return reader


class Signals:
    """Turns the first SIGTERM or SIGINT into a clean stop, and SIGHUP into a reload.

    A second one to stop ends the process at once. While there is nothing to stop yet, the first one ends the process,
    as cleanly; a reload then has nothing to do, as the configuration was read a moment ago.
    """

    NUMBERS = (signal.SIGTERM, signal.SIGINT)

    def __init__(self) -> None:
        self.stop: Callable[[], None] = _exit_cleanly
        self.reload: Callable[[], None] = lambda: None
        self._before = {number: signal.getsignal(number) for number in (*self.NUMBERS, signal.SIGHUP)}

    def __enter__(self) -> "Signals":
        for number in self.NUMBERS:
            signal.signal(number, self._handle)
        signal.signal(signal.SIGHUP, lambda number, frame: self.reload())
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        for each in self.NUMBERS:
            signal.signal(each, signal.SIG_DFL)
        self.stop()


def _exit_cleanly() -> None:
    raise SystemExit(0)
