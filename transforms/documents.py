"""Grids and geometries as JSON, in grid files, plans and manifests; no codec is loaded."""

from __future__ import annotations

import dataclasses
from typing import NotRequired, TypedDict

from sysnoise.transforms.codecs.exif import Orient
from sysnoise.transforms.geometry import Geometry, KeepRatio

GeometryDocument = dict[str, str | int | float | list[float]]
"""A geometry as JSON: ``rule`` and all parameters by name.

Parameters that came later are left out where they have their default, so that the geometries of
earlier sets stay as they are. Where a grid has several geometries, each has a ``name``, too.
"""

_LATER_PARAMETERS = ("long_side", "offset")


class NamedVariant(TypedDict):
    """A stack of a grid as JSON; what is left out is ``original`` and the first geometry."""

    name: str
    decoder: str
    resize: str
    color: str
    source: NotRequired[str]
    geometry: NotRequired[str]
    stands_for: NotRequired[str]


class GridDocument(TypedDict):
    """The content of a grid file: the names and values of a grid, as JSON has them.

    What came later is left out where it has its default: ``orient`` where images are as stored,
    ``sources`` where all files are as they are, ``geometries`` where there is one, and
    ``variants`` where they are not listed.
    """

    name: str
    decoders: list[str]
    resizes: list[str]
    colors: list[str]
    geometry: GeometryDocument
    baseline: str
    combine: str
    color_stage: str
    seed: int
    orient: NotRequired[str]
    sources: NotRequired[list[str]]
    geometries: NotRequired[list[GeometryDocument]]
    variants: NotRequired[list[NamedVariant]]


def other_geometries(grid: GridDocument) -> tuple[str, ...]:
    """Return the names of a grid's geometries but the first, as ids have them."""
    return tuple(str(each["name"]) for each in grid.get("geometries", ())[1:])


def orient_of(grid: GridDocument) -> Orient:
    """Return how a grid's document says that images are turned."""
    return Orient(grid.get("orient", Orient.STORED.value))


def geometry_document(geometry: Geometry) -> GeometryDocument:
    """Return a geometry as a JSON-compatible mapping of its rule and parameters."""
    defaults = {field.name: field.default for field in dataclasses.fields(geometry)}
    parameters = {
        name: list(map(float, value)) if isinstance(value, tuple) else value
        for name, value in vars(geometry).items()
        if name not in _LATER_PARAMETERS or value != defaults[name]
    }
    return {"rule": geometry.rule, **parameters}


def largest_output(grid: GridDocument) -> int | None:
    """Return the number of pixels of the largest image that a grid makes; None without limit.

    Args:
        grid: the grid, whose geometries are as :func:`geometry_document` has them, of any rule.
    """
    sizes = [_largest_output(each) for each in grid.get("geometries", [grid["geometry"]])]
    known = [size for size in sizes if size is not None]
    return max(known) if len(known) == len(sizes) else None


def _largest_output(document: GeometryDocument) -> int | None:
    if document.get("rule") == KeepRatio.rule:
        first, second = document.get("shorter"), document.get("longer")
    else:
        first = second = document.get("crop", document.get("size"))
    return first * second if isinstance(first, int) and isinstance(second, int) else None
