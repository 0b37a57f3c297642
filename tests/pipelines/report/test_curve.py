"""The axis of the curve."""

from __future__ import annotations

import pytest

from sysnoise.manifests.settings import Noise
from sysnoise.pipelines.report.curve import Point, common_scale, label_position
from sysnoise.pipelines.scoring.table import ModelRow, Score, Step


def row(*losses: float | None) -> ModelRow:
    """A model with steps of the first noises; None for a missing one."""
    steps = []
    for noise, loss in zip(Noise, losses, strict=False):
        score = None if loss is None else Score("s", {}, loss, None, None, None)
        steps.append(Step(noise, "method", "s", score, held=True))
    return ModelRow("m", 1, {}, (), tuple(steps), (), (), None)


@pytest.mark.parametrize(
    ("losses", "ends", "step"),
    [
        ((1.0, 10.67), (0, 15), 5),
        ((0.02, 3.15, 3.21), (0, 4), 1),
        ((-0.31, 0.12), (-0.4, 0.2), 0.1),
        ((-2.0, -1.0), (-2, 0), 0.5),
        ((0.0, 0.0), (0, 1), 1),
        ((None,), (0, 1), 1),
        ((100.0,), (0, 100), 20),
    ],
)
def test_the_axis_holds_zero_and_all_losses_at_round_marks(
    losses: tuple[float | None, ...], ends: tuple[float, float], step: float
) -> None:
    scale = common_scale([row(*losses)])
    axis = scale.axis
    assert axis.step == pytest.approx(step)
    assert (axis.first * axis.step, axis.last * axis.step) == pytest.approx(ends)
    heights = [scale.y(loss) for loss in (ends[0], *filter(None, losses), ends[1])]
    assert max(heights) == heights[0]
    assert min(heights) == heights[-1]


def test_models_share_their_axes() -> None:
    scale = common_scale([row(1.0), row(2.0, 9.0)])
    assert scale.noises == (Noise.DECODE, Noise.RESIZE)
    assert scale.axis.last * scale.axis.step >= 9
    assert scale.x(None) < scale.x(Noise.DECODE) < scale.x(Noise.RESIZE)


HIGHER, LOWER = 60, 140
"""Heights of neighbors above and below a point whose height is 100; heights grow downwards."""


@pytest.mark.parametrize(
    ("before", "after", "anchor", "side"),
    [
        (LOWER, LOWER, "middle", "above"),
        (HIGHER, HIGHER, "middle", "below"),
        (101, 99, "middle", "above"),
        (HIGHER, 100, "middle", "below"),
        (LOWER, 100, "middle", "above"),
        (LOWER, HIGHER, "end", "above"),
        (HIGHER, LOWER, "start", "above"),
        (None, HIGHER, "middle", "below"),
        (LOWER, None, "middle", "above"),
        (None, None, "middle", "above"),
    ],
)
def test_labels_stand_clear_of_the_line(
    before: float | None, after: float | None, anchor: str, side: str
) -> None:
    neighbors: list[Point] = [(x, y) for x, y in ((50, before), (150, after)) if y is not None]
    found, y = label_position((100, 100), neighbors)
    assert (found, "above" if y < 100 else "below") == (anchor, side)
