"""The loss in each setting as bars, with the intervals as lines across their ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sysnoise.pipelines.report.axis import Axis, axis_of
from sysnoise.pipelines.scoring.blocks import delta_text, interval_text
from sysnoise.pipelines.scoring.compose import Table
from sysnoise.pipelines.scoring.statistics import covers_zero
from sysnoise.pipelines.scoring.table import ModelRow, Score

MAX_BARS = 40
"""Number of settings of a model that are shown at most."""


@dataclass(frozen=True)
class Span:
    """A part of the axis.

    Attributes:
        left: where it begins, in percent of the axis.
        width: its width, in percent of the axis.
    """

    left: float
    width: float


@dataclass(frozen=True)
class Bar:
    """The loss in a setting.

    Attributes:
        setting: the id of the setting.
        stack: the name of the stack that the setting is, or of several; None where it is none.
        loss: the loss as text.
        interval: its limits as text; None where there are none.
        bar: from zero to the loss.
        whisker: from one limit to the other; None where there are none.
        is_chance: whether the interval covers zero.
    """

    setting: str
    stack: str | None
    loss: str
    interval: str | None
    bar: Span
    whisker: Span | None
    is_chance: bool


@dataclass(frozen=True)
class BarChart:
    """The chart of a model.

    Attributes:
        model: the name of the model.
        bars: the settings, the largest loss first.
        settings: the number of all its settings.
    """

    model: str
    bars: Sequence[Bar]
    settings: int


@dataclass(frozen=True)
class BarsContent:
    """The content of the section.

    Attributes:
        metric: the name of the metric.
        charts: one chart per model.
        marks: where the round losses stand, in percent of the axis, and their texts.
        step: the distance of two marks, in percent of the axis.
        zero: where no loss stands, in percent of the axis.
        max_bars: the number of settings of a model that are shown at most.
    """

    metric: str
    charts: Sequence[BarChart]
    marks: Sequence[tuple[float, str]]
    step: float
    zero: float
    max_bars: int = MAX_BARS


def loss_bars(table: Table) -> BarsContent | None:
    """Return the charts of all models that have losses, on one axis; None where none has.

    Of many settings those are shown that come first in the table: the ones that differ from the
    baseline in one noise, then others.
    """
    rows = [row for row in table.rows if row.scores]
    shown = {row.model: row.scores[:MAX_BARS] for row in rows}
    if not shown:
        return None
    axis = axis_of(loss for scores in shown.values() for score in scores for loss in _ends(score))
    charts = [_chart(row, shown[row.model], axis, table.stack_names) for row in rows]
    marks = [(_percent(axis.share(loss)), text) for loss, text in axis.marks()]
    step, zero = _percent(1 / (axis.last - axis.first)), _percent(axis.share(0))
    return BarsContent(table.metrics[0], charts, marks, step, zero)


def _ends(score: Score) -> Iterator[float]:
    yield score.delta
    yield from score.interval or ()


def _chart(row: ModelRow, scores: Sequence[Score], axis: Axis, stacks: dict[str, str]) -> BarChart:
    ordered = sorted(scores, key=lambda each: -each.delta)
    bars = [_bar(score, axis, stacks.get(score.setting)) for score in ordered]
    return BarChart(row.model, bars, len(row.scores))


def _bar(score: Score, axis: Axis, stack: str | None) -> Bar:
    limits = score.interval
    return Bar(
        score.setting,
        stack,
        delta_text(score),
        None if limits is None else interval_text(limits),
        _span(axis, 0.0, score.delta),
        None if limits is None else _span(axis, *limits),
        covers_zero(limits),
    )


def _span(axis: Axis, one: float, other: float) -> Span:
    left, right = sorted((axis.share(one), axis.share(other)))
    return Span(_percent(left), _percent(right - left))


def _percent(share: float) -> float:
    return round(100 * share, 2)
