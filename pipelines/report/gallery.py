"""The gallery of the report: small crops of some samples in some variants, each stored once."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from typing import Any

import numpy as np

from sysnoise.manifests.errors import SetError
from sysnoise.manifests.reading import FinishedSet
from sysnoise.manifests.tables import SampleStatus
from sysnoise.pipelines.errors import quoted
from sysnoise.transforms.digests import pixel_digest
from sysnoise.transforms.pixels import Pixels
from sysnoise.transforms.variant_ids import ALL_AXES, changed_axes

CROP_SIDE = 96
"""The largest width and height of a crop, in pixels."""
MAX_VARIANTS = 12
"""Number of variants that are shown at most."""
MAX_SHARDS = 4
"""Number of shards that samples are taken from at most, so that few files are read."""


@dataclass(frozen=True)
class StoredPicture:
    """A crop as the script of the page reads it.

    Attributes:
        height, width: its size in pixels.
        data: its RGB bytes, deflated (RFC 1950), in base64.
    """

    height: int
    width: int
    data: str


@dataclass(frozen=True)
class GallerySample:
    """A sample of the gallery.

    Attributes:
        key: the key of the sample.
        title: its label or image id, as text.
        sizes: the width and height of the whole image in each of the gallery's variants, as text.
        pictures: the index of the picture in each of them.
    """

    key: str
    title: str
    sizes: Sequence[str]
    pictures: Sequence[int]


@dataclass(frozen=True)
class Gallery:
    """Crops of some samples in some variants.

    Attributes:
        variants: the ids of the variants.
        shards: the numbers of the shards that the samples are from.
        samples: the samples, in key order.
        pictures: the distinct crops: uint8, shape (H, W, 3), RGB.
    """

    variants: Sequence[str]
    shards: Sequence[int]
    samples: Sequence[GallerySample]
    pictures: Sequence[Pixels]


@dataclass
class DistinctPictures:
    """Crops, each of which is stored once.

    Attributes:
        crops: the crops: uint8, shape (H, W, 3), RGB.
        indices: the index of each crop, by the digest of its pixels.
    """

    crops: list[Pixels] = field(default_factory=list)
    indices: dict[bytes, int] = field(default_factory=dict)

    def add(self, pixels: Pixels) -> int:
        """Store a crop unless there is one with the same pixels, and return its index."""
        digest = pixel_digest(pixels)
        if digest not in self.indices:
            self.indices[digest] = len(self.crops)
            self.crops.append(pixels)
        return self.indices[digest]


def make_gallery(found: FinishedSet, variants: Sequence[str], count: int) -> Gallery:
    """Read the crops of the gallery.

    Args:
        found: the set.
        variants: ids of variants, whose images are all available.
        count: number of samples.

    Raises:
        SetError: a file is missing or damaged.
    """
    pictures = DistinctPictures()
    samples = []
    chosen = _chosen_samples(found, count)
    for shard, rows in chosen.items():
        keys = [row["key"] for row in rows]
        images = [read_images(found, variant, shard, keys) for variant in variants]
        for row in rows:
            of_sample = [each[row["key"]] for each in images]
            indices = [pictures.add(central_crop(each)) for each in of_sample]
            sizes = [f"{each.shape[1]} x {each.shape[0]}" for each in of_sample]
            samples.append(GallerySample(row["key"], _title(row), sizes, indices))
    return Gallery(variants, list(chosen), samples, pictures.crops)


def chosen_variants(found: FinishedSet, groups: Sequence[Sequence[str]]) -> list[str]:
    """Return the variants that a gallery shows by default.

    They are the baseline, then the variants that differ from it in one axis, taken from each axis
    in turn and those with the largest mean difference first, then all others in this order. Of
    variants with the same pixels, only the first is shown.
    """
    variants = found.variants
    ordered = sorted(found.held, key=lambda each: -(variants[each]["difference"]["mean"] or 0))
    axes = {each: changed_axes(each, found.baseline) for each in ordered}
    turns = zip_longest(*([each for each in ordered if axes[each] == (axis,)] for axis in ALL_AXES))
    baselines = {*found.held} & {found.baseline}
    first_alike = {each: group[0] for group in groups for each in group}
    shown: dict[str, str] = {}
    for each in (*baselines, *filter(None, chain(*turns)), *ordered):
        shown.setdefault(first_alike.get(each, each), each)
    return list(shown.values())[:MAX_VARIANTS]


def spread_indices(length: int, count: int) -> list[int]:
    """Return up to ``count`` indices, evenly spread over a sequence."""
    return [each * length // min(count, length) for each in range(min(count, length))]


def central_crop(pixels: Pixels) -> Pixels:
    """Return the middle of an image: up to 96 x 96 pixels, uint8, shape (H, W, 3)."""
    top, left = (max(0, (side - CROP_SIDE) // 2) for side in pixels.shape[:2])
    return np.ascontiguousarray(pixels[top : top + CROP_SIDE, left : left + CROP_SIDE])


def stored_picture(pixels: Pixels) -> StoredPicture:
    """Return a crop for the script of the page, so that the browser decodes no image format."""
    height, width, _ = pixels.shape
    data = base64.b64encode(zlib.compress(pixels.tobytes(), 9)).decode("ascii")
    return StoredPicture(height, width, data)


def _chosen_samples(found: FinishedSet, count: int) -> dict[int, list[dict[str, Any]]]:
    """Return rows of accepted samples by shard, evenly spread over those of some shards."""
    described = ("image_id",) if found.manifest["dataset"]["kind"] == "coco" else _LABEL_COLUMNS
    accepted = [
        (shard, row)
        for shard in spread_indices(found.shards, MAX_SHARDS)
        for row in found.samples(shard, ["key", "status", *described])
        if row["status"] == SampleStatus.OK.value
    ]
    by_shard: dict[int, list[dict[str, Any]]] = {}
    for index in spread_indices(len(accepted), count):
        shard, row = accepted[index]
        by_shard.setdefault(shard, []).append(row)
    return by_shard


_LABEL_COLUMNS = ("label", "wnid", "class_name")
"""The columns of the table of samples that describe a label."""


def _title(row: Mapping[str, Any]) -> str:
    if "image_id" in row:
        return f"image {row['image_id']}"
    described = [str(row[name]) for name in _LABEL_COLUMNS if row[name] is not None]
    return f"label {' '.join(described)}"


def read_images(
    found: FinishedSet, variant: str, shard: int, keys: Sequence[str]
) -> dict[str, Pixels]:
    """Read some images of a shard, by key.

    Raises:
        SetError: a file is missing or damaged, or the shard lacks an image.
    """
    wanted: set[str] = {*keys}
    images: dict[str, Pixels] = {}
    for key, data in found.images(variant, shard):
        if key in wanted:
            images[key] = found.decode(variant, shard, key, data)
        if len(images) == len(wanted):
            return images
    lacking = sorted(wanted - images.keys())
    raise SetError(
        f"reading {found.shard_file(variant, shard).path!r} of {found.url!r}: it lacks "
        f"{quoted(lacking)}, which the table of samples has; 'sysnoise verify' finds the damage"
    )
