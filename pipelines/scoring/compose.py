"""Scoring the predictions of models: from a set and predictions to the table."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sysnoise.manifests.reading import open_set
from sysnoise.manifests.sample_tables import SampleTables
from sysnoise.manifests.settings import IMAGE_NOISES, Noise, Setting, noises_of
from sysnoise.manifests.tables import DatasetKind
from sysnoise.pipelines.errors import InputError, UsageError
from sysnoise.pipelines.scoring.classification import read_labels, score_classes
from sysnoise.pipelines.scoring.records import Counting, Coverage, Intervals, Scored
from sysnoise.pipelines.scoring.second_resize import stored_resize_notes
from sysnoise.pipelines.scoring.statistics import sample_deviation
from sysnoise.pipelines.scoring.table import ModelRow, build_row
from sysnoise.pipelines.scoring.totals import identical_variants
from sysnoise.transforms.methods import install_line
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
    """Models, by how they were trained, and methods of an axis, with which they are tested.

    Source: tables 7 and 8 of the paper.

    Attributes:
        noise: the axis.
        methods: the baseline's method, then the others that count.
        rows: one row per model.
    """

    noise: Noise
    methods: tuple[str, ...]
    rows: tuple[MatrixRow, ...]


@dataclass(frozen=True)
class Table:
    """The result of scoring.

    Attributes:
        kind: the kind of the dataset.
        split: the split of the dataset.
        baseline: the id of the baseline setting.
        images: the number of images that the set holds.
        metrics: the names of the metrics, the table's own first.
        noises: the columns between the trained metric and ``combined``.
        counting: which methods count.
        rows: one row per model.
        matrices: one matrix per axis, where there are several models.
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


def named_predictions(urls: Sequence[str], models: Sequence[str]) -> dict[str, str]:
    """Return the predictions by the names of their models.

    Args:
        urls: paths or fsspec URLs of the predictions.
        models: names of the models, in the same order; none for the names of the files or folders.

    Raises:
        UsageError: there are fewer or more names than predictions, or equal ones, or one that is
            no printable text on one line.
    """
    if models and len(models) != len(urls):
        raise UsageError(
            f"found {len(models)} --model for {len(urls)} --predictions; give one for each, or none"
        )
    paths = [url.partition("?")[0] if "://" in url else url for url in urls]  # No signatures.
    stems = [posixpath.basename(path.rstrip("/")).partition(".")[0] for path in paths]
    names = list(models) or stems
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


def score(
    url: str, predictions: Mapping[str, str], coverage: Coverage, counting: Counting
) -> Table:
    """Score the predictions of models over the finished set at a path or fsspec URL.

    The other arguments are as in :func:`score_set`.

    Raises:
        SetError: it is not a finished set, or a file is missing or damaged.
        InputError, UsageError: as :func:`score_set`.
    """
    tables = SampleTables(open_set(url))
    return score_set(tables, identical_variants(tables), predictions, coverage, counting)


def score_set(
    tables: SampleTables,
    groups: Sequence[Sequence[str]],
    predictions: Mapping[str, str],
    coverage: Coverage,
    counting: Counting,
    intervals: Intervals = Intervals.BOOTSTRAP,
) -> Table:
    """Score the predictions of models over a finished set.

    Args:
        tables: the set's tables of samples.
        groups: ids of the set's variants that have the same pixels on every image.
        predictions: path or fsspec URL of each model's predictions, by the model's name.
        coverage: which images are scored.
        counting: which methods count.
        intervals: whether figures get them.

    Raises:
        SetError: a file is missing or damaged.
        InputError: predictions cannot be read, or are not of this set.
        UsageError: a library is missing.
    """
    found, kind = tables.found, tables.kind
    score_model = _TASKS[kind](tables)
    variants = tuple(found.variants)
    scored = _with_same_metrics(
        {model: score_model(place, coverage, intervals) for model, place in predictions.items()}
    )
    for model, place in predictions.items():
        notes = (*scored[model].notes, *stored_resize_notes(tables, place))
        scored[model] = dataclasses.replace(scored[model], notes=notes)
    rows = tuple(
        build_row(model, each, variants, found.baseline, groups, counting)
        for model, each in scored.items()
    )
    return Table(
        kind=kind,
        split=found.manifest["dataset"]["split"],
        baseline=found.baseline,
        images=found.manifest["counts"]["samples"],
        metrics=tuple(rows[0].trained),
        noises=noises_of(kind),
        counting=counting,
        rows=rows,
        matrices=tuple(_matrices(rows, found.baseline, variants)) if len(rows) > 1 else (),
    )


Scorer = Callable[[str, Coverage, Intervals], Scored]
"""A function that scores the predictions at a URL."""


def _classification(tables: SampleTables) -> Scorer:
    labels = read_labels(tables)
    return functools.partial(score_classes, tables.found, labels)


def _detection(tables: SampleTables) -> Scorer:
    if importlib.util.find_spec("faster_coco_eval") is None:
        raise UsageError(f"COCO's metrics need faster-coco-eval: {install_line('evaluate')}")
    from sysnoise.pipelines.scoring.detection import score_detections
    from sysnoise.pipelines.scoring.ground_truth import read_ground_truth

    return functools.partial(score_detections, read_ground_truth(tables))


_TASKS: Mapping[DatasetKind, Callable[[SampleTables], Scorer]] = {
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
            yield Matrix(noise, methods, lines)


def _matrix_row(row: ModelRow, noise: Noise, methods: Sequence[str]) -> MatrixRow:
    cell = row.cell(noise)
    by_method = {methods[0]: next(iter(row.trained.values()))}
    for each in cell.methods if cell else ():
        by_method[each.method] = next(iter(each.score.metrics.values()))
    metrics = tuple(by_method.get(method) for method in methods)
    values = [value for value in metrics if value is not None]
    if len(values) < len(metrics):
        return MatrixRow(row.model, metrics, None, None)
    return MatrixRow(row.model, metrics, sum(values) / len(values), sample_deviation(values))
