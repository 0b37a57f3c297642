"""The axis of losses that the charts of a section share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

MAX_INTERVALS = 5
"""Number of intervals between marks that is aimed at; rounding may add one."""


@dataclass(frozen=True)
class Axis:
    """An axis of losses, in points.

    Attributes:
        step: the distance of two marks.
        first, last: the multiples of the step at which the axis begins and ends.
    """

    step: float
    first: int
    last: int

    def share(self, loss: float) -> float:
        """Return where a loss stands: 0 is the beginning of the axis, 1 its end."""
        return (loss / self.step - self.first) / (self.last - self.first)

    def marks(self) -> Iterator[tuple[float, str]]:
        """Yield the round losses, the lowest first, and their texts."""
        for multiple in range(self.first, self.last + 1):
            loss = multiple * self.step
            yield loss, f"{loss:.6g}"


def axis_of(losses: Iterable[float]) -> Axis:
    """Return an axis that holds zero and some losses, with marks at round losses."""
    held = [0.0, *losses]
    low, high = min(held), max(held)
    step = _round_step((high - low) / MAX_INTERVALS)
    first, last = math.floor(low / step), math.ceil(high / step)
    return Axis(step, first, max(last, first + 1))


def _round_step(least: float) -> float:
    """Return the smallest of 1, 2 and 5 times a power of ten that is at least this; 1 for 0."""
    if least <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(least))
    return next(each for each in (power, 2 * power, 5 * power, 10 * power) if each >= least)
