"""COCO's instances format, as far as boxes and masks are scored with it."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from sysnoise.transforms.targets import Rle


class ScoredImage(TypedDict):
    """An image; only masks need its size, in pixels."""

    id: int
    height: NotRequired[int]
    width: NotRequired[int]


class CocoObject(TypedDict):
    """An object.

    ``area`` is in square pixels of the source image. ``bbox`` is x, y, width and height in these
    pixels; where there is a mask, both are in pixels of the stored image.
    """

    id: int
    image_id: int
    category_id: int
    bbox: list[float]
    area: float
    iscrowd: int
    segmentation: NotRequired[Rle]


class CocoCategory(TypedDict):
    """A category; it may have a name, too."""

    id: int


class CocoDocument(TypedDict):
    """An instances document of boxes, or of masks."""

    info: dict[str, str]
    images: list[ScoredImage]
    categories: list[CocoCategory]
    annotations: list[CocoObject]
