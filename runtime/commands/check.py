"""`edge-ocr check`: try everything that `run` needs, and say what is wrong."""

import argparse
import contextlib
import logging
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from edge_ocr import ConfigError, EdgeOcrError
from runtime.checks import checks
from runtime.config.kiosk import KioskConfig, config_from_options, load_kiosk
from runtime.redact import redact
from runtime.spool.path import check_spool

Check = tuple[str, Callable[[], str]]
"""What is tried, and the function that tries it: it tells what it found, or raises."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--config", type=Path, metavar="F", help="the kiosk.yaml to check (default: no file)")
    parser.add_argument("--source", metavar="S", help="check this source instead of a file's cameras")
    parser.add_argument("--broker", metavar="URL", help="check this broker, such as mqtt://user@host:1883")
    parser.add_argument("--pack", metavar="P", help="model pack: a name or a folder (default: latin)")
    parser.add_argument("--profile", metavar="P", help="device profile: a name, a YAML file or auto (default: auto)")


def run(args: argparse.Namespace) -> int:
    """Try one thing after the other, a line each.

    Returns:
        0, or 1 when something failed.

    Raises:
        ConfigError: --config is given together with what a file holds.
    """
    if args.config is not None and any((args.source, args.broker, args.pack, args.profile)):
        raise ConfigError("--config: the file holds what the other options say; leave them out")
    configs: list[KioskConfig] = []
    with _quiet_unless(args.verbose):
        is_good = _try("config", lambda: _check_config(args, configs))
        for name, check in _checks(args, configs[0] if configs else None):
            is_good = _try(name, check) and is_good
    return 0 if is_good else 1


@contextlib.contextmanager
def _quiet_unless(verbose: int) -> Iterator[None]:
    """Keep warnings of what is tried out of the table; its lines say the same."""
    log = logging.getLogger("runtime")
    before = log.level
    log.setLevel(before if verbose else logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


def _checks(args: argparse.Namespace, config: KioskConfig | None) -> Iterator[Check]:
    """What there is to try; models and CPU can be tried without a good configuration."""
    if config is not None:
        if args.config is not None or args.source is not None:
            for name, camera in config.cameras.items():
                yield f"camera {name}", partial(checks.check_camera, name, camera)
        if any(camera.all_rules for camera in config.cameras.values()):
            yield "zones", partial(checks.check_zones, config)
        if args.config is not None or args.broker is not None:
            yield "broker", partial(checks.check_broker, config)
        if args.config is not None or args.source is not None:
            yield "spool", partial(check_spool, config)
        if config.metrics is not None:
            yield "metrics", partial(checks.check_listen, config.metrics.listen, "metrics")
        if config.preview is not None:
            yield "preview", partial(checks.check_preview, config.preview)
    if config is not None and config.offload is not None:
        from runtime.checks.workers import check_workers

        yield "workers", partial(check_workers, config)
        return
    pack = config.pack if config else args.pack or "latin"
    profile = config.profile if config else args.profile or "auto"
    yield "models", partial(checks.check_models, pack, profile)
    yield "profile", partial(checks.check_profile, profile)
    yield "cpu", checks.check_cpu


def _try(name: str, check: Callable[[], str]) -> bool:
    """Try one thing and print a line about it."""
    try:
        found, verdict = check(), "ok"
    except (EdgeOcrError, ImportError) as error:
        found, verdict = str(error), "FAILED"
    sys.stdout.write(f"{name:<14} {verdict:<7} {redact(' '.join(found.split()))}\n")
    sys.stdout.flush()
    return verdict == "ok"


def _check_config(args: argparse.Namespace, configs: list[KioskConfig]) -> str:
    if args.config is not None:
        config, found = load_kiosk(args.config), str(args.config)
    else:
        source = args.source if args.source is not None else "test:"
        config = config_from_options(source=source, broker=args.broker, profile=args.profile, pack=args.pack)
        found = "from the options"
    configs.append(config)
    return f"{found}: node {config.node}, {len(config.cameras)} camera{'s' if len(config.cameras) > 1 else ''}"
