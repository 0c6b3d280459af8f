"""`edge-ocr pack`: which model packs there are, and what is in one."""

import argparse
import sys

import yaml

from edge_ocr import ModelError
from edge_ocr.pack import list_packs, load_pack


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="the packs that come with edge-ocr", description="List the packs, one a line.")
    show = actions.add_parser(
        "show",
        help="check one pack and print what it holds",
        description="Check a pack and print its manifest as YAML.",
    )
    show.add_argument("pack", nargs="?", default="latin", metavar="P", help="a name or a folder (default: latin)")


def run(args: argparse.Namespace) -> int:
    """List or show.

    Returns:
        0, or 1 when a listed pack is damaged.

    Raises:
        ModelError: the pack to show is not there or damaged.
    """
    return _list() if args.action == "list" else _show(args.pack)


def _list() -> int:
    status = 0
    for folder in list_packs():
        try:
            pack = load_pack(folder)
        except ModelError as error:
            sys.stderr.write(f"edge-ocr: {error}\n")
            status = 1
        else:
            sys.stdout.write(f"{pack.name} {pack.version}\t{pack.manifest.description}\n")
    return status


def _show(name_or_folder: str) -> int:
    pack = load_pack(name_or_folder)
    facts = {"folder": str(pack.folder), "characters": len(pack.charset), **pack.manifest.model_dump(mode="json")}
    sys.stdout.write(yaml.safe_dump(facts, sort_keys=False, allow_unicode=True))
    return 0
