"""The loss as noises stack up, as a line chart in SVG: figure 3 of the paper."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sysnoise.manifests.settings import Noise
from sysnoise.pipelines.scoring.formats import delta_text
from sysnoise.pipelines.scoring.table import Row, Step

WIDTH, HEIGHT = 360, 248
"""Of a chart, in its own units: pixels on a phone."""
LEFT, RIGHT, TOP, BOTTOM = 40, 26, 24, 88
"""Margins around the lines, in which labels stand."""
TICKS = 5
"""Most intervals between marks on the axis of the loss."""
STEEP = 0.3
"""A slope at which the line crosses a label that stands in the middle above or below a point."""
TRAINED = "trained"
Point = tuple[float, float]


@dataclass(frozen=True)
class Scale:
    """What all charts have in common.

    Attributes:
        noises: of the steps of all models, in the order of the columns.
        step: between marks on the axis of the loss, in points.
        first, last: multiples of it that are the ends of the axis.
    """

    noises: tuple[Noise, ...]
    step: float
    first: int
    last: int

    def x(self, noise: Noise | None) -> float:
        """Return where a step stands; the trained model where there is none."""
        place = 0 if noise is None else 1 + self.noises.index(noise)
        return LEFT + place * (WIDTH - LEFT - RIGHT) / len(self.noises)

    def y(self, loss: float) -> float:
        """Return where a loss stands."""
        share = (loss / self.step - self.first) / (self.last - self.first)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def common_scale(rows: Sequence[Row]) -> Scale:
    """Return the scale of the charts of some models, of which one has steps at least."""
    stacked = {step.noise for row in rows for step in row.steps}
    losses = [step.score.delta for row in rows for step in row.steps if step.score]
    low, high = min([0.0, *losses]), max([0.0, *losses])
    step = _round_step((high - low) / TICKS)
    first, last = math.floor(low / step), math.ceil(high / step)
    noises = tuple(noise for noise in Noise if noise in stacked)
    return Scale(noises, step, first, max(last, first + 1))


def _round_step(least: float) -> float:
    """Return the smallest of 1, 2 and 5 times a power of ten that is at least this; 1 for 0."""
    if least <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(least))
    return next(each for each in (power, 2 * power, 5 * power, 10 * power) if each >= least)


def chart(row: Row, scale: Scale) -> str:
    """Return the chart of a model as HTML; the line is broken where a step is missing."""
    lines = list(_lines(row, scale))
    parts = [*_axis(scale), *_names(row, scale)]
    for line in lines:
        places = " ".join(f"{x:.1f},{y:.1f}" for (x, y), _ in line)
        parts.append(f'<polyline class="line" points="{places}"/>')
    for line in lines:
        parts += _points(line)
    parts += _missing(row, scale)
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{html.escape(_description(row))}">{"".join(parts)}</svg>'
    )


def _description(row: Row) -> str:
    steps = [f"+ {step.noise.value} {_loss(step)}" for step in row.steps]
    return f"Loss of {row.model} in points: {TRAINED} 0.00, {', '.join(steps)}"


def _loss(step: Step) -> str:
    return "missing" if step.score is None else delta_text(step.score)


def _axis(scale: Scale) -> Iterator[str]:
    """Yield lines at round losses, and their labels."""
    for multiple in range(scale.first, scale.last + 1):
        loss = multiple * scale.step
        y = scale.y(loss)
        kind = "grid" if multiple else "zero"
        yield f'<line class="{kind}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="tick" x="{LEFT - 8}" y="{y + 4:.1f}">{loss:.6g}</text>'


def _names(row: Row, scale: Scale) -> Iterator[str]:
    """Yield the names of the steps, turned so that they find room."""
    names = [(scale.x(None), TRAINED)]
    names += [(scale.x(step.noise), f"+ {step.noise.value}") for step in row.steps]
    y = HEIGHT - BOTTOM + 26
    for x, name in names:
        yield f'<text class="step" transform="translate({x:.1f} {y}) rotate(-40)">{name}</text>'


def _lines(row: Row, scale: Scale) -> Iterator[list[tuple[Point, str]]]:
    """Yield the parts of the line between missing steps, of one point or more, with their texts."""
    line = [((scale.x(None), scale.y(0)), "0.00")]
    for step in row.steps:
        if step.score is not None:
            point = scale.x(step.noise), scale.y(step.score.delta)
            line.append((point, delta_text(step.score)))
        elif line:
            yield line
            line = []
    if line:
        yield line


def _points(line: Sequence[tuple[Point, str]]) -> Iterator[str]:
    """Yield the points of a line with their losses."""
    places = [point for point, _ in line]
    for number, ((x, y), text) in enumerate(line):
        anchor, base = label_place(
            places[number], [*places[:number][-1:], *places[number + 1 :][:1]]
        )
        yield (
            f'<circle class="point" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>'
            f'<text class="value" text-anchor="{anchor}" x="{x:.1f}" y="{base:.1f}">{text}</text>'
        )


def label_place(point: Point, neighbors: Sequence[Point]) -> tuple[str, float]:
    """Return where the label of a point is not crossed by the lines to its neighbors.

    Above the point; below it where the line comes or goes steeply above alone; to the side on which
    it is below where it does both.

    Args:
        point: x and y, which grows downwards.
        neighbors: the points before and after it, where there are.

    Returns:
        The anchor of the text, and its y.
    """
    x, y = point
    slopes = {other: (y - other[1]) / abs(x - other[0]) for other in neighbors}
    upper = [other for other, slope in slopes.items() if slope > STEEP]
    lower = [other for other, slope in slopes.items() if slope < -STEEP]
    if upper and lower:
        return ("end" if lower[0][0] < x else "start"), y - 8
    return "middle", y + 16 if upper else y - 8


def _missing(row: Row, scale: Scale) -> Iterator[str]:
    """Yield a word, turned so that it finds room, where a step is missing."""
    y = (TOP + HEIGHT - BOTTOM) / 2
    for step in row.steps:
        if step.score is None:
            place = f"translate({scale.x(step.noise) + 4:.1f} {y:.1f}) rotate(-90)"
            yield f'<text class="missing" transform="{place}">missing</text>'
