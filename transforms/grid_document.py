"""Grids from documents, which are the mappings in grid files and manifests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from enum import Enum
from typing import Any, TypeVar

from sysnoise.transforms.codecs.exif import Orient
from sysnoise.transforms.documents import GridDocument
from sysnoise.transforms.errors import GridError, GridProblem, grid_error
from sysnoise.transforms.geometry import PRESETS, RULES, Geometry, type_problems
from sysnoise.transforms.grid import ColorStage, Grid
from sysnoise.transforms.grid_problems import GridValues, grid_problems, problem_lines
from sysnoise.transforms.methods import AXES, unknown_name
from sysnoise.transforms.problems import DocumentPath
from sysnoise.transforms.variant_ids import FIRST_GEOMETRY, ORIGINAL, variant_names
from sysnoise.transforms.variants import BASELINE, Combine, NamedGeometry, Stack, Variant

Choice = TypeVar("Choice", bound=Enum)


SETTINGS = (*GridDocument.__required_keys__, *GridDocument.__optional_keys__)
"""The keys of a grid file."""


def grid_from_document(document: object, name: str) -> Grid:
    """Make a grid from the mapping of a grid file or manifest.

    Args:
        document: a :class:`~sysnoise.transforms.documents.GridDocument`, in which everything except
            the axes and the geometry may be left out, and geometries may be names of presets. With
            ``geometries`` or ``variants``, what follows from these may be left out, too.
        name: the name of the grid where the document has none.

    Raises:
        GridError: the document has problems; all are listed.
        MissingExtraError: the only problem is that libraries of methods are not installed.
    """
    if not isinstance(document, Mapping):
        message = "expected a mapping of decoders, resizes, colors, geometry and settings"
        raise _error([GridProblem((), message)])
    problems = [
        GridProblem((str(key),), unknown_name("setting", key, sorted(SETTINGS)))
        for key in document
        if key not in SETTINGS
    ]
    geometries = _geometries(document, problems)
    stacks = _stacks(document, geometries, problems)
    values = GridValues(
        axes=_axes(document, stacks, problems),
        geometry=_first_geometry(document, geometries, problems),
        baseline=_baseline(document, stacks, problems),
        combine=_choice(
            document, "combine", Combine.LISTED if stacks else Combine.PRODUCT, problems
        ),
        name=document.get("name", name),
        seed=document.get("seed", 0),
        geometries=geometries,
        stacks=stacks,
    )
    stage = _choice(document, "color_stage", ColorStage.BEFORE_RESIZE, problems)
    orient = _choice(document, "orient", Orient.STORED, problems)
    if (
        problems
        or values.geometry is None
        or values.baseline is None
        or values.combine is None
        or stage is None
        or orient is None
    ):
        raise _error([*problems, *grid_problems(values)])
    try:
        return Grid(
            name=document.get("name", name),
            geometry=values.geometry,
            baseline=values.baseline,
            combine=values.combine,
            color_stage=stage,
            seed=document.get("seed", 0),
            orient=orient,
            geometries=geometries,
            stacks=stacks,
            **{f"{axis}s": tuple(names) for axis, names in values.axes.items()},
        )
    except GridError as error:
        raise _error(error.problems) from error


def _error(problems: Sequence[GridProblem]) -> GridError:
    return grid_error(problems, problem_lines(problems))


def _axes(
    document: Mapping[str, object], stacks: Sequence[Stack], problems: list[GridProblem]
) -> dict[str, tuple[str, ...]]:
    """Return the names by axis: as they are listed, or those that the stacks have."""
    given = {axis: _names(document.get(f"{axis}s")) for axis in AXES}
    given["source"] = _names(document.get("sources", [ORIGINAL]))
    if not stacks:
        return given
    used = {
        axis: tuple(dict.fromkeys(getattr(stack.variant, axis) for stack in stacks))
        for axis in given
    }
    problems += (
        GridProblem(
            (f"{axis}s",), "leave it out: the variants have other methods, or another order"
        )
        for axis in given
        if f"{axis}s" in document and given[axis] != used[axis]
    )
    return used


def _names(value: object) -> tuple[str, ...]:
    """Return the names of an axis; where there is no list, none, which the grid reports."""
    return tuple(map(str, value)) if isinstance(value, list) else ()


def _baseline(
    document: Mapping[str, object], stacks: Sequence[Stack], problems: list[GridProblem]
) -> Variant | None:
    """Return the baseline; of stacks the one that is named, by default the first."""
    usual = stacks[0].variant.id if stacks else BASELINE.id
    value = str(document.get("baseline", usual))
    for stack in stacks:
        if stack.name == value:
            return stack.variant
    try:
        return Variant(**variant_names(value))
    except ValueError as error:
        problems.append(GridProblem(("baseline",), str(error)))
        return None


def _stacks(
    document: Mapping[str, object],
    geometries: Sequence[NamedGeometry],
    problems: list[GridProblem],
) -> tuple[Stack, ...]:
    if "variants" not in document:
        return ()
    value = document["variants"]
    if not isinstance(value, list) or not value:
        message = "expected a list of variants, each with name, decoder and resize"
        problems.append(GridProblem(("variants",), message))
        return ()
    first = geometries[0].name if geometries else document.get("geometry")
    stacks = [
        _stack(each, ("variants", place), first, problems) for place, each in enumerate(value)
    ]
    return tuple(stack for stack in stacks if stack is not None)


_STACK_KEYS = ("name", "decoder", "resize", "color", "source", "geometry", "stands_for")


def _stack(
    value: object, place: DocumentPath, first_geometry: object, problems: list[GridProblem]
) -> Stack | None:
    if not isinstance(value, Mapping):
        problems.append(GridProblem(place, "expected a mapping with name, decoder and resize"))
        return None
    found = [
        GridProblem((*place, str(key)), unknown_name("setting", key, _STACK_KEYS))
        for key in value
        if key not in _STACK_KEYS
    ]
    found += (
        GridProblem((*place, key), f"expected a text, found {each!r}")
        for key, each in value.items()
        if key in _STACK_KEYS and not isinstance(each, str)
    )
    found += (
        GridProblem(place, f"{key!r} is missing")
        for key in ("name", "decoder", "resize")
        if key not in value
    )
    if found:
        problems += found
        return None
    geometry = value.get("geometry", FIRST_GEOMETRY)
    variant = Variant(
        value["decoder"],
        value["resize"],
        value.get("color", BASELINE.color),
        value.get("source", ORIGINAL),
        FIRST_GEOMETRY if geometry == first_geometry else geometry,
    )
    return Stack(value["name"], variant, value.get("stands_for", ""))


def _choice(
    document: Mapping[str, object], key: str, default: Choice, problems: list[GridProblem]
) -> Choice | None:
    valid = {member.value: member for member in type(default)}
    value = document.get(key, default.value)
    if isinstance(value, str) and value in valid:
        return valid[value]
    problems.append(GridProblem((key,), unknown_name(key, value, valid)))
    return None


def _first_geometry(
    document: Mapping[str, object],
    geometries: Sequence[NamedGeometry],
    problems: list[GridProblem],
) -> Geometry | None:
    if "geometries" in document and "geometry" not in document:
        return geometries[0].geometry if geometries else None
    return _geometry(document.get("geometry"), ("geometry",), problems)


def _geometries(
    document: Mapping[str, object], problems: list[GridProblem]
) -> tuple[NamedGeometry, ...]:
    if "geometries" not in document:
        return ()
    value = document["geometries"]
    if not isinstance(value, list) or not value:
        message = "expected a list of presets, or of mappings with a name and a rule"
        problems.append(GridProblem(("geometries",), message))
        return ()
    named = [
        _named_geometry(each, ("geometries", place), problems) for place, each in enumerate(value)
    ]
    return tuple(each for each in named if each is not None)


def _named_geometry(
    value: object, place: DocumentPath, problems: list[GridProblem]
) -> NamedGeometry | None:
    name = value.get("name") if isinstance(value, Mapping) else value
    if isinstance(value, Mapping):
        value = {key: each for key, each in value.items() if key != "name"}
        if not isinstance(name, str):
            message = f"expected a name of the geometry, found {name!r}"
            problems.append(GridProblem((*place, "name"), message))
    geometry = _geometry(value, place, problems)
    return None if geometry is None else NamedGeometry(str(name), geometry)


def _geometry(value: object, place: DocumentPath, problems: list[GridProblem]) -> Geometry | None:
    if isinstance(value, Mapping):
        return _geometry_of_rule(value, place, problems)
    if isinstance(value, str) and value in PRESETS:
        return PRESETS[value]
    message = f"expected a preset ({', '.join(PRESETS)}) or a mapping with a rule"
    if isinstance(value, str):
        message = unknown_name("geometry", value, PRESETS)
    problems.append(GridProblem(place, message))
    return None


def _geometry_of_rule(
    value: Mapping[str, object], place: DocumentPath, problems: list[GridProblem]
) -> Geometry | None:
    rule = str(value.get("rule"))
    if rule not in RULES:
        problems.append(GridProblem(place, unknown_name("rule", rule, RULES)))
        return None
    kind = RULES[rule]
    defaults = {field.name: field.default for field in fields(kind)}
    # The values may be of any type: the grid checks them.
    parameters: dict[str, Any] = {
        key: tuple(each) if isinstance(each, list) else each
        for key, each in value.items()
        if key in defaults
    }
    problems += (
        GridProblem((*place, key), unknown_name("parameter", key, defaults))
        for key in value
        if key not in (*defaults, "rule")
    )
    missing = [key for key in defaults.keys() - parameters if defaults[key] is MISSING]
    if not missing:
        return kind(**parameters)
    problems += (
        each._replace(path=(*place, *each.path[1:])) for each in type_problems(kind, parameters)
    )
    problems += (GridProblem(place, f"rule {rule!r} needs {key!r}") for key in sorted(missing))
    return None
