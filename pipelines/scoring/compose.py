"""Scoring the predictions of models: from a set and predictions to the table."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sysnoise.manifests.layout import variant_slug
from sysnoise.manifests.plan import stack_names, stack_variants
from sysnoise.manifests.reading import FinishedSet, open_set
from sysnoise.manifests.sample_tables import SampleTables
from sysnoise.manifests.settings import IMAGE_NOISES, Noise, Setting, columns_of
from sysnoise.manifests.tables import DatasetKind
from sysnoise.pipelines.errors import InputError, UsageError
from sysnoise.pipelines.scoring.classification import read_labels, score_classes
from sysnoise.pipelines.scoring.evaluation_file import config_notes, stored_evaluation
from sysnoise.pipelines.scoring.records import Counting, Coverage, Intervals, Scored
from sysnoise.pipelines.scoring.second_resize import stored_resize_notes
from sysnoise.pipelines.scoring.statistics import sample_deviation
from sysnoise.pipelines.scoring.table import ModelRow, build_row
from sysnoise.pipelines.scoring.totals import identical_variants
from sysnoise.pipelines.storage.root import last_name
from sysnoise.transforms.methods import install_line, unknown_name
from sysnoise.transforms.text import one_line


@dataclass(frozen=True)
class MatrixRow:
    """A model in all methods of an axis.

    Attributes:
        model: the name of the model.
        metrics: the metric in percent with each method; None where there are no predictions.
        mean, deviation: the mean and sample standard deviation (n - 1) of the metrics; None where
            one is missing.
    """

    model: str
    metrics: tuple[float | None, ...]
    mean: float | None
    deviation: float | None


@dataclass(frozen=True)
class Matrix:
    """Models, by how they were trained, and methods of an axis or stacks, by how they are tested.

    Source: tables 7 and 8 of the paper.

    Attributes:
        axis: the noise whose methods they are, or ``stack``.
        methods: the baseline's method, then the others that count; or the names of the stacks.
        rows: one row per model.
    """

    axis: str
    methods: tuple[str, ...]
    rows: tuple[MatrixRow, ...]


@dataclass(frozen=True)
class StackVariant:
    """A stack of the set's grid.

    Attributes:
        name: the name of the stack.
        variant: id of its variant.
        same_as: the earlier stack, or the trained one, that has the same pixels on every image.
    """

    name: str
    variant: str
    same_as: str | None


@dataclass(frozen=True)
class Table:
    """The result of scoring.

    Attributes:
        kind: the kind of the dataset.
        split: the split of the dataset.
        baseline: the id of the setting that the others are compared with.
        images: the number of images that the set holds.
        metrics: the names of the metrics, the table's own first.
        noises: the columns between the trained metric and ``combined``.
        counting: which methods count.
        rows: one row per model.
        matrices: one matrix per axis, where there are several models.
        stacks: the stacks of the set's grid; empty where its variants have no names.
    """

    kind: DatasetKind
    split: str
    baseline: str
    images: int
    metrics: tuple[str, ...]
    noises: tuple[Noise, ...]
    counting: Counting
    rows: tuple[ModelRow, ...]
    matrices: tuple[Matrix, ...]
    stacks: tuple[StackVariant, ...]

    @property
    def stack_names(self) -> dict[str, str]:
        """The names of the stacks by the ids of their variants; a variant may be of several."""
        return stack_names({each.name: each.variant for each in self.stacks})


def named_predictions(urls: Sequence[str], models: Sequence[str]) -> dict[str, str]:
    """Return the predictions by the names of their models.

    Args:
        urls: paths or fsspec URLs of the predictions.
        models: names of the models, in the same order; none for those that ``evaluate`` has stored,
            and for the names of the files or folders where there are none or equal ones.

    Raises:
        UsageError: there are fewer or more names than predictions, or equal ones, or one that is
            no printable text on one line.
    """
    if models and len(models) != len(urls):
        raise UsageError(
            f"found {len(models)} --model for {len(urls)} --predictions; give one for each, or none"
        )
    names = list(models) or _default_names(urls)
    hidden = [name for name in names if one_line(name) != name]
    if hidden:
        raise UsageError(
            f"the model is called {hidden[0]!r}, which cannot be printed; give it a --model"
        )
    if len({*names}) < len(names):
        raise UsageError(
            f"the models are called {', '.join(map(repr, names))}; give each its own --model"
        )
    return dict(zip(names, urls, strict=True))


def _default_names(urls: Sequence[str]) -> list[str]:
    """Return the names that are stored beside predictions; those of files where two are equal."""
    stems = [last_name(url).partition(".")[0] for url in urls]
    evaluations = map(stored_evaluation, urls)
    stored = [(each and each.model_name) or "" for each in evaluations]
    names = [
        name if name and one_line(name) == name else stem
        for name, stem in zip(stored, stems, strict=True)
    ]
    return [
        stem if names.count(name) > 1 else name for name, stem in zip(names, stems, strict=True)
    ]


def score(
    url: str,
    predictions: Mapping[str, str],
    coverage: Coverage,
    counting: Counting,
    trained: str | None = None,
) -> Table:
    """Score the predictions of models over the finished set at a path or fsspec URL.

    The other arguments are as in :func:`score_set`.

    Raises:
        SetError: it is not a finished set, or a file is missing or damaged.
        InputError, UsageError: as :func:`score_set`.
    """
    tables = SampleTables(open_set(url))
    groups = identical_variants(tables)
    return score_set(tables, groups, predictions, coverage, counting, trained=trained)


def trained_variant(found: FinishedSet, trained: str | None) -> str:
    """Return the id of the variant that the others are compared with.

    Args:
        found: the set.
        trained: name of a stack, or id or slug of a variant; None for the set's baseline.

    Raises:
        UsageError: the set has no such stack or variant.
    """
    if trained is None:
        return found.baseline
    stacks = stack_variants(found.manifest["grid"])
    ids = {**{variant_slug(each): each for each in found.variants}, **stacks}
    variant = ids.get(trained, ids.get(variant_slug(trained)))
    if variant is None:
        valid = [*stacks, *found.variants]
        raise UsageError(f"--trained: {unknown_name('stack or variant', trained, valid)}")
    return variant


def score_set(
    tables: SampleTables,
    groups: Sequence[Sequence[str]],
    predictions: Mapping[str, str],
    coverage: Coverage,
    counting: Counting,
    intervals: Intervals = Intervals.BOOTSTRAP,
    trained: str | None = None,
) -> Table:
    """Score the predictions of models over a finished set.

    Args:
        tables: the set's tables of samples.
        groups: ids of the set's variants that have the same pixels on every image.
        predictions: path or fsspec URL of each model's predictions, by the model's name.
        coverage: which images are scored.
        counting: which methods count.
        intervals: whether figures get them.
        trained: the stack or variant that the others are compared with; None for the baseline.

    Raises:
        SetError: a file is missing or damaged.
        InputError: predictions cannot be read, or are not of this set.
        UsageError: a library is missing, or the set has no such stack or variant.
    """
    found, kind = tables.found, tables.kind
    baseline = trained_variant(found, trained)
    score_model = _TASKS[kind](tables, baseline)
    variants = tuple(found.variants)
    scored = _with_same_metrics(
        {model: score_model(place, coverage, intervals) for model, place in predictions.items()}
    )
    for model, place in predictions.items():
        notes = _with_stored_notes(scored[model].notes, tables, place)
        scored[model] = dataclasses.replace(scored[model], notes=notes)
    rows = tuple(
        build_row(model, each, variants, baseline, groups, counting)
        for model, each in scored.items()
    )
    stacks = tuple(_stacks(found, baseline, groups))
    matrices = (*_matrices(rows, baseline, variants), *_stack_matrix(rows, stacks, baseline))
    return Table(
        kind=kind,
        split=found.manifest["dataset"]["split"],
        baseline=baseline,
        images=found.manifest["counts"]["samples"],
        metrics=tuple(rows[0].trained),
        noises=columns_of(kind, variants, {cell.noise for row in rows for cell in row.cells}),
        counting=counting,
        rows=rows,
        matrices=matrices if len(rows) > 1 else (),
        stacks=stacks,
    )


def _with_stored_notes(
    notes: Sequence[str], tables: SampleTables, predictions: str
) -> tuple[str, ...]:
    """Return the notes on a model with those on what made its predictions, if it is known."""
    evaluation = stored_evaluation(predictions)
    if evaluation is None:
        return tuple(notes)
    return (*config_notes(evaluation), *notes, *stored_resize_notes(tables, evaluation))


Scorer = Callable[[str, Coverage, Intervals], Scored]
"""A function that scores the predictions at a URL."""


def _classification(tables: SampleTables, baseline: str) -> Scorer:
    labels = read_labels(tables)
    return functools.partial(score_classes, tables.found, labels, baseline)


def _detection(tables: SampleTables, baseline: str) -> Scorer:
    if importlib.util.find_spec("faster_coco_eval") is None:
        raise UsageError(f"COCO's metrics need faster-coco-eval: {install_line('evaluate')}")
    from sysnoise.pipelines.scoring.detection import score_detections
    from sysnoise.pipelines.scoring.ground_truth import read_ground_truth

    return functools.partial(score_detections, read_ground_truth(tables), baseline)


_TASKS: Mapping[DatasetKind, Callable[[SampleTables, str], Scorer]] = {
    DatasetKind.IMAGENET: _classification,
    DatasetKind.COCO: _detection,
}


def _with_same_metrics(scored: Mapping[str, Scored]) -> dict[str, Scored]:
    """Return the figures of models with the metrics of all of them; None where one has no value.

    Raises:
        InputError: some models find masks alone, others boxes, so that they share no metric.
    """
    of_model = {
        model: list(next(iter(each.settings.values())).metrics) for model, each in scored.items()
    }
    if len({names[0] for names in of_model.values()}) > 1:
        owns = ", ".join(f"{model!r} by {names[0]}" for model, names in of_model.items())
        raise InputError(f"models in one table need one metric, found {owns}; score them apart")
    names = dict.fromkeys(name for each in of_model.values() for name in each)
    return {
        model: dataclasses.replace(
            each,
            settings={
                setting: dataclasses.replace(
                    figures, metrics={name: figures.metrics.get(name) for name in names}
                )
                for setting, figures in each.settings.items()
            },
        )
        for model, each in scored.items()
    }


def _matrices(rows: Sequence[ModelRow], baseline: str, variants: Sequence[str]) -> Iterator[Matrix]:
    """Yield the matrix of each axis that a model has more than the baseline's method of."""
    trained = Setting(baseline)
    for noise in IMAGE_NOISES:
        cells = [row.cell(noise) for row in rows]
        counted = {each.method for cell in cells if cell for each in cell.counted}
        others = [
            method
            for variant in map(Setting, variants)
            if variant.changes(trained) == (noise,) and (method := variant.method(noise)) in counted
        ]
        if others:
            methods = (str(trained.method(noise)), *map(str, others))
            lines = tuple(_matrix_row(row, noise, methods) for row in rows)
            yield Matrix(noise.value, methods, lines)


def _matrix_row(row: ModelRow, noise: Noise, methods: Sequence[str]) -> MatrixRow:
    cell = row.cell(noise)
    by_method = {methods[0]: next(iter(row.trained.values()))}
    for each in cell.methods if cell else ():
        by_method[each.method] = next(iter(each.score.metrics.values()))
    return _row_of(row.model, tuple(by_method.get(method) for method in methods))


def _row_of(model: str, metrics: tuple[float | None, ...]) -> MatrixRow:
    values = [value for value in metrics if value is not None]
    if len(values) < len(metrics):
        return MatrixRow(model, metrics, None, None)
    return MatrixRow(model, metrics, sum(values) / len(values), sample_deviation(values))


def _stacks(
    found: FinishedSet, baseline: str, groups: Sequence[Sequence[str]]
) -> Iterator[StackVariant]:
    """Yield the stacks of a set's grid, the one that the others are compared with first."""
    first_alike = {each: group[0] for group in groups for each in group}
    stacks = stack_variants(found.manifest["grid"])
    seen: dict[str, str] = {}
    for name, variant in sorted(stacks.items(), key=lambda each: each[1] != baseline):
        pixels = first_alike.get(variant, variant)
        yield StackVariant(name, variant, seen.get(pixels))
        seen.setdefault(pixels, name)


def _stack_matrix(
    rows: Sequence[ModelRow], stacks: Sequence[StackVariant], baseline: str
) -> Iterator[Matrix]:
    """Yield the matrix of the stacks that have pixels of their own, if there are stacks."""
    own = [each for each in stacks if each.same_as is None]
    if own:
        lines = tuple(_stack_row(row, own, baseline) for row in rows)
        yield Matrix("stack", tuple(each.name for each in own), lines)


def _stack_row(row: ModelRow, stacks: Sequence[StackVariant], baseline: str) -> MatrixRow:
    by_setting = {each.setting: next(iter(each.metrics.values())) for each in row.scores}
    by_setting[baseline] = next(iter(row.trained.values()))
    return _row_of(row.model, tuple(by_setting.get(each.variant) for each in stacks))
