"""The loss as noises stack up, as a line chart: figure 3 of the paper.

Charts are composed as plain data, rounded to tenths of a unit; ``templates/chart.svg`` draws them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sysnoise.manifests.settings import Noise
from sysnoise.pipelines.report.axis import Axis, axis_of
from sysnoise.pipelines.scoring.blocks import delta_text
from sysnoise.pipelines.scoring.table import ModelRow

WIDTH, HEIGHT = 360, 248
"""The size of a chart in its own units, which are pixels on a phone."""
LEFT_MARGIN, RIGHT_MARGIN, TOP_MARGIN, BOTTOM_MARGIN = 40, 26, 24, 88
"""The margins around the lines, in which labels stand."""
STEEP_SLOPE = 0.3
"""The slope at which the line crosses a label that is centered above or below a point."""
TRAINED = "trained"
"""The name of the first point, the model on the baseline."""
Point = tuple[float, float]


@dataclass(frozen=True)
class Scale:
    """The scale that all charts of a page share.

    Attributes:
        noises: the noises of the steps of all models, in the order of the columns.
        axis: the axis of the losses.
    """

    noises: tuple[Noise, ...]
    axis: Axis

    def x(self, noise: Noise | None) -> float:
        """Return where a step stands; the trained model where there is none."""
        position = 0 if noise is None else 1 + self.noises.index(noise)
        return LEFT_MARGIN + position * (WIDTH - LEFT_MARGIN - RIGHT_MARGIN) / len(self.noises)

    def y(self, loss: float) -> float:
        """Return where a loss stands."""
        height = HEIGHT - TOP_MARGIN - BOTTOM_MARGIN
        return HEIGHT - BOTTOM_MARGIN - self.axis.share(loss) * height


@dataclass(frozen=True)
class ChartPoint:
    """A point of the line and its label.

    Attributes:
        x, y: where the point stands.
        text: the loss.
        anchor: the part of the label that stands above or below the point, as in SVG.
        text_y: where the baseline of the label stands.
    """

    x: float
    y: float
    text: str
    anchor: str
    text_y: float


@dataclass(frozen=True)
class Chart:
    """The chart of a model.

    Attributes:
        model: the name of the model.
        description: the chart in words.
        marks: the y of the lines at round losses, and these losses, the lowest first.
        steps: the x of the steps, and their names.
        lines: the parts of the line between missing steps, of at least one point.
        missing: the x of the word that stands at each missing step.
        width, height: the size of the chart.
        left, right: the x of both ends of the lines at round losses.
        names_y: the y of the names of the steps.
        middle: the y in the middle of the axis.
    """

    model: str
    description: str
    marks: Sequence[tuple[float, str]]
    steps: Sequence[tuple[float, str]]
    lines: Sequence[Sequence[ChartPoint]]
    missing: Sequence[float]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT_MARGIN
    right: int = WIDTH - RIGHT_MARGIN
    names_y: int = HEIGHT - BOTTOM_MARGIN + 26
    middle: float = (TOP_MARGIN + HEIGHT - BOTTOM_MARGIN) / 2


def common_scale(rows: Sequence[ModelRow]) -> Scale:
    """Return the scale of the charts of some models, of which at least one has steps."""
    stacked = {step.noise for row in rows for step in row.steps}
    losses = [step.score.delta for row in rows for step in row.steps if step.score]
    noises = tuple(noise for noise in Noise if noise in stacked)
    return Scale(noises, axis_of(losses))


def make_chart(row: ModelRow, scale: Scale) -> Chart:
    """Return the chart of a model; the line is broken where a step is missing."""
    steps = [(_tenths(scale.x(None)), TRAINED)]
    steps += [(_tenths(scale.x(step.noise)), f"+ {step.noise.value}") for step in row.steps]
    return Chart(
        row.model,
        _description(row),
        [(_tenths(scale.y(loss)), text) for loss, text in scale.axis.marks()],
        steps,
        [_labeled(points, texts) for points, texts in _lines(row, scale)],
        [_tenths(scale.x(step.noise) + 4) for step in row.steps if step.score is None],
    )


def _tenths(length: float) -> float:
    return round(length, 1)


def _description(row: ModelRow) -> str:
    losses = [
        f"+ {step.noise.value} {'missing' if step.score is None else delta_text(step.score)}"
        for step in row.steps
    ]
    return f"Loss of {row.model} in points: {TRAINED} 0.00, {', '.join(losses)}"


def _lines(row: ModelRow, scale: Scale) -> Iterator[tuple[list[Point], list[str]]]:
    """Yield the parts of the line between missing steps: their points and the losses there."""
    points, texts = [(scale.x(None), scale.y(0))], ["0.00"]
    for step in row.steps:
        if step.score is not None:
            points.append((scale.x(step.noise), scale.y(step.score.delta)))
            texts.append(delta_text(step.score))
        elif points:
            yield points, texts
            points, texts = [], []
    if points:
        yield points, texts


def _labeled(points: Sequence[Point], texts: Sequence[str]) -> list[ChartPoint]:
    """Return the points of a part of the line with their labels."""
    labeled = []
    for index, ((x, y), text) in enumerate(zip(points, texts, strict=True)):
        neighbors = [*points[:index][-1:], *points[index + 1 :][:1]]
        anchor, text_y = label_position((x, y), neighbors)
        labeled.append(ChartPoint(_tenths(x), _tenths(y), text, anchor, _tenths(text_y)))
    return labeled


def label_position(point: Point, neighbors: Sequence[Point]) -> tuple[str, float]:
    """Return where the label of a point is not crossed by the lines to its neighbors.

    The label stands above the point; below it where the line only comes or goes steeply above; to
    the side on which the line is below the point where the line does both.

    Args:
        point: x and y, which grows downwards.
        neighbors: the points before and after it, as far as there are any.

    Returns:
        The anchor of the text, and its y.
    """
    x, y = point
    slopes = {other: (y - other[1]) / abs(x - other[0]) for other in neighbors}
    upper = [other for other, slope in slopes.items() if slope > STEEP_SLOPE]
    lower = [other for other, slope in slopes.items() if slope < -STEEP_SLOPE]
    if upper and lower:
        return ("end" if lower[0][0] < x else "start"), y - 8
    return "middle", y + 16 if upper else y - 8
