"""Arguments that several commands have, and the types of their values."""

from __future__ import annotations

import argparse
import re
from fractions import Fraction
from typing import Any

from sysnoise.manifests.layout import IMAGE_COLUMN, LABEL_COLUMN, ShardFormat, is_split
from sysnoise.transforms.codecs.exif import Orient

FORMATS = {
    "webdataset": (ShardFormat.WEBDATASET,),
    "parquet": (ShardFormat.PARQUET,),
    "both": (ShardFormat.WEBDATASET, ShardFormat.PARQUET),
    "none": (),
}
"""The formats of the shards, by the value of ``--format``."""

LARGEST_NUMBER = 2**31 - 1
"""Largest number that an option takes: more images, pixels or threads than there are."""
SHOWN = 80
"""Number of characters of a value that a message shows."""
SCORE_FORMATS = ("terminal", "markdown", "csv", "json", "latex")
IMAGENET_SPLIT = "val"
SPLIT_CHARACTERS = "ASCII letters, digits, spaces and _.+- (not at the start: .+- and spaces)"
BEAM_HELP = (
    "Arguments that are not listed here go to Apache Beam, such as --runner=FlinkRunner. By "
    "default the run uses Beam's local runner with one {worker} per worker. The same command "
    "resumes a run that was interrupted."
)


def add_command(commands: Any, name: str, text: str) -> argparse.ArgumentParser:
    """Add a command that takes no arguments of Beam's and has nothing to resume.

    Args:
        commands: the parsers that it is added to.
        name: what users type.
        text: what the command does, as a sentence without capital letter and period.
    """
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=f"{text[0].upper()}{text[1:]}.", allow_abbrev=False
    )
    parser.set_defaults(parser=parser, takes_beam_arguments=False, resume_hint="")
    return parser


def add_set(parser: Any, metavar: str = "OUT", name: str = "set") -> None:
    """Add the positional argument that names a set."""
    parser.add_argument(name, metavar=metavar, help="the set, path or fsspec URL")


def add_json(parser: Any) -> None:
    """Add ``--json``."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def add_labels(parser: Any) -> None:
    """Add the files that say ImageNet's labels and classes."""
    parser.add_argument(
        "--label-file",
        metavar="PATH",
        help="lines of 'filename label', 0-based in wnid order, or of 'filename wnid'; CSV; "
        "Kaggle's LOC_val_solution.csv; the devkit's ILSVRC2012_validation_ground_truth.txt",
    )
    parser.add_argument(
        "--classes",
        metavar="PATH",
        help="the classes in label order, where they are not ImageNet's 1,000: lines of "
        "'wnid name', or JSON",
    )
    parser.add_argument(
        "--image-column",
        metavar="NAME",
        default=IMAGE_COLUMN,
        help="the column of images in Parquet files (default: %(default)s)",
    )
    parser.add_argument(
        "--label-column",
        metavar="NAME",
        default=LABEL_COLUMN,
        help="the column of their labels (default: %(default)s)",
    )


def add_extent(parser: Any) -> None:
    """Add how many samples a set has, and how many a shard."""
    parser.add_argument(
        "--samples-per-shard",
        type=positive,
        metavar="N",
        help="default: 256 for ImageNet, 16 for COCO",
    )
    parser.add_argument("--limit", type=positive, metavar="N", help="only the first N samples")


def add_orient(parser: Any) -> None:
    """Add how images are turned before everything else."""
    parser.add_argument(
        "--orient",
        choices=[each.value for each in Orient],
        help="pixels as stored, or turned upright by EXIF before everything else, for images that "
        "were annotated so (default: as the grid says, which without a word is as stored)",
    )


def add_max_rejects(parser: Any) -> None:
    """Add how many samples may be rejected."""
    parser.add_argument(
        "--max-rejects",
        type=reject_limit,
        metavar="N|N%",
        help="fail where more samples are rejected, a number or a share of all; finished shards "
        "are kept (default: 1%%, or 10 where that is more, but no more than half)",
    )


def add_required_predictions(parser: Any) -> None:
    """Add where predictions are, of which one model's must be given."""
    _add_predictions(parser, required=True)


def add_optional_predictions(parser: Any) -> None:
    """Add where predictions are, if there are any."""
    _add_predictions(parser)


def _add_predictions(parser: Any, **options: Any) -> None:
    parser.add_argument(
        "--predictions",
        action="append",
        default=[],
        metavar="PATH",
        help="ImageNet: .parquet, .jsonl or .ndjson, or a folder of them, or of files of timm's "
        "inference.py; COCO: a folder of results with one .json file per setting, as Ultralytics "
        "writes them, too; may be repeated for another model",
        **options,
    )
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="NAME",
        help="name of the model of each --predictions, in their order (default: that of the model "
        "that 'evaluate' ran, else of the file or folder)",
    )
    parser.add_argument(
        "--partial",
        dest="coverage",
        action="store_const",
        const="common",
        default="whole",
        help="score the images that all settings have, and say how many",
    )
    add_counting(parser)


def add_trained(parser: Any) -> None:
    """Add what a model was trained with."""
    parser.add_argument(
        "--trained",
        metavar="STACK|ID",
        help="the stack, or the variant by id or slug, that models were trained with and that the "
        "others are compared with (default: the set's baseline)",
    )


def add_counting(parser: Any) -> None:
    """Add which methods of a noise count."""
    parser.add_argument(
        "--all-methods",
        dest="counting",
        action="store_const",
        const="all",
        default="distinct",
        help="also count methods with the pixels of another or of the baseline, as the paper does",
    )


def add_table_output(parser: Any) -> None:
    """Add the format of a table, and where it goes."""
    parser.add_argument(
        "--format", choices=SCORE_FORMATS, default="terminal", help="default: %(default)s"
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="outside of the set (default: standard output)"
    )
    add_wide(parser)


def add_wide(parser: Any) -> None:
    """Add what shows all columns of tables on a terminal."""
    parser.add_argument(
        "--wide",
        dest="width",
        action="store_const",
        const="whole",
        default="terminal",
        help="on a terminal, show tables with all columns, however wide they are",
    )


def variant_id(text: str) -> str:
    """Return the id of a variant that is given by id or by slug."""
    return text.replace("__", "/")


def split_name(text: str) -> str:
    """Return the name of a split, which becomes a part of file names.

    Raises:
        argparse.ArgumentTypeError: it is empty or has characters that such names cannot have.
    """
    if not is_split(text):
        raise argparse.ArgumentTypeError(f"expected a name of {SPLIT_CHARACTERS}, found {text!r}")
    return text


def reject_limit(text: str) -> int | Fraction:
    """Return a number of samples, or a share from ``0%`` to ``100%``.

    Raises:
        argparse.ArgumentTypeError: the text is neither.
    """
    if re.fullmatch("[0-9]{1,10}", text):
        return int(text)
    if re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,10})?%", text):
        share = Fraction(text[:-1]) / 100
        if share <= 1:
            return share
    raise argparse.ArgumentTypeError(
        f"expected a number of samples, such as 10, or a share, such as 1%, found {text[:SHOWN]!r}"
    )


def positive(text: str) -> int:
    """Return a whole number from 1 to :data:`LARGEST_NUMBER`.

    Raises:
        argparse.ArgumentTypeError: the text is another one.
    """
    digits = text.lstrip("0") if re.fullmatch("[0-9]+", text) else ""
    if not digits:
        raise argparse.ArgumentTypeError(
            f"expected a whole number of at least 1, found {text[:SHOWN]!r}"
        )
    if len(digits) > len(str(LARGEST_NUMBER)) or int(digits) > LARGEST_NUMBER:
        raise argparse.ArgumentTypeError(
            f"expected at most {LARGEST_NUMBER}, found {text[:SHOWN]!r}"
        )
    return int(digits)
