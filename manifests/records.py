"""What reading a finished set gives: samples, and files of its shards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sysnoise.transforms.pixels import Pixels


@dataclass(frozen=True, kw_only=True)
class Described:
    """What all variants of a sample have in common.

    Attributes:
        key: of the sample.
        label: of ImageNet, 0-based in wnid order.
        image_id: of COCO.
        targets: COCO's objects in the pixels of the image: ``bbox`` as x, y, width, height. Their
            ``segmentation`` is COCO's own in tars, and run-length text of pycocotools in Parquet.
        geometry: how the source image became this one: sizes, crop, padding, ``scale_x`` and
            ``scale_y``.
        geometry_exif: the same for the variants of decoders that apply the EXIF orientation, where
            the grid has such.
    """

    key: str
    label: int | None
    image_id: int | None
    targets: Sequence[Mapping[str, Any]] | None
    geometry: Mapping[str, Any]
    geometry_exif: Mapping[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class Sample(Described):
    """A sample of one variant.

    Attributes:
        image: uint8, shape (H, W, 3), RGB; it may be read-only.
    """

    image: Pixels


@dataclass(frozen=True, kw_only=True)
class PairedSample(Described):
    """A sample of several variants side by side.

    Attributes:
        images: by id of the variant; where the stored bytes are the same, so is the array.
    """

    images: Mapping[str, Pixels]
