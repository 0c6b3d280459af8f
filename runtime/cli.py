"""The command line: `edge-ocr COMMAND ...`.

A command is a module of `runtime/commands/` with `add_arguments(parser)` and `run(args) -> int`. It is imported only
when it is chosen, so that `edge-ocr --help` is quick and a command does not need the libraries of another.

Exit status: 0 done, 1 failed, 2 wrong usage or configuration, 130 interrupted.
"""

import argparse
import contextlib
import importlib
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from types import ModuleType

from edge_ocr import ConfigError, EdgeOcrError, __version__
from runtime.redact import redact

COMMANDS = {
    "read": "print the text of images",
    "run": "read a camera and publish text events over MQTT",
    "worker": "read frames that cameras elsewhere publish, and answer with their text",
    "demo": "see all of it at work: bundled clip, embedded broker, nothing to set up",
    "check": "try configuration, camera, broker, models and CPU, and say what is wrong",
    "replay": "turn a recording into events, the same ones every time, and compare them with a file",
    "profile": "measure latency on this machine, per stage and device profile",
    "tune": "find the device profile that suits this machine and your pictures best",
    "pack": "list or show model packs",
    "schema": "print the JSON Schemas of what is published",
}
"""Name of every command and the line that says what it does."""

INTERRUPTED = 130
"""Exit status after Ctrl-C."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: The arguments; None: those of the process.

    Returns:
        The exit status.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    _never_fail_to_print()
    try:
        args = _parser(chosen=_chosen_command(arguments)).parse_args(arguments)
    except KeyboardInterrupt:
        return INTERRUPTED
    _set_up_logging(args.verbose)
    try:
        status = _command(args.command).run(args)
        sys.stdout.flush()
    except EdgeOcrError as error:
        _report(error, verbose=args.verbose)
        return 2 if isinstance(error, ConfigError) else 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _give_up_stdout()  # whoever read our output has enough, `head` for example
        return 1
    except OSError as error:
        _report(error, verbose=args.verbose)
        _give_up_stdout()
        return 1
    except Exception:
        sys.stderr.write(redact(traceback.format_exc()))
        sys.stderr.write("edge-ocr: this is a mistake in edge-ocr; please report it with the lines above\n")
        return 1
    return int(status)


class RedactingFormatter(logging.Formatter):
    """Log lines without credentials, whatever a library put into them."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, tracebacks included."""
        return redact(super().format(record))


def _command(name: str) -> ModuleType:
    return importlib.import_module(f"runtime.commands.{name}")


def _chosen_command(arguments: Sequence[str]) -> str | None:
    """The command, if there is one; the options before it take no values."""
    first = next((argument for argument in arguments if not argument.startswith("-")), None)
    return first if first in COMMANDS else None


def _parser(chosen: str | None) -> argparse.ArgumentParser:
    """The parser of everything, with the options of the chosen command only."""
    parser = argparse.ArgumentParser(
        prog="edge-ocr", description="Camera in, text events over MQTT out: OCR for small Intel boxes."
    )
    parser.add_argument("--version", action="version", version=f"edge-ocr {__version__}")
    _add_verbose(parser, default=0)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        described = f"{summary[0].upper()}{summary[1:]}."
        sub_parser = commands.add_parser(name, help=summary, description=described)
        # Without a default of its own, or it would undo a -v before the command.
        _add_verbose(sub_parser, default=argparse.SUPPRESS)
        if name == chosen:
            _command(name).add_arguments(sub_parser)
    return parser


def _add_verbose(parser: argparse.ArgumentParser, *, default: int | str) -> None:
    parser.add_argument(
        "-v",
        "--verbose",
        action="count",
        default=default,
        help="say more on stderr: -v what happens, -vv everything, with tracebacks",
    )


def _set_up_logging(verbose: int) -> None:
    handler = logging.StreamHandler()  # stderr
    handler.setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("PIL", "matplotlib"):
        logging.getLogger(chatty).setLevel(max(level, logging.INFO))


def _report(error: EdgeOcrError | OSError, *, verbose: int) -> None:
    if verbose >= 2:
        sys.stderr.write(redact("".join(traceback.format_exception(error))))
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename or 'the output'}: {error.strerror.lower()}"
    sys.stderr.write(f"edge-ocr: {redact(' '.join(text.split()))}\n")


def _give_up_stdout() -> None:
    """Let what is still to be written go nowhere: Python would complain once more at its end."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _never_fail_to_print() -> None:
    """Print what the terminal's encoding lacks, such as odd bytes in file names, as escapes."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed, as a service may start us; a file of ours would take its place
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


if __name__ == "__main__":
    sys.exit(main())
