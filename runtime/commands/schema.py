"""`edge-ocr schema`: the JSON Schemas of everything that is published."""

import argparse
import json
import sys
from pathlib import Path

from edge_ocr.errors import ConfigError
from runtime.events import SCHEMAS, json_schema
from runtime.files import write_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "name", nargs="?", choices=sorted(SCHEMAS), help="one payload only (default: an object with all of them)"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="write one file a payload into this folder instead")


def run(args: argparse.Namespace) -> int:
    """Print or write the schemas.

    Raises:
        EdgeOcrError: the folder cannot be written to.
    """
    names = [args.name] if args.name else list(SCHEMAS)
    if args.out is not None:
        _write(names, args.out)
    elif args.name:
        sys.stdout.write(schema_text(args.name))
    else:
        sys.stdout.write(json.dumps({name: json_schema(name) for name in names}, indent=2) + "\n")
    return 0


def schema_text(name: str) -> str:
    """One schema as its file in `runtime/schemas/` has it."""
    return json.dumps(json_schema(name), indent=2, ensure_ascii=False) + "\n"


def _write(names: list[str], folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {folder}: {error.strerror}; name a folder that can be written to") from error
    for name in names:
        write_file(folder / f"{name}.json", schema_text(name).encode())
