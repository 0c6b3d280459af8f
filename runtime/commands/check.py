"""`edge-ocr check`: try everything that `run` needs, and say what is wrong."""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from edge_ocr import ConfigError, EdgeOcrError, SourceError
from runtime.commands.run import check_charset
from runtime.config import CameraConfig, KioskConfig, config_from_options, load_kiosk
from runtime.redact import redact
from runtime.redaction import read_key

FAST_SETS = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8")
"""The instruction sets that decide how fast reading is."""

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
    is_good = _try("config", lambda: _check_config(args, configs))
    for name, check in _checks(args, configs[0] if configs else None):
        is_good = _try(name, check) and is_good
    return 0 if is_good else 1


def _checks(args: argparse.Namespace, config: KioskConfig | None) -> Iterator[Check]:
    """What there is to try; models and CPU can be tried without a good configuration."""
    if config is not None:
        if args.config is not None or args.source is not None:
            for name, camera in config.cameras.items():
                yield f"camera {name}", lambda camera=camera: _check_camera(camera)  # type: ignore[misc]
        if any(camera.all_rules for camera in config.cameras.values()):
            yield "zones", lambda: _check_rules(config)
        if args.config is not None or args.broker is not None:
            yield "broker", lambda: _check_broker(config)
        if args.config is not None or args.source is not None:
            yield "spool", lambda: _check_spool(config)
    pack = config.pack if config else args.pack or "latin"
    profile = config.profile if config else args.profile or "auto"
    yield "pack", lambda: _check_pack(pack)
    yield "profile", lambda: _check_profile(profile)
    yield "cpu", _check_cpu


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


def _check_camera(camera: CameraConfig) -> str:
    from runtime.sources import open_source

    source = open_source(camera.source, ca_file=camera.ca_file)
    try:
        source.open()
        frame = source.read()
        if frame is None:
            raise SourceError(f"{source.description}: opened, but gave no frame")
        height, width = frame.image.shape[:2]
        misplaced = camera.make_zones().misplaced(width, height)
        if misplaced:
            raise ConfigError(
                f"{source.description}: {width} x {height}, so it shows nothing of zone {', '.join(misplaced)};"
                " zones are in pixels of the frame"
            )
        rate = f" at {source.nominal_fps:g} fps" if source.nominal_fps else ""
        return f"{source.description}: {width} x {height}{rate}, policy {camera.effective_policy}"
    finally:
        source.close()


def _check_rules(config: KioskConfig) -> str:
    """Whether the zones' rules can be kept: the pack reads what they allow, the key is in order."""
    check_charset(config)
    n_zones = sum(len(camera.zones) for camera in config.cameras.values())
    found = f"{n_zones} zone{'s' if n_zones != 1 else ''}"
    path = config.redaction_key_file
    if path is None:
        return found
    if not path.exists():
        return f"{found}; {path} will be made at the first start"
    try:
        read_key(path)
    except OSError as error:
        raise ConfigError(f"redaction_key_file: {path}: {error.strerror}") from error
    return f"{found}; redaction key in order"


def _check_broker(config: KioskConfig) -> str:
    from runtime.probe import probe_broker

    mqtt = config.mqtt
    probe_broker(mqtt)
    as_whom = f"as {mqtt.username}" if mqtt.username else "without a user"
    return f"{mqtt.host}:{mqtt.port} accepts us {as_whom}{', over TLS' if mqtt.tls else ''}"


def _check_spool(config: KioskConfig) -> str:
    from runtime.spool_path import check_spool

    return check_spool(config)


def _check_pack(name_or_folder: str) -> str:
    from edge_ocr.pack import load_pack

    pack = load_pack(name_or_folder)
    return f"{pack.name} {pack.version}, {len(pack.charset)} characters, all hashes right"


def _check_profile(name: str) -> str:
    from edge_ocr.profile import load_profile

    profile = load_profile(name)
    return f"{profile.name}: {profile.description}{'' if profile.verified else ' (never verified on its device)'}"


def _check_cpu() -> str:
    from edge_ocr.cpu import host_cpu

    cpu = host_cpu()
    if "avx2" not in cpu.flags:
        sets = ", ".join(cpu.instruction_sets) or "none that matter"
        return f"{cpu.model}: no AVX2, so reading will be slow; instruction sets: {sets}"
    fast = [name for name in FAST_SETS if name in cpu.flags]
    return f"{cpu.model}: {', '.join(fast)}; {cpu.usable_threads} of {cpu.logical_cpus} logical CPUs usable"
