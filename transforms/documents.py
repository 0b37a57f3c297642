"""The types of JSON documents that the transforms give, in a module that loads no codec."""

from __future__ import annotations

from typing import Any, TypedDict

Build = dict[str, Any]
"""Facts about the build of a library: ``version``, and what else decides its pixels."""

GeometryDocument = dict[str, Any]
"""A geometry: ``rule``, and the parameters of that rule."""


class MethodIdentity(TypedDict):
    """What decides the pixels of a method."""

    name: str
    library: str
    build: Build
    options: dict[str, str | int | bool]


class GridDocument(TypedDict):
    """A grid as the mapping of a grid file."""

    name: str
    decoders: list[str]
    resizes: list[str]
    colors: list[str]
    geometry: GeometryDocument
    baseline: str
    combine: str
    color_stage: str
    seed: int


class DifferenceDocument(TypedDict):
    """How far images are from those of the baseline: sums, and what follows from them."""

    images: int
    identical_images: int
    pixels: int
    changed_pixels: int
    absolute_sum: int
    squared_sum: int
    maximum: int
    mean: float | None
    psnr: float | None
    changed_share: float | None
    identical_share: float | None
