"""The table as a JSON document with every figure; keys are written in the order of the fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from sysnoise.pipelines.scoring.compose import Matrix, MatrixRow, Table
from sysnoise.pipelines.scoring.statistics import CONFIDENCE, RESAMPLES
from sysnoise.pipelines.scoring.table import MethodScore, ModelRow, NoiseCell, Score, Step


class ScoreDocument(TypedDict):
    """The JSON of a :class:`Score`."""

    setting: str
    metrics: Mapping[str, float | None]
    delta: float
    interval: tuple[float, float] | None
    flip_rate: float | None
    mcnemar_p: float | None


class MethodDocument(TypedDict):
    """The JSON of a :class:`MethodScore`."""

    method: str
    same_as: str | None
    score: ScoreDocument


class WorstDocument(TypedDict):
    """The JSON of the method of a noise with the largest delta."""

    method: str
    delta: float


class NoiseDocument(TypedDict):
    """The JSON of a :class:`NoiseCell`."""

    noise: str
    mean: float | None
    std: float | None
    interval: tuple[float, float] | None
    max: WorstDocument | None
    distinct: int
    methods: list[MethodDocument]


class StepDocument(TypedDict):
    """The JSON of a :class:`Step`."""

    noise: str
    method: str
    setting: str
    score: ScoreDocument | None
    held: bool


class StackDocument(TypedDict):
    """The JSON of a model's stack: its end, the settings that are missing, and its steps."""

    delta: float | None
    missing: list[str]
    steps: list[StepDocument]


class ModelDocument(TypedDict):
    """The JSON of a :class:`ModelRow`."""

    model: str
    images: int
    trained: Mapping[str, float | None]
    noises: list[NoiseDocument]
    combined: StackDocument
    others: list[ScoreDocument]
    notes: list[str]


class MatrixRowDocument(TypedDict):
    """The JSON of a :class:`MatrixRow`."""

    model: str
    metrics: tuple[float | None, ...]
    mean: float | None
    std: float | None


class MatrixDocument(TypedDict):
    """The JSON of a :class:`Matrix`."""

    noise: str
    methods: list[str]
    rows: list[MatrixRowDocument]


class IntervalDocument(TypedDict):
    """How intervals are made: their confidence, and the number of resamples."""

    confidence: float
    resamples: int


class StackVariantDocument(TypedDict):
    """The JSON of a :class:`StackVariant`."""

    name: str
    setting: str
    same_as: str | None


class TableDocument(TypedDict):
    """The JSON of a :class:`Table`."""

    dataset: str
    split: str
    baseline: str
    images: int
    metrics: list[str]
    noises: list[str]
    counting: str
    interval: IntervalDocument
    models: list[ModelDocument]
    matrices: list[MatrixDocument]
    stacks: list[StackVariantDocument]


def table_document(table: Table) -> TableDocument:
    """Return the table as JSON-compatible values, with every figure."""
    return {
        "dataset": table.kind.value,
        "split": table.split,
        "baseline": table.baseline,
        "images": table.images,
        "metrics": list(table.metrics),
        "noises": [noise.value for noise in table.noises],
        "counting": table.counting.value,
        "interval": {"confidence": CONFIDENCE, "resamples": RESAMPLES},
        "models": [_model_document(row) for row in table.rows],
        "matrices": [_matrix_document(matrix) for matrix in table.matrices],
        "stacks": [
            {"name": each.name, "setting": each.variant, "same_as": each.same_as}
            for each in table.stacks
        ],
    }


def _model_document(row: ModelRow) -> ModelDocument:
    return {
        "model": row.model,
        "images": row.images,
        "trained": row.trained,
        "noises": [_noise_document(cell) for cell in row.cells],
        "combined": {
            "delta": None if row.combined is None else row.combined.delta,
            "missing": [step.setting for step in row.steps if step.score is None],
            "steps": [_step_document(step) for step in row.steps],
        },
        "others": [_score_document(score) for score in row.others],
        "notes": list(row.notes),
    }


def _noise_document(cell: NoiseCell) -> NoiseDocument:
    worst = cell.worst
    return {
        "noise": cell.noise.value,
        "mean": cell.mean,
        "std": cell.deviation,
        "interval": cell.interval,
        "max": None if worst is None else {"method": worst.method, "delta": worst.score.delta},
        "distinct": cell.distinct,
        "methods": [_method_document(each) for each in cell.methods],
    }


def _method_document(method: MethodScore) -> MethodDocument:
    return {
        "method": method.method,
        "same_as": method.same_as,
        "score": _score_document(method.score),
    }


def _step_document(step: Step) -> StepDocument:
    return {
        "noise": step.noise.value,
        "method": step.method,
        "setting": step.setting,
        "score": None if step.score is None else _score_document(step.score),
        "held": step.held,
    }


def _score_document(score: Score) -> ScoreDocument:
    return {
        "setting": score.setting,
        "metrics": score.metrics,
        "delta": score.delta,
        "interval": score.interval,
        "flip_rate": score.flip_rate,
        "mcnemar_p": score.mcnemar_p,
    }


def _matrix_document(matrix: Matrix) -> MatrixDocument:
    return {
        "noise": matrix.axis,
        "methods": list(matrix.methods),
        "rows": [_matrix_row_document(row) for row in matrix.rows],
    }


def _matrix_row_document(row: MatrixRow) -> MatrixRowDocument:
    return {"model": row.model, "metrics": row.metrics, "mean": row.mean, "std": row.deviation}
