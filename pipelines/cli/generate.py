"""``sysnoise generate``: its arguments, and a set from the images of a dataset."""

from __future__ import annotations

import argparse
import dataclasses
import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sysnoise.manifests.grids import load_grid
from sysnoise.manifests.layout import IMAGE_FORMATS, MAX_BYTES, MAX_PIXELS, is_split
from sysnoise.manifests.secrets import without_secrets
from sysnoise.pipelines.cli.arguments import (
    BEAM_HELP,
    FORMATS,
    IMAGENET_SPLIT,
    SPLIT_CHARACTERS,
    add_command,
    add_extent,
    add_labels,
    add_max_rejects,
    add_orient,
    positive,
    split_name,
)
from sysnoise.pipelines.cli.output import print_finished, warn
from sysnoise.pipelines.cli.parser import option_names
from sysnoise.pipelines.errors import RESUME_GENERATING, RESUME_WITHOUT_OVERWRITE, UsageError
from sysnoise.pipelines.planning.ranges import parse_range
from sysnoise.transforms.codecs.exif import Orient
from sysnoise.transforms.quantities import counted, size_text

if TYPE_CHECKING:
    from sysnoise.pipelines.generation.estimate import Estimate
    from sysnoise.pipelines.planning.plan import PlanOptions
    from sysnoise.pipelines.planning.rejects import RejectLimit
    from sysnoise.pipelines.readers.sources import SourceSet
    from sysnoise.transforms.grid import Grid

ReadSources = Callable[[argparse.Namespace], "SourceSet"]


def add_generate(commands: Any) -> None:
    """Add the command, with a subcommand per dataset."""
    generate = add_command(commands, "generate", "generate a set")
    datasets = generate.add_subparsers(metavar="DATASET", required=True)

    imagenet = add_command(datasets, "imagenet", "generate a set of ImageNet")
    imagenet.set_defaults(run=lambda arguments: _generate(arguments, read_imagenet_sources))
    imagenet.add_argument(
        "--images",
        required=True,
        metavar="PATH",
        help="folder (images, class folders, Kaggle, WebDataset, Parquet), or .tar, .zip or "
        ".parquet file; path or fsspec URL",
    )
    add_labels(imagenet)
    imagenet.add_argument(
        "--split",
        type=split_name,
        default=IMAGENET_SPLIT,
        help="name of the split, for file names; of sources named by split, those that are read "
        "(default: %(default)s)",
    )
    _add_options(imagenet)

    coco = add_command(datasets, "coco", "generate a set of COCO")
    coco.set_defaults(run=lambda arguments: _generate(arguments, read_coco_sources))
    coco.add_argument("--images", required=True, metavar="PATH", help="folder or .zip file")
    coco.add_argument(
        "--annotations",
        required=True,
        metavar="PATH",
        help="instances_*.json, alone, as .gz or in a .zip",
    )
    coco.add_argument(
        "--split",
        type=split_name,
        help="default: what follows instances_ in the file's name; chooses among several in a .zip",
    )
    _add_options(coco)


def _add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that every dataset has."""
    parser.set_defaults(takes_beam_arguments=True, resume_hint=RESUME_WITHOUT_OVERWRITE)
    parser.epilog = BEAM_HELP.format(worker="process")
    parser.add_argument(
        "--output", required=True, metavar="PATH", help="new, empty, or one with this set begun"
    )
    parser.add_argument(
        "--grid",
        required=True,
        metavar="NAME|FILE",
        help="a shipped grid (see 'sysnoise grids') or a YAML file",
    )
    add_orient(parser)
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="webdataset",
        help="format of the shards; none for everything but the images (default: %(default)s)",
    )
    parser.add_argument(
        "--image-format",
        choices=IMAGE_FORMATS,
        default="png",
        help="format of the images in them, all lossless (default: %(default)s)",
    )
    add_extent(parser)
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
        type=positive,
        metavar="N",
        default=MAX_PIXELS,
        help="reject images that are larger, or would be resized to more (default: %(default)s)",
    )
    parser.add_argument(
        "--max-bytes",
        type=positive,
        metavar="N",
        default=MAX_BYTES,
        help="reject images whose files are longer (default: %(default)s)",
    )
    add_max_rejects(parser)
    parser.add_argument(
        "--shard-range",
        type=parse_range,
        metavar="A:B",
        help="make only the shards from A up to but not including B; then 'sysnoise finish'",
    )
    _add_existing(parser)
    parser.add_argument(
        "--workers",
        type=positive,
        metavar="N",
        help="local processes (default: one for each core that the command may use)",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="write nothing to the output; estimate size and time from at most 32 samples",
    )


def _add_existing(parser: argparse.ArgumentParser) -> None:
    """Add what becomes of a set that the output already holds."""
    existing = parser.add_mutually_exclusive_group()
    for name, text in (
        ("overwrite", "remove the set that the output holds, and start again"),
        ("retry-rejects", "also make those shards again that hold rejects"),
        (
            "add-variants",
            "grow the set that the output holds to a larger grid; only what is new is made",
        ),
    ):
        existing.add_argument(
            f"--{name}", dest="existing", action="store_const", const=name, help=text
        )


def read_imagenet_sources(arguments: argparse.Namespace) -> SourceSet:
    """Find the images of ImageNet that the arguments name."""
    from sysnoise.pipelines.readers.imagenet import read_imagenet
    from sysnoise.pipelines.readers.parquet import ColumnNames

    return read_imagenet(
        arguments.images,
        arguments.label_file,
        arguments.classes,
        arguments.split or IMAGENET_SPLIT,
        ColumnNames(arguments.image_column, arguments.label_column),
    )


def read_coco_sources(arguments: argparse.Namespace) -> SourceSet:
    """Find the images of COCO that the arguments name."""
    from sysnoise.pipelines.readers.coco import read_coco

    return read_coco(arguments.images, arguments.annotations, arguments.split)


def read_grid(arguments: argparse.Namespace) -> Grid:
    """Return the grid that the arguments name, which ``--orient`` may change."""
    grid = load_grid(arguments.grid)
    if arguments.orient is None:
        return grid
    return dataclasses.replace(grid, orient=Orient(arguments.orient))


def read_limited(arguments: argparse.Namespace, read: ReadSources, output: str) -> SourceSet:
    """Find as many images as the arguments allow, and print what the user should know of them.

    Raises:
        UsageError: the output lies among the images, or they in it, or the split has no fit name.
    """
    from sysnoise.pipelines.storage.commit import refuse_mixture

    refuse_mixture(arguments.images, output)
    source = read(arguments).limited(arguments.limit)
    if not is_split(source.split):
        raise UsageError(
            f"the annotations' name gives the split {source.split!r}; give --split, of "
            f"{SPLIT_CHARACTERS}"
        )
    for warning in source.warnings:
        warn(warning)
    return source


def _generate(arguments: argparse.Namespace, read: ReadSources) -> None:
    _refuse_contradictions(arguments)
    if arguments.existing == "overwrite":
        arguments.resume_hint = RESUME_GENERATING
    grid = read_grid(arguments)
    _require_encoder(arguments.image_format)
    from sysnoise.pipelines.beam.options import beam_engine
    from sysnoise.pipelines.beam.progress import say
    from sysnoise.pipelines.generation.estimate import estimate
    from sysnoise.pipelines.generation.pipeline import Scope, generate, idle_workers
    from sysnoise.pipelines.planning.resume import Existing

    own = option_names(arguments.parser)
    engine = beam_engine(arguments.beam_arguments, arguments.workers, own)
    source = read_limited(arguments, read, arguments.output)
    options = _plan_options(arguments)
    if arguments.dry_run:
        found = estimate(source, grid, arguments.output, options, engine)
        _print_estimate(found, arguments.max_rejects)
        for text in idle_workers(found.plan, engine):
            say(text)
        return
    existing = Existing(arguments.existing or Existing.RESUME.value)
    scope = Scope(existing, arguments.shard_range, arguments.max_rejects)
    manifest = generate(source, grid, arguments.output, options, scope, engine)
    if manifest is None:
        output = without_secrets(arguments.output)
        print(
            f"{output}: shards {arguments.shard_range} are done; when all are, run "
            f"'sysnoise finish {shlex.quote(output)}'"
        )
    else:
        print_finished(arguments.output, manifest)


def _refuse_contradictions(arguments: argparse.Namespace) -> None:
    """Refuse options that do not go together."""
    if arguments.existing == "overwrite" and arguments.shard_range:
        raise UsageError(
            "--overwrite removes the shards of all ranges; leave it or --shard-range out"
        )
    if arguments.dry_run and (arguments.existing or arguments.shard_range):
        raise UsageError(
            "--dry-run estimates a whole new set; leave out --shard-range, --overwrite, "
            "--retry-rejects and --add-variants"
        )
    about_images = {
        "--image-format": arguments.image_format != IMAGE_FORMATS[0],
        "--skip-duplicates": arguments.skip_duplicates,
    }
    for option, is_given in about_images.items():
        if is_given and arguments.format == "none":
            raise UsageError(f"--format none stores no images; leave out {option}")


def _require_encoder(image_format: str) -> None:
    """Refuse an image format whose library is an extra that is not installed."""
    from sysnoise.transforms.codecs.encoders import ENCODERS
    from sysnoise.transforms.methods import install_line, is_available

    encoder = ENCODERS[image_format]
    if encoder.extra and not is_available(encoder):
        raise UsageError(
            f"--image-format {image_format} needs {encoder.library}: {install_line(encoder.extra)}"
        )


def _plan_options(arguments: argparse.Namespace) -> PlanOptions:
    from sysnoise.manifests.tables import Duplicates, UnsupportedKinds
    from sysnoise.pipelines.planning.plan import PlanOptions

    return PlanOptions(
        formats=FORMATS[arguments.format],
        image_format=arguments.image_format,
        samples_per_shard=arguments.samples_per_shard,
        unsupported=UnsupportedKinds.REJECT if arguments.strict else UnsupportedKinds.FALLBACK,
        duplicates=Duplicates.SKIP if arguments.skip_duplicates else Duplicates.STORE,
        max_pixels=arguments.max_pixels,
        max_bytes=arguments.max_bytes,
    )


def _print_estimate(found: Estimate, max_rejects: RejectLimit) -> None:
    from sysnoise.pipelines.generation.estimate import format_estimate
    from sysnoise.pipelines.planning.rejects import most_rejects

    print(format_estimate(found))
    tried, rejected = found.trial.samples, len(found.trial.rejects)
    if rejected > most_rejects(max_rejects, tried):
        warn(
            f"rejected in the trial: {rejected} of {counted(tried, 'sample')}; a run fails where "
            "more are rejected than --max-rejects allows"
        )
    if not found.fits:
        warn(
            f"the estimated {size_text(found.total_bytes)} do not fit into the "
            f"{size_text(found.free_bytes or 0)} that are free in the output's file system"
        )
