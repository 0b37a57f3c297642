"""The ``sysnoise`` command: one thin function a subcommand."""

from __future__ import annotations

import argparse
import importlib.util
import json
import posixpath
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from manifests.errors import SetError
from manifests.grids import grid_names, load_grid
from manifests.schema import ManifestError
from pipelines.arguments import FORMATS, IMAGE_FORMATS, IMAGENET_SPLIT, command_parser
from pipelines.errors import (
    DamageError,
    InputError,
    OutputError,
    ShardError,
    UsageError,
)
from pipelines.logs import set_up_logging
from transforms.errors import GridError, MissingExtraError

if TYPE_CHECKING:
    from pipelines.estimate import Estimate
    from pipelines.evaluation.config import ModelConfig
    from pipelines.readers.sources import SourceSet
    from pipelines.scoring.compose import Table
    from pipelines.shards import Settings


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0 done, 1 failed, 2 bad usage."""
    arguments, beam_arguments = command_parser().parse_known_args(argv)
    set_up_logging()
    try:
        if beam_arguments and not arguments.takes_beam_arguments:
            raise UsageError(f"unknown argument {beam_arguments[0]!r}")
        _COMMANDS[arguments.command](arguments, beam_arguments)
    except (UsageError, GridError) as error:
        print(f"sysnoise: {error}", file=sys.stderr)
        return 2
    except _FAILURES as error:
        print(f"sysnoise: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("; ".join(filter(None, ("sysnoise: interrupted", arguments.go_on))), file=sys.stderr)
        return 1
    return 0


_FAILURES = (
    *(DamageError, InputError, OutputError, ShardError),
    *(ManifestError, SetError, OSError),
)
"""What the user can mend; anything else is a defect of the command and keeps its traceback."""


Read = Callable[[argparse.Namespace], "SourceSet"]


def _generate_imagenet(arguments: argparse.Namespace, beam_arguments: list[str]) -> None:
    _generate(arguments, beam_arguments, _read_imagenet)


def _generate_coco(arguments: argparse.Namespace, beam_arguments: list[str]) -> None:
    _generate(arguments, beam_arguments, _read_coco)


def _read_imagenet(arguments: argparse.Namespace) -> SourceSet:
    from pipelines.readers.imagenet import read_imagenet

    split = arguments.split or IMAGENET_SPLIT
    return read_imagenet(arguments.images, arguments.label_file, arguments.classes, split)


def _read_coco(arguments: argparse.Namespace) -> SourceSet:
    from pipelines.readers.coco import read_coco

    return read_coco(arguments.images, arguments.annotations, arguments.split)


def _read_sources(arguments: argparse.Namespace, read: Read) -> SourceSet:
    source = read(arguments).limited(arguments.limit)
    for warning in source.warnings:
        print(f"sysnoise: warning: {warning}", file=sys.stderr)
    return source


def _generate(arguments: argparse.Namespace, beam_arguments: list[str], read: Read) -> None:
    if arguments.existing == "overwrite" and arguments.shard_range:
        raise UsageError(
            "--overwrite removes the shards of all ranges; leave it or --shard-range out"
        )
    if arguments.dry_run and (arguments.existing or arguments.shard_range):
        raise UsageError(
            "--dry-run estimates a whole new set; leave out --shard-range, --overwrite, "
            "--retry-rejects and --add-variants"
        )
    if arguments.format == "none":
        _refuse_options_of_images(arguments)
    grid = load_grid(arguments.grid)
    _require_encoder(arguments.image_format)
    from pipelines.beam_options import beam_runner
    from pipelines.estimate import estimate
    from pipelines.generate import Scope, generate
    from pipelines.resume import Existing

    runner, options = beam_runner(beam_arguments, arguments.workers)
    source = _read_sources(arguments, read)
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


def _print_finished(output: str, manifest: dict[str, Any], to: TextIO | None = None) -> None:
    """Print what a set came to, to standard output where nothing else is told."""
    counts: Any = manifest["counts"]
    print(
        f"{output}: {counts['samples']} samples x {counts['variants']} variants in "
        f"{counts['shards']} shards, {counts['rejects']} rejected, "
        f"{counts['bytes'] / 1e6:.1f} MB in {counts['files']} files",
        file=to,
    )
    if counts["rejects"]:
        print(f"the reasons are in {output}/rejects.parquet", file=to)
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


def _refuse_options_of_images(arguments: argparse.Namespace) -> None:
    """Refuse what says something of images, where none are stored."""
    given = {
        "--image-format": arguments.image_format != IMAGE_FORMATS[0],
        "--skip-duplicates": arguments.skip_duplicates,
    }
    for option, is_given in given.items():
        if is_given:
            raise UsageError(f"--format none stores no images; leave out {option}")


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
    from pipelines.compare import compare, format_comparison

    print(format_comparison(compare(arguments.first, arguments.second)))


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
        recipe=arguments.recipe,
    )
    report = verify(arguments.set, wanted)
    lines = [json.dumps(report.document(), indent=2)] if arguments.json else report.lines()
    print(*lines, sep="\n", end="\n" if lines else "")
    if report.problems:
        raise DamageError(report.summary())
    if not arguments.json:
        print(report.summary())


def _card(arguments: argparse.Namespace, beam_arguments: list[str]) -> None:
    from pipelines.card import make_card, read_citation

    citation = arguments.citation and read_citation(arguments.citation)
    given = {
        "license": arguments.license,
        "citation": citation,
        "date": arguments.date,
        "version": arguments.set_version,
        "url": arguments.url,
    }
    make_card(arguments.set, given)


def _publish(arguments: argparse.Namespace, beam_arguments: list[str]) -> None:
    from pipelines.transfer import transfer
    from pipelines.verify import Wanted, verify

    report = verify(arguments.set, Wanted(variants=tuple(arguments.variant or ())))
    if report.problems:
        print(*report.lines(), sep="\n")
        raise DamageError(f"{report.summary()}; nothing was published")
    print(transfer(arguments.set, arguments.target, arguments.variant).summary())


def _fetch(arguments: argparse.Namespace, beam_arguments: list[str]) -> None:
    from pipelines.transfer import transfer

    print(transfer(arguments.set, arguments.target, arguments.variant).summary())


def _report(arguments: argparse.Namespace, beam_arguments: list[str]) -> None:
    from pipelines.report.compose import make_report, write_plots, write_report
    from pipelines.scoring.compose import named_predictions
    from pipelines.scoring.records import Counting, Coverage

    _refuse_inside(arguments, arguments.output, arguments.png_dir)
    if arguments.png_dir:
        _require_plots()
    predictions = named_predictions(arguments.predictions, arguments.model)
    coverage, counting = Coverage(arguments.coverage), Counting(arguments.counting)
    if not predictions and (coverage, counting) != (Coverage.WHOLE, Counting.DISTINCT):
        raise UsageError("--partial and --all-methods need --predictions")
    report = make_report(
        arguments.set, arguments.variant, arguments.samples, predictions, coverage, counting
    )
    size = write_report(report, arguments.output)
    print(f"{arguments.output}: {size / 1e6:.1f} MB")
    if arguments.png_dir:
        print(*write_plots(report, arguments.png_dir), sep="\n")


def _score(arguments: argparse.Namespace, beam_arguments: list[str]) -> None:
    from pipelines.scoring.compose import named_predictions, score
    from pipelines.scoring.records import Counting, Coverage

    _refuse_inside(arguments, arguments.output)
    predictions = named_predictions(arguments.predictions, arguments.model)
    coverage, counting = Coverage(arguments.coverage), Counting(arguments.counting)
    _print_table(arguments, score(arguments.set, predictions, coverage, counting))


def _evaluate(arguments: argparse.Namespace, beam_arguments: list[str]) -> None:
    predictions = arguments.predictions or _default_predictions(arguments.model)
    _refuse_inside(arguments, arguments.output, predictions)
    _require_runtime()
    from pipelines.beam_options import beam_runner
    from pipelines.evaluate import evaluate
    from pipelines.evaluation.config import load_config
    from pipelines.evaluation.request import Request
    from pipelines.scoring.records import Counting

    images, config = _source_images(arguments), load_config(arguments.config)
    if arguments.grid:
        _make_set(arguments, beam_arguments, config)
    runner, options = beam_runner(beam_arguments, arguments.workers)
    request = Request(
        set_url=arguments.set,
        images_url=images,
        model=arguments.model,
        config=config,
        predictions_url=predictions,
        variants=tuple(arguments.variant or ()),
        noises=tuple(arguments.model_noise),
        batch_size=arguments.batch_size,
        calibration=arguments.calibration_images,
        counting=Counting(arguments.counting),
    )
    table, notes = evaluate(request, runner, options)
    for note in notes:
        print(f"sysnoise: note: {note}", file=sys.stderr)
    _print_table(arguments, table)
    print(
        f"sysnoise: the predictions are in {predictions!r}; 'sysnoise report {arguments.set} "
        f"--predictions {predictions} -o FILE' shows them",
        file=sys.stderr,
    )


def _default_predictions(model: str) -> str:
    return posixpath.join("predictions", posixpath.basename(model).partition(".")[0])


def _source_images(arguments: argparse.Namespace) -> str | None:
    """Return where the sources are that images are made from; None to read the shards."""
    if arguments.online != (arguments.images is not None):
        raise UsageError("--online and --images go together; leave both out to read the shards")
    if arguments.grid and not arguments.online:
        raise UsageError("--grid goes with --online --images")
    labels = ("label_file", "classes")
    for name in (*labels, "annotations", "split", "limit", "samples_per_shard"):
        if getattr(arguments, name) and not arguments.grid:
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} goes with --grid, for a set that is not there yet")
    if arguments.annotations and any(getattr(arguments, name) for name in labels):
        raise UsageError("--annotations is for COCO; --label-file and --classes are for ImageNet")
    images: str | None = arguments.images
    return images


def _make_set(
    arguments: argparse.Namespace, beam_arguments: list[str], config: ModelConfig
) -> None:
    """Make the set that an evaluation is of, without images, as far as it is not there."""
    from manifests import open_set
    from manifests.layout import MANIFEST
    from pipelines.beam_options import beam_runner
    from pipelines.evaluate import fitting_model
    from pipelines.generate import Scope, generate
    from pipelines.shards import Settings
    from pipelines.storage import exists, open_output

    if exists(open_output(arguments.set), MANIFEST) and open_set(arguments.set).manifest["formats"]:
        raise UsageError(f"{arguments.set!r} is a finished set already: leave out --grid")
    grid = load_grid(arguments.grid)
    source = _read_sources(arguments, _read_coco if arguments.annotations else _read_imagenet)
    fitting_model(arguments.model, config, source.kind, source.labels())
    settings = Settings(FORMATS["none"], samples_per_shard=arguments.samples_per_shard)
    runner, options = beam_runner(beam_arguments, arguments.workers)
    manifest = generate(source, grid, arguments.set, settings, Scope(), runner, options)
    if manifest is not None:
        _print_finished(arguments.set, manifest, sys.stderr)


def _refuse_inside(arguments: argparse.Namespace, *outputs: str | None) -> None:
    """Refuse outputs inside the set."""
    from pipelines.commit import refuse_inside

    for output in filter(None, outputs):
        refuse_inside(arguments.set, output)


def _print_table(arguments: argparse.Namespace, table: Table) -> None:
    from pipelines.commit import write_path
    from pipelines.scoring.formats import FORMATTERS

    text = FORMATTERS[arguments.format](table)
    if arguments.output:
        write_path(arguments.output, text.encode())
    else:
        print(text, end="")
    if arguments.format == "csv":
        for row in table.rows:
            for note in row.notes:
                print(f"sysnoise: note: {row.model}: {note}", file=sys.stderr)


def _require_runtime() -> None:
    """Refuse models where their libraries, an extra, are not installed."""
    from transforms.methods import install_line

    missing = [each for each in ("onnx", "onnxruntime") if not importlib.util.find_spec(each)]
    if missing:
        raise UsageError(f"running models needs {', '.join(missing)}: {install_line('evaluate')}")


def _require_plots() -> None:
    """Refuse plots where their library, an extra, is not installed."""
    from transforms.methods import install_line

    if importlib.util.find_spec("matplotlib") is None:
        raise UsageError(f"--png-dir needs matplotlib: {install_line('report')}")


_COMMANDS: dict[str, Callable[[argparse.Namespace, list[str]], None]] = {
    "imagenet": _generate_imagenet,
    "coco": _generate_coco,
    "finish": _finish,
    "status": _status,
    "verify": _verify,
    "card": _card,
    "publish": _publish,
    "report": _report,
    "score": _score,
    "evaluate": _evaluate,
    "fetch": _fetch,
    "grids": _grids,
    "codecs": _codecs,
    "compare": _compare,
    "demo": _demo,
}


if __name__ == "__main__":
    sys.exit(main())
