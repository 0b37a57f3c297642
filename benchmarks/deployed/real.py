"""What is compared: something of the field, with the version of what does it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import numpy as np

from sysnoise.transforms.pixels import Pixels


@dataclass(frozen=True)
class Real:
    """A decoder, resize or stack of the field.

    Attributes:
        name: what is called, as its documentation writes it.
        versions: the packages or programs, with versions.
        function: what calls it.
        rounding: how its floats became 8-bit values; empty where it returns those itself.
    """

    name: str
    versions: str
    function: Callable[..., Pixels]
    rounding: str = ""


NEAREST = "to the nearest"
"""The rounding of :func:`rounded`."""


def rounded(values: Any) -> Pixels:
    """Return floats of 0 to 255 as 8-bit values: the nearest ones, half to even, clipped."""
    return np.clip(np.rint(np.asarray(values, np.float64)), 0, 255).astype(np.uint8)


def package_version(*packages: str) -> str:
    """Return packages with their versions, as text."""
    return ", ".join(f"{name} {metadata.version(name).partition('+')[0]}" for name in packages)
