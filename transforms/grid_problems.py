"""What is wrong with the values of a grid, all of it at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sysnoise.transforms.codecs.decoders import DECODERS
from sysnoise.transforms.codecs.exif import Exif
from sysnoise.transforms.codecs.sources import SCALED, SCALED_DECODERS
from sysnoise.transforms.errors import GridProblem
from sysnoise.transforms.geometry import Geometry, Native, type_problems
from sysnoise.transforms.methods import (
    UnknownNameError,
    get_method,
    is_available,
    unknown_name,
)
from sysnoise.transforms.problems import DocumentPath, dotted_path
from sysnoise.transforms.variant_ids import FIRST_GEOMETRY, is_name
from sysnoise.transforms.variants import (
    METHODS,
    Combine,
    NamedGeometry,
    Stack,
    Variant,
    canonical_name,
)

_LONGEST_NAME = 64
"""Characters of the name of a geometry or a stack; the first are part of the names of files."""

_STACK_NAME = rf"[A-Za-z0-9][A-Za-z0-9 ._+-]{{0,{_LONGEST_NAME - 1}}}"


@dataclass(frozen=True, kw_only=True)
class GridValues:
    """The values of a grid before they are checked.

    A value that is None could not be read from its document. That problem has been reported, and no
    other value is compared with it.

    Attributes:
        axes: the listed names by axis, which may be aliases or unknown.
        geometry: the geometry, whose parameters may be of any type; of several the first.
        baseline: the baseline, whose names may be unknown.
        combine: how variants are made from the axes.
        name: the grid's name, of any type.
        seed: the seed, of any type.
        geometries: all geometries; empty where there is one.
        stacks: the variants one by one, whose names may be unknown.
    """

    axes: Mapping[str, Sequence[str]]
    geometry: Geometry | None
    baseline: Variant | None
    combine: Combine | None
    name: object
    seed: object
    geometries: Sequence[NamedGeometry] = ()
    stacks: Sequence[Stack] = ()


def problem_lines(problems: Iterable[GridProblem]) -> list[str]:
    """Return a line for each problem: where in the grid's document it is, and what it is."""
    return [f"{dotted_path(each.path, 'grid')}: {each.message}" for each in problems]


def grid_problems(values: GridValues) -> list[GridProblem]:
    """List everything that is wrong with the values of a grid, in the order of the fields."""
    names = _names(values)
    problems = [each for axis in values.axes for each in _axis_problems(values, axis)]
    problems += _geometry_problems(values)
    if not isinstance(values.name, str) or not values.name:
        problems.append(GridProblem(("name",), f"expected a text, found {values.name!r}"))
    seed = values.seed
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        message = f"expected a whole number of at least 0, found {seed!r}"
        problems.append(GridProblem(("seed",), message))
    return [
        *problems,
        *_stack_problems(values),
        *_baseline_problems(values, names),
        *_native_problems(values, names),
        *_color_problems(values, names),
        *_scaled_problems(values, names),
        *_turning_problems(values, names),
    ]


@dataclass(frozen=True)
class _Names:
    """Canonical names; None in the place of an unknown one.

    Attributes:
        listed: those of the axes, by axis.
        baseline: those of the baseline by axis; empty where it could not be read.
        stacks: those of each stack by axis.
        combine: how variants are made of them.
    """

    listed: Mapping[str, Sequence[str | None]]
    baseline: Mapping[str, str | None]
    stacks: Sequence[Mapping[str, str | None]]
    combine: Combine | None

    def met(self, axis: str, name: str, other: str) -> Sequence[str | None]:
        """Return the names of another axis in the variants that have a name of an axis."""
        if self.combine is Combine.LISTED:
            return [*dict.fromkeys(each[other] for each in self.stacks if each[axis] == name)]
        if self.combine is Combine.ONE_FACTOR and name != self.baseline.get(axis):
            return [self.baseline.get(other)]
        return self.listed[other]


def _names(values: GridValues) -> _Names:
    listed = {axis: [_known(axis, each) for each in names] for axis, names in values.axes.items()}
    listed["geometry"] = [FIRST_GEOMETRY, *(each.name for each in values.geometries[1:])]
    return _Names(
        listed,
        {} if values.baseline is None else _known_names(values.baseline),
        [_known_names(each.variant) for each in values.stacks],
        values.combine,
    )


def _known_names(variant: Variant) -> dict[str, str | None]:
    return {axis: _known(axis, name) for axis, name in vars(variant).items()}


def _known(axis: str, name: str) -> str | None:
    try:
        return canonical_name(axis, name)
    except UnknownNameError:
        return None


def _place(values: GridValues, axis: str, index: int) -> DocumentPath:
    """Return where the document has a name of an axis: in its list, or in the first such stack."""
    name = values.axes[axis][index]
    for position, stack in enumerate(values.stacks):
        if getattr(stack.variant, axis) == name:
            return ("variants", position, axis)
    return (f"{axis}s", index)


def _axis_problems(values: GridValues, axis: str) -> Iterator[GridProblem]:
    names, methods = values.axes[axis], METHODS[axis]
    if not names and values.combine is not Combine.LISTED:
        message = f"expected a list of at least one {axis}; valid: {', '.join(methods)}"
        yield GridProblem((f"{axis}s",), message)
    seen: set[str] = set()
    for index, name in enumerate(names):
        place = _place(values, axis, index)
        try:
            method = get_method(methods, axis, name)
        except UnknownNameError as error:
            yield GridProblem(place, str(error))
            continue
        if method.name in seen and not values.stacks:
            yield GridProblem(place, f"{method.name!r} is listed twice")
        seen.add(method.name)
        if method.extra and not is_available(method):
            message = f"{method.name!r} is not installed here: it needs the extra {method.extra}"
            yield GridProblem(place, message, method.extra)


def _geometry_problems(values: GridValues) -> Iterator[GridProblem]:
    if not values.geometries:
        if values.geometry is not None:
            yield from _parameter_problems(values.geometry, ("geometry",))
        return
    seen: set[str] = set()
    for index, named in enumerate(values.geometries):
        place = ("geometries", index)
        yield from _parameter_problems(named.geometry, place)
        if not is_name(named.name) or len(named.name) > _LONGEST_NAME:
            message = (
                f"expected at most {_LONGEST_NAME} lower-case letters, digits and single dashes, "
                f"found {named.name!r}"
            )
            yield GridProblem((*place, "name"), message)
        if named.name == FIRST_GEOMETRY and index:
            message = f"{FIRST_GEOMETRY!r} stands for the first geometry: take another name"
            yield GridProblem((*place, "name"), message)
        if named.name in seen:
            yield GridProblem((*place, "name"), f"{named.name!r} is listed twice")
        seen.add(named.name)
    if values.geometry not in (None, values.geometries[0].geometry):
        message = "expected the first of the geometries; leave it out where these are given"
        yield GridProblem(("geometry",), message)


def _parameter_problems(geometry: Geometry, place: DocumentPath) -> Iterator[GridProblem]:
    wrong = type_problems(type(geometry), vars(geometry))
    for problem in wrong:
        yield problem._replace(path=(*place, *problem.path[1:]))
    if not wrong:
        yield from (GridProblem(place, message) for message in geometry.problems())


def _stack_problems(values: GridValues) -> Iterator[GridProblem]:
    if (values.combine is Combine.LISTED) != bool(values.stacks):
        message = "variants and combine 'listed' go together"
        yield GridProblem(("combine",), message)
    geometries = {FIRST_GEOMETRY, *(each.name for each in values.geometries[1:])}
    seen: set[str] = set()
    for index, stack in enumerate(values.stacks):
        place = ("variants", index)
        if not re.fullmatch(_STACK_NAME, stack.name):
            message = f"expected a name of letters, digits, spaces and ._+-, found {stack.name!r}"
            yield GridProblem((*place, "name"), message)
        if stack.name in seen:
            yield GridProblem((*place, "name"), f"{stack.name!r} is listed twice")
        seen.add(stack.name)
        if stack.variant.geometry not in geometries:
            listed = [each.name for each in values.geometries] or [FIRST_GEOMETRY]
            message = unknown_name("geometry", stack.variant.geometry, listed)
            yield GridProblem((*place, "geometry"), f"{message}; list it in 'geometries'")


def _baseline_problems(values: GridValues, names: _Names) -> Iterator[GridProblem]:
    baseline = values.baseline
    if baseline is None:
        return
    for axis in values.axes:
        name = names.baseline[axis]
        if name is None:
            message = unknown_name(axis, getattr(baseline, axis), METHODS[axis])
            yield GridProblem(("baseline",), message)
        elif names.listed[axis] and name not in names.listed[axis] and not values.stacks:
            message = f"the baseline's {name!r} is not among them"
            yield GridProblem((f"{axis}s",), message)
    if baseline.geometry != FIRST_GEOMETRY:
        message = (
            f"the baseline has the first geometry, not {baseline.geometry!r}; list the one that it "
            "is to have first, and leave it out of the baseline's id"
        )
        yield GridProblem(("baseline",), message)
    if values.stacks and names.baseline not in names.stacks:
        yield GridProblem(("baseline",), "none of the variants is the baseline")
    decoder = names.baseline["decoder"]
    if decoder and DECODERS[decoder].exif is Exif.APPLIED:
        message = (
            f"{decoder!r} rotates images, so it cannot be the baseline; take another, and turn the "
            "images of all decoders with --orient upright"
        )
        yield GridProblem(("baseline",), message)


def _native_problems(values: GridValues, names: _Names) -> Iterator[GridProblem]:
    if values.geometry is None:
        return
    is_native = isinstance(values.geometry, Native)
    for index, resize in enumerate(names.listed["resize"]):
        if resize and is_native != (resize == "none"):
            message = f"resize 'none' and the native geometry go together, found {resize!r}"
            yield GridProblem(_place(values, "resize", index), message)
    kinds = [isinstance(each.geometry, Native) for each in values.geometries]
    if any(kinds) and len(kinds) > 1:
        message = "the native geometry goes with no other one"
        yield GridProblem(("geometries", kinds.index(True)), message)


def _color_problems(values: GridValues, names: _Names) -> Iterator[GridProblem]:
    """Check that decoders that go with one color mode only are combined with no other."""
    for index, name in enumerate(names.listed["decoder"]):
        only = DECODERS[name].color if name else None
        if name is None or only is None:
            continue
        met = names.met("decoder", name, "color")
        others = ", ".join(repr(color) for color in met if color not in (None, only))
        if others:
            message = f"{name!r} goes with color {only!r} only, not with {others}"
            yield GridProblem(_place(values, "decoder", index), message)


def _scaled_problems(values: GridValues, names: _Names) -> Iterator[GridProblem]:
    """Check that decoding at a reduced scale is combined with what can do it."""
    if SCALED not in names.listed["source"]:
        return
    place = _place(values, "source", names.listed["source"].index(SCALED))
    met = names.met("source", SCALED, "decoder")
    others = [repr(name) for name in met if name and name not in SCALED_DECODERS]
    if others:
        able = " and ".join(map(repr, SCALED_DECODERS))
        yield GridProblem(place, f"{SCALED!r} goes with {able} only, not with {', '.join(others)}")
    geometries: dict[str | None, Geometry | None] = {FIRST_GEOMETRY: values.geometry}
    geometries |= {each.name: each.geometry for each in values.geometries[1:]}
    for name in names.met("source", SCALED, "geometry"):
        geometry = geometries.get(name)
        if geometry is not None and not geometry.takes_whole:
            message = (
                f"{SCALED!r} goes with geometries that resize the whole image, not with "
                f"{geometry.rule!r}"
            )
            yield GridProblem(place, message)


def _turning_problems(values: GridValues, names: _Names) -> Iterator[GridProblem]:
    """Check that a decoder that turns images meets neither other geometries nor other sources."""
    for index, name in enumerate(names.listed["decoder"]):
        if name is None or DECODERS[name].exif is not Exif.APPLIED:
            continue
        if len(values.geometries) > 1 or len(names.listed["source"]) > 1:
            message = (
                f"{name!r} rotates images, which goes with one geometry and the files as they are; "
                "take another decoder, and turn all images with --orient upright"
            )
            yield GridProblem(_place(values, "decoder", index), message)
