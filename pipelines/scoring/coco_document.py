"""COCO's instances format, as far as boxes are scored with it."""

from __future__ import annotations

from typing import TypedDict


class ScoredImage(TypedDict):
    """An image; its size does not matter."""

    id: int


class CocoObject(TypedDict):
    """An object: ``bbox`` is x, y, width and height in pixels of the source image."""

    id: int
    image_id: int
    category_id: int
    bbox: list[float]
    area: float
    iscrowd: int


class CocoCategory(TypedDict):
    """A category; it may have a name, too."""

    id: int


class CocoDocument(TypedDict):
    """An instances document, without segmentations."""

    info: dict[str, str]
    images: list[ScoredImage]
    categories: list[CocoCategory]
    annotations: list[CocoObject]
