"""The arguments of the ``sysnoise`` command."""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import re
from typing import Any

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from manifests.layout import MAX_PIXELS, ShardFormat
from manifests.publication import FIRST_VERSION, is_url
from pipelines.errors import AGAIN, GO_ON, GO_ON_EVALUATING
from pipelines.ranges import parse_range

FORMATS = {
    "webdataset": (ShardFormat.WEBDATASET,),
    "parquet": (ShardFormat.PARQUET,),
    "both": (ShardFormat.WEBDATASET, ShardFormat.PARQUET),
    "none": (),
}
SCORE_FORMATS = ("terminal", "markdown", "csv", "json", "latex")
IMAGE_FORMATS = ("png", "webp", "jxl", "npy")
IMAGENET_SPLIT = "val"
BEAM_HELP = (
    "Arguments that are not listed here go to Apache Beam, such as --runner=FlinkRunner. By "
    "default the run uses Beam's local runner with one {worker} a worker. The same command "
    "resumes a run that was broken off."
)


def command_parser() -> argparse.ArgumentParser:
    """Return the parser of the command; ``command`` is the subcommand, or the dataset to generate.

    ``takes_beam_arguments`` says whether unknown arguments are for Beam, ``go_on`` what to do after
    an interruption.
    """
    parser = argparse.ArgumentParser(
        prog="sysnoise",
        description="Generate ImageNet and COCO in every decoder x resize x color combination.",
        epilog="Exit codes: 0 done, 1 failed, 2 bad usage.",
        allow_abbrev=False,
    )
    version = importlib.metadata.version("sysnoise")
    parser.add_argument("--version", action="version", version=f"sysnoise {version}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_generate(commands)
    done = _command(commands, "finish", "finish a set whose shards were made in parts")
    done.add_argument("output", metavar="OUT", help="the set, path or fsspec URL")
    grids = _command(commands, "grids", "list the shipped grids, or the variants of one")
    grids.add_argument("grid", nargs="?", metavar="NAME|FILE", help="a grid, by name or YAML file")
    compare = _command(commands, "compare", "say what differs between two sets of the same samples")
    compare.add_argument("first", metavar="A", help="a finished set, path or fsspec URL")
    compare.add_argument("second", metavar="B", help="another one, made in another environment")
    codecs = _command(commands, "codecs", "list the decoders and how far they differ")
    codecs.add_argument("--json", action="store_true", help="print JSON instead of text")
    status = _command(commands, "status", "show how far a set is")
    status.add_argument("output", metavar="OUT", help="the set, path or fsspec URL")
    status.add_argument("--json", action="store_true", help="print JSON instead of text")
    demo = _command(commands, "demo", "generate two small sets from shipped photographs")
    demo.add_argument("--output", default="demo", metavar="PATH", help="default: %(default)s")
    _add_verify(commands)
    _add_card(commands)
    _add_transfers(commands)
    _add_report(commands)
    _add_score(commands)
    _add_evaluate(commands)
    return parser


def _command(commands: Any, name: str, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=f"{text[0].upper()}{text[1:]}.", allow_abbrev=False
    )
    parser.set_defaults(command=name, takes_beam_arguments=False, go_on="")
    return parser


def _add_generate(commands: Any) -> None:
    generate = _command(commands, "generate", "generate a set")
    datasets = generate.add_subparsers(metavar="DATASET", required=True)

    imagenet = _command(datasets, "imagenet", "generate a set of ImageNet")
    imagenet.add_argument(
        "--images",
        required=True,
        metavar="PATH",
        help="folder (images, class folders, Kaggle, WebDataset, Parquet), or .tar, .zip or "
        ".parquet file; path or fsspec URL",
    )
    _add_labels(imagenet)
    imagenet.add_argument(
        "--split",
        type=_split,
        default=IMAGENET_SPLIT,
        help="name of the split, for file names; of sources named by split, those that are read "
        "(default: %(default)s)",
    )
    _add_generate_options(imagenet)

    coco = _command(datasets, "coco", "generate a set of COCO")
    coco.add_argument("--images", required=True, metavar="PATH", help="folder or .zip file")
    coco.add_argument("--annotations", required=True, metavar="PATH", help="instances_*.json")
    coco.add_argument(
        "--split", type=_split, help="default: what follows instances_ in the file's name"
    )
    _add_generate_options(coco)


def _add_labels(parser: Any) -> None:
    parser.add_argument(
        "--label-file",
        metavar="PATH",
        help="lines of 'filename label', 0-based in wnid order; or Kaggle's LOC_val_solution.csv",
    )
    parser.add_argument(
        "--classes", metavar="PATH", help="a line a class, in label order: 'wnid name'"
    )


def _add_extent(parser: Any) -> None:
    parser.add_argument(
        "--samples-per-shard",
        type=_positive,
        metavar="N",
        help="default: 256 for ImageNet, 16 for COCO",
    )
    parser.add_argument("--limit", type=_positive, metavar="N", help="only the first N samples")


def _add_generate_options(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(takes_beam_arguments=True, go_on=GO_ON)
    parser.epilog = BEAM_HELP.format(worker="process")
    parser.add_argument(
        "--output", required=True, metavar="PATH", help="new, empty, or one to go on with"
    )
    parser.add_argument(
        "--grid",
        required=True,
        metavar="NAME|FILE",
        help="a shipped grid (see 'sysnoise grids') or a YAML file",
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="webdataset",
        help="of the shards; none for all but the images (default: %(default)s)",
    )
    parser.add_argument(
        "--image-format",
        choices=IMAGE_FORMATS,
        default="png",
        help="of the images in them, all lossless (default: %(default)s)",
    )
    _add_extent(parser)
    parser.add_argument(
        "--strict",
        action="store_true",
        help="reject files of a kind that a decoder is not made for; "
        "by default that decoder's variants take the pixels of the baseline's decoder",
    )
    parser.add_argument(
        "--skip-duplicates",
        action="store_true",
        help="leave out shard files whose images all equal those of an earlier variant",
    )
    parser.add_argument(
        "--max-pixels",
        type=_positive,
        metavar="N",
        default=MAX_PIXELS,
        help="reject images that are larger, or would be resized to more (default: %(default)s)",
    )
    parser.add_argument(
        "--shard-range",
        type=parse_range,
        metavar="A:B",
        help="make only the shards from A up to but not including B; then 'sysnoise finish'",
    )
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument(
        "--overwrite",
        dest="existing",
        action="store_const",
        const="overwrite",
        help="remove the set that the output holds, and begin anew",
    )
    existing.add_argument(
        "--retry-rejects",
        dest="existing",
        action="store_const",
        const="retry-rejects",
        help="also make those shards again that hold rejects",
    )
    existing.add_argument(
        "--add-variants",
        dest="existing",
        action="store_const",
        const="add-variants",
        help="grow the set that the output holds to a larger grid; only what is new is made",
    )
    parser.add_argument(
        "--workers", type=_positive, metavar="N", help="local processes (default: all cores)"
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="write nothing to the output; estimate size and time from at most 32 samples",
    )


def _add_verify(commands: Any) -> None:
    verify = _command(
        commands, "verify", "check a finished set, or a part of it, against its manifest"
    )
    verify.add_argument("set", metavar="OUT", help="the set, path or fsspec URL")
    verify.add_argument(
        "--variant",
        action="append",
        type=_variant,
        default=[],
        metavar="ID",
        help="only this variant, decoder/resize/color; may be given again",
    )
    verify.add_argument(
        "--shards",
        type=parse_range,
        metavar="A:B",
        help="only the shards from A up to but not including B; A or B may be left out",
    )
    verify.add_argument(
        "--pixels",
        action="store_true",
        help="also decode every image and compare it with its pixel digest",
    )
    verify.add_argument(
        "--regenerate",
        type=_positive,
        metavar="K",
        help="also make K random samples again from their sources",
    )
    verify.add_argument(
        "--images", metavar="PATH", help="the sources for --regenerate, as generate took them"
    )
    verify.add_argument(
        "--recipe",
        metavar="URL",
        help="also compare it, file by file, with another set or one published without images",
    )
    verify.add_argument("--json", action="store_true", help="print JSON instead of text")


def _add_card(commands: Any) -> None:
    card = _command(
        commands, "card", "make README.md, croissant.json and SHA256SUMS of a finished set anew"
    )
    card.epilog = (
        "What is not given stays as the card says it; the defaults are those of a new set, to "
        "which 'sysnoise generate' returns when it changes the set."
    )
    card.add_argument("set", metavar="OUT", help="the set, path or fsspec URL")
    card.add_argument(
        "--license",
        type=_license,
        metavar="L",
        help="SPDX id or URL (default: the URL of the dataset's own terms)",
    )
    card.add_argument(
        "--citation",
        metavar="FILE",
        help="BibTeX, instead of the SysNoise paper's and the dataset's",
    )
    card.add_argument(
        "--date", type=_date, metavar="YYYY-MM-DD", help="of the publication (default: none)"
    )
    card.add_argument(
        "--set-version",
        type=_version,
        metavar="V",
        help=f"MAJOR.MINOR.PATCH (default: {FIRST_VERSION})",
    )
    card.add_argument(
        "--url", type=_web_address, metavar="URL", help="where the set is published (default: none)"
    )


def _license(text: str) -> str:
    """Return a web address, or an SPDX id in SPDX's own spelling."""
    if is_url(text):
        return text
    try:
        if not re.fullmatch(r"[A-Za-z0-9.+-]+", text):  # An expression has no page at SPDX.
            raise InvalidLicenseExpression(text)
        return canonicalize_license_expression(text)
    except InvalidLicenseExpression as error:
        raise argparse.ArgumentTypeError(
            f"expected an SPDX id, such as CC-BY-4.0, or a web address, found {text!r}"
        ) from error


def _variant(text: str) -> str:
    """Return the id of a variant that is given by id or by slug."""
    return text.replace("__", "/")


def _date(text: str) -> str:
    try:
        is_date = datetime.date.fromisoformat(text).isoformat() == text
    except ValueError:
        is_date = False
    if not is_date:
        raise argparse.ArgumentTypeError(f"expected a date as YYYY-MM-DD, found {text!r}")
    return text


def _version(text: str) -> str:
    if not re.fullmatch(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)){2}", text):
        raise argparse.ArgumentTypeError(f"expected MAJOR.MINOR.PATCH, found {text!r}")
    return text


def _web_address(text: str) -> str:
    if not is_url(text):
        raise argparse.ArgumentTypeError(f"expected a web address, found {text!r}")
    return text


def _add_transfers(commands: Any) -> None:
    publish = _command(commands, "publish", "verify a finished set and copy it, or a part of it")
    publish.add_argument("set", metavar="OUT", help="the set, path or fsspec URL")
    publish.add_argument("target", metavar="TARGET", help="a new folder, path or fsspec URL")
    fetch = _command(commands, "fetch", "copy a published set, or a part of it, to a folder")
    fetch.add_argument("set", metavar="URL", help="the set, path or fsspec URL")
    fetch.add_argument("target", metavar="DIR", help="a new folder, path or fsspec URL")
    for parser in (publish, fetch):
        parser.set_defaults(go_on=AGAIN)
        parser.epilog = (
            "Every file is compared with its sha256 where it arrives. The same command goes on "
            "after an interruption; another variant is added to what the target holds, with the "
            "card of this set."
        )
    choice = publish.add_mutually_exclusive_group()
    _add_variants(choice)
    choice.add_argument(
        "--recipe-only",
        dest="variant",
        action="store_const",
        const=(),
        help="no images: what it takes to make the set again from the source images and prove it",
    )
    _add_variants(fetch)


def _add_report(commands: Any) -> None:
    report = _command(commands, "report", "show a finished set on one page that needs no network")
    report.add_argument("set", metavar="OUT", help="the set, path or fsspec URL")
    report.add_argument("-o", "--output", required=True, metavar="FILE", help="the HTML file")
    report.add_argument(
        "--samples",
        type=_positive,
        default=16,
        metavar="N",
        help="in the gallery (default: %(default)s)",
    )
    report.add_argument(
        "--variant",
        action="append",
        type=_variant,
        default=[],
        metavar="ID",
        help="in the gallery, at most 12; may be given again (default: those that differ most)",
    )
    report.add_argument(
        "--png-dir", metavar="DIR", help="also write the plots there, as PNG files (extra: report)"
    )
    evaluation = report.add_argument_group("what models said of the set (docs/scoring.md)")
    _add_predictions(evaluation, required=False)


def _add_score(commands: Any) -> None:
    score = _command(commands, "score", "score a model's predictions: the paper's tables")
    score.epilog = "What predictions look like, and what the figures mean: docs/scoring.md."
    score.add_argument("set", metavar="OUT", help="the set, path or fsspec URL")
    _add_predictions(score, required=True)
    _add_table_output(score)


def _add_predictions(parser: Any, required: bool) -> None:
    parser.add_argument(
        "--predictions",
        action="append",
        required=required,
        default=[],
        metavar="PATH",
        help="ImageNet: .parquet or .jsonl, or a folder of such; COCO: a folder of results, a "
        ".json file a setting; may be given again, for another model",
    )
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="NAME",
        help="of each predictions, in their order (default: the name of the file or folder)",
    )
    parser.add_argument(
        "--partial",
        dest="coverage",
        action="store_const",
        const="common",
        default="whole",
        help="score the images that all settings have, and say how many",
    )
    _add_counting(parser)


def _add_counting(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--all-methods",
        dest="counting",
        action="store_const",
        const="all",
        default="distinct",
        help="count methods with the pixels of another or of the baseline too, as the paper does",
    )


def _add_table_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format", choices=SCORE_FORMATS, default="terminal", help="default: %(default)s"
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="outside of the set (default: standard output)"
    )


def _add_online(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--online",
        action="store_true",
        help="make the images from --images instead of reading the shards",
    )
    parser.add_argument(
        "--images", metavar="PATH", help="the sources for --online, as generate takes them"
    )
    dataset = parser.add_argument_group(
        "a set that is not there yet",
        "With --grid, OUT is made first as by 'generate --format none'.",
    )
    dataset.add_argument("--grid", metavar="NAME|FILE", help="a shipped grid or a YAML file")
    _add_labels(dataset)
    dataset.add_argument(
        "--annotations", metavar="PATH", help="instances_*.json: the sources are COCO's"
    )
    dataset.add_argument("--split", type=_split, help="default: as in generate")
    _add_extent(dataset)


def _add_evaluate(commands: Any) -> None:
    evaluate = _command(
        commands, "evaluate", "run an ONNX model over a set: its predictions and the paper's table"
    )
    evaluate.set_defaults(takes_beam_arguments=True, go_on=GO_ON_EVALUATING)
    evaluate.epilog = f"Configs and noises: docs/evaluating.md. {BEAM_HELP.format(worker='thread')}"
    evaluate.add_argument("set", metavar="OUT", help="the set, path or fsspec URL")
    evaluate.add_argument("--model", required=True, metavar="M.onnx", help="path or fsspec URL")
    evaluate.add_argument(
        "--config", required=True, metavar="YAML", help="what the model takes and gives"
    )
    evaluate.add_argument(
        "--predictions",
        metavar="PATH",
        help="new folder, or one to go on with (default: predictions/ and the model's name)",
    )
    evaluate.add_argument(
        "--variant",
        action="append",
        type=_variant,
        metavar="ID",
        help="beside the baseline only this variant, by id or slug; may be given again (default: "
        "all that are at hand)",
    )
    evaluate.add_argument(
        "--model-noise",
        action="append",
        default=[],
        metavar="NAME",
        help="of a noise in or after the model, or 'all'; may be given again (default: none)",
    )
    evaluate.add_argument(
        "--batch-size",
        type=_positive,
        default=4,
        metavar="N",
        help="images that are run at once, where the model leaves that open (default: %(default)s)",
    )
    evaluate.add_argument(
        "--calibration-images",
        type=_positive,
        default=128,
        metavar="N",
        help="images of the baseline that int8 is calibrated on (default: %(default)s)",
    )
    evaluate.add_argument(
        "--workers", type=_positive, metavar="N", help="local threads (default: all cores)"
    )
    _add_online(evaluate)
    _add_counting(evaluate)
    _add_table_output(evaluate)


def _add_variants(parser: Any) -> None:
    parser.add_argument(
        "--variant",
        action="append",
        type=_variant,
        metavar="ID",
        help="only the images of this variant, by id or slug; may be given again",
    )


def _split(text: str) -> str:
    if not text or {"/", "\\"} & {*text}:
        raise argparse.ArgumentTypeError(f"expected a name for files, found {text!r}")
    return text


def _positive(text: str) -> int:
    value = int(text) if text.isdigit() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, found {text!r}")
    return value


def generate_options() -> list[str]:
    """Return the names of the options that ``generate`` has for every dataset."""
    parser = argparse.ArgumentParser(add_help=False)
    _add_generate_options(parser)
    return [text for action in parser._actions for text in action.option_strings]
