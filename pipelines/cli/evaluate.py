"""``sysnoise evaluate``: its arguments, and a model's table."""

from __future__ import annotations

import argparse
import importlib.util
import posixpath
import shlex
import sys
from typing import TYPE_CHECKING, Any

from sysnoise.manifests.errors import UnfinishedError
from sysnoise.manifests.grids import load_grid
from sysnoise.manifests.secrets import without_secrets
from sysnoise.pipelines.cli.arguments import (
    BEAM_HELP,
    FORMATS,
    add_command,
    add_counting,
    add_extent,
    add_labels,
    add_orient,
    add_set,
    add_table_output,
    add_trained,
    positive,
    split_name,
    variant_id,
)
from sysnoise.pipelines.cli.generate import (
    read_coco_sources,
    read_grid,
    read_imagenet_sources,
    read_limited,
)
from sysnoise.pipelines.cli.output import print_finished, print_table, refuse_outputs_inside
from sysnoise.pipelines.cli.parser import option_names
from sysnoise.pipelines.errors import RESUME_EVALUATING, InputError, UsageError
from sysnoise.pipelines.evaluation.providers import (
    BATCH_SIZES,
    CPU,
    CUDA,
    PROVIDERS,
    Device,
    Provider,
    provider_named,
)
from sysnoise.transforms.errors import MissingExtraError

if TYPE_CHECKING:
    from sysnoise.pipelines.beam.local_run import Threads
    from sysnoise.pipelines.beam.options import Engine
    from sysnoise.pipelines.evaluation.predictor import Predictor
    from sysnoise.pipelines.evaluation.request import OnnxModel, Request

_MAKE_SET = (
    "make it with 'sysnoise generate', or here, without storing images, by --online, --images and "
    "--grid"
)
DEVICE = "cpu"
AUTO = "auto"
DEVICES = {each.device.value: each for each in (CPU, CUDA)}
"""What runs an ONNX model, by the value of ``--device``."""


def add_evaluate(commands: Any) -> None:
    """Add the command."""
    parser = add_command(
        commands, "evaluate", "run a model over a set: its predictions and the paper's table"
    )
    parser.set_defaults(run=_evaluate, takes_beam_arguments=True, resume_hint=RESUME_EVALUATING)
    parser.epilog = f"Configs and noises: docs/evaluating.md. {BEAM_HELP.format(worker='thread')}"
    add_set(parser)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--model", metavar="M.onnx", help="an ONNX model, path or fsspec URL")
    what.add_argument(
        "--predictor",
        metavar="FILE.py:NAME",
        help="a class of your own that predicts, in any framework; also package.module:NAME",
    )
    parser.add_argument(
        "--config",
        metavar="NAME|FILE",
        help="the inputs and outputs of --model: a shipped config ('sysnoise configs') or a YAML "
        "file",
    )
    parser.add_argument(
        "--device",
        metavar="NAME",
        help="where an ONNX model runs: cpu, cuda, or auto, which is cuda where ONNX Runtime can "
        f"use it; or what a predictor is made with, such as cuda:0 (default: {DEVICE})",
    )
    parser.add_argument(
        "--provider",
        metavar="NAME",
        help="which execution provider of ONNX Runtime runs an ONNX model, in place of --device: "
        f"{', '.join(PROVIDERS)}, or ONNX Runtime's name of one of them",
    )
    parser.add_argument(
        "--setting",
        action="append",
        type=_setting,
        default=[],
        metavar="NAME=MODEL",
        help="another ONNX model, or FILE.py:NAME, that stands for a noise of the table, such as "
        "int8-tensorrt=engine.onnx; may be repeated",
    )
    parser.add_argument(
        "--predictions",
        metavar="PATH",
        help="new folder, or one with this evaluation begun (default: predictions/ and the model's "
        "name)",
    )
    parser.add_argument(
        "--variant",
        action="append",
        type=variant_id,
        metavar="ID",
        help="beside the baseline only this variant, by id or slug; may be repeated (default: all "
        "whose images are available)",
    )
    parser.add_argument(
        "--model-noise",
        action="append",
        default=[],
        metavar="NAME",
        help="a noise in or after the model, 'all', or provider-NAME, the model run by another "
        "--provider; may be repeated (default: none)",
    )
    parser.add_argument(
        "--batch-size",
        type=positive,
        metavar="N",
        help="images per batch, where the model leaves that open (default: "
        f"{BATCH_SIZES[Device.CPU]}; on a GPU {BATCH_SIZES[Device.CUDA]})",
    )
    parser.add_argument(
        "--calibration-images",
        type=positive,
        default=128,
        metavar="N",
        help="images of the baseline that int8 is calibrated on (default: %(default)s)",
    )
    parser.add_argument(
        "--workers",
        type=positive,
        metavar="N",
        help="local threads (default: one for each core that the command may use, and one more "
        "beside a GPU)",
    )
    _add_online(parser)
    add_counting(parser)
    add_trained(parser)
    add_table_output(parser)


def _setting(text: str) -> tuple[str, str]:
    """Parse the value of ``--setting``."""
    name, equals, model = text.partition("=")
    if not (name and equals and model):
        raise argparse.ArgumentTypeError(f"expected NAME=MODEL, found {text!r}")
    return name, model


def _add_online(parser: argparse.ArgumentParser) -> None:
    """Add what makes images from their sources, and the set before them."""
    parser.add_argument(
        "--online",
        action="store_true",
        help="make the images from --images instead of reading the shards",
    )
    parser.add_argument(
        "--images", metavar="PATH", help="the sources for --online, as generate takes them"
    )
    dataset = parser.add_argument_group(
        "a set that does not exist yet",
        "With --grid, OUT is made first as by 'generate --format none'.",
    )
    dataset.add_argument("--grid", metavar="NAME|FILE", help="a shipped grid or a YAML file")
    add_orient(dataset)
    add_labels(dataset)
    dataset.add_argument(
        "--annotations",
        metavar="PATH",
        help="instances_*.json, alone, as .gz or in a .zip: the sources are COCO's",
    )
    dataset.add_argument("--split", type=split_name, help="default: as in generate")
    add_extent(dataset)


def _evaluate(arguments: argparse.Namespace) -> None:
    predictions = arguments.predictions or _default_predictions(arguments)
    refuse_outputs_inside(arguments.set, arguments.output, predictions)
    from sysnoise.pipelines.beam.interrupts import ending_in_time
    from sysnoise.pipelines.evaluation.pipeline import evaluate

    beam = _beam_engine(arguments) if arguments.beam_arguments else None  # Or a mistyped option.
    request = _request(arguments, predictions)
    engine = _engine(arguments, request.provider, beam)
    with ending_in_time(f"sysnoise: interrupted; {RESUME_EVALUATING}"):
        if arguments.grid:
            _make_set(arguments, request)
        try:
            table, notes = evaluate(request, engine)
        except UnfinishedError as error:
            raise InputError(f"{error}; {_MAKE_SET}") from error
    for note in notes:
        print(f"sysnoise: note: {note}", file=sys.stderr)
    print_table(arguments, table)
    report = (
        f"sysnoise report {shlex.quote(arguments.set)} --predictions {shlex.quote(predictions)}"
    )
    text = f"sysnoise: the predictions are in {predictions!r}; '{report} -o report.html' shows them"
    print(without_secrets(text), file=sys.stderr)


def _engine(
    arguments: argparse.Namespace, provider: Provider, beam: Engine | None
) -> Engine | Threads:
    """Return what runs the model: threads of this process, or the runner that the user names.

    A thread that waits for a GPU leaves its core to another one, which decodes.
    """
    from sysnoise.pipelines.beam.local_run import Threads
    from sysnoise.pipelines.workers.cores import available_cores

    if beam is None:
        waiting = int(provider.device is not Device.CPU)
        return Threads(arguments.workers or available_cores() + waiting)
    return beam if beam.local_workers is None else Threads(beam.local_workers)


def _beam_engine(arguments: argparse.Namespace) -> Engine:
    from sysnoise.pipelines.beam.options import beam_engine

    return beam_engine(arguments.beam_arguments, arguments.workers, option_names(arguments.parser))


def _default_predictions(arguments: argparse.Namespace) -> str:
    if arguments.predictor:
        return posixpath.join("predictions", arguments.predictor.rpartition(":")[2])
    return posixpath.join("predictions", posixpath.basename(arguments.model).partition(".")[0])


def _request(arguments: argparse.Namespace, predictions: str) -> Request:
    """Return what the arguments ask for; the models are not read yet."""
    from sysnoise.pipelines.evaluation.named_configs import load_config
    from sysnoise.pipelines.evaluation.predictor import Predictor, is_reference
    from sysnoise.pipelines.evaluation.request import OnnxModel, Request
    from sysnoise.pipelines.scoring.records import Counting
    from sysnoise.pipelines.storage.root import last_name

    names = [name for name, _ in arguments.setting]
    if len({*names}) < len(names):
        raise UsageError("--setting: two models are given for one name")
    given = [model for _, model in arguments.setting if not is_reference(model)]
    given += [arguments.model] if arguments.model else []
    if given:
        _require_runtime(arguments.grid)
    if given and not arguments.config:
        raise UsageError(f"--config is needed: what are the inputs and outputs of {given[0]!r}?")
    if arguments.config and not given:
        raise UsageError("--config describes an ONNX model, and there is none: leave it out")
    if arguments.provider and not given:
        raise UsageError("--provider runs an ONNX model, and there is none: leave it out")
    provider = _provider(arguments) if given else CPU
    device = arguments.device or DEVICE
    if device == AUTO and not arguments.predictor:
        device = provider.device.value
    images = _source_images(arguments)
    config = load_config(arguments.config) if given else None

    def model(text: str) -> OnnxModel | Predictor:
        if config is None or is_reference(text):
            return Predictor(text, device)
        return OnnxModel(text, config, last_name(arguments.config))

    base = Predictor(arguments.predictor, device) if arguments.predictor else None
    return Request(
        set_url=arguments.set,
        images_url=images,
        model=base or model(arguments.model),
        settings={name: model(text) for name, text in arguments.setting},
        predictions_url=predictions,
        variants=tuple(arguments.variant or ()),
        noises=tuple(arguments.model_noise),
        batch_size=arguments.batch_size or provider.batch_size,
        calibration=arguments.calibration_images,
        counting=Counting(arguments.counting),
        trained=arguments.trained,
        provider=provider,
    )


def _provider(arguments: argparse.Namespace) -> Provider:
    """Return what runs ONNX models; ``--device`` beside a predictor is that of the predictor."""
    from sysnoise.pipelines.evaluation.runtime import refuse_missing, usable_device

    device = None if arguments.predictor else arguments.device
    if arguments.provider and device:
        raise UsageError("--provider says where an ONNX model runs: leave out --device")
    if device == AUTO:
        return usable_device()
    if device and device not in DEVICES:
        raise UsageError(
            f"--device {device}: ONNX models take {', '.join((AUTO, *DEVICES))}; other names are "
            "for --predictor"
        )
    provider = DEVICES[device or DEVICE]
    if arguments.provider:
        provider = provider_named(arguments.provider)
    refuse_missing(provider)
    return provider


def _require_runtime(grid: str | None) -> None:
    """Refuse models where their libraries, an extra, are not installed.

    Args:
        grid: the grid of a set that is to be made, whose extras are named too.
    """
    from sysnoise.transforms.methods import install_line

    missing = [each for each in ("onnx", "onnxruntime") if not importlib.util.find_spec(each)]
    if not missing:
        return
    extras, needed = {"evaluate"}, f"running models needs {', '.join(missing)}"
    try:
        if grid is not None:
            load_grid(grid)
    except MissingExtraError as error:
        extras |= {*error.extras}
        needed += f", and the grid {grid} needs extras, too"
    raise UsageError(f"{needed}: {install_line(*sorted(extras))}")


def _source_images(arguments: argparse.Namespace) -> str | None:
    """Return where the sources are that images are made from; None to read the shards."""
    if arguments.online != (arguments.images is not None):
        raise UsageError("--online and --images go together; leave both out to read the shards")
    if arguments.grid and not arguments.online:
        raise UsageError("--grid goes with --online --images")
    labels = ("label_file", "classes")
    for name in (*labels, "orient", "annotations", "split", "limit", "samples_per_shard"):
        if getattr(arguments, name) and not arguments.grid:
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} goes with --grid, for a set that does not exist yet")
    if arguments.annotations and any(getattr(arguments, name) for name in labels):
        raise UsageError("--annotations is for COCO; --label-file and --classes are for ImageNet")
    images: str | None = arguments.images
    return images


def _make_set(arguments: argparse.Namespace, request: Request) -> None:
    """Make those parts of the set, without images, that do not exist yet."""
    from sysnoise.manifests.layout import MANIFEST
    from sysnoise.manifests.reading import open_set
    from sysnoise.pipelines.evaluation.models import load_models, read_models
    from sysnoise.pipelines.evaluation.request import SetClasses
    from sysnoise.pipelines.generation.pipeline import Scope, generate
    from sysnoise.pipelines.planning.plan import PlanOptions
    from sysnoise.pipelines.storage.root import exists, open_output

    if exists(open_output(arguments.set), MANIFEST) and open_set(arguments.set).manifest["formats"]:
        raise UsageError(f"{arguments.set!r} is a finished set already: leave out --grid")
    grid = read_grid(arguments)
    read = read_coco_sources if arguments.annotations else read_imagenet_sources
    source = read_limited(arguments, read, arguments.set)
    names = {each["name"]: each["id"] for each in source.coco.get("categories", ())}
    classes = SetClasses(source.labels(), len(source.classes), names)
    load_models(request, source.kind, classes, lambda: read_models(request))
    options = PlanOptions(FORMATS["none"], samples_per_shard=arguments.samples_per_shard)
    manifest = generate(source, grid, arguments.set, options, Scope(), _beam_engine(arguments))
    if manifest is not None:
        print_finished(arguments.set, manifest, sys.stderr)
