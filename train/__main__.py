"""`python -m train COMMAND`: the commands of the training side, each imported only when it runs."""

import argparse
import logging
import sys
from pathlib import Path

from edge_ocr.errors import ConfigError, EdgeOcrError


def main(argv: list[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit status: 0 done, 1 failed, 2 wrong usage or configuration.
    """
    args = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        args.run(args)
    except EdgeOcrError as error:
        sys.stderr.write(f"train {args.command}: {error}\n")
        return 2 if isinstance(error, ConfigError) else 1
    except KeyboardInterrupt:
        sys.stderr.write(f"\ntrain {args.command}: stopped\n")
        return 130
    except ModuleNotFoundError as error:
        sys.stderr.write(f"train {args.command}: needs the package {error.name}: pip install -e '.[train]'\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"train {args.command}: {error.filename or 'a file'}: {error.strerror or error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m train",
        description="Make data for edge-ocr's models, train and evaluate them.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    drawing = argparse.ArgumentParser(add_help=False)
    drawing.add_argument("--fonts", type=Path, metavar="DIR", help="folder of fonts (default: /usr/share/fonts)")
    drawing.add_argument("--seed", type=int, default=1, help="of everything random (default: %(default)s)")

    clip = commands.add_parser("clip", parents=[drawing], help="render the bundled kiosk clip and its ground truth")
    clip.add_argument("--out", type=Path, required=True, metavar="F.mp4", help="the clip; F.json goes beside it")
    clip.set_defaults(run=_clip)

    sheet = commands.add_parser("sheet", parents=[drawing], help="draw a contact sheet of every kind of data")
    sheet.add_argument("--out", type=Path, required=True, metavar="F.png", help="the picture")
    sheet.add_argument("--real", type=Path, metavar="DIR", help="show crops of this folder beside the lines")
    sheet.set_defaults(run=_sheet)

    run = commands.add_parser(
        "run", allow_abbrev=False, help="train by a recipe; under torchrun as one of several processes"
    )
    run.add_argument("recipe", type=Path, metavar="RECIPE.yaml", help="what to train and how; see train/recipes")
    run.add_argument("--out", type=Path, metavar="DIR", help="the run's folder (default: runs/ and the recipe's name)")
    run.add_argument("--resume", action="store_true", help="go on with the run in that folder")
    run.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change the recipe; repeatable")
    run.add_argument("--device", help="cpu, cuda, cuda:1, ... (default: a GPU if there is one)")
    run.add_argument("--workers", type=int, default=0, help="processes that make batches ahead (default: %(default)s)")
    run.set_defaults(run=_run)

    ablation = commands.add_parser(
        "ablation", allow_abbrev=False, help="train what is missing of an ablation; see train/ablation.yaml"
    )
    ablation.add_argument("plan", type=Path, metavar="PLAN.yaml", help="rows, recipes and scales")
    ablation.add_argument("--scale", required=True, help="how large, by its name in the plan")
    ablation.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the run folders")
    ablation.add_argument("--only", default="*", metavar="PATTERN", help="rows to train (default: all)")
    ablation.add_argument("--published", type=Path, metavar="WHEEL", help="rapidocr 3.10.0, the teacher's")
    ablation.add_argument("--device", help="cpu, cuda, cuda:1, ... (default: a GPU if there is one)")
    ablation.add_argument("--workers", type=int, default=0, help="processes that make batches (default: %(default)s)")
    ablation.set_defaults(run=_ablation)

    keep = commands.add_parser(
        "keep", allow_abbrev=False, help="write a checkpoint's released network small, for train/weights"
    )
    keep.add_argument("checkpoint", type=Path, metavar="F.safetensors")
    keep.add_argument(
        "--out", type=Path, required=True, metavar="G.safetensors", help="the file; G.json goes beside it"
    )
    keep.add_argument(
        "--share", type=_share, default=1.0, help="of the way from the weights that the run began with (default: all)"
    )
    keep.set_defaults(run=_keep)

    slim = commands.add_parser(
        "slim", allow_abbrev=False, help="a narrower recogniser out of PP-OCRv6 small, to start training from"
    )
    slim.add_argument("recipe", type=Path, metavar="RECIPE.yaml", help="of that recogniser")
    slim.add_argument(
        "--of",
        type=Path,
        required=True,
        metavar="WEIGHTS",
        help="what is made narrower: a checkpoint, or the wheel of rapidocr 3.10.0",
    )
    wanted = slim.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--out", type=Path, metavar="F.safetensors", help="the checkpoint")
    wanted.add_argument(
        "--plan", type=_share, metavar="SHARE", help="print the widths that leave this share of the products instead"
    )
    slim.add_argument("--lines", type=int, default=512, help="rendered lines to look at (default: %(default)s)")
    slim.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change the recipe; repeatable")
    slim.set_defaults(run=_slim)

    centres = commands.add_parser(
        "centres", allow_abbrev=False, help="centres of the enhanced CTC loss, from a trained recogniser"
    )
    centres.add_argument("checkpoint", type=Path, metavar="F.safetensors", help="of the recogniser")
    centres.add_argument("--out", type=Path, required=True, metavar="C.safetensors", help="the centres")
    centres.add_argument("--lines", type=int, default=20_000, help="of its training data (default: %(default)s)")
    centres.add_argument("--device", default="cpu", help="where the recogniser runs (default: %(default)s)")
    centres.add_argument("--workers", type=int, default=0, help="processes that make lines (default: %(default)s)")
    centres.set_defaults(run=_centres)

    labels = commands.add_parser(
        "labels", allow_abbrev=False, help="first labels of own images, read by a pack, and a page to correct them with"
    )
    labels.add_argument("images", nargs="+", metavar="IMAGE", help="image file, folder or glob")
    labels.add_argument(
        "--out", type=Path, required=True, metavar="L.jsonl", help="the label file, new; L.html goes beside it"
    )
    labels.add_argument("--pack", default="latin", help="what reads: name or folder (default: %(default)s)")
    labels.add_argument("--profile", default="auto", help="device profile of the pack (default: %(default)s)")
    labels.set_defaults(run=_labels)

    score = commands.add_parser(
        "evaluate", allow_abbrev=False, help="how well a pack or checkpoints read labelled sets"
    )
    score.add_argument("sets", type=Path, nargs="+", metavar="SET", help="label file or folder; see train/datasets")
    chosen = score.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--pack", help="name or folder of a model pack, read as a device does (needs openvino)")
    chosen.add_argument(
        "--checkpoint",
        type=Path,
        action="append",
        metavar="F.safetensors",
        help="of a detector or recogniser; twice for both",
    )
    score.add_argument("--profile", default="auto", help="device profile of the pack (default: %(default)s)")
    score.add_argument("--device", default="cpu", help="where checkpoints run (default: %(default)s)")
    score.add_argument("--images", type=Path, metavar="DIR", help="what image paths in the labels are relative to")
    score.add_argument("--limit", type=int, default=0, help="the first so many images of a set (default: all)")
    score.add_argument("--gallery", type=Path, metavar="F.html", help="write the worst cases as one page")
    score.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    score.set_defaults(run=_evaluate)

    show = commands.add_parser("show", allow_abbrev=False, help="draw a training batch of a recipe with its targets")
    show.add_argument("recipe", type=Path, metavar="RECIPE.yaml", help="see train/recipes")
    show.add_argument("--out", type=Path, required=True, metavar="F.png", help="the picture")
    show.add_argument("--step", type=int, default=0, help="number of the batch (default: %(default)s)")
    show.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change the recipe; repeatable")
    show.set_defaults(run=_show)
    return parser


def _share(text: str) -> float:
    value = float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text}: must be above 0 and at most 1")
    return value


def _keep(args: argparse.Namespace) -> None:
    from train.keep import keep_weights

    size = keep_weights(args.checkpoint, args.out, share=args.share)
    sys.stderr.write(f"{args.out}: {size / 1e6:.2f} MB\n")


def _slim(args: argparse.Namespace) -> None:
    from train.recipe import load_recipe
    from train.slim import planned_widths, write_slim

    recipe = load_recipe(args.recipe, args.set)
    if args.plan is None:
        write_slim(recipe, args.of, args.out, n_lines=args.lines)
        return
    widths = planned_widths(recipe, args.of, share=args.plan, n_lines=args.lines)
    sys.stdout.write(f"{', '.join(map(str, widths))}\n")


def _labels(args: argparse.Namespace) -> None:
    from train.datasets.first_labels import write_first_labels

    n_images, n_lines = write_first_labels(args.images, args.out, pack=args.pack, profile=args.profile)
    page = args.out.with_suffix(".html")
    sys.stderr.write(f"{args.out}: {n_lines} lines of {n_images} images; correct them in a browser: {page}\n")


def _centres(args: argparse.Namespace) -> None:
    from train.centres import write_centres

    said = write_centres(args.checkpoint, args.out, n_lines=args.lines, device=args.device, n_workers=args.workers)
    sys.stderr.write(f"{said}\n")


def _evaluate(args: argparse.Namespace) -> None:
    from train.evaluation.readers import CheckpointReader, PackReader, TextReader
    from train.evaluation.run import as_json, as_table, evaluate

    reader: TextReader
    reader = PackReader(args.pack, args.profile) if args.pack else CheckpointReader(args.checkpoint, args.device)
    scores = evaluate(reader, args.sets, images=args.images, limit=args.limit, gallery=args.gallery)
    sys.stdout.write((as_json if args.json else as_table)(scores, reader.name))


def _run(args: argparse.Namespace) -> None:
    from train.recipe import load_recipe
    from train.trainer import train

    out = args.out or Path("runs") / args.recipe.stem
    recipe = load_recipe(args.recipe, args.set)
    train(recipe, out, resume=args.resume, device=args.device, n_workers=args.workers)


def _ablation(args: argparse.Namespace) -> None:
    from train.ablation import run_ablation

    run_ablation(
        args.plan, args.scale, args.out, only=args.only, published=args.published, device=args.device,
        n_workers=args.workers,
    )  # fmt: skip


def _show(args: argparse.Namespace) -> None:
    import cv2

    from train.recipe import load_recipe, task_class
    from train.task import Share

    recipe = load_recipe(args.recipe, args.set)
    task = task_class(recipe.task)(recipe)
    picture = task.picture(task.batches()(args.step, Share()))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(args.out), picture):
        raise ConfigError(f"{args.out}: cannot be written; is it a picture's name in a folder of yours?")


def _clip(args: argparse.Namespace) -> None:
    from train.data.kiosk_clip import write_clip

    write_clip(args.out, fonts_folder=args.fonts, seed=args.seed)


def _sheet(args: argparse.Namespace) -> None:
    from train.data.contact_sheet import write_contact_sheet

    write_contact_sheet(args.out, fonts_folder=args.fonts, seed=args.seed, real=args.real)


if __name__ == "__main__":
    sys.exit(main())
