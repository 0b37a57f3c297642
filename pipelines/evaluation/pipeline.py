"""Running models over sets: shards -> inference -> predictions -> table.

Threads of the command's own process do it, or a runner of Beam's that the user names. Beam is
imported for the latter alone, because that takes longer than hundreds of images. Each model is a
pipeline of its own.
"""

from __future__ import annotations

import concurrent.futures
import functools
import itertools
import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from sysnoise.manifests.reading import FinishedSet
from sysnoise.manifests.sample_tables import SampleTables
from sysnoise.manifests.settings import Setting
from sysnoise.manifests.tables import DatasetKind
from sysnoise.pipelines.beam.local_run import Threads, run_in_threads
from sysnoise.pipelines.beam.progress import (
    Work,
    pause_between_looks,
    refuse_unfinished,
    say,
    show_progress,
)
from sysnoise.pipelines.errors import RESUME_EVALUATING, InputError
from sysnoise.pipelines.evaluation.config import Classifier
from sysnoise.pipelines.evaluation.document import VERSION, open_document
from sysnoise.pipelines.evaluation.inference import predict
from sysnoise.pipelines.evaluation.models import (
    LoadedModels,
    LoadedOnnx,
    Models,
    OnnxBase,
    load_models,
    read_models,
    runnable,
)
from sysnoise.pipelines.evaluation.passes import (
    Groups,
    box_offset,
    missing_passes,
    model_noises,
    passes_together,
    pixel_groups,
)
from sysnoise.pipelines.evaluation.pixels import accepted_rows, opened_set, read_pixels
from sysnoise.pipelines.evaluation.predictions import (
    final_path,
    join_parts,
    part_path,
    remove_parts,
)
from sysnoise.pipelines.evaluation.predictor import Predictor
from sysnoise.pipelines.evaluation.providers import PROVIDER_NOISES
from sysnoise.pipelines.evaluation.records import InferenceJob, Pass
from sysnoise.pipelines.evaluation.request import (
    COMMON_SIZE,
    Request,
    SetClasses,
    available_variants,
    may_pad,
    refuse_other_settings,
    refuse_other_sizes,
    wanted_noises,
    wanted_variants,
    with_absolute_urls,
)
from sysnoise.pipelines.scoring.classification import read_labels
from sysnoise.pipelines.scoring.compose import Table, named_predictions, score_set, trained_variant
from sysnoise.pipelines.scoring.files import setting_parser
from sysnoise.pipelines.scoring.records import Coverage, Intervals
from sysnoise.pipelines.scoring.second_resize import resize_notes
from sysnoise.pipelines.scoring.totals import identical_variants
from sysnoise.pipelines.storage.commit import sweep
from sysnoise.pipelines.storage.listing import list_all_files
from sysnoise.pipelines.storage.locks import lock_shards
from sysnoise.pipelines.storage.root import Root, absolute_url, open_output
from sysnoise.pipelines.workers.failures import Failure
from sysnoise.transforms.errors import ModelNoiseError
from sysnoise.transforms.model.boxes import BoxOffset, offset_matters
from sysnoise.transforms.model.input import InputSpec, fit_image, input_tensor
from sysnoise.transforms.pixels import Size

if TYPE_CHECKING:
    from sysnoise.pipelines.beam.options import Engine

CALIBRATION_SEED = 0
HELD_IMAGE_BYTES = 2**28
"""Size of the images that a thread holds while the batches of several variants fill up."""
DOUBTFUL_PERCENT = 1.0
"""A baseline metric below which the config is doubted: a trained model has more."""


@dataclass(frozen=True)
class _Run:
    """What all passes of an evaluation share.

    Attributes:
        request: what the user asked for.
        tables: the set's tables of samples.
        models: the models.
        groups: groups of variants with the same pixels, by shard.
        images: number of images by shard.
        identical: ids of variants that have the same pixels on every image.
        engine: what runs the models over the images.
    """

    request: Request
    tables: SampleTables
    models: Models
    groups: Groups
    images: Mapping[int, int]
    identical: Sequence[Sequence[str]]
    engine: Engine | Threads


def evaluate(request: Request, engine: Engine | Threads) -> tuple[Table, list[str]]:
    """Run a model over a set and score its predictions.

    Each variant is run without noises of the model, the baseline with each of these noises, and
    then what the stack of the worst noises lacks, as far as the set has its variants.

    Args:
        request: what the user asks for.
        engine: what runs the models over the images.

    Returns:
        The table, and notes for its reader.

    Raises:
        SetError: it is no finished set, or a file is missing or damaged.
        UsageError: unknown variants or noises, or some that do not go with the model; no such
            predictor.
        InputError: the model cannot be read, or is not what its config says.
        OutputError: the predictions cannot be written, or belong to another evaluation.
        ShardError: shards could not be predicted; the others are kept.
    """
    opened_set.cache_clear()  # A set of this name may have changed since another evaluation.
    with concurrent.futures.ThreadPoolExecutor(1) as beside:
        reading = beside.submit(read_models, request)
        tables = opened_set(absolute_url(request.set_url))
        found = tables.found
        request = with_absolute_urls(found, request)
        parse = setting_parser(found)
        baseline = trained_variant(found, request.trained)
        refuse_other_settings(request, parse, baseline)
        classes = _set_classes(tables, request)
        loaded = load_models(request, tables.kind, classes, reading.result)
    variants = wanted_variants(found, request, baseline)
    for each in (loaded.base, *loaded.settings.values()):
        if isinstance(each, LoadedOnnx):
            refuse_other_sizes(tables, each.config.input, variants)
    noises = wanted_noises(found, request)
    output = open_output(request.predictions_url)
    with lock_shards(output, None):
        run = _prepare(request, tables, loaded, classes, output, engine)
        names = (*noises, *request.settings)
        singles = [parse("+".join((baseline, name))) for name in names]
        singles, notes = _applicable(run, singles, request.noises)
        settings = [*map(Setting, variants), *singles]
        _say_what_is_there(run, settings)
        _predict(run, settings)
        row = _score(run, Intervals.NONE).rows[0]
        open_steps = [step for step in row.steps if step.score is None and step.held]
        lacking = [parse(step.setting) for step in open_steps]
        lacking = [each for each in lacking if each.variant in available_variants(found, request)]
        lacking, others = _applicable(run, lacking, ())
        _predict(run, lacking)
        table = _score(run, Intervals.BOOTSTRAP)
    return table, [*_second_resizes(tables, loaded), *notes, *others, *_doubts(table, loaded)]


def _second_resizes(tables: SampleTables, loaded: LoadedModels) -> Iterator[str]:
    """Report that a model's images are resized again; what a predictor does is not known."""
    if isinstance(loaded.base, LoadedOnnx):
        spec = loaded.base.config.input
        yield from resize_notes(tables, spec.fit.value, spec.width, spec.height)


def _doubts(table: Table, loaded: LoadedModels) -> list[str]:
    """Report a baseline so bad that the config may be wrong, which nothing else can notice."""
    metric = table.metrics[0]
    value = table.rows[0].trained[metric]
    if value is None or value >= DOUBTFUL_PERCENT:
        return []
    doubt = "mean, scale, channels, fit and the outputs in the config fit the model"
    if not isinstance(loaded.base, LoadedOnnx):
        doubt = "the predictor's preprocessing and its numbers of classes fit the set"
    return [f"the baseline's {metric} is {value:.2f}: do {doubt}?"]


def _set_classes(tables: SampleTables, request: Request) -> SetClasses:
    """Return what a config may leave to the set, and what it is compared with."""
    common = COMMON_SIZE
    if may_pad(request):  # Of equally common sizes, the largest.
        common = Size(*max(tables.sizes().items(), key=lambda each: each[::-1])[0])
    listed = len(tables.found.manifest["dataset"].get("classes") or ())
    if tables.kind is not DatasetKind.COCO:
        labels = set(read_labels(tables).labels.tolist())
        return SetClasses(labels, listed, common=common)
    categories = tables.found.annotations()["categories"]
    names = {category["name"]: category["id"] for category in categories}
    return SetClasses({category["id"] for category in categories}, names=names, common=common)


def _prepare(
    request: Request,
    tables: SampleTables,
    loaded: LoadedModels,
    classes: SetClasses,
    output: Root,
    engine: Engine | Threads,
) -> _Run:
    """Open the folder of predictions and look at the set's samples."""
    found = tables.found
    document = open_document(output, _document(request, found, loaded), _names(request))
    sweep(output, lambda owner: True)
    groups, images = pixel_groups(tables, available_variants(found, request))
    base = None
    if isinstance(loaded.base, LoadedOnnx):
        spec = loaded.base.config.input
        calibration = functools.partial(_calibration, request, spec, tables, images)
        base = OnnxBase(loaded.base.model, calibration, spec.shape(1))
    models = Models(
        output=output,
        url=request.predictions_url,
        document=document,
        loaded=loaded,
        onnx=base,
        kind=tables.kind,
        image_bytes=3 * found.image_pixels,
        largest_label=max(classes.labels, default=0),
        batch_size=request.batch_size,
        provider=request.provider,
    )
    return _Run(request, tables, models, groups, images, identical_variants(tables), engine)


def _names(request: Request) -> dict[str, str]:
    """Return what the user calls an ONNX model and its config; a predictor's class has a name."""
    if isinstance(request.model, Predictor):
        return {}
    return {"model": request.model.name, "config": request.model.config_name}


def _document(request: Request, found: FinishedSet, loaded: LoadedModels) -> dict[str, Any]:
    """Return everything that predictions depend on."""
    base = loaded.base
    start = {"version": VERSION, "set": found.manifest["checksum"]}
    if not isinstance(base, LoadedOnnx):
        predictor = base.identity.document
        return {**start, "predictor": predictor, "batch_size": request.batch_size}
    from sysnoise.pipelines.evaluation.runtime import onnx_identity

    return {
        **start,
        "model": base.sha256,
        "config": base.config.document(),
        "batch_size": base.batch_size,
        "calibration": {"images": _calibration_size(request, found), "seed": CALIBRATION_SEED},
        "runtime": onnx_identity(request.provider),
    }


def _calibration_size(request: Request, found: FinishedSet) -> int:
    return min(request.calibration, int(found.manifest["counts"]["samples"]))


def _calibration(
    request: Request, spec: InputSpec, tables: SampleTables, images: Mapping[int, int]
) -> Iterator[NDArray[Any]]:
    """Yield input tensors of some images of the baseline, chosen by a fixed seed."""
    places = [(shard, place) for shard, count in images.items() for place in range(count)]
    found = tables.found
    count = _calibration_size(request, found)
    chosen = sorted(random.Random(CALIBRATION_SEED).sample(places, count))
    for shard, group in itertools.groupby(chosen, lambda each: each[0]):
        rows = accepted_rows(tables, shard, [found.baseline])
        wanted = [rows[place] for _, place in group]
        source = (request.set_url, request.images_url)
        for _, _, pixels in read_pixels(*source, shard, [found.baseline], wanted):
            yield input_tensor([fit_image(pixels, spec)[0]], spec)


def _applicable(
    run: _Run, settings: Sequence[Setting], required: Collection[str]
) -> tuple[list[Setting], list[str]]:
    """Leave out settings whose noises change nothing in this model, or cannot be put into it.

    Args:
        run: the evaluation.
        settings: settings with noises.
        required: names of the noises that must be put into the model.

    Returns:
        The other settings, and a note for each that was left out.

    Raises:
        InputError: a required noise cannot be put into the model.
    """
    kept: list[Setting] = []
    others: dict[tuple[str, str], list[str]] = {}
    for setting in settings:
        name = "+".join(setting.methods)
        try:
            changes = _changes_predictions(run, setting)
        except ModelNoiseError as error:
            if not set(setting.methods).isdisjoint(required):
                raise InputError(str(error)) from error
            others.setdefault(("left out", str(error.__cause__ or error)), []).append(name)
            continue
        if changes:
            kept.append(setting)
        else:
            others.setdefault(("null", _null_reason(setting)), []).append(name)
    return kept, [
        f"{what}: {', '.join(names)}: {reason}" for (what, reason), names in others.items()
    ]


def _null_reason(setting: Setting) -> str:
    """Say why the noises of a setting change nothing in a model."""
    from sysnoise.transforms.model.noises import MODEL_NOISES

    if not PROVIDER_NOISES.keys().isdisjoint(setting.methods):
        return "the model is run by this provider already"
    reasons = [MODEL_NOISES[each].null for each in setting.methods if each in MODEL_NOISES]
    return "; ".join(dict.fromkeys(reasons)) or "the model computes the corners of boxes itself"


def _changes_predictions(run: _Run, setting: Setting) -> bool:
    """Whether the noises of a setting, if it has any, change something in this model."""
    given, base = run.request.settings, run.models.loaded.base
    inside, offset = model_noises(setting, given), box_offset(setting, given)
    if inside:
        return runnable(run.models, inside) is not None
    if offset is BoxOffset.NONE:
        return True
    if not isinstance(base, LoadedOnnx):
        raise ModelNoiseError(f"{offset.value}: a predictor decodes its boxes itself")
    task = base.config.task
    return not isinstance(task, Classifier) and offset_matters(task.head, offset)


def _say_what_is_there(run: _Run, settings: Sequence[Setting]) -> None:
    """Say how many settings an earlier run has finished, if any."""
    present = set(list_all_files(run.models.output))
    there = sum(final_path(each.slug, run.tables.kind) in present for each in settings)
    if there:
        say(f"resuming: predictions of {there} of {len(settings)} settings are there")


def _predict(run: _Run, settings: Sequence[Setting]) -> None:
    """Make the predictions that are missing of some settings, one model after the other."""
    output, kind, given = run.models.output, run.tables.kind, run.request.settings
    present = set(list_all_files(output))
    missing = [each for each in settings if final_path(each.slug, kind) not in present]
    by_model: dict[tuple[str, ...], list[Setting]] = {}
    for setting in missing:
        by_model.setdefault(model_noises(setting, given), []).append(setting)
    shards = run.tables.found.shards
    for number, (noises, group) in enumerate(by_model.items(), start=1):
        passes = list(missing_passes(group, given, run.groups, shards, present))
        if passes:
            if len(by_model) > 1:
                say(f"model {number} of {len(by_model)}: {_model_name(noises)}")
            _run_model(run, noises, passes)
        for setting in group:
            join_parts(output, setting, run.images, shards, kind)
    remove_parts(output, kind)


def _run_model(run: _Run, noises: Sequence[str], passes: Sequence[Pass]) -> None:
    """Run one model over the passes that its settings still need."""
    job, work = _job(run, noises), _work(run, noises, passes)
    most = 1
    if job.images_url is not None:
        most = max(1, HELD_IMAGE_BYTES // (job.batch_size * job.inference.image_bytes))
    elements = list(passes_together(passes, most))

    with show_progress(work):
        failures = _run_passes(run.engine, job, elements)
    refuse_unfinished(failures, work, RESUME_EVALUATING)


def _run_passes(
    engine: Engine | Threads, job: InferenceJob, elements: Sequence[Sequence[Pass]]
) -> list[Failure]:
    """Make the predictions of passes, and return the failures of this process."""
    if isinstance(engine, Threads):
        work = functools.partial(predict, job, job.inference.load())
        return run_in_threads(elements, engine, work)
    from sysnoise.pipelines.beam.run import run_pipeline
    from sysnoise.pipelines.evaluation.steps import add_steps

    build = functools.partial(add_steps, job=job, elements=elements)
    return run_pipeline(engine, build, len(elements), RESUME_EVALUATING)


def _job(run: _Run, noises: Sequence[str]) -> InferenceJob:
    """Return what a process must know to run a model."""
    model = runnable(run.models, noises)
    if model is None:
        raise ValueError(f"{noises} change nothing, so that no setting of theirs is run")
    request = run.request
    urls = (request.set_url, request.images_url, request.predictions_url)
    return InferenceJob(*urls, model.inference, model.batch_size)


def _work(run: _Run, noises: Sequence[str], passes: Sequence[Pass]) -> Work:
    """Return the parts that are still to be made."""
    output, shards = run.models.output, run.tables.found.shards
    images: dict[str, int] = {}
    for each in passes:
        paths = [part_path(target.slug, each.shard, shards) for target in each.targets]
        # Its images go through the model once, and are done with the last file.
        images |= dict.fromkeys(paths, 0) | {paths[-1]: run.images[each.shard]}
    return Work(
        images=images,
        present=lambda: list_all_files(output),
        noun="part",
        unit="image",
        pause=pause_between_looks(output),
        title=_model_name(noises),
    )


def _model_name(noises: Sequence[str]) -> str:
    return "+".join(noises) or "plain model"


def _score(run: _Run, intervals: Intervals) -> Table:
    predictions = named_predictions([run.request.predictions_url], [])
    request = run.request
    return score_set(
        run.tables,
        run.identical,
        predictions,
        Coverage.WHOLE,
        request.counting,
        intervals,
        request.trained,
    )
