"""Grids from documents, which are the mappings in grid files and manifests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from enum import Enum
from typing import Any, TypeVar

from sysnoise.transforms.codecs.exif import Orient
from sysnoise.transforms.errors import GridError, GridProblem, grid_error
from sysnoise.transforms.geometry import PRESETS, RULES, Geometry, type_problems
from sysnoise.transforms.grid import (
    BASELINE,
    ColorStage,
    Combine,
    Grid,
    Variant,
    grid_problems,
    problem_lines,
)
from sysnoise.transforms.methods import AXES, unknown_name

Choice = TypeVar("Choice", bound=Enum)


def grid_from_document(document: object, name: str) -> Grid:
    """Make a grid from the mapping of a grid file or manifest.

    Args:
        document: a :class:`~sysnoise.transforms.grid.GridDocument`, in which everything except the
            axes and the geometry may be left out, and the geometry may be the name of a preset.
        name: the name of the grid where the document has none.

    Raises:
        GridError: the document has problems; all are listed.
        MissingExtraError: the only problem is that libraries of methods are not installed.
    """
    if not isinstance(document, Mapping):
        message = "expected a mapping of decoders, resizes, colors, geometry and settings"
        raise _error([GridProblem((), message)])
    settings = sorted(field.name for field in fields(Grid))
    problems = [
        GridProblem((str(key),), unknown_name("setting", key, settings))
        for key in document
        if key not in settings
    ]
    axes = {axis: _names(document.get(f"{axis}s")) for axis in AXES}
    geometry = _geometry(document.get("geometry"), problems)
    baseline = _baseline(document.get("baseline", BASELINE.id), problems)
    combine = _choice(document, "combine", Combine.PRODUCT, problems)
    stage = _choice(document, "color_stage", ColorStage.BEFORE_RESIZE, problems)
    orient = _choice(document, "orient", Orient.STORED, problems)
    name, seed = document.get("name", name), document.get("seed", 0)
    if (
        problems
        or geometry is None
        or baseline is None
        or combine is None
        or stage is None
        or orient is None
    ):
        problems += grid_problems(axes, geometry, baseline, combine, name, seed)
        raise _error(problems)
    try:
        return Grid(
            name,
            axes["decoder"],
            axes["resize"],
            axes["color"],
            geometry,
            baseline,
            combine,
            stage,
            seed,
            orient,
        )
    except GridError as error:
        raise _error(error.problems) from error


def _error(problems: Sequence[GridProblem]) -> GridError:
    return grid_error(problems, problem_lines(problems))


def _names(value: object) -> tuple[str, ...]:
    """Return the names of an axis; where there is no list, none, which the grid reports."""
    return tuple(map(str, value)) if isinstance(value, list) else ()


def _baseline(value: object, problems: list[GridProblem]) -> Variant | None:
    names = str(value).split("/")
    if len(names) == len(AXES):
        return Variant(*names)
    message = f"expected decoder/resize/color, found {str(value)!r}"
    problems.append(GridProblem(("baseline",), message))
    return None


def _choice(
    document: Mapping[str, object], key: str, default: Choice, problems: list[GridProblem]
) -> Choice | None:
    valid = {member.value: member for member in type(default)}
    value = document.get(key, default.value)
    if isinstance(value, str) and value in valid:
        return valid[value]
    problems.append(GridProblem((key,), unknown_name(key, value, valid)))
    return None


def _geometry(value: object, problems: list[GridProblem]) -> Geometry | None:
    if isinstance(value, Mapping):
        return _geometry_of_rule(value, problems)
    if isinstance(value, str) and value in PRESETS:
        return PRESETS[value]
    message = f"expected a preset ({', '.join(PRESETS)}) or a mapping with a rule"
    if isinstance(value, str):
        message = unknown_name("geometry", value, PRESETS)
    problems.append(GridProblem(("geometry",), message))
    return None


def _geometry_of_rule(value: Mapping[str, object], problems: list[GridProblem]) -> Geometry | None:
    rule = str(value.get("rule"))
    if rule not in RULES:
        problems.append(GridProblem(("geometry",), unknown_name("rule", rule, RULES)))
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
        GridProblem(("geometry", key), unknown_name("parameter", key, defaults))
        for key in value
        if key not in (*defaults, "rule")
    )
    missing = [key for key in defaults.keys() - parameters if defaults[key] is MISSING]
    if not missing:
        return kind(**parameters)
    problems += type_problems(kind, parameters)
    problems += (
        GridProblem(("geometry",), f"rule {rule!r} needs {key!r}") for key in sorted(missing)
    )
    return None
