"""Variants: one method of each axis, and how a grid makes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from sysnoise.transforms.codecs.sources import SOURCES
from sysnoise.transforms.colors import COLORS
from sysnoise.transforms.geometry import Geometry
from sysnoise.transforms.methods import Method, get_method
from sysnoise.transforms.outside import DECODERS, RESIZES
from sysnoise.transforms.variant_ids import FIRST_GEOMETRY, ORIGINAL, variant_id, variant_names

METHODS: Mapping[str, Mapping[str, Method[Any]]] = {
    "decoder": DECODERS,
    "resize": RESIZES,
    "color": COLORS,
    "source": SOURCES,
}
"""The methods of each axis by name."""


class Combine(Enum):
    """How variants are made from the axes of a grid."""

    PRODUCT = "product"
    ONE_FACTOR = "one-factor"
    LISTED = "listed"


@dataclass(frozen=True, order=True)
class Variant:
    """One method of each axis.

    Attributes:
        decoder, resize, color: the canonical names of the methods.
        source: the canonical name of what becomes of the file before it is decoded.
        geometry: the name of the geometry; ``first`` is the grid's first one.

    Examples:
        >>> from sysnoise import Variant
        >>> variant = Variant.parse("pil/pil-cubic/rgb")  # The names of the paper.
        >>> variant.id
        'pillow/pillow-bicubic/rgb'
        >>> Variant("pillow", "pillow-bilinear", "rgb", source="jpeg-q75").id
        'pillow/pillow-bilinear/rgb--from-jpeg-q75'
    """

    decoder: str
    resize: str
    color: str
    source: str = ORIGINAL
    geometry: str = FIRST_GEOMETRY

    @property
    def id(self) -> str:
        """The id, ``decoder/resize/color``, ``--from-SOURCE`` and ``--at-GEOMETRY`` where given."""
        return variant_id(vars(self))

    @property
    def slug(self) -> str:
        """The name in paths, where slashes are not allowed: ``decoder__resize__color``."""
        return self.id.replace("/", "__")

    @classmethod
    def parse(cls, variant_id: str) -> Variant:
        """Return the variant with this id; the paper's names are accepted.

        Raises:
            ValueError: it is not an id, or has an unknown name.
        """
        names = variant_names(variant_id)
        return cls(**{axis: canonical_name(axis, name) for axis, name in names.items()})


BASELINE = Variant("pillow", "pillow-bilinear", "rgb")
"""The baseline of grids that give none."""


@dataclass(frozen=True)
class NamedGeometry:
    """One of several geometries of a grid.

    Attributes:
        name: what ids and slugs call it: lower-case letters, digits and single dashes.
        geometry: how images are resized, cropped and padded.
    """

    name: str
    geometry: Geometry


@dataclass(frozen=True)
class Stack:
    """A variant with a name: one way from file to tensor, as a framework or a device takes it.

    Attributes:
        name: what tables call it.
        variant: its methods.
        stands_for: what is known of the way that it stands for: versions, sources, distances.
    """

    name: str
    variant: Variant
    stands_for: str = ""


def canonical_name(axis: str, name: str) -> str:
    """Return the name of a method that is given by its name or an alias.

    Raises:
        UnknownNameError: there is no such method.
    """
    if axis not in METHODS:  # Geometries have the names that a grid gives them.
        return name
    return get_method(METHODS[axis], axis, name).name
