"""`edge-ocr schema`: the JSON Schemas of everything that goes over MQTT, and the AsyncAPI document of it."""

import argparse
import json
import sys
from pathlib import Path

from edge_ocr.errors import ConfigError
from runtime.events import SCHEMAS, json_schema
from runtime.files import write_file
from runtime.mqtt.asyncapi import document


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "name", nargs="?", choices=sorted(SCHEMAS), help="one payload only (default: an object with all of them)"
    )
    parser.add_argument(
        "--asyncapi", action="store_true", help="the AsyncAPI 3 document: topics, payloads, quality of service"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="write all of it into this folder, one file a payload")


def run(args: argparse.Namespace) -> int:
    """Print or write the schemas.

    Raises:
        ConfigError: options do not go together, or the folder cannot be written to.
    """
    if args.asyncapi and (args.name or args.out):
        raise ConfigError("--asyncapi: goes alone; --out writes the AsyncAPI document beside the schemas")
    if args.asyncapi:
        sys.stdout.write(asyncapi_text())
        return 0
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


def asyncapi_text() -> str:
    """The AsyncAPI document as its file in `runtime/schemas/` has it."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def _write(names: list[str], folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {folder}: {error.strerror}; name a folder that can be written to") from error
    for name in names:
        write_file(folder / f"{name}.json", schema_text(name).encode())
    write_file(folder / "asyncapi.json", asyncapi_text().encode())
