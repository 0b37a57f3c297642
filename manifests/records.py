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

    @property
    def _target(self) -> str:
        """The label, or the image's id and the number of its objects, in words."""
        if self.image_id is None:
            return f"label {self.label}"
        return f"image_id {self.image_id}, {len(self.targets or ())} objects"


@dataclass(frozen=True, kw_only=True)
class Sample(SampleDescription):
    """A sample of one variant.

    Attributes:
        image: uint8, shape (H, W, 3), RGB; it may be read-only.
    """

    image: Pixels

    def __repr__(self) -> str:
        return f"<Sample {self.key!r}: {_size(self.image)}, {self._target}>"


@dataclass(frozen=True, kw_only=True)
class PairedSample(SampleDescription):
    """A sample of several variants side by side.

    Attributes:
        images: image of each variant, by id; variants with the same stored bytes share an array.
    """

    images: Mapping[str, Pixels]

    def __repr__(self) -> str:
        sizes = ", ".join(dict.fromkeys(map(_size, self.images.values())))
        return f"<PairedSample {self.key!r}: {len(self.images)} variants, {sizes}, {self._target}>"


def _size(pixels: Pixels) -> str:
    height, width = pixels.shape[:2]
    return f"{width} x {height} pixels"
