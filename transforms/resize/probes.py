"""Built-in probe images, how much resizes differ on them, and the families that they form.

The picture is made by integer arithmetic, which is the same on every machine. Its detail is as
fine as that of photographs, so that the distances between resizes are as large as on these.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sysnoise.transforms.difference import Difference
from sysnoise.transforms.digests import pixel_digest
from sysnoise.transforms.pixel_difference import difference
from sysnoise.transforms.pixels import Pixels
from sysnoise.transforms.resizers import ResizeError, resize

REFERENCE = "pillow-bilinear"
"""The resize that others are compared with."""

FAMILY_DISTANCE = 0.25
"""Levels by which members of a family differ from its first one on average, on every probe."""


@dataclass(frozen=True)
class ResizeProbe:
    """The width and height of a probe and of its result."""

    source: tuple[int, int]
    size: tuple[int, int]


PROBES: Mapping[str, ResizeProbe] = {
    "reduced": ResizeProbe((250, 188), (170, 128)),
    "squashed": ResizeProbe((250, 188), (112, 112)),
    "enlarged": ResizeProbe((100, 75), (170, 128)),
}
"""Half of what ImageNet's usual sizes are: 500 x 375 to 341 x 256 and to 224 x 224, and 200 x 150
to 341 x 256. Resizes that agree on one of these differ on another, where they widen their filter,
shrink in two steps or place the pixels in another way."""

_OCTAVES = {64: 4, 32: 4, 16: 4, 8: 4, 4: 3, 2: 2}
"""Contrast of detail by its size in pixels. In photographs it hardly depends on the size, apart
from the finest, which lenses and JPEG soften."""


def probe_picture(width: int, height: int) -> Pixels:
    """Return a picture of random detail of all sizes, mostly gray.

    Args:
        width: the width in pixels.
        height: the height in pixels.

    Returns:
        uint8, shape (height, width, 3), values 0 to 255.
    """
    total = np.zeros((height, width, 3), np.int64)
    for cell, contrast in _OCTAVES.items():
        total += contrast * _detail(width, height, cell)
    return np.clip(128 + 3 * total // sum(_OCTAVES.values()), 0, 255).astype(np.uint8)


def _detail(width: int, height: int, cell: int) -> NDArray[np.int64]:
    """Interpolate linearly between random values, -128 to 127, that are a cell apart."""
    values = _random_values(height // cell + 2, width // cell + 2, seed=cell)
    row, below = np.divmod(np.arange(height), cell)
    column, right = np.divmod(np.arange(width), cell)
    below, right = below[:, np.newaxis, np.newaxis], right[:, np.newaxis]
    upper = values[row][:, column] * (cell - right) + values[row][:, column + 1] * right
    lower = values[row + 1][:, column] * (cell - right) + values[row + 1][:, column + 1] * right
    interpolated: NDArray[np.int64] = (upper * (cell - below) + lower * below) // (cell * cell)
    return interpolated


def _random_values(rows: int, columns: int, seed: int) -> NDArray[np.int64]:
    """Hash the places; a third of each channel is its own, and two thirds are common to all."""
    y, x = np.mgrid[:rows, :columns]
    mixed = (x * 374761393 + y * 668265263 + seed * 1274126177) % 2**32
    mixed = (mixed ^ (mixed >> 13)) * 1274126177 % 2**32
    channels = np.dstack([(mixed >> shift & 255) - 128 for shift in (0, 8, 16)])
    values: NDArray[np.int64] = channels // 3 + 2 * channels[:, :, :1] // 3
    return values


@dataclass(frozen=True)
class ResizeComparison:
    """How much resizes differ on the probes.

    Attributes:
        identical: groups of two or more resizes that give the same pixels on all probes.
        families: every resize that gave pixels, in the first family whose first member differs by
            at most :data:`FAMILY_DISTANCE` on average, on each of the probes.
        distance: the difference from :data:`REFERENCE` by probe and resize.
        errors: the error by resize for those that gave no pixels; these have no distance.
    """

    identical: tuple[tuple[str, ...], ...]
    families: tuple[tuple[str, ...], ...]
    distance: Mapping[str, Mapping[str, Difference]]
    errors: Mapping[str, ResizeError]


def compare_resizes(names: Iterable[str]) -> ResizeComparison:
    """Resize the probes with each of the resizes and compare the results.

    Args:
        names: the resizes, whose libraries must be installed; ``none`` keeps the size and cannot be
            among them.

    Raises:
        ResizeError: :data:`REFERENCE` failed.
        UnknownNameError: there is no such resize.
    """
    sources = {name: probe_picture(*probe.source) for name, probe in PROBES.items()}
    results: dict[str, list[Pixels]] = {}
    errors: dict[str, ResizeError] = {}
    for name in names:
        try:
            results[name] = _resized(name, sources)
        except ResizeError as error:
            errors[name] = error
    reference = _resized(REFERENCE, sources)
    groups: dict[Any, list[str]] = {}
    for name, images in results.items():
        groups.setdefault(tuple(map(pixel_digest, images)), []).append(name)
    return ResizeComparison(
        identical=tuple(tuple(group) for group in groups.values() if len(group) > 1),
        families=_families(results),
        distance={
            probe: {name: difference(images[k], reference[k]) for name, images in results.items()}
            for k, probe in enumerate(PROBES)
        },
        errors=errors,
    )


def _resized(name: str, sources: Mapping[str, Pixels]) -> list[Pixels]:
    return [resize(name, sources[probe], PROBES[probe].size) for probe in PROBES]


def _families(results: Mapping[str, list[Pixels]]) -> tuple[tuple[str, ...], ...]:
    families: dict[str, list[str]] = {}
    for name, images in results.items():
        near = (first for first in families if _is_near(images, results[first]))
        families.setdefault(next(near, name), []).append(name)
    return tuple(map(tuple, families.values()))


def _is_near(images: list[Pixels], others: list[Pixels]) -> bool:
    return all(
        (difference(one, other).mean or 0.0) <= FAMILY_DISTANCE
        for one, other in zip(images, others, strict=True)
    )
