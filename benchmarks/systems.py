"""Which systems are measured: ours with one pack or several, and its peers."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers import System
from edge_ocr.errors import ConfigError

ROOT = Path(__file__).resolve().parents[1]
WORKER = Path(__file__).with_name("worker.py")
OUR_PATH = {"PYTHONPATH": str(ROOT)}
"""Environment under which an interpreter finds this checkout."""
OURS = "ours"
TESSERACT = "tesseract"
SYSTEMS = ("rapid3-ort", "rapid4-ov", "rapid6-ort", "rapid6-ov", "rapid6-ov-alone", TESSERACT)
"""Peers that `worker.py` knows how to start."""

NO_TELEMETRY = {"CI": "true"}
"""Environment under which a peer's OpenVINO starts no telemetry, as ours does not."""


def add_system_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which systems are measured, and on what."""
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        metavar="NAME=PYTHON",
        help=f"a peer and the interpreter of its environment (of {TESSERACT}: its program), may be repeated;"
        f" NAME is one of {', '.join(SYSTEMS)}",
    )
    parser.add_argument(
        "--also",
        action="append",
        default=[],
        metavar="NAME=PACK",
        help="another pack of ours beside --pack, and its name in the tables; may be repeated",
    )
    parser.add_argument("--pack", default="latin", help="our model pack: a name or a folder (default: %(default)s)")
    parser.add_argument("--profile", default="auto", help="our profile: a name or a YAML file (default: %(default)s)")
    parser.add_argument("--cpus", type=int, default=2, help="CPUs for every system (default: %(default)s)")
    parser.add_argument("--limit", type=int, default=0, help="images of a set, 0 for all (default: %(default)s)")


def chosen_systems(options: argparse.Namespace, *, line: bool = False) -> list[System]:
    """Ours first, then our other packs, then the peers, as the options of `add_system_options` name them.

    Args:
        options: The parsed command line.
        line: Every image is one line of text, detection is left out.

    Raises:
        ConfigError: An option names no system, or one twice.
    """
    packs = {OURS: options.pack, **named_packs(options.also)}
    ours = [our_system(name, pack, options, line=line) for name, pack in packs.items()]
    systems = [*ours, *(peer_system(peer, cpus=options.cpus, line=line) for peer in options.peer)]
    names = [system.name for system in systems]
    twice = [name for name in names if names.count(name) > 1]
    if twice or len(ours) <= len(options.also):
        raise ConfigError(f"--also, --peer: {(twice or [OURS])[0]} is named twice; every system needs its own name")
    return systems


def named_packs(options: Sequence[str]) -> dict[str, str]:
    """Packs by the names that NAME=PACK options give them.

    Raises:
        ConfigError: An option is not of this form.
    """
    packs = {}
    for option in options:
        name, equals, pack = option.partition("=")
        if not (name and equals and pack):
            raise ConfigError(f"{option}: give NAME=PACK, such as v6=mypacks/ppocr-v6")
        packs[name] = pack
    return packs


def our_system(name: str, pack: str, options: argparse.Namespace, *, line: bool = False) -> System:
    """edge-ocr in this interpreter, from this checkout.

    Args:
        name: Name in the tables.
        pack: A name or a folder.
        options: The parsed command line.
        line: Every image is one line of text, detection is left out.
    """
    ours = ["--pack", pack, "--profile", options.profile]
    # -P: this folder must not come before the installed packages, its files have everyday names.
    command = [sys.executable, "-P", str(WORKER), OURS, *_shared_arguments(options.cpus, line=line), *ours]
    return System(name, command, OUR_PATH)


def peer_system(peer: str, *, cpus: int, line: bool = False) -> System:
    """A peer from its NAME=PYTHON on the command line.

    Args:
        peer: For example `rapid4-ov=/opt/peers4/bin/python`.
        cpus: How many CPUs it may use.
        line: Every image is one line of text, detection is left out.

    Raises:
        ConfigError: The name is unknown or the interpreter is missing.
    """
    name, _, program = peer.partition("=")
    if name not in SYSTEMS:
        raise ConfigError(f"--peer {peer}: unknown system {name!r}, known are {', '.join(SYSTEMS)}")
    if not Path(program).is_file():
        raise ConfigError(f"--peer {peer}: no program at {program!r}; see benchmarks/README.md for how to get one")
    arguments = [name, *_shared_arguments(cpus, line=line)]
    if name == TESSERACT:
        return System(name, [sys.executable, "-I", str(WORKER), *arguments, "--program", program])
    # -I: nor must our PYTHONPATH reach into the peer's environment.
    return System(name, [program, "-I", str(WORKER), *arguments], NO_TELEMETRY)


def python_module(module: str, *arguments: str) -> list[str]:
    """Command that runs one of our modules in this interpreter; needs `OUR_PATH` in its environment."""
    # -P: the current folder must not come before the installed packages, files there may have everyday names.
    return [sys.executable, "-P", "-m", module, *arguments]


def cpu_list(cpus: int) -> str:
    """The first so many of the CPUs that this process may use, comma-separated.

    Raises:
        ConfigError: It may not use as many.
    """
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(cpus))
    if not 1 <= cpus <= len(allowed):
        raise ConfigError(f"--cpus {cpus}: this process may use 1 to {len(allowed)} CPUs")
    return ",".join(str(cpu) for cpu in allowed[:cpus])


def _shared_arguments(cpus: int, *, line: bool) -> list[str]:
    """Arguments that are the same for every system of a run."""
    return ["--cpus", cpu_list(cpus), *(["--line"] if line else [])]
