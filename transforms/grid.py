"""Grids: the variants of a run, and everything else that decides pixels."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from dataclasses import dataclass
from enum import Enum

from sysnoise.transforms.codecs.decoders import DECODERS
from sysnoise.transforms.codecs.exif import Exif, Orient
from sysnoise.transforms.digests import canonical_sha256
from sysnoise.transforms.documents import GridDocument, NamedVariant, geometry_document
from sysnoise.transforms.errors import grid_error
from sysnoise.transforms.geometry import Geometry, Placement
from sysnoise.transforms.grid_problems import GridValues, grid_problems, problem_lines
from sysnoise.transforms.methods import AXES, MethodIdentity, identity, unknown_name
from sysnoise.transforms.pixels import Size
from sysnoise.transforms.variant_ids import ALL_AXES, FIRST_GEOMETRY, OPTIONAL_AXES, ORIGINAL
from sysnoise.transforms.variants import (
    BASELINE,
    METHODS,
    Combine,
    NamedGeometry,
    Stack,
    Variant,
    canonical_name,
)


class ColorStage(Enum):
    """When the color mode is applied: hardware converts before it resizes."""

    BEFORE_RESIZE = "before-resize"
    AFTER_RESIZE = "after-resize"


@dataclass(frozen=True)
class Grid:
    """The variants of a run, with geometry, color stage, seed and baseline.

    Aliases are replaced by canonical names when a grid is made.

    Attributes:
        name: the name of the grid, which has no effect on pixels.
        decoders, resizes, colors: the names of the methods on each axis, in the order of variants.
        geometry: how images are resized, cropped and padded; of several, the baseline's.
        baseline: the variant that represents the training system.
        combine: whether variants are the product of the axes, differ from the baseline in one, or
            are those of the stacks.
        color_stage: whether the color mode is applied before or after the resize.
        seed: the seed of random geometries.
        orient: whether every decoder's pixels are turned upright by EXIF before everything else.
        sources: the names of what becomes of files before they are decoded.
        geometries: all geometries, of which ``geometry`` is the first; empty where it is the only
            one.
        stacks: the variants one by one, each with a name, where they are listed; two that have the
            same methods are one variant.

    Raises:
        GridError: the grid has unknown names or settings that are wrong or contradict each other;
            all its problems are listed.
        MissingExtraError: the only problem is that libraries of methods are not installed.

    Examples:
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
    sources: tuple[str, ...] = (ORIGINAL,)
    geometries: tuple[NamedGeometry, ...] = ()
    stacks: tuple[Stack, ...] = ()

    def __post_init__(self) -> None:
        problems = grid_problems(
            GridValues(
                axes=self.axes,
                geometry=self.geometry,
                baseline=self.baseline,
                combine=self.combine,
                name=self.name,
                seed=self.seed,
                geometries=self.geometries,
                stacks=self.stacks,
            )
        )
        if problems:
            raise grid_error(problems, [f"grid {self.name!r}:", *problem_lines(problems)])
        for axis, names in self.axes.items():
            canonical = dict.fromkeys(canonical_name(axis, name) for name in names)
            object.__setattr__(self, f"{axis}s", tuple(canonical))
        object.__setattr__(self, "baseline", Variant.parse(self.baseline.id))
        stacks = (
            dataclasses.replace(each, variant=Variant.parse(each.variant.id))
            for each in self.stacks
        )
        object.__setattr__(self, "stacks", tuple(stacks))

    @property
    def axes(self) -> dict[str, tuple[str, ...]]:
        """The names of the methods by axis."""
        return {
            "decoder": self.decoders,
            "resize": self.resizes,
            "color": self.colors,
            "source": self.sources,
        }

    @functools.cached_property
    def variants(self) -> tuple[Variant, ...]:
        """All variants: the product of the axes, one axis after the other, or those of stacks."""
        if self.combine is Combine.LISTED:
            return tuple(dict.fromkeys(stack.variant for stack in self.stacks))
        names = {**self.axes, "geometry": self.geometry_names}
        if self.combine is Combine.PRODUCT:
            return tuple(
                Variant(decoder, resize, color, source, geometry)
                for source in self.sources
                for geometry in self.geometry_names
                for decoder, resize, color in itertools.product(*(names[axis] for axis in AXES))
            )
        changed = (
            dataclasses.replace(self.baseline, **{axis: name})
            for axis in ALL_AXES
            for name in names[axis]
        )
        return tuple(dict.fromkeys((self.baseline, *changed)))

    @property
    def geometry_names(self) -> tuple[str, ...]:
        """The names of the geometries in variants, where the first one is ``first``."""
        return (FIRST_GEOMETRY, *(each.name for each in self.geometries[1:]))

    def variant(self, name: str) -> Variant:
        """Return the variant of this grid that has this id or slug; it may have the paper's names.

        Raises:
            ValueError: the grid has no such variant; the message lists the ids that it has.
        """
        named = self._variants_by_name
        if name in named:
            return named[name]
        try:
            return named[Variant.parse(name.replace("__", "/")).id]
        except (KeyError, ValueError) as error:
            ids = (each.id for each in self.variants)
            text = f"grid {self.name!r}: {unknown_name('variant', name, ids)}"
            raise ValueError(text) from error

    @functools.cached_property
    def _variants_by_name(self) -> dict[str, Variant]:
        """The variants by id and by slug."""
        return {name: each for each in self.variants for name in (each.id, each.slug)}

    def place(self, source: Size, key: str, geometry: str = FIRST_GEOMETRY) -> Placement:
        """Return the placement of a decoded image.

        Args:
            source: the size of the decoded image, upright where the grid turns images.
            key: the sample's key, from which random geometries are drawn.
            geometry: the name of the geometry, one of :attr:`geometry_names`.
        """
        return _placement(self.geometry_called(geometry), source, self.seed, key)

    def geometry_called(self, name: str) -> Geometry:
        """Return the geometry that has a name, one of :attr:`geometry_names`."""
        if name == FIRST_GEOMETRY:
            return self.geometry
        return {each.name: each.geometry for each in self.geometries[1:]}[name]

    def __repr__(self) -> str:
        counts = {**self.axes, "geometry": self.geometry_names}
        axes = ", ".join(f"{axis} {len(names)}" for axis, names in counts.items())
        return f"<Grid {self.name!r}: {len(self.variants)} variants, {self.combine.value}; {axes}>"

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
        if self.sources != (ORIGINAL,):
            document["sources"] = list(self.sources)
        if self.geometries:
            document["geometries"] = [
                {"name": each.name, **geometry_document(each.geometry)} for each in self.geometries
            ]
        if self.stacks:
            document["variants"] = [self._stack_document(each) for each in self.stacks]
        return document

    def _stack_document(self, stack: Stack) -> NamedVariant:
        variant = stack.variant
        document: NamedVariant = {
            "name": stack.name,
            "decoder": variant.decoder,
            "resize": variant.resize,
            "color": variant.color,
        }
        if variant.source != ORIGINAL:
            document["source"] = variant.source
        if variant.geometry != FIRST_GEOMETRY:
            document["geometry"] = variant.geometry
        if stack.stands_for:
            document["stands_for"] = stack.stands_for
        return document

    def fingerprint(self) -> str:
        """Return the sha256, in hexadecimal, of everything in the grid that decides pixels."""
        return canonical_sha256(
            {key: value for key, value in self.document().items() if key != "name"}
        )

    def identities(self) -> dict[str, dict[str, MethodIdentity]]:
        """Return the identity of every method, by the field that lists it and by its name."""
        return {
            f"{axis}s": {name: identity(METHODS[axis][name]) for name in names}
            for axis, names in self.axes.items()
            if axis not in OPTIONAL_AXES or names != (OPTIONAL_AXES[axis],)
        }

    @property
    def exif(self) -> Exif:
        """Whether any decoder of the grid turns images that the others leave as they are stored."""
        applied = any(DECODERS[name].exif is Exif.APPLIED for name in self.decoders)
        return Exif.APPLIED if applied and self.orient is Orient.STORED else Exif.IGNORED


@functools.lru_cache(maxsize=8)  # A sample has few sizes and asks for each several times.
def _placement(geometry: Geometry, source: Size, seed: int, key: str) -> Placement:
    return geometry.place(source, seed, key)
