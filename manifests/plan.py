"""The plan of a set: which shard has which samples, and everything that decides their bytes.

``plan.json`` is written before any pixel is decoded. Every receipt has its fingerprint.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from sysnoise.manifests.json_documents import (
    DocumentError,
    JsonObject,
    as_document,
    json_bytes,
    parse_json,
)
from sysnoise.manifests.layout import IMAGE_COLUMN, IMAGE_FORMATS, SPLIT, ShardFormat, shard_name
from sysnoise.manifests.tables import DatasetKind, Duplicates, UnsupportedKinds
from sysnoise.transforms.digests import canonical_sha256
from sysnoise.transforms.documents import GridDocument, NamedVariant, other_geometries
from sysnoise.transforms.methods import AXES, MethodIdentity
from sysnoise.transforms.variant_ids import (
    ALL_AXES,
    FIRST_GEOMETRY,
    ORIGINAL,
    is_name,
    is_variant_id,
    variant_id,
    variant_names,
)

if TYPE_CHECKING:
    from sysnoise.transforms.grid import Grid

PLAN_VERSION = 1

MOST_VARIANTS = 100_000
"""Largest number of variants of a plan that is read: a product of short lists has no other bound.

The largest shipped grid has some hundreds.
"""

Positive = Annotated[int, msgspec.Meta(ge=1)]
Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
"""A sha256 in hexadecimal."""
SplitName = Annotated[str, msgspec.Meta(pattern=rf"^{SPLIT}\Z")]
ImageFormat = Annotated[str, msgspec.Meta(pattern=rf"^({'|'.join(IMAGE_FORMATS)})\Z")]
MethodName = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]+\Z")]
"""The name of a method, which is a part of ids and paths."""


class ClassInfo(msgspec.Struct, frozen=True):
    """A class of ImageNet.

    Attributes:
        wnid: WordNet id, such as ``n01440764``; None where the source does not know it.
        name: name of the class; None where the source does not know it.
    """

    wnid: str | None
    name: str | None


class Identities(msgspec.Struct, frozen=True, omit_defaults=True):
    """What decides the bytes of a set besides its sources: the methods and their builds.

    Attributes:
        decoders, resizes, colors: identity of each method of the grid, by name.
        encoder: identity of the encoder of the images.
        sources: identity of what becomes of files before they are decoded; empty where all are as
            they are.
    """

    decoders: dict[MethodName, MethodIdentity]
    resizes: dict[MethodName, MethodIdentity]
    colors: dict[MethodName, MethodIdentity]
    encoder: MethodIdentity
    sources: dict[MethodName, MethodIdentity] = {}


class Plan(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    dict=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    """Everything that decides the bytes of a set, except the images themselves.

    Attributes:
        version: version of this format.
        kind: the dataset, ``dataset`` in the file.
        split: name of the split.
        samples: number of source images.
        samples_per_shard: number of source images per shard; shard ``i`` holds those from
            ``i * samples_per_shard`` on.
        shards: number of shards.
        formats: formats of the shard files; empty for a set without images.
        image_format: format of the images in them.
        row_group_rows: rows per row group of Parquet shards.
        grid_document: the grid as the mapping of a grid file, ``grid`` in the file.
        classes: ImageNet's classes by label, as far as the source knows them.
        coco: ``info``, ``licenses`` and ``categories`` of a COCO file.
        source_sha256: fingerprint of the table of sources.
        identities: the identities of the methods and of the encoder.
        unsupported: what becomes of kinds of files that a decoder is not made for.
        duplicates: what becomes of shard files that equal those of an earlier variant.
        max_pixels: limit of the pixels of an image, as stored or as resized; larger images are
            rejected before they are decoded.
        max_bytes: limit of the length of an image's file; longer files are rejected before more of
            them is read.
        image_column: the column of images in source files that are Parquet; left out of the file
            where it is ``image``.
        fingerprint: sha256, in hexadecimal, of everything but itself and the grid's name.
    """

    version: int
    kind: DatasetKind = msgspec.field(name="dataset")
    split: SplitName
    samples: Positive
    samples_per_shard: Positive
    shards: Positive
    formats: tuple[ShardFormat, ...]
    image_format: ImageFormat
    row_group_rows: Positive
    grid_document: GridDocument = msgspec.field(name="grid")
    classes: tuple[ClassInfo, ...]
    coco: JsonObject
    source_sha256: Sha256
    identities: Identities
    unsupported: UnsupportedKinds
    duplicates: Duplicates
    max_pixels: Positive
    max_bytes: Positive
    image_column: str = IMAGE_COLUMN
    fingerprint: Sha256

    @functools.cached_property
    def grid(self) -> Grid:
        """The grid, which loads the codecs.

        Raises:
            GridError: a method of the grid is unknown or not installed here.
        """
        from sysnoise.transforms.grid_document import grid_from_document

        return grid_from_document(self.grid_document, "grid")

    @property
    def grid_name(self) -> str:
        """What people call the grid."""
        return self.grid_document["name"]

    def shard_size(self, shard: int) -> int:
        """Return the number of source images of a shard."""
        return min(self.samples_per_shard, self.samples - shard * self.samples_per_shard)

    def shard_name(self, shard: int) -> str:
        """Return ``00003-of-00196``."""
        return shard_name(shard, self.shards)

    def document(self) -> JsonObject:
        """Return the plan as the JSON object of ``plan.json``."""
        document: JsonObject = json.loads(json_bytes(self))
        return document


def shard_count(samples: int, samples_per_shard: int) -> int:
    """Return the number of shards."""
    return math.ceil(samples / samples_per_shard)


def plan_fingerprint(document: Mapping[str, Any]) -> str:
    """Return the sha256, in hexadecimal, of everything in a plan that decides bytes.

    Args:
        document: the JSON object of ``plan.json``; its fingerprint and the grid's name do not
            count.
    """
    grid = {name: value for name, value in document["grid"].items() if name != "name"}
    content = {name: value for name, value in document.items() if name != "fingerprint"}
    return canonical_sha256({**content, "grid": grid})


def read_plan(data: bytes) -> Plan:
    """Read the content of ``plan.json``.

    Raises:
        DocumentError: it is not a plan, has another version, or was edited.
    """
    document = parse_json(data)
    version = document.get("version") if isinstance(document, dict) else None
    if version != PLAN_VERSION:
        raise DocumentError(f"expected a plan of version {PLAN_VERSION}, found {version}")
    plan = as_document(document, Plan)
    _refuse_unnamed(plan.grid_document)
    if variant_count(plan) > MOST_VARIANTS:
        raise DocumentError(f"has {variant_count(plan)} variants, more than {MOST_VARIANTS}")
    found = plan_fingerprint(document)
    if found != plan.fingerprint:
        raise DocumentError(
            f"was edited: its fingerprint is {plan.fingerprint}, that of its content {found}"
        )
    if plan.shards != shard_count(plan.samples, plan.samples_per_shard):
        raise DocumentError(
            f"says {plan.shards} shards for {plan.samples} samples, {plan.samples_per_shard} per "
            "shard"
        )
    return plan


def _refuse_unnamed(grid: GridDocument) -> None:
    """Refuse a grid whose variants have no ids, which name its geometries.

    Raises:
        DocumentError: a geometry has no name, or the baseline is no id.
    """
    for geometry in grid.get("geometries", ()):
        if not is_name(str(geometry.get("name"))):
            raise DocumentError(f"has a geometry without a name: {geometry}")
    if not is_variant_id(grid["baseline"]):
        raise DocumentError(f"its baseline {grid['baseline']!r} is not the id of a variant")


def variant_count(plan: Plan) -> int:
    """Return the number of variants of a plan, without the libraries that its methods need."""
    return grid_size(plan.grid_document)


def grid_size(grid: GridDocument) -> int:
    """Return the number of variants of a grid; stacks of the same methods are one."""
    counts = [len(names) for names in _axes(grid).values()]
    if grid["combine"] == "listed":
        return len({*map(stack_variant, grid.get("variants", ()))})
    if grid["combine"] == "one-factor":
        return 1 + sum(count - 1 for count in counts)
    return math.prod(counts)


def grid_variants(grid: GridDocument) -> tuple[str, ...]:
    """Return the ids of a grid's variants, in its order, without the libraries of its methods."""
    if grid["combine"] == "listed":
        stacks = grid.get("variants", ())
        return tuple(dict.fromkeys(stack_variant(each) for each in stacks))
    axes = _axes(grid)
    if grid["combine"] != "one-factor":
        first = itertools.product(axes["source"], axes["geometry"])
        methods = [axes[axis] for axis in AXES]
        return tuple(
            variant_id(dict(zip(ALL_AXES, (*names, source, geometry), strict=True)))
            for source, geometry in first
            for names in itertools.product(*methods)
        )
    baseline = variant_names(grid["baseline"])
    changed = (
        variant_id({**baseline, axis: name}) for axis, names in axes.items() for name in names
    )
    return tuple(dict.fromkeys((grid["baseline"], *changed)))


def _axes(grid: GridDocument) -> dict[str, list[str]]:
    """Return the names by axis, as ids have them."""
    return {
        "decoder": grid["decoders"],
        "resize": grid["resizes"],
        "color": grid["colors"],
        "source": grid.get("sources", [ORIGINAL]),
        "geometry": [FIRST_GEOMETRY, *other_geometries(grid)],
    }


def stack_variant(stack: NamedVariant) -> str:
    """Return the id of the variant of a stack, as a set's own documents have it."""
    return variant_id(
        {
            "decoder": stack["decoder"],
            "resize": stack["resize"],
            "color": stack["color"],
            "source": stack.get("source", ORIGINAL),
            "geometry": stack.get("geometry", FIRST_GEOMETRY),
        }
    )


def stack_variants(grid: GridDocument) -> dict[str, str]:
    """Return the id of the variant of each stack, by the name of the stack."""
    return {each["name"]: stack_variant(each) for each in grid.get("variants", ())}


def stack_names(stacks: Mapping[str, str]) -> dict[str, str]:
    """Return what people know a variant by: the names of its stacks, joined by commas.

    Args:
        stacks: ids of variants by the names of their stacks.
    """
    names: dict[str, list[str]] = {}
    for name, variant in stacks.items():
        names.setdefault(variant, []).append(name)
    return {variant: ", ".join(own) for variant, own in names.items()}
