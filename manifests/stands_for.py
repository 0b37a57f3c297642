"""What the methods stand for: calls of other libraries that give the same pixels, or nearly.

A user who deploys on TensorFlow finds here the method whose pixels TensorFlow's are. The facts are
in ``stands_for.json``, which ``make deployed`` writes from its measurements.
"""

from __future__ import annotations

import functools
import importlib.resources
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec


@dataclass(frozen=True)
class StandsFor:
    """A call of another library whose pixels a method gives.

    Attributes:
        what: the call, as its documentation writes it.
        versions: the packages or programs that were measured, with versions.
        mean: mean absolute difference from the method's pixels, of 255 levels.
        maximum: largest absolute difference; 0 where all pixels are equal.
        how: what the distance was measured on.
    """

    what: str
    versions: str
    mean: float
    maximum: int
    how: str

    @property
    def distance(self) -> str:
        """The distance as text: "equal", or mean and maximum."""
        if not self.maximum:
            return "equal"
        mean = f"{self.mean:.3f}" if self.mean >= 0.0005 else "< .001"
        return f"{mean} / {self.maximum}"

    @property
    def text(self) -> str:
        """The fact as text."""
        return f"{self.what} ({self.versions}): {self.distance}"


Facts = Mapping[str, Mapping[str, tuple[StandsFor, ...]]]
"""Facts by axis and by name of the method."""


@functools.cache
def all_facts() -> Facts:
    """Return what all methods stand for."""
    data = importlib.resources.files("sysnoise.manifests") / "stands_for.json"
    return msgspec.json.decode(data.read_bytes(), type=dict[str, dict[str, tuple[StandsFor, ...]]])


def stands_for(axis: str, method: str) -> tuple[StandsFor, ...]:
    """Return what a method stands for, the nearest first; nothing where nothing is near it.

    Args:
        axis: ``decoder``, ``resize`` or ``color``.
        method: the name of the method.
    """
    return all_facts().get(axis, {}).get(method, ())


def stands_for_text(axis: str, method: str) -> str:
    """Return what a method stands for as one line; empty where nothing is near it."""
    return "; ".join(each.text for each in stands_for(axis, method))
