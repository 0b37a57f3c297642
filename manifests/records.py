"""What reading a finished set gives: samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sysnoise.transforms.pixels import Pixels


@dataclass(frozen=True, kw_only=True)
class SampleDescription:
    """What all variants of a sample have in common.

    Attributes:
        key: the sample's key.
        label: ImageNet's label, 0-based in wnid order; None for COCO.
        image_id: COCO's id of the image; None for ImageNet.
        targets: COCO's objects in the pixels of the image: ``bbox`` as x, y, width, height. Their
            ``segmentation`` is COCO's own in tars, and run-length text of pycocotools in Parquet.
        geometry: how the source image became this one: sizes, crop, padding, ``scale_x`` and
            ``scale_y``; in sets whose images are turned upright first, ``orient`` says so.
        geometry_exif: the same for variants whose decoder applies the EXIF orientation; None
            where the grid has no such decoder.
    """

    key: str
    label: int | None
    image_id: int | None
    targets: Sequence[Mapping[str, Any]] | None
    geometry: Mapping[str, Any]
    geometry_exif: Mapping[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class Sample(SampleDescription):
    """A sample of one variant.

    Attributes:
        image: uint8, shape (H, W, 3), RGB; it may be read-only.
    """

    image: Pixels


@dataclass(frozen=True, kw_only=True)
class PairedSample(SampleDescription):
    """A sample of several variants side by side.

    Attributes:
        images: image of each variant, by id; variants with the same stored bytes share an array.
    """

    images: Mapping[str, Pixels]
