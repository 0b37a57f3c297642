"""Grids: the variants of a run, and everything else that decides pixels."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from sysnoise.transforms.codecs.decoders import DECODERS
from sysnoise.transforms.codecs.exif import Exif, Orient
from sysnoise.transforms.colors import COLORS
from sysnoise.transforms.digests import canonical_sha256
from sysnoise.transforms.errors import GridProblem, grid_error
from sysnoise.transforms.geometry import (
    Geometry,
    GridDocument,
    Native,
    Placement,
    geometry_document,
    type_problems,
)
from sysnoise.transforms.methods import (
    AXES,
    Method,
    MethodIdentity,
    UnknownNameError,
    get_method,
    identity,
    install_line,
    is_available,
    unknown_name,
)
from sysnoise.transforms.pixels import Size
from sysnoise.transforms.problems import dotted_path
from sysnoise.transforms.resizers import RESIZES

METHODS: Mapping[str, Mapping[str, Method[Any]]] = {
    "decoder": DECODERS,
    "resize": RESIZES,
    "color": COLORS,
}
"""The methods of each axis by name."""


class Combine(Enum):
    """How variants are made from the axes of a grid."""

    PRODUCT = "product"
    ONE_FACTOR = "one-factor"


class ColorStage(Enum):
    """When the color mode is applied: hardware converts before it resizes."""

    BEFORE_RESIZE = "before-resize"
    AFTER_RESIZE = "after-resize"


@dataclass(frozen=True, order=True)
class Variant:
    """One method of each axis.

    Attributes:
        decoder, resize, color: the canonical names of the methods.

    Example:
        >>> from sysnoise import Variant
        >>> variant = Variant.parse("pil/pil-cubic/rgb")  # The names of the paper.
        >>> variant.id
        'pillow/pillow-bicubic/rgb'
    """

    decoder: str
    resize: str
    color: str

    @property
    def id(self) -> str:
        """The id, ``decoder/resize/color``."""
        return f"{self.decoder}/{self.resize}/{self.color}"

    @property
    def slug(self) -> str:
        """The name in paths, where slashes are not allowed: ``decoder__resize__color``."""
        return f"{self.decoder}__{self.resize}__{self.color}"

    @classmethod
    def parse(cls, variant_id: str) -> Variant:
        """Return the variant with this id; the paper's names are accepted.

        Raises:
            ValueError: the id has not three parts, or has an unknown name.
        """
        names = variant_id.split("/")
        if len(names) != len(AXES):
            raise ValueError(f"expected decoder/resize/color, found {variant_id!r}")
        return cls(*map(_canonical, AXES, names))


BASELINE = Variant("pillow", "pillow-bilinear", "rgb")
"""The baseline of grids that give none."""


@dataclass(frozen=True)
class Grid:
    """The variants of a run, with geometry, color stage, seed and baseline.

    Aliases are replaced by canonical names when a grid is made.

    Attributes:
        name: the name of the grid, which has no effect on pixels.
        decoders, resizes, colors: the names of the methods on each axis, in the order of variants.
        geometry: how images are resized, cropped and padded.
        baseline: the variant that represents the training system.
        combine: whether variants are the product of the axes or differ from the baseline in one.
        color_stage: whether the color mode is applied before or after the resize.
        seed: the seed of random geometries.
        orient: whether every decoder's pixels are turned upright by EXIF before everything else.

    Raises:
        GridError: the grid has unknown names or settings that are wrong or contradict each other;
            all its problems are listed.
        MissingExtraError: the only problem is that libraries of methods are not installed.

    Example:
        >>> from sysnoise import Grid, load_grid
        >>> geometry = load_grid("imagenet-full").geometry
        >>> grid = Grid("two", ("pillow", "opencv"), ("pillow-bilinear",), ("rgb",), geometry)
        >>> [variant.id for variant in grid.variants]
        ['pillow/pillow-bilinear/rgb', 'opencv/pillow-bilinear/rgb']
    """

    name: str
    decoders: tuple[str, ...]
    resizes: tuple[str, ...]
    colors: tuple[str, ...]
    geometry: Geometry
    baseline: Variant = BASELINE
    combine: Combine = Combine.PRODUCT
    color_stage: ColorStage = ColorStage.BEFORE_RESIZE
    seed: int = 0
    orient: Orient = Orient.STORED

    def __post_init__(self) -> None:
        problems = grid_problems(
            self.axes, self.geometry, self.baseline, self.combine, self.name, self.seed
        )
        if problems:
            raise grid_error(problems, [f"grid {self.name!r}:", *problem_lines(problems)])
        for axis, names in self.axes.items():
            object.__setattr__(self, f"{axis}s", tuple(_canonical(axis, name) for name in names))
        object.__setattr__(self, "baseline", Variant.parse(self.baseline.id))

    @property
    def axes(self) -> dict[str, tuple[str, ...]]:
        """The names of the methods by axis."""
        return {"decoder": self.decoders, "resize": self.resizes, "color": self.colors}

    @functools.cached_property
    def variants(self) -> tuple[Variant, ...]:
        """All variants: by decoder, resize and color, or the baseline and then each axis."""
        if self.combine is Combine.PRODUCT:
            return tuple(
                Variant(decoder, resize, color)
                for decoder in self.decoders
                for resize in self.resizes
                for color in self.colors
            )
        return tuple(dict.fromkeys((self.baseline, *self._one_factor())))

    def _one_factor(self) -> Iterator[Variant]:
        for decoder in self.decoders:
            yield dataclasses.replace(self.baseline, decoder=decoder)
        for resize in self.resizes:
            yield dataclasses.replace(self.baseline, resize=resize)
        for color in self.colors:
            yield dataclasses.replace(self.baseline, color=color)

    def variant(self, variant_id: str) -> Variant:
        """Return the variant of this grid that has this id.

        Raises:
            ValueError: the grid has no such variant; the message lists the ids that it has.
        """
        variant = Variant.parse(variant_id)
        if variant not in self.variants:
            ids = (each.id for each in self.variants)
            raise ValueError(f"grid {self.name!r}: {unknown_name('variant', variant_id, ids)}")
        return variant

    def place(self, source: Size, key: str) -> Placement:
        """Return the placement of a decoded image.

        Args:
            source: the size of the decoded image, upright where the grid turns images.
            key: the sample's key, from which random geometries are drawn.
        """
        return _placement(self.geometry, source, self.seed, key)

    def document(self) -> GridDocument:
        """Return the grid as the JSON-compatible mapping of a grid file."""
        document: GridDocument = {
            "name": self.name,
            "decoders": list(self.decoders),
            "resizes": list(self.resizes),
            "colors": list(self.colors),
            "geometry": geometry_document(self.geometry),
            "baseline": self.baseline.id,
            "combine": self.combine.value,
            "color_stage": self.color_stage.value,
            "seed": self.seed,
        }
        if self.orient is not Orient.STORED:
            document["orient"] = self.orient.value
        return document

    def fingerprint(self) -> str:
        """Return the sha256, in hexadecimal, of everything in the grid that decides pixels."""
        decisive = {key: value for key, value in self.document().items() if key != "name"}
        return canonical_sha256(decisive)

    def identities(self) -> dict[str, dict[str, MethodIdentity]]:
        """Return the identity of every method, by the field that lists it and by its name."""
        return {
            f"{axis}s": {name: identity(METHODS[axis][name]) for name in names}
            for axis, names in self.axes.items()
        }

    @property
    def exif(self) -> Exif:
        """Whether any decoder of the grid turns images that the others leave as they are stored."""
        applied = any(DECODERS[name].exif is Exif.APPLIED for name in self.decoders)
        return Exif.APPLIED if applied and self.orient is Orient.STORED else Exif.IGNORED


def _canonical(axis: str, name: str) -> str:
    return get_method(METHODS[axis], axis, name).name


@functools.lru_cache(maxsize=8)  # A sample has few sizes and asks for each several times.
def _placement(geometry: Geometry, source: Size, seed: int, key: str) -> Placement:
    return geometry.place(source, seed, key)


def problem_lines(problems: Iterable[GridProblem]) -> list[str]:
    """Return a line for each problem: where in the grid's document it is, and what it is."""
    return [f"{dotted_path(each.path, 'grid')}: {each.message}" for each in problems]


def grid_problems(
    axes: Mapping[str, Sequence[str]],
    geometry: Geometry | None,
    baseline: Variant | None,
    combine: Combine | None,
    name: object,
    seed: object,
) -> list[GridProblem]:
    """List everything that is wrong with the values of a grid, in the order of the fields.

    A value that is None could not be read from its document. That problem has been reported, and no
    other value is compared with it.

    Args:
        axes: the listed names by axis, which may be aliases or unknown.
        geometry: the geometry, whose parameters may be of any type.
        baseline: the baseline, whose names may be unknown.
        combine: how variants are made from the axes.
        name: the grid's name.
        seed: the seed.
    """
    listed = {axis: [_known(axis, each) for each in names] for axis, names in axes.items()}
    fixed = (
        {} if baseline is None else {axis: _known(axis, getattr(baseline, axis)) for axis in AXES}
    )
    problems = [each for axis, names in axes.items() for each in _axis_problems(axis, names)]
    if geometry is not None:
        problems += type_problems(type(geometry), vars(geometry)) or [
            GridProblem(("geometry",), message) for message in geometry.problems()
        ]
    if not isinstance(name, str) or not name:
        problems.append(GridProblem(("name",), f"expected a text, found {name!r}"))
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        message = f"expected a whole number of at least 0, found {seed!r}"
        problems.append(GridProblem(("seed",), message))
    if baseline is not None:
        problems += _baseline_problems(baseline, listed, fixed)
    if geometry is not None:
        problems += _native_problems(geometry, listed["resize"])
    return [*problems, *_color_problems(combine, listed, fixed)]


_Names = Mapping[str, Sequence[str | None]]
"""The canonical names by axis; None in the place of an unknown name."""


def _known(axis: str, name: str) -> str | None:
    try:
        return _canonical(axis, name)
    except UnknownNameError:
        return None


def _axis_problems(axis: str, names: Sequence[str]) -> Iterator[GridProblem]:
    field, methods = f"{axis}s", METHODS[axis]
    if not names:
        message = f"expected a list of at least one {axis}; valid: {', '.join(methods)}"
        yield GridProblem((field,), message)
    seen: set[str] = set()
    for index, name in enumerate(names):
        try:
            method = get_method(methods, axis, name)
        except UnknownNameError as error:
            yield GridProblem((field, index), str(error))
            continue
        if method.name in seen:
            yield GridProblem((field, index), f"{method.name!r} is listed twice")
        seen.add(method.name)
        if method.extra and not is_available(method):
            message = f"{method.name!r} is not installed here: {install_line(method.extra)}"
            yield GridProblem((field, index), message, method.extra)


def _baseline_problems(
    baseline: Variant, listed: _Names, fixed: Mapping[str, str | None]
) -> Iterator[GridProblem]:
    for axis, name in fixed.items():
        if name is None:
            message = unknown_name(axis, getattr(baseline, axis), METHODS[axis])
            yield GridProblem(("baseline",), message)
        elif listed[axis] and name not in listed[axis]:
            message = f"the baseline's {name!r} is not among them"
            yield GridProblem((f"{axis}s",), message)
    decoder = fixed["decoder"]
    if decoder and DECODERS[decoder].exif is Exif.APPLIED:
        message = (
            f"{decoder!r} rotates images, so it cannot be the baseline; take another, and turn the "
            "images of all decoders with --orient upright"
        )
        yield GridProblem(("baseline",), message)


def _native_problems(geometry: Geometry, resizes: Sequence[str | None]) -> Iterator[GridProblem]:
    for index, resize in enumerate(resizes):
        if resize and isinstance(geometry, Native) != (resize == "none"):
            message = f"resize 'none' and the native geometry go together, found {resize!r}"
            yield GridProblem(("resizes", index), message)


def _color_problems(
    combine: Combine | None, listed: _Names, fixed: Mapping[str, str | None]
) -> Iterator[GridProblem]:
    """Check that decoders that go with one color mode only are combined with no other."""
    for index, name in enumerate(listed["decoder"]):
        only = DECODERS[name].color if name else None
        if only is None:
            continue
        varies = combine is not Combine.ONE_FACTOR or name == fixed.get("decoder")
        met = listed["color"] if varies else [fixed.get("color")]
        others = ", ".join(repr(color) for color in met if color not in (None, only))
        if others:
            message = f"{name!r} goes with color {only!r} only, not with {others}"
            yield GridProblem(("decoders", index), message)
