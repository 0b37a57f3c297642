"""The ``sysnoise`` command: one thin function a subcommand."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from manifests.grids import grid_names, load_grid
from manifests.layout import MAX_PIXELS, ShardFormat
from manifests.schema import ManifestError
from pipelines.errors import (
    GO_ON,
    DamageError,
    InputError,
    OutputError,
    ShardError,
    UsageError,
)
from pipelines.logs import set_up_logging
from pipelines.ranges import parse_range
from transforms.errors import GridError, MissingExtraError

if TYPE_CHECKING:
    from pipelines.estimate import Estimate
    from pipelines.readers.sources import SourceSet
    from pipelines.shards import Settings

FORMATS = {
    "webdataset": (ShardFormat.WEBDATASET,),
    "parquet": (ShardFormat.PARQUET,),
    "both": (ShardFormat.WEBDATASET, ShardFormat.PARQUET),
}
IMAGE_FORMATS = ("png", "webp", "jxl", "npy")
BEAM_HELP = (
    "Arguments that are not listed here go to Apache Beam, such as --runner=FlinkRunner. By "
    "default the run uses Beam's local runner with one process a worker. A run that was broken off "
    "goes on where it stood when the same command is run again."
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0 done, 1 failed, 2 bad usage."""
    arguments, beam_arguments = _parser().parse_known_args(argv)
    set_up_logging()
    try:
        if beam_arguments and not arguments.takes_beam_arguments:
            raise UsageError(f"unknown argument {beam_arguments[0]!r}")
        run: Callable[[argparse.Namespace, list[str]], None] = arguments.run
        run(arguments, beam_arguments)
    except (UsageError, GridError) as error:
        print(f"sysnoise: {error}", file=sys.stderr)
        return 2
    except (DamageError, InputError, OutputError, ShardError, ManifestError, OSError) as error:
        print(f"sysnoise: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        hint = f"; {GO_ON}" if arguments.takes_beam_arguments else ""
        print(f"sysnoise: interrupted{hint}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sysnoise",
        description="Generate ImageNet and COCO in every decoder x resize x color combination.",
        allow_abbrev=False,
    )
    version = importlib.metadata.version("sysnoise")
    parser.add_argument("--version", action="version", version=f"sysnoise {version}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_generate(commands)
    done = _command(commands, "finish", "finish a set whose shards were made in parts", _finish)
    done.add_argument("output", metavar="OUT", help="the output, path or fsspec URL")
    grids = _command(commands, "grids", "list the shipped grids, or the variants of one", _grids)
    grids.add_argument("grid", nargs="?", metavar="NAME|FILE", help="a grid, by name or YAML file")
    compare = _command(
        commands, "compare", "say what differs between two sets of the same samples", _compare
    )
    compare.add_argument("first", metavar="A", help="a finished set, path or fsspec URL")
    compare.add_argument("second", metavar="B", help="another one, made in another environment")
    codecs = _command(commands, "codecs", "list the decoders and how far they differ", _codecs)
    codecs.add_argument("--json", action="store_true", help="print JSON instead of text")
    status = _command(commands, "status", "say how far an output of generate is", _status)
    status.add_argument("output", metavar="OUT", help="path or fsspec URL")
    status.add_argument("--json", action="store_true", help="print JSON instead of text")
    demo = _command(commands, "demo", "generate two small sets from shipped photographs", _demo)
    demo.add_argument("--output", default="demo", metavar="PATH", help="default: %(default)s")
    _add_verify(commands)
    return parser


def _command(
    commands: Any, name: str, text: str, run: Callable[[argparse.Namespace, list[str]], None]
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=f"{text[0].upper()}{text[1:]}.", allow_abbrev=False
    )
    parser.set_defaults(run=run, takes_beam_arguments=False)
    return parser


def _add_generate(commands: Any) -> None:
    text = "generate a noise set"
    generate = commands.add_parser("generate", help=text, description=text.capitalize() + ".")
    datasets = generate.add_subparsers(metavar="DATASET", required=True)

    imagenet = _command(
        datasets, "imagenet", "generate a noise set of ImageNet", _generate_imagenet
    )
    imagenet.add_argument(
        "--images",
        required=True,
        metavar="PATH",
        help="folder, .tar, .zip or .parquet file; paths may be fsspec URLs",
    )
    imagenet.add_argument(
        "--label-file",
        metavar="PATH",
        help="lines of 'filename label', 0-based in wnid order; or Kaggle's LOC_val_solution.csv",
    )
    imagenet.add_argument(
        "--classes", metavar="PATH", help="a line a class, in label order: 'wnid name'"
    )
    imagenet.add_argument(
        "--split", default="val", help="name of the split, for file names (default: %(default)s)"
    )
    _add_generate_options(imagenet)

    coco = _command(datasets, "coco", "generate a noise set of COCO", _generate_coco)
    coco.add_argument("--images", required=True, metavar="PATH", help="folder or .zip file")
    coco.add_argument("--annotations", required=True, metavar="PATH", help="instances_*.json")
    coco.add_argument("--split", help="default: what follows instances_ in the file's name")
    _add_generate_options(coco)


def _add_generate_options(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(takes_beam_arguments=True)
    parser.epilog = BEAM_HELP
    parser.add_argument(
        "--output", required=True, metavar="PATH", help="new, empty, or one to go on with"
    )
    parser.add_argument(
        "--grid", required=True, metavar="NAME|FILE", help="see 'sysnoise grids', or a YAML file"
    )
    parser.add_argument("--format", choices=FORMATS, default="webdataset", help="of the shards")
    parser.add_argument(
        "--image-format",
        choices=IMAGE_FORMATS,
        default="png",
        help="of the images in them, all lossless (default: %(default)s)",
    )
    parser.add_argument(
        "--samples-per-shard",
        type=_positive,
        metavar="N",
        help="default: 256 for ImageNet, 16 for COCO",
    )
    parser.add_argument("--limit", type=_positive, metavar="N", help="only the first N samples")
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
        help="write nothing, but estimate size and time from a few images",
    )


def _add_verify(commands: Any) -> None:
    verify = _command(
        commands, "verify", "check that a finished set, or a part of it, is whole", _verify
    )
    verify.add_argument("set", metavar="OUT", help="its root, path or fsspec URL")
    verify.add_argument(
        "--variant",
        action="append",
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
    verify.add_argument("--json", action="store_true", help="print JSON instead of text")


def _positive(text: str) -> int:
    value = int(text) if text.isdigit() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, found {text!r}")
    return value


def _generate_imagenet(arguments: argparse.Namespace, beam_arguments: list[str]) -> None:
    from pipelines.readers.imagenet import read_imagenet

    def read() -> SourceSet:
        return read_imagenet(
            arguments.images, arguments.label_file, arguments.classes, arguments.split
        )

    _generate(arguments, beam_arguments, read)


def _generate_coco(arguments: argparse.Namespace, beam_arguments: list[str]) -> None:
    from pipelines.readers.coco import read_coco

    def read() -> SourceSet:
        return read_coco(arguments.images, arguments.annotations, arguments.split)

    _generate(arguments, beam_arguments, read)


def _generate(
    arguments: argparse.Namespace, beam_arguments: list[str], read: Callable[[], SourceSet]
) -> None:
    if arguments.existing == "overwrite" and arguments.shard_range:
        raise UsageError(
            "--overwrite removes the shards of all ranges; leave it or --shard-range out"
        )
    if arguments.dry_run and (arguments.existing or arguments.shard_range):
        raise UsageError(
            "--dry-run estimates a whole new set; leave out --shard-range, --overwrite, "
            "--retry-rejects and --add-variants"
        )
    grid = load_grid(arguments.grid)
    _require_encoder(arguments.image_format)
    from pipelines.beam_options import beam_runner
    from pipelines.estimate import estimate
    from pipelines.generate import Scope, generate
    from pipelines.resume import Existing

    runner, options = beam_runner(beam_arguments, arguments.workers)
    source = read().limited(arguments.limit)
    for warning in source.warnings:
        print(f"sysnoise: warning: {warning}", file=sys.stderr)
    settings = _settings(arguments)
    if arguments.dry_run:
        _print_estimate(estimate(source, grid, arguments.output, settings, runner, options))
        return
    scope = Scope(Existing(arguments.existing or Existing.RESUME.value), arguments.shard_range)
    manifest = generate(source, grid, arguments.output, settings, scope, runner, options)
    if manifest is None:
        print(
            f"{arguments.output}: shards {arguments.shard_range} are done; when all are, run "
            f"'sysnoise finish {arguments.output}'"
        )
    else:
        _print_finished(arguments.output, manifest)


def _finish(arguments: argparse.Namespace, beam_arguments: list[str]) -> None:
    from pipelines.finish import finish_set

    _print_finished(arguments.output, finish_set(arguments.output))


def _print_finished(output: str, manifest: dict[str, Any]) -> None:
    counts: Any = manifest["counts"]
    print(
        f"{output}: {counts['samples']} samples x {counts['variants']} variants in "
        f"{counts['shards']} shards, {counts['rejects']} rejected, "
        f"{counts['bytes'] / 1e6:.1f} MB in {counts['files']} files"
    )
    if counts["rejects"]:
        print(f"the reasons are in {output}/rejects.parquet")
    for axis, noise in manifest["noise"].items():
        if noise["images"] and noise["images"] == noise["identical_images"]:
            print(
                f"sysnoise: warning: the {axis} axis carries no noise: every image of its "
                f"{noise['variants']} variant(s) equals the baseline's",
                file=sys.stderr,
            )


def _print_estimate(found: Estimate) -> None:
    from pipelines.estimate import format_estimate

    print(format_estimate(found))
    if not found.fits:
        print(
            f"sysnoise: warning: the estimated {found.total_bytes / 1e6:.1f} MB do not fit into "
            "what is free where the output will be",
            file=sys.stderr,
        )


def _settings(arguments: argparse.Namespace) -> Settings:
    from manifests.tables import Duplicates, UnsupportedKinds
    from pipelines.shards import Settings

    return Settings(
        formats=FORMATS[arguments.format],
        image_format=arguments.image_format,
        samples_per_shard=arguments.samples_per_shard,
        unsupported=UnsupportedKinds.REJECT if arguments.strict else UnsupportedKinds.FALLBACK,
        duplicates=Duplicates.SKIP if arguments.skip_duplicates else Duplicates.STORE,
        max_pixels=arguments.max_pixels,
    )


def _require_encoder(image_format: str) -> None:
    """Refuse an image format whose library is an extra that is not installed."""
    from transforms.encoders import ENCODERS
    from transforms.methods import install_line, is_available

    encoder = ENCODERS[image_format]
    if encoder.extra and not is_available(encoder):
        raise UsageError(
            f"--image-format {image_format} needs {encoder.library}: {install_line(encoder.extra)}"
        )


def _grids(arguments: argparse.Namespace, beam_arguments: list[str]) -> None:
    if arguments.grid:
        for variant in load_grid(arguments.grid).variants:
            print(variant.id)
        return
    from transforms.methods import install_line

    for name in grid_names():
        try:
            grid = load_grid(name)
        except MissingExtraError as error:
            print(f"{name:<22} needs {install_line(*error.extras)}")
            continue
        print(
            f"{name:<22}{len(grid.variants):>4} variants: {len(grid.decoders)} decoders, "
            f"{len(grid.resizes)} resizes, {len(grid.colors)} colors, "
            f"{grid.geometry.rule}, {grid.combine.value}"
        )


def _compare(arguments: argparse.Namespace, beam_arguments: list[str]) -> None:
    from manifests.reading import SetError
    from pipelines.compare import compare, format_comparison

    try:
        result = compare(arguments.first, arguments.second)
    except SetError as error:
        raise InputError(str(error)) from error
    print(format_comparison(result))


def _codecs(arguments: argparse.Namespace, beam_arguments: list[str]) -> None:
    from pipelines.codecs import describe_codecs, format_codecs

    document = describe_codecs()
    print(json.dumps(document, indent=2) if arguments.json else format_codecs(document))


def _status(arguments: argparse.Namespace, beam_arguments: list[str]) -> None:
    from pipelines.status import describe_status, format_status

    document = describe_status(arguments.output)
    print(json.dumps(document, indent=2) if arguments.json else format_status(document))


def _demo(arguments: argparse.Namespace, beam_arguments: list[str]) -> None:
    from pipelines.demo import run_demo

    run_demo(arguments.output)


def _verify(arguments: argparse.Namespace, beam_arguments: list[str]) -> None:
    if (arguments.regenerate is None) != (arguments.images is None):
        raise UsageError("--regenerate and --images go together")
    from pipelines.checks.records import Depth
    from pipelines.verify import Regeneration, Wanted, verify

    wanted = Wanted(
        variants=tuple(arguments.variant),
        shards=arguments.shards,
        depth=Depth.PIXELS if arguments.pixels else Depth.FILES,
        regeneration=Regeneration(arguments.regenerate, arguments.images)
        if arguments.images
        else None,
    )
    report = verify(arguments.set, wanted)
    lines = [json.dumps(report.document(), indent=2)] if arguments.json else report.lines()
    print(*lines, sep="\n", end="\n" if lines else "")
    if report.problems:
        raise DamageError(report.summary())
    if not arguments.json:
        print(report.summary())


if __name__ == "__main__":
    sys.exit(main())
