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
from sysnoise.pipelines.report.collect import changed_axes
from sysnoise.transforms.digests import pixel_digest
from sysnoise.transforms.methods import AXES
from sysnoise.transforms.pixels import Pixels

SIDE = 96
"""Pixels: the largest width and height of a crop."""
MAX_VARIANTS = 12
SHARDS = 4
"""From which samples are taken at most, so that few files are read."""


@dataclass(frozen=True)
class Shown:
    """A sample of the gallery.

    Attributes:
        key: of the sample.
        title: label or image id, as text.
        sizes: width and height of the whole image in each of the gallery's variants, as text.
        pictures: number of the picture in each of them.
    """

    key: str
    title: str
    sizes: Sequence[str]
    pictures: Sequence[int]


@dataclass(frozen=True)
class Gallery:
    """Crops of some samples in some variants.

    Attributes:
        variants: ids.
        shards: numbers of those that the samples are from.
        samples: in key order.
        pictures: distinct crops: uint8, shape (H, W, 3), RGB.
    """

    variants: Sequence[str]
    shards: Sequence[int]
    samples: Sequence[Shown]
    pictures: Sequence[Pixels]


@dataclass
class Pictures:
    """Distinct crops, numbered as they come.

    Attributes:
        crops: uint8, shape (H, W, 3), RGB.
        numbers: of the crops, by the digests of their pixels.
    """

    crops: list[Pixels] = field(default_factory=list)
    numbers: dict[bytes, int] = field(default_factory=dict)

    def add(self, pixels: Pixels) -> int:
        """Return the number of a crop, which is a new one if its pixels are."""
        digest = pixel_digest(pixels)
        if digest not in self.numbers:
            self.numbers[digest] = len(self.crops)
            self.crops.append(pixels)
        return self.numbers[digest]


def make_gallery(found: FinishedSet, variants: Sequence[str], count: int) -> Gallery:
    """Read the crops.

    Args:
        found: the set.
        variants: ids, all held.
        count: number of samples.

    Raises:
        SetError: a file is missing or damaged.
    """
    pictures = Pictures()
    samples = []
    chosen = _chosen_samples(found, count)
    for shard, rows in chosen.items():
        keys = [row["key"] for row in rows]
        images = [read_images(found, variant, shard, keys) for variant in variants]
        for row in rows:
            mine = [each[row["key"]] for each in images]
            numbers = [pictures.add(central_crop(each)) for each in mine]
            sizes = [f"{each.shape[1]} x {each.shape[0]}" for each in mine]
            samples.append(Shown(row["key"], _title(row), sizes, numbers))
    return Gallery(variants, list(chosen), samples, pictures.crops)


def chosen_variants(found: FinishedSet, groups: Sequence[Sequence[str]]) -> list[str]:
    """Return the variants that a gallery shows by itself.

    The baseline, then by turns of each axis the variants that differ from it in that axis alone,
    those with the largest mean difference first, then all others in this order. Of variants with
    the same pixels, only the first is shown.
    """
    variants = found.variants
    baseline = variants[found.baseline]
    ordered = sorted(found.held, key=lambda each: -(variants[each]["difference"]["mean"] or 0))
    axes = {each: changed_axes(variants[each], baseline) for each in ordered}
    turns = zip_longest(*([each for each in ordered if axes[each] == (axis,)] for axis in AXES))
    first = {*found.held} & {found.baseline}
    same = {each: group[0] for group in groups for each in group}
    shown: dict[str, str] = {}
    for each in (*first, *filter(None, chain(*turns)), *ordered):
        shown.setdefault(same.get(each, each), each)
    return list(shown.values())[:MAX_VARIANTS]


def spread(length: int, count: int) -> list[int]:
    """Return up to ``count`` positions, evenly spread over a sequence."""
    return [each * length // min(count, length) for each in range(min(count, length))]


def central_crop(pixels: Pixels) -> Pixels:
    """Return the middle of an image: up to 96 x 96 pixels, uint8, shape (H, W, 3)."""
    top, left = (max(0, (side - SIDE) // 2) for side in pixels.shape[:2])
    return np.ascontiguousarray(pixels[top : top + SIDE, left : left + SIDE])


def stored_picture(pixels: Pixels) -> dict[str, Any]:
    """Return the RGB bytes of a crop, deflated (RFC 1950): the browser decodes no image format."""
    height, width, _ = pixels.shape
    data = base64.b64encode(zlib.compress(pixels.tobytes(), 9)).decode("ascii")
    return {"height": height, "width": width, "data": data}


def _chosen_samples(found: FinishedSet, count: int) -> dict[int, list[dict[str, Any]]]:
    """Return rows of the samples table by shard, evenly spread over all accepted ones of some."""
    described = ("image_id",) if found.manifest["dataset"]["kind"] == "coco" else _LABEL
    accepted = [
        (shard, row)
        for shard in spread(found.shards, SHARDS)
        for row in found.samples(shard, ["key", "status", *described])
        if row["status"] == SampleStatus.OK.value
    ]
    by_shard: dict[int, list[dict[str, Any]]] = {}
    for place in spread(len(accepted), count):
        shard, row = accepted[place]
        by_shard.setdefault(shard, []).append(row)
    return by_shard


_LABEL = ("label", "wnid", "class_name")


def _title(row: Mapping[str, Any]) -> str:
    if "image_id" in row:
        return f"image {row['image_id']}"
    known = [str(row[name]) for name in _LABEL if row[name] is not None]
    return f"label {' '.join(known)}"


def read_images(
    found: FinishedSet, variant: str, shard: int, keys: Sequence[str]
) -> dict[str, Pixels]:
    """Read some images of a shard, by key.

    Raises:
        SetError: as of :meth:`FinishedSet.images`, or the shard lacks one.
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
